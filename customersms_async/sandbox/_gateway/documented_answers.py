"""
The JSON objects that the gateway answers with, exactly as documented.

Rules of this module:

1. The order of fields is part of the format; dicts keep it.
2. What the documentation does not say (failed entries, codes other than ``INVALID_API_KEY``) is
   decided here and nowhere else.
"""

from __future__ import annotations

from typing import Final

import msgspec
from attrs import frozen

__all__ = [
    "INSUFFICIENT_CREDITS",
    "INVALID_API_KEY",
    "INVALID_PHONE_NUMBER",
    "RATE_LIMIT_EXCEEDED",
    "Document",
    "Entry",
    "GatewayRefusal",
    "completed",
    "encode",
    "failed",
    "missing",
    "refused",
    "sent",
    "too_many",
]

#: The part of an answer that is about one number.
Entry = dict[str, object]

#: A whole answer.
Document = dict[str, object]


@frozen
class GatewayRefusal:
    """
    The refusal of one number or of a whole request.

    Attributes:
        error: The text for people; None in a bare entry.
        code: The stable upper-case word; None in a bare entry.
        status: HTTP status of a refused request; None for the sandbox's default.
        retry_after: Value of the header ``Retry-After``, sent unchanged.
        is_page: Whether it is sent as the web server's HTML page instead of a JSON object.
    """

    error: str | None = None
    code: str | None = None
    status: int | None = None
    retry_after: str | None = None
    is_page: bool = False


INVALID_API_KEY: Final = GatewayRefusal("Invalid or inactive API key", "INVALID_API_KEY")
INSUFFICIENT_CREDITS: Final = GatewayRefusal("Insufficient credits", "INSUFFICIENT_CREDITS")
INVALID_PHONE_NUMBER: Final = GatewayRefusal("Invalid phone number", "INVALID_PHONE_NUMBER")
RATE_LIMIT_EXCEEDED: Final = GatewayRefusal(
    "Rate limit exceeded", "RATE_LIMIT_EXCEEDED", status=429
)


def missing(field: str) -> GatewayRefusal:
    """Refuse a request in which a required field is absent or empty."""
    return GatewayRefusal(f"Missing required field: {field}", "MISSING_FIELD")


def too_many(most: int) -> GatewayRefusal:
    """Refuse a request with more than *most* numbers."""
    return GatewayRefusal(f"Too many numbers: at most {most:,} in one request", "TOO_MANY_NUMBERS")


def sent(phone: str, message_id: str) -> Entry:
    """Make the entry of an accepted message."""
    return {"phone": phone, "success": True, "message_id": message_id}


def failed(phone: str, refusal: GatewayRefusal) -> Entry:
    """Make the entry of a refused number; a bare refusal gives no reason."""
    entry: Entry = {"phone": phone, "success": False}
    if refusal.error is not None:
        entry["error"] = refusal.error
    if refusal.code is not None:
        entry["code"] = refusal.code
    return entry


def completed(entries: list[Entry], remaining: int) -> Document:
    """Answer a request that was carried out, with *remaining* credits left."""
    successes = sum(entry["success"] is True for entry in entries)
    return {
        "success": True,
        "message": "SMS sending completed",
        "total_numbers": len(entries),
        "successful_sends": successes,
        "failed_sends": len(entries) - successes,
        "remaining_credits": remaining,
        "results": entries,
    }


def refused(refusal: GatewayRefusal) -> Document:
    """Answer a request that was refused as a whole."""
    return {"success": False, "error": refusal.error, "code": refusal.code}


def encode(document: Document) -> bytes:
    """Write an answer as compact JSON."""
    return msgspec.json.encode(document)
