"""
The gateway's language: a request as bytes, and bytes as an answer.

Rules of this module:

1. It decides what an answer *is*, never what became of a number: that is `_matching`'s.
2. The gateway runs on PHP, whose types are loose. Only what decides is asked to be exact: an
   entry's ``phone`` and ``success``. Any other field of a wrong type counts as absent.
3. Whoever has not clearly said yes or no has said nothing: what is not the documented shape is
   `Unreadable`, whatever its HTTP status.

Source: the gateway's public documentation of ``POST /sms_system/api.php`` gives the two shapes,
``{"success": true, "results": [...]}`` and ``{"success": false, "error": ..., "code": ...}``.
What it leaves open is listed in the README under "What the gateway leaves open".
"""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final, TypeAlias, cast

import msgspec
from attrs import define, field, frozen

from .. import codes
from .._key import ApiKey
from .._ports.limiter import LONGEST_PAUSE
from ..errors import InvalidMessage

__all__ = [
    "Answer",
    "Answered",
    "Entry",
    "Refused",
    "TurnedAway",
    "Unreadable",
    "check_text",
    "encode_request",
    "parse_retry_after",
    "read_answer",
    "word",
]


_BOM: Final = "\ufeff"
_MOST_PREFIXES: Final = 20  # places where an object may begin behind text; each costs a decode
_SECONDS = re.compile(r"[0-9]+")
_NO_WORD = re.compile(r"[^A-Z0-9]+")
# One half of a pair, which is no character; JSON can spell it, and no decoder takes it.
_LONE_SURROGATE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]..",
)
_LONGEST_WORD: Final = 64
_NO_WORD_GIVEN: Final = codes.REJECTED
_RATE_WORDS = re.compile(r"RATE_?LIMIT|TOO_?MANY_?REQUESTS|THROTTLE")
_RATE_TEXT = re.compile(r"\brate.?limit|too many requests", re.IGNORECASE)
_PHONE_KEY = re.compile(r"\+?[0-9][0-9 ().-]{5,24}")

_REQUEST_TIMEOUT: Final = 408
_CLIENT_ERRORS: Final = range(400, 500)


class Entry(msgspec.Struct, gc=False):
    """
    What an answer says of one number: a struct, decoded at a quarter of an attrs class's cost.

    Attributes:
        phone: The number as the gateway spells it.
        success: Whether the gateway accepted it.
        message_id: The gateway's name for the message, or None.
        error: The gateway's text, or None.
        code: The gateway's word, or None.
    """

    phone: str
    success: bool
    message_id: str | None = None
    error: str | None = None
    code: str | None = None


class _Strict(msgspec.Struct, gc=False):
    """The documented shape to the letter, which nearly every answer has: one pass, in C."""

    success: bool
    results: list[Entry]
    remaining_credits: int | None = None


@define(eq=False)
class Answered:
    """
    Carried out, number by number.

    Attributes:
        entries: What it says of each number, in its own order and spelling.
        credits: The balance it names, or None.
        behind_text: Whether text stood before the object; then it counts only as far as it names
            the numbers asked for.
    """

    entries: Sequence[Entry] = field(repr=False)
    credits: int | None = None
    behind_text: bool = False


@frozen
class Refused:
    """The whole request was refused: the gateway's word, its text, the balance if it names one."""

    code: str
    detail: str | None = None
    credits: int | None = None


@frozen
class TurnedAway:
    """Refused for the rate, before it was carried out."""

    code: str
    detail: str | None = None


@frozen
class Unreadable:
    """Not an answer as documented; ``detail`` says what came, without quoting it."""

    detail: str


Answer: TypeAlias = Answered | Refused | TurnedAway | Unreadable
_Object: TypeAlias = dict[str, object]


def check_text(text: object) -> str:
    """
    Give *text* back where it can be sent.

    Raises:
        InvalidMessage: It is no string, is empty or only white space, or holds a lone surrogate,
            which UTF-8 cannot carry.
    """
    if not isinstance(text, str):
        msg = f"text must be a string, not {type(text).__name__}"
        raise InvalidMessage(msg)
    if not text or text.isspace():
        msg = "text is empty; give at least one character that is not white space"
        raise InvalidMessage(msg)
    if not text.isascii():
        _check_encodable(text)
    return text


def _check_encodable(text: str) -> None:
    place = next((i for i, char in enumerate(text) if "\ud800" <= char <= "\udfff"), None)
    if place is not None:
        msg = f"text has a lone surrogate at position {place}, which UTF-8 cannot carry; remove it"
        raise InvalidMessage(msg)


def encode_request(key: ApiKey, phones: str | Sequence[str], text: str) -> bytes:
    """
    Write the body of one request.

    Args:
        key: The key; the bytes hold it, so they are handed to nothing that shows itself.

        phones: One number, sent as a string, or several, sent as an array.

        text: The text, checked with `check_text`.
    """
    return _encoder.encode({"api_key": key.reveal(), "phone": phones, "message": text})


