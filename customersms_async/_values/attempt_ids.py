"""The ids of attempts, in outcomes, receipts, errors and logs."""

from __future__ import annotations

__all__ = ["request_name"]


def request_name(client: str, number: int) -> str | None:
    """Return the id of an attempt: the client's prefix and the attempt's number; None for 0."""
    return f"{client}-{number}" if number else None
