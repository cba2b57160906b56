"""
What may be shown: the key never, a number only in part, a text not at all.

Rules of this module:

1. The key is a value that hides itself; `reveal` is called in one place, where the body is made.
2. What a stranger wrote (an error text of the gateway) is cleaned before it is kept: the key and
   the text may be echoed in it.
"""

import hashlib
import re
from typing import NoReturn

from .errors import ConfigurationError

__all__ = ["ApiKey", "clean", "read_key"]

_LONGEST_DETAIL = 200
#: A key that is shorter, as in tests, may be part of the words of an answer.
_SHORTEST_KEY = 8
_DIGIT_RUN = re.compile(r"\d[\d\s()\[\].,/_+\u2010-\u2015\u2212-]{4,}\d")


class ApiKey:
    """
    A key that never shows itself.

    Attributes:
        account: 12 hexadecimal digits that stand for the key in logs and in shared state; the
            head of a BLAKE2b hash, from which the key cannot be had back.
    """

    __slots__ = ("_encoded", "_value", "account")

    def __init__(self, value: str) -> None:
        self._value = value
        self._encoded = value.encode()
        digest = hashlib.blake2b(self._encoded, digest_size=6, person=b"customersms")
        self.account = digest.hexdigest()

    def reveal(self) -> str:
        """Give the key itself, for the body of a request and nothing else."""
        return self._value

    def hide_in(self, answer: bytes) -> bytes:
        """Cut the key out of what a stranger wrote, wherever it is echoed."""
        if len(self._encoded) < _SHORTEST_KEY:
            return answer
        return answer.replace(self._encoded, b"[hidden]")

    def __repr__(self) -> str:
        return f"<ApiKey of account {self.account}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self.account)

    def __reduce__(self) -> NoReturn:
        msg = "an API key is not pickled; make the client anew where it is needed"
        raise TypeError(msg)


def read_key(value: object) -> ApiKey | ConfigurationError:
    """
    Make a key of an option.

    The error is returned and not raised: a frame that raises is shown by crash reporters with its
    locals, and here the key would be one of them.
    """
    if not isinstance(value, str):
        problem = f"must be a string, not {type(value).__name__}"
    elif not value:
        problem = "is empty"
    elif not (value.isascii() and value.isprintable()) or " " in value:
        problem = "must be printable ASCII without spaces and line ends"
    else:
        return ApiKey(value)
    return ConfigurationError(f"api_key {problem}; give the key as the gateway shows it")


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
