"""
What a refusal is about: its code as one stable word, and the three families that matter.

The gateway documents one code, ``INVALID_API_KEY``, and no others, so any spelling and JSON type of
these three refusals is recognised: for the rate (nothing was carried out, try later), for the key,
and for lack of credit (nothing was sent, and it says nothing about the recipient).

Rules of this module:

1. A code decides. The error text is searched only if there is no code, or an unknown number.
2. Nothing is inferred from what we sent: a phrase that the message itself contains proves nothing.
3. A code belongs to a family only if *all* of it is vocabulary of that family. ``KEYWORD_BLOCKED``
   and ``CREDIT_CARD_IN_TEXT`` mean something else.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Iterator
from typing import Final

from .. import codes

__all__ = ["NO_API", "Family", "concerns_recipient", "family_of", "reason", "word"]

#: Our words for the refusals of a server that has no API at the address: not found, not allowed for
#: POST, gone.
NO_API: Final = frozenset({"HTTP_404", "HTTP_405", "HTTP_410"})


class Family(enum.Enum):
    """
    What a refusal is about, if that decides what happens next.

    Attributes:
        RATE: Too many requests; this one was not carried out.
        KEY: The gateway does not accept the key.
        CREDIT: The account has too few credits.
    """

    RATE = "rate"
    KEY = "key"
    CREDIT = "credit"


_LONGEST_WORD: Final = 64
_SHORTEST_ECHO: Final = 12  # letters and digits
_NOT_IN_A_WORD: Final = re.compile(r"[^A-Z0-9]+")
_PHONE: Final = re.compile(r"(?:[0-9]_?){7,}")  # seven digits may be an echoed phone number
_CAMEL_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# Vocabulary of codes, without spaces, in the documentation's languages: English and Italian.
_ANYWHERE: Final = (
    "ERROR|ERR|E(?=[0-9])|HTTP|CODE|STATUS|API|SMS|THE|YOUR|THIS|IS|WAS|ARE|HAS|HAVE|BEEN|NOT|NO|"
    "FOR|TO|OF|BY|PER|ACCOUNT|USER|CLIENT|REQUESTS?|CALLS?|MESSAGES?|SEND|SENDING|GATEWAY|PLEASE|"
    "TRY|AGAIN|LATER|NON|DI|[0-9]"
)
_RATE: Final = (
    r"RATELIMIT(?:S|ED|ING|ER)?|RATE(?=EXCEEDED|LIMIT)|TOOMANY(?:API|HTTP)?(?:REQUESTS?|CALLS?)|"
    r"TOO(?:FAST|FREQUENT)|SLOWDOWN|THROTTL(?:E|ED|ING)|REQUESTS?LIMIT|TROPPERICHIESTE|"
    r"(?<![0-9])429(?![0-9])"
)
_RATE_TOO: Final = "QUOTA|WAIT|KEY|TOKEN|EXCEEDED|REACHED|LIMIT|MAXIMUM|MINUTE|SECOND|HOUR"
_KEY: Final = (
    r"KEY|TOKEN|AUTH(?:ENTICATION|ORI[SZ]ATION)?|(?:UN|NOT)AUTHORI[SZ]ED|UNAUTHENTICATED|"
    r"CREDENTIALS?|LOGIN|PASSWORD|CHIAVE|(?<![0-9])401(?![0-9])"
)
_KEY_TOO: Final = (
    "INVALID|INACTIVE|EXPIRED|WRONG|BAD|MISSING|UNKNOWN|REVOKED|DISABLED|REQUIRED|INCORRECT|FAILED|"
    "FAILURE|DENIED|REJECTED|REFUSED|SUSPENDED|BLOCKED|DELETED|FOUND|VALID|ACTIVE|ENABLED|EXISTS?|"
    "DOES|ACCEPTED|ALLOWED|PROVIDED|GIVEN|ACCESS|SECRET|AND|OR|VALIDA|ERRATA|SCADUTA|INATTIVA"
)
_CREDIT: Final = (
    r"CREDITS?|BALANCE|FUNDS?|MONEY|PAYMENT(?=REQUIRED)|CREDIT[OI]|SALDO|(?<![0-9])402(?![0-9])"
)
_CREDIT_TOO: Final = (
    "INSUFFICIENT[EI]?|ENOUGH|LOW|TOO|FEW|LITTLE|OUT|EXHAUSTED|EMPTY|ZERO|DEPLETED|LACK|NEGATIVE|"
    "REQUIRED|LEFT|REMAINING|MORE|NEEDED|AVAILABLE|BELOW|MINIMUM|EXCEEDED|REACHED|LIMIT|ESAURIT[OI]"
)


def _made_of(subject: str, too: str) -> re.Pattern[str]:
    """Match what contains *subject* and consists of vocabulary only."""
    return re.compile(f"(?:{_ANYWHERE}|{too})*(?:{subject})(?:{subject}|{_ANYWHERE}|{too})*")


_CODES: Final = {
    Family.RATE: _made_of(_RATE, _RATE_TOO),
    Family.KEY: _made_of(_KEY, _KEY_TOO),
    Family.CREDIT: _made_of(_CREDIT, _CREDIT_TOO),
}
_WRONG: Final = (
    "invalid|inactive|expired|wrong|bad|missing|unknown|revoked|disabled|incorrect|no such|"
    "not (?:valid|active|found|accepted)|non valida|errata|scaduta"
)
_KEY_NAME: Final = "api[ _-]?key|chiave(?: api)?"
_MONEY: Final = r"(?:credits?|balance|funds|credito|crediti|saldo)\b(?![ -]cards?\b)"
_TEXTS: Final = {
    Family.RATE: re.compile(
        r"(?<!exchange[ -])(?<!interest[ -])\brate[ _-]?limit(?:s|ed|ing)?\b|"
        r"\btoo many requests\b|\bthrottl(?:ed|ing)\b|\btroppe richieste\b",
        re.IGNORECASE,
    ),
    Family.KEY: re.compile(
        rf"\b(?:{_WRONG})\b[^.]{{0,24}}\b(?:{_KEY_NAME})\b|"
        rf"\b(?:{_KEY_NAME})\b[^.]{{0,24}}\b(?:{_WRONG})\b",
        re.IGNORECASE,
    ),
    Family.CREDIT: re.compile(
        rf"\b(?:insufficient|not enough|no|low|out of|too few)(?: \w+){{0,2}} {_MONEY}|"
        rf"\b{_MONEY}(?: \w+){{0,2}} (?:exhausted|insufficient|depleted|too low|insufficient[ei]|"
        r"esaurit[oi])\b",
        re.IGNORECASE,
    ),
}
#: A message that matches may itself be the source of a family's words.
_SUBJECTS: Final = {
    Family.RATE: re.compile(
        r"rate.?limit|too.?(?:many|fast|frequent)|throttl|slow.?down|troppe richieste",
        re.IGNORECASE,
    ),
    Family.KEY: re.compile(
        rf"{_KEY_NAME}|\bkey\b|credentials|auth|token|login|password", re.IGNORECASE
    ),
    Family.CREDIT: re.compile(rf"{_MONEY}|money|payment", re.IGNORECASE),
}
#: The word of each family if the gateway gave none; the key's is the documented one.
_OURS: Final = {
    Family.RATE: codes.RATE_LIMITED,
    Family.KEY: "INVALID_API_KEY",
    Family.CREDIT: codes.NO_CREDITS,
}


def word(value: object) -> str | None:
    """
    Convert a code of any type and spelling to a stable upper-case word.

    Returns:
        ``INVALID_API_KEY`` for ``"invalid api-key"`` and ``"InvalidApiKey"``, ``429`` for 429,
        429.0 and ``"429"``. None for anything else, including 0, which is PHP's "not set".
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    humps = _CAMEL_HUMP.sub("_", str(value)[: 2 * _LONGEST_WORD])
    plain = _PHONE.sub("", _NOT_IN_A_WORD.sub("_", humps.upper()))
    plain = plain.lstrip("_")[:_LONGEST_WORD].rstrip("_")
    return plain if plain.strip("0") else None


