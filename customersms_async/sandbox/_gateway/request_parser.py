"""The body of a request: what it contains, or why it cannot be read."""

from __future__ import annotations

import msgspec
from attrs import field, frozen

from .documented_answers import GatewayRefusal
from .masking import mask_key

__all__ = ["ParsedRequest", "parse_request"]


@frozen
class _Body:
    api_key: str = ""
    phone: str | list[str] = ""
    message: str = ""


@frozen
class ParsedRequest:
    """
    The content of a request.

    Attributes:
        key: The key, empty if missing; masked in the repr.
        phones: The numbers, each as it was written.
        text: The text, empty if missing.
        problem: Why the body could not be read; the other fields are empty then.
    """

    key: str = field(default="", repr=mask_key)
    phones: tuple[str, ...] = ()
    text: str = ""
    problem: GatewayRefusal | None = None


def parse_request(body: bytes) -> ParsedRequest:
    """
    Read the body of a request.

    Args:
        body: The JSON object of the documentation. ``phone`` is a string with one number or
            several between commas, or an array of strings.

    Returns:
        What it contains; it has a ``problem`` if the body is not such an object.
    """
    try:
        fields = msgspec.json.decode(body, type=_Body)
    except msgspec.ValidationError as error:
        return ParsedRequest(problem=GatewayRefusal(f"Invalid request: {error}", "INVALID_REQUEST"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ParsedRequest(problem=GatewayRefusal("Invalid JSON", "INVALID_JSON"))
    return ParsedRequest(fields.api_key, _split(fields.phone), fields.message)


def _split(phone: str | list[str]) -> tuple[str, ...]:
    if isinstance(phone, list):
        return tuple(phone)
    return tuple(filter(None, map(str.strip, phone.split(","))))
