"""
What may be shown: a number only in part, a text not at all.

Rule of this module: what a stranger wrote (an error text of the gateway) is cleaned before it is
kept, since the key and the text may be echoed in it.
"""

from __future__ import annotations

import re

__all__ = ["clean", "mask_phone"]


_LONGEST_DETAIL = 200


_DIGIT_RUN = re.compile(r"\d[\d\s()\[\].,/_+\u2010-\u2015\u2212-]{4,}\d")


def clean(detail: str, *secrets: str) -> str:
    """
    Make a stranger's text fit to be kept: one short line without *secrets* and whole numbers.

    Args:
        detail: What the gateway or an exception said.

        secrets: The key and the text of the request; each is cut out wherever it is echoed, the
            longest first, since one may stand within another.

    Returns:
        At most 200 characters, printable.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        detail = detail.replace(secret, "[hidden]")
    detail = "".join(c if c.isprintable() else " " for c in detail[: 4 * _LONGEST_DETAIL])
    detail = _DIGIT_RUN.sub(_mask_run, detail)
    return " ".join(detail.split())[:_LONGEST_DETAIL]


def _mask_run(run: re.Match[str]) -> str:
    return "…" + "".join(c for c in run[0] if c.isdecimal())[-2:]


_E164_LIKE = re.compile(r"\+?[0-9]{7,15}")


_LONGEST_SHAPE = 24


def mask_phone(phone: object) -> str:
    """
    Show enough of *phone* to recognise it, and not enough to call it.

    Returns:
        ``+12…34`` for a number; for anything else its shape, digits as 9 and letters as x.
    """
    if not isinstance(phone, str):
        return f"<{type(phone).__name__}>"
    if _E164_LIKE.fullmatch(phone):
        return f"{phone[:3]}…{phone[-2:]}"
    shape = "".join(map(_shape_of, phone[:_LONGEST_SHAPE]))
    return shape + "…" if len(phone) > _LONGEST_SHAPE else shape


def _shape_of(char: str) -> str:
    if char.isalpha():
        return "x"
    if char.isnumeric():
        return "9"
    return char if char.isprintable() else " "
