"""What a caller's ``on_request`` hook receives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from .._values.export import as_dict
from .._values.status import Status

__all__ = ["RequestRecord"]


@frozen(kw_only=True)
class RequestRecord:
    """
    A record of one attempt, for ``on_request``. It never contains a key, a text or a number.

    Each attempt has one, and so does a request that ends without an attempt or between two.
    Exactly one record of each request has ``is_final``.

    Attributes:
        account: The hash that stands for the key.
        request: The short id of the attempt, the same in logs and in `Outcome.request`.
        kind: ``"send"`` or ``"bulk"``.
        numbers: How many numbers it carried.
        fates: The count of each fate that occurred. An attempt that will be retried counts its
            numbers as `Status.NOT_SENT`.
        code: The reason code if all of its numbers share one, else None.
        is_final: Whether the request ended here; otherwise it is retried.
        waited: Seconds in the limiter's queue; without an attempt, since the request began.
        took: Seconds from the grant to the end of the attempt; 0 without one.
        credits: The balance reported in the answer, or None.
    """

    account: str
    request: str
    kind: str
    numbers: int
    fates: Mapping[Status, int]
    code: str | None
    is_final: bool
    waited: float
    took: float
    credits: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON types; fates are keyed by the values of `Status`."""
        return as_dict(self)