@functools.lru_cache(maxsize=512)
def family_of(code: str | None) -> Family | None:
    """Return the family of a code from `word` or `reason`; None for all other codes."""
    squeezed = (code or "").replace("_", "")
    return next((family for family, said in _CODES.items() if said.fullmatch(squeezed)), None)


def concerns_recipient(code: str | None) -> bool:
    """Whether a refusal with this code may say something about the number or the text."""
    return family_of(code) is None and code not in NO_API


def reason(code: object, error: str | None, sent: str) -> str:
    """
    Return the stable word of a refusal.

    Args:
        code: The gateway's code, of any type.

        error: The gateway's text.

        sent: The text of the message, which the gateway may echo.

    Returns:
        The gateway's own word; if it gave none, ours for what the text is about, else ``REJECTED``.
    """
    given = None if isinstance(code, str) and _is_echo(code, sent) else word(code)
    if given is not None and (family_of(given) or not given.isdecimal()):
        return given
    family = _family_in(error, sent)
    return _OURS[family] if family else given or codes.REJECTED


def _family_in(error: str | None, sent: str) -> Family | None:
    """Return the family of an error text, unless it may be an echo of the message."""
    if error is None:
        return None
    family = family_of(word(error)) or next(_families_in(error), None)
    return None if family is None or _SUBJECTS[family].search(sent) else family


def _families_in(text: str) -> Iterator[Family]:
    return (family for family, phrase in _TEXTS.items() if phrase.search(text))


def _is_echo(code: str, sent: str) -> bool:
    """Whether the supposed code is a sentence that quotes the message or part of it."""
    if " " not in code.strip():
        return False
    shorter, longer = sorted((_bare(code), _bare(sent)), key=len)
    return len(shorter) >= _SHORTEST_ECHO and shorter in longer


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
