"""
The gateway's protocol: a request as bytes, and bytes as an answer.

Rules of this module:

1. It decides what an answer *is*; `matching` decides the fate of each number.
2. The gateway runs on PHP, whose types are loose. Only the deciding fields must be exact: an
   entry's ``phone`` and ``success``. Any other field of a wrong type counts as absent.
3. An answer that does not clearly say yes or no says nothing: anything that is not as documented is
   `Unreadable`, with any HTTP status.

Source: the gateway's public documentation of ``POST /sms_system/api.php`` gives the two shapes,
``{"success": true, "results": [...]}`` and ``{"success": false, "error": ..., "code": ...}``.
What it leaves open is listed in the README under "What the gateway leaves open".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import ClassVar, Final, TypeAlias, cast

import msgspec
from attrs import frozen

from .. import codes
from .._values.api_key import ApiKey
from .._values.opaque import Opaque
from .._values.refusal_words import Family, family_of, reason
from ..errors import InvalidMessage
from .lenient_json import Object, balance, boolean, decode, digits, object_of, objects_in, text
from .retry_after import asked_in

__all__ = [
    "Answer",
    "Answered",
    "AnyEntry",
    "Entry",
    "Refused",
    "ShortEntry",
    "TurnedAway",
    "Unreadable",
    "check_text",
    "encode_request",
    "read_answer",
]

_BOM: Final = "\ufeff"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_PHONE_KEY: Final = re.compile(r"\+?[0-9][0-9 ().-]{5,24}")
_REQUEST_TIMEOUT: Final = 408
_CLIENT_ERRORS: Final = range(400, 500)
_NO_SENDS: Final = (None, 0, "0", "")
#: What an object amid text must contain to be the gateway's, not part of a page's script.
_SPEAK_OF_NUMBERS: Final = {"results", "successful_sends", "phone"}


class Entry(msgspec.Struct, gc=False):
    """
    What an answer says about one number; decoding a struct costs a quarter of an attrs class.

    Attributes:
        phone: The number as the gateway spells it.
        success: Whether the gateway accepted it.
        message_id: The gateway's id of the message, or None.
        error: The gateway's text, or None.
        code: The gateway's code, unchanged, or None.
    """

    phone: str
    success: bool
    message_id: str | None = None
    error: str | None = None
    code: str | int | float | None = None


class ShortEntry(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An entry of the documented three fields, which decodes in half the time of an `Entry`."""

    error: ClassVar[None] = None
    code: ClassVar[None] = None
    phone: str
    success: bool
    message_id: str


#: What an answer says about one number.
AnyEntry: TypeAlias = Entry | ShortEntry


class _Short(msgspec.Struct, gc=False):
    """The answer to a request whose numbers were all accepted, as nearly every answer is."""

    success: bool
    results: list[ShortEntry]
    remaining_credits: int | str | float | None = None


class _Strict(msgspec.Struct, gc=False):
    """The documented form of any answer about numbers."""

    success: bool
    results: list[Entry]
    remaining_credits: int | str | float | None = None


class Answered(Opaque, eq=False, gc=False):
    """
    Carried out, number by number.

    Attributes:
        entries: What it says about each number, in its own order and spelling.
        credits: The balance it reports, or None.
        amid_text: Whether there was text around the object; then it counts only if it contains
            all requested numbers.
    """

    entries: Sequence[AnyEntry]
    credits: int | None = None
    amid_text: bool = False


@frozen
class Refused:
    """The whole request was refused: the reason code, the gateway's text, a balance if any."""

    code: str
    detail: str | None = None
    credits: int | None = None


@frozen
class TurnedAway:
    """
    Refused for the rate, before it was carried out.

    Attributes:
        code: The reason code.
        detail: The gateway's text, or None.
        retry_after: The pause that the body asks for, in seconds or as a time; see
            `retry_after.asked_pause`.
    """

    code: str
    detail: str | None = None
    retry_after: float | None = None


@frozen
class Unreadable:
    """Not an answer as documented; ``detail`` says what came, without quoting it."""

    detail: str


Answer: TypeAlias = Answered | Refused | TurnedAway | Unreadable


def check_text(text: object) -> str:
    """
    Return *text* if it can be sent.

    Raises:
        InvalidMessage: It is not a string, is empty or only white space, or contains a lone
            surrogate, which UTF-8 cannot encode.
    """
    if not isinstance(text, str):
        msg = f"text must be a string, not {type(text).__name__}"
        raise InvalidMessage(msg)
    if not text or text.isspace():
        msg = "text is empty; it needs at least one character that is not white space"
        raise InvalidMessage(msg)
    if not text.isascii():
        _check_encodable(text)
    return text


def _check_encodable(text: str) -> None:
    if found := _SURROGATE.search(text):
        place = found.start()
        msg = f"text has a lone surrogate at position {place}, which UTF-8 cannot encode; remove it"
        raise InvalidMessage(msg)


def encode_request(key: ApiKey, phones: str | Sequence[str], text: str) -> bytes:
    """
    Write the body of one request.

    Args:
        key: The key; the bytes contain it, so they must not get into anything with a plain repr.

        phones: One number, sent as a string, or several, sent as an array.

        text: The text, checked with `check_text`.
    """
    return _encoder.encode({"api_key": key.reveal(), "phone": phones, "message": text})


