"""
Redaction: a number is shown only in part, the key and the text never, everything else unchanged.

Rules of this module:

1. Text from the gateway or an exception is cleaned before it is kept, since it may echo what we
   sent. The key, the text and the numbers of the request are found in any spelling, and so are
   other numbers written in a usual form.
2. Nothing else is hidden: HTTP statuses, sizes, types, dates, addresses and places stay readable.
   A text so short that it may be part of the gateway's own wording is hidden only inside quotes.
3. The replacement of a secret is ASCII, so that it can be printed anywhere.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["HIDDEN", "SHORTEST_KEY", "Redactor", "clean", "mask_phone", "plain"]

HIDDEN: Final = "[hidden]"
_LONGEST_DETAIL: Final = 200
_MOST_LOOKED_AT: Final = 2 * _LONGEST_DETAIL

SHORTEST_KEY: Final = 8  # a shorter one, as in tests, is hidden only as a whole word
_KEY_FRAGMENT: Final = 12
_SHORTEST_TEXT: Final = 8  # letters and digits, of more than one word
_TEXT_FRAGMENT: Final = 16
_NUMBER_FRAGMENT: Final = 7  # the shortest E.164 number; part of a longer one reveals less

_QUOTES: Final = "\"'`\u00ab\u00bb\u2018-\u201f\u2039\u203a"

_DASHES: Final = "\u2010-\u2015\u2212-"
#: Digits that are not a phone number, and stay as they are.
_INNOCENT: Final = (
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",  # a UUID
    r"(?<!\d)\d{4}(?P<ymd>[-/.])\d{1,2}(?P=ymd)\d{1,2}(?!\d)(?:[T ]\d{1,2}:[\d:.]+)?",
    r"(?<!\d)\d{1,2}(?P<dmy>[-/.])\d{1,2}(?P=dmy)\d{4}(?!\d)",
    r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])(?::\d+)?",  # an IPv4 address
    # a host name; and one without dots, with its port
    r"(?<![\w.-])(?=\d*[A-Za-z-])[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)*\.[A-Za-z]{2,}(?::\d+)?",
    r"(?<![\w.-])[A-Za-z][A-Za-z0-9-]*+:\d{1,5}(?!\d)",
    r"(?<!\d)0\.\d+",
)
#: Phone numbers as people and programs write them: in one run, or in groups.
_PHONE: Final = (
    rf"(?<=\+)\d[\d ().,/{_DASHES}]{{5,}}\d",
    r"\d{7,}",
    rf"(?<![\w.])\(?\d{{1,4}}\)?(?:[ ./{_DASHES}]{{1,2}}\(?\d{{2,4}}\)?){{2,}}(?!\w)",
    rf"(?<!\w)\(\d{{2,5}}\)[ ./{_DASHES}]?\d{{3,}}[ ./{_DASHES}]?\d+",
    r"(?<![\w.,])\d{1,3}(?:,\d{3})+,\d{4}(?!\w)",
)
_DIGITS: Final = re.compile(f"(?P<innocent>{'|'.join(_INNOCENT)})|{'|'.join(_PHONE)}")
_RUN: Final = re.compile(r"\d(?:[\W_]{0,3}\d){6,}")


class Redactor:
    """
    Removes the secrets of one request from error texts.

    Args:
        key: The key.

        text: The text of the message.

        phones: The numbers, in E.164.
    """

    # No `__dict__` for crash reporters to look into.
    __slots__ = ("_by_tail", "_cleaned", "_key", "_phones", "_text")

    def __init__(self, key: str = "", text: str = "", phones: Sequence[str] = ()) -> None:
        self._key = key
        self._text = _one_line(text)
        self._phones = phones
        self._by_tail: dict[str, list[str]] = {}
        self._cleaned: dict[str, str] = {}

    def clean(self, detail: str) -> str:
        """Return *detail* as one printable line of at most 200 characters, without secrets."""
        cleaned = self._cleaned.get(detail)  # a whole batch is often refused with the same text
        if cleaned is None:
            cleaned = self._cleaned[detail] = self._clean(detail)
        return cleaned

    def _clean(self, detail: str) -> str:
        detail = _one_line(html.unescape(detail) if "&" in detail else detail)
        hide = (self._hide_key, self._hide_text)
        for hidden in hide if len(self._key) > len(self._text) else reversed(hide):
            detail = hidden(detail)
        detail = _hide_fragments(detail[:_MOST_LOOKED_AT], self._key, _KEY_FRAGMENT)
        detail = _hide_fragments(detail, self._text, _TEXT_FRAGMENT)
        detail = _RUN.sub(self._mask_ours, detail)
        return _DIGITS.sub(_mask_phones, detail)[:_LONGEST_DETAIL].rstrip()

    def _hide_key(self, detail: str) -> str:
        if not self._key:
            return detail
        if len(self._key) >= SHORTEST_KEY:
            return detail.replace(self._key, HIDDEN)
        return re.sub(rf"(?<!\w){re.escape(self._key)}(?!\w)", HIDDEN, detail)

    def _hide_text(self, detail: str) -> str:
        if not self._text:
            return detail
        text = re.escape(self._text)
        letters = "".join(_letters(self._text))
        if len(letters) >= _TEXT_FRAGMENT or len(self._text) >= _TEXT_FRAGMENT:
            return detail.replace(self._text, HIDDEN)
        if " " in self._text and len(letters) >= _SHORTEST_TEXT:
            return re.sub(rf"(?<!\w){text}(?!\w)", HIDDEN, detail, flags=re.IGNORECASE)
        return re.sub(
            rf"(?<=[{_QUOTES}]){text}(?=[{_QUOTES}])", HIDDEN, detail, flags=re.IGNORECASE
        )

    def _mask_ours(self, run: re.Match[str]) -> str:
        """Mask the numbers of this request within a run of digits, and nothing around them."""
        said = run[0]
        positions = [position for position, char in enumerate(said) if char.isdecimal()]
        digits = "".join(str(unicodedata.decimal(said[position])) for position in positions)
        for begin, end in reversed(list(self._ours_in(digits))):
            first, last = positions[begin], positions[end - 1]
            said = f"{said[:first]}...{digits[end - 2 : end]}{said[last + 1 :]}"
        return said

    def _ours_in(self, digits: str) -> Iterator[tuple[int, int]]:
        free = 0
        for end in range(_NUMBER_FRAGMENT, len(digits) + 1):
            numbers = self._numbers_with(digits[end - _NUMBER_FRAGMENT : end])
            if numbers and end - _NUMBER_FRAGMENT >= free:
                known = max(_common_tail(number, digits[free:end]) for number in numbers)
                yield end - known, end
                free = end

    def _numbers_with(self, tail: str) -> Sequence[str]:
        if self._phones and not self._by_tail:
            for phone in self._phones:
                self._by_tail.setdefault(phone[-_NUMBER_FRAGMENT:], []).append(phone[1:])
        return self._by_tail.get(tail, ())


def clean(detail: str) -> str:
    """Clean an error text that does not belong to a request; see `Redactor.clean`."""
    return Redactor().clean(detail)


def _one_line(text: str) -> str:
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())


def _letters(text: str) -> Iterator[str]:
    return (letter for char in text if char.isalnum() for letter in char.casefold())


def _hide_fragments(detail: str, secret: str, shortest: int) -> str:
    """Hide each part of *secret* with at least *shortest* letters and digits, in any spacing."""
    known = "".join(_letters(secret))
    if len(known) < shortest:
        return detail
    positions = [position for position, char in enumerate(detail) for _ in _letters(char)]
    said = "".join(_letters(detail))
    kept, shown_until, begin = "", 0, 0
    while (end := begin + shortest) <= len(said):
        if said[begin:end] not in known:
            begin += 1
            continue
        while end < len(said) and said[begin : end + 1] in known:
            end += 1
        kept += detail[shown_until : positions[begin]] + HIDDEN
        shown_until, begin = positions[end - 1] + 1, end
    return kept + detail[shown_until:]


def _common_tail(one: str, other: str) -> int:
    same = 0
    while same < min(len(one), len(other)) and one[-same - 1] == other[-same - 1]:
        same += 1
    return same


def _mask_phones(found: re.Match[str]) -> str:
    digits = [char for char in found[0] if char.isdecimal()]
    if found["innocent"] or len(digits) < _NUMBER_FRAGMENT:
        return found[0]
    return "..." + "".join(str(unicodedata.decimal(digit)) for digit in digits[-2:])


_E164_LIKE: Final = re.compile(r"\+?[0-9]{7,15}")
_LONGEST_SHAPE: Final = 24


def mask_phone(phone: object) -> str:
    """
    Show enough of *phone* to recognise it, but not enough to call it.

    Returns:
        ``+12...34`` for a number; for anything else its shape, digits as 9 and letters as x.
    """
    if not isinstance(phone, str):
        return f"<{type(phone).__name__}>"
    if _E164_LIKE.fullmatch(phone):
        return f"{phone[:3]}...{phone[-2:]}"
    shape = "".join(map(_shape_of, phone[:_LONGEST_SHAPE]))
    return shape + "..." if len(phone) > _LONGEST_SHAPE else shape


def _shape_of(char: str) -> str:
    if char.isalpha():
        return "x"
    if char.isnumeric():
        return "9"
    if not char.isprintable():
        return " "
    return char if char.isascii() else "?"


def plain(text: str) -> str:
    """Return *text* as ASCII, for any stream: accents are dropped, other characters are escaped."""
    if text.isascii():
        return text
    parts = unicodedata.normalize("NFKD", text)
    bare = "".join(part for part in parts if not unicodedata.combining(part))
    return bare.encode("ascii", "backslashreplace").decode()