def read_answer(status: int, body: bytes, rate_statuses: Collection[int] = (429,)) -> Answer:
    """
    Say what came back.

    Args:
        status: The HTTP status. It decides only where the body says nothing.

        body: The body, whole.

        rate_statuses: The statuses that mean "turned away for the rate" by themselves.
    """
    answer = _read_strict(body) or _read_lenient(body.decode(errors="replace"))
    if isinstance(answer, Refused):
        return _as_refusal(answer, status, is_for_rate=status in rate_statuses)
    if answer is not None:
        return answer
    if status in rate_statuses:
        return TurnedAway(f"HTTP_{status}")
    if status in _CLIENT_ERRORS and status != _REQUEST_TIMEOUT:
        return Refused(f"HTTP_{status}", f"HTTP status {status} without a readable answer")
    return Unreadable(f"HTTP status {status}, {len(body)} bytes that are no answer as documented")


def parse_retry_after(value: str | None, date: str | None) -> float | None:
    """
    Read a ``Retry-After`` header.

    Args:
        value: The header: seconds in ASCII digits, or an HTTP date.

        date: The ``Date`` header of the same answer. A date is read against the server's own
            clock, so that no clock of ours can make it wrong.

    Returns:
        Seconds from 0 to 600, or None where it says nothing usable.

    Source: RFC 9110, sections 10.2.3 and 5.6.7; a date without a zone is UTC.
    """
    if value is None:
        return None
    seconds = value.strip(" \t")  # what counts as white space in a header
    if _SECONDS.fullmatch(seconds):
        return min(float(seconds), LONGEST_PAUSE)
    until, now = _http_date(value), _http_date(date or "")
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), LONGEST_PAUSE)


def _http_date(value: str) -> dt.datetime | None:
    try:
        parsed = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)


# Texts and numbers are often of a subclass of `str` (a template's, an array's), which is refused
# where it is not made plain.
_encoder = msgspec.json.Encoder(enc_hook=str.__str__)
_strict = msgspec.json.Decoder(_Strict)
_lenient = msgspec.json.Decoder()


def _read_strict(body: bytes) -> Answered | None:
    try:
        found = _strict.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Answered(found.results, found.remaining_credits) if found.results else None


def _read_lenient(body: str) -> Answered | Refused | Unreadable | None:
    body = body.strip().removeprefix(_BOM)
    found = _decode_object(body)
    if found is not None:
        return _answer_of(found, behind_text=False)
    for tail in _tails(body):
        found = _decode_object(tail)
        answer = None if found is None else _answer_of(found, behind_text=True)
        if isinstance(answer, Answered | Unreadable):
            return answer
    return None


def _tails(body: str) -> Iterator[str]:
    begin = -1
    for _ in range(_MOST_PREFIXES):
        begin = body.find("{", begin + 1)
        if begin < 0:
            return
        yield body[begin:]


def _decode_object(body: str) -> _Object | None:
    try:
        found: object = _lenient.decode(body)
    except (msgspec.DecodeError, RecursionError):
        plain = _LONE_SURROGATE.sub(r"\\ufffd", body)
        return _decode_object(plain) if plain != body else None
    return _object(found)


def _answer_of(found: _Object, *, behind_text: bool) -> Answered | Refused | Unreadable | None:
    credits_left = _integer(found.get("remaining_credits"))
    results = _pairs(found.get("results"))
    entries = [entry for key, value in results if (entry := _entry(key, value)) is not None]
    success = _boolean(found.get("success"))
    if entries or (success and "results" in found):
        return Answered(entries, credits_left, behind_text)
    if success or results or _says_some_were_sent(found):
        # Whatever the status: a 429 with this body must not make it be sent again.
        return Unreadable("an answer that speaks of numbers, and names none")
    if success is None:
        return None
    return Refused(
        word(found.get("code")) or _NO_WORD_GIVEN, _text(found.get("error")), credits_left
    )


def _says_some_were_sent(found: _Object) -> bool:
    return found.get("successful_sends") not in (None, 0, "0", "")


def _pairs(results: object) -> list[tuple[str, object]]:
    """The entries as they come, each with its name where `results` is an object."""
    if isinstance(results, list):
        return [("", value) for value in cast("list[object]", results)]
    return list((_object(results) or {}).items())


def _entry(key: str, found: object) -> Entry | None:
    value = _object(found)
    if value is None:
        return None
    phone, success = value.get("phone"), _boolean(value.get("success"))
    if phone is None and _PHONE_KEY.fullmatch(key):
        phone = key
    if success is None or isinstance(phone, bool) or not isinstance(phone, str | int):
        return None
    return Entry(
        phone=str(phone),
        success=success,
        message_id=_text(value.get("message_id")),
        error=_text(value.get("error")),
        code=_text(value.get("code")),
    )


def _as_refusal(refused: Refused, status: int, *, is_for_rate: bool) -> Refused | TurnedAway:
    is_for_rate = is_for_rate or bool(_RATE_WORDS.search(refused.code))
    if is_for_rate or _RATE_TEXT.search(refused.detail or ""):
        return TurnedAway(refused.code, refused.detail)
    if refused.code == _NO_WORD_GIVEN and status in _CLIENT_ERRORS:
        return Refused(f"HTTP_{status}", refused.detail, refused.credits)
    return refused


def _object(value: object) -> _Object | None:
    return cast("_Object", value) if isinstance(value, dict) else None


def _boolean(value: object) -> bool | None:
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def word(value: object) -> str | None:
    """Make a stable upper-case word of a code, whatever its spelling; None where it has none."""
    plain = _NO_WORD.sub("_", (_text(value) or "").upper()).lstrip("_")
    return plain[:_LONGEST_WORD].rstrip("_") or None