def read_answer(
    status: int, body: bytes, rate_statuses: Collection[int] = (429,), sent: str = ""
) -> Answer:
    """
    Read an answer.

    Args:
        status: The HTTP status. It decides only if the body says nothing.

        body: The complete body.

        rate_statuses: The statuses that alone mean "refused for the rate".

        sent: The text of the message; an error that echoes its words proves nothing.
    """
    strict = _read_strict(body)
    if strict is not None:
        return strict
    objects, is_amid_text = _objects(body.decode(errors="replace"))
    answer = _read_amid_text(objects) if is_amid_text else _read_alone(objects, sent)
    if isinstance(answer, Refused):
        return _as_refusal(answer, status, rate_statuses, objects)
    if answer is not None:
        return answer
    if status in rate_statuses:
        return TurnedAway(f"HTTP_{status}", None, _asked_in(objects))
    if status in _CLIENT_ERRORS and status != _REQUEST_TIMEOUT:
        return Refused(f"HTTP_{status}", f"HTTP status {status} without a readable answer")
    return Unreadable(f"HTTP status {status}, {len(body):,} bytes that are no answer as documented")


# Texts and numbers are often of a subclass of `str` (a template's, an array's), which msgspec
# refuses unless it is converted.
_encoder: Final = msgspec.json.Encoder(enc_hook=str.__str__)
# The one that fits more often comes first; each decodes in one pass, in C.
_decoders: Final = (msgspec.json.Decoder(_Short), msgspec.json.Decoder(_Strict))


def _read_strict(body: bytes) -> Answered | None:
    for decoder in _decoders:
        try:
            found = decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        return Answered(found.results, balance(found.remaining_credits)) if found.results else None
    return None


def _objects(body: str) -> tuple[list[Object], bool]:
    """Return the objects of a body, and whether there is text around them."""
    body = body.strip().removeprefix(_BOM)
    found = decode(body)
    if found is msgspec.UNSET:
        return list(objects_in(body)), True
    whole = object_of(found)
    return ([] if whole is None else [whole]), False


def _read_alone(objects: Sequence[Object], sent: str) -> Answered | Refused | Unreadable | None:
    return _answer_of(objects[0], sent) if objects else None


def _read_amid_text(objects: Sequence[Object]) -> Answered | Unreadable | None:
    """Accept only objects about numbers; if there are several, all of them together."""
    answers = [_answer_of(found, "") for found in objects if found.keys() & _SPEAK_OF_NUMBERS]
    named = [answer for answer in answers if isinstance(answer, Answered)]
    if named:
        entries = [entry for answer in named for entry in answer.entries]
        return Answered(entries, named[-1].credits, amid_text=True)
    return next((answer for answer in answers if isinstance(answer, Unreadable)), None)


def _answer_of(found: Object, sent: str) -> Answered | Refused | Unreadable | None:
    credits_left = balance(found.get("remaining_credits"))
    results = _pairs(found.get("results"))
    entries = [entry for key, value in results if (entry := _entry(key, value)) is not None]
    success = boolean(found.get("success"))
    if entries or (success and "results" in found):
        return Answered(entries, credits_left)
    if success or results or found.get("successful_sends") not in _NO_SENDS:
        # With any status: a 429 with this body must not cause a second send.
        return Unreadable("an answer about numbers that contains none")
    if success is None:
        return None
    code, error = _code_and_error(found)
    return Refused(reason(code, error, sent), error, credits_left)


def _code_and_error(found: Object) -> tuple[object, str | None]:
    """Find both; the error may be an object that has them."""
    inner = object_of(found.get("error")) or {}
    code = found.get("code") or found.get("error_code") or inner.get("code")
    errors = (found.get("error"), inner.get("message"), inner.get("text"), found.get("message"))
    return code, next(filter(None, map(text, errors)), None)


def _pairs(results: object) -> list[tuple[str, object]]:
    """Return the entries in order, each with its name if `results` is an object."""
    if isinstance(results, list):
        return [("", value) for value in cast("list[object]", results)]
    return list((object_of(results) or {}).items())


def _entry(key: str, found: object) -> Entry | None:
    value = object_of(found)
    if value is None:
        return None
    phone, success = digits(value.get("phone")), boolean(value.get("success"))
    if value.get("phone") is None and _PHONE_KEY.fullmatch(key):
        phone = key
    if success is None or phone is None:
        return None
    code, error = _code_and_error(value)
    return Entry(
        phone=phone,
        success=success,
        message_id=text(value.get("message_id")),
        error=error,
        code=code if isinstance(code, str | int | float) else None,
    )


def _as_refusal(
    refused: Refused, status: int, rate_statuses: Collection[int], objects: Sequence[Object]
) -> Refused | TurnedAway:
    about = family_of(refused.code)
    if about is Family.RATE or (about is None and status in rate_statuses):
        return TurnedAway(refused.code, refused.detail, _asked_in(objects))
    if refused.code == codes.REJECTED and status in _CLIENT_ERRORS:
        return Refused(f"HTTP_{status}", refused.detail, refused.credits)
    return refused


def _asked_in(objects: Sequence[Object]) -> float | None:
    return max(filter(None, map(asked_in, objects)), default=None)
