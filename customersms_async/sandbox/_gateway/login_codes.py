"""
The code in a login message: which of its digits a person would type.

Rules of this module:

1. A code is a word of 4 to 8 digits, or two groups of three: ``4711``, ``G-123456``, ``123 456``.
2. Digits of a phone number, a price, a date or time, a longer number or an address do not count.
3. A number called an order, an account or the like right before it counts only as a last resort.
4. Of several, the one nearest to a word for "code" in its sentence wins, then one that is not a
   year; of several such, the last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

__all__ = ["LONGEST", "code_in"]

#: Characters that are searched for a code; a login message is far shorter.
LONGEST: Final = 2_000

# E.164 with 9 digits or more, or North American (1-800-555-1234, (212) 555 1234).
_PHONE: Final = r"""
    \+ (?=(?:[ .()-]{0,2}[0-9]){9}) [0-9]+ (?:[ .-]\(?[0-9]+\)? | [ ]?\([0-9]+\))*
    | (?<![0-9]) (?:1[ .-])? (?:\([0-9]{3}\)[ ]? | [0-9]{3}[ .-]) [0-9]{3}[ .-][0-9]{4} (?![0-9])
"""

_MONTH: Final = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"

_DATE: Final = rf"""
    \b [0-9]{{4}}[-/.][0-9]{{1,2}}[-/.][0-9]{{1,2}} \b
    | \b [0-9]{{1,2}}[-/.][0-9]{{1,2}}[-/.][0-9]{{4}} \b
    | \b {_MONTH} [ ] [0-9]{{1,2}}(?:st|nd|rd|th)? ,? [ ] [0-9]{{4}} \b
    | \b (?:[0-9]{{1,2}}(?:st|nd|rd|th)?[ ])? {_MONTH} [ ] [0-9]{{4}} \b
    | \b [0-9]{{1,2}}:[0-9]{{2}} (?::[0-9]{{2}})? \b
"""

_CURRENCY: Final = r"(?:[$€£¥₹₽₩]|\b(?:USD|EUR|GBP|CHF|CAD|AUD|JPY|INR|Rs\.?)(?![A-Za-z]))"
_AMOUNT: Final = r"[0-9]+(?:[.,' ][0-9]{3})*(?:[.,][0-9]{1,2})?(?![0-9])"

_PRICE: Final = rf"""
    {_CURRENCY} [ ]? {_AMOUNT}
    | (?<![0-9]) {_AMOUNT} [ ]? {_CURRENCY}
    | (?<![0-9]) [0-9]{{1,3}}(?:[.,'][0-9]{{3}})+(?:[.,][0-9]+)? (?![0-9])
    | (?<![0-9]) [0-9]+[.,][0-9]+ (?![0-9])
"""

# A web or mail address, a longer number in groups, a word that contains digits.
_OTHER: Final = r"""
    (?:https?://|www\.)\S+ | \S+@\S+ | \b(?:[\w-]+\.)+[a-z]{2,}/\S*
    | (?<![\w-]) [0-9]+(?:[ -][0-9]+){2,} (?![\w-])
    | (?<![\w-]) [0-9]{4,}(?:[ -][0-9]{4,})+ (?![\w-])
    | (?<!\w) (?=\w*[0-9]) (?=\w*[^\W0-9_]) \w+
"""

_WORDS: Final = re.compile(
    rf"""
    {_PHONE} | {_DATE} | {_PRICE} | {_OTHER}
    | (?<!\w) (?P<code>[0-9]{{3}}[ -][0-9]{{3}} | [0-9]{{4,8}}) (?!\w)
    """,
    re.VERBOSE | re.IGNORECASE,
)

# Words for "code" in the languages of the gateway's customers.
_CALLED_CODE: Final = re.compile(
    r"\b(?:code|codes|passcode|password|passwort|pin|otp|tan|token|codice|c[oó]digo|kod|kode|koodi|"
    r"koda|k[oó]d|clave|contrase[nñ]a|senha|mot de passe|einmalcode|best[aä]tigungscode|"
    r"sicherheitscode|verification|код|пароль|κωδικ[oό]ς|验证码|認証コード)(?![a-z])",
    re.IGNORECASE,
)

# Words for other numbers, right before them.
_CALLED_ELSE: Final = re.compile(
    r"(?:order|account|acct|invoice|ticket|booking|reservation|reference|ref|case|customer|member|"
    r"policy|parcel|room|flight|ext|extension|ending(?:[ ](?:in|with))?|no|nr|number)"
    r"[ ]?[.:#№]*[ ]?[#№]?$|[#№][ ]?$",
    re.IGNORECASE,
)

_END_OF_SENTENCE: Final = re.compile(r"[.!?。]+(?=\s|$)|\n")

_may_have_one = re.compile(r"[0-9]{3}[ -]?[0-9]").search

_is_year = re.compile(r"(?:19|20)[0-9]{2}").fullmatch


@frozen
class _Candidate:
    digits: str
    start: int
    end: int


def code_in(text: str) -> str | None:
    """
    Find the code in the first `LONGEST` characters of a text.

    Returns:
        Its digits, without the space or hyphen between two groups; None if there is no code.
    """
    text = text[:LONGEST]
    if not _may_have_one(text):  # true for most texts
        return None
    candidates = list(_candidates(text))
    plain = [one for one in candidates if not _CALLED_ELSE.search(text, 0, one.start)]
    likely = _called_code(plain, text) or _unlike_years(plain) or plain or candidates
    return likely[-1].digits if likely else None


def _candidates(text: str) -> Iterator[_Candidate]:
    for found in _WORDS.finditer(text):
        if found["code"]:
            digits = found["code"].replace(" ", "").replace("-", "")
            yield _Candidate(digits, found.start(), found.end())


def _called_code(candidates: list[_Candidate], text: str) -> list[_Candidate]:
    """Keep the candidates that are nearest to a word for "code" in their sentence."""
    called = {_nearest(word.span(), candidates, text) for word in _CALLED_CODE.finditer(text)}
    return [one for one in candidates if one in called]


def _nearest(word: tuple[int, int], candidates: list[_Candidate], text: str) -> _Candidate | None:
    begin, end = _sentence_around(word, text)
    near = [one for one in candidates if begin <= one.start < end]
    return min(near, key=lambda one: max(one.start - word[1], word[0] - one.end), default=None)


def _sentence_around(word: tuple[int, int], text: str) -> tuple[int, int]:
    ends = [found.end() for found in _END_OF_SENTENCE.finditer(text)]
    begin = max((end for end in ends if end <= word[0]), default=0)
    return begin, min((end for end in ends if end > word[0]), default=len(text))


def _unlike_years(candidates: list[_Candidate]) -> list[_Candidate]:
    return [one for one in candidates if not _is_year(one.digits)]
