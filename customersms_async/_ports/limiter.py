"""The port of a rate limiter: a slot for each request."""

from __future__ import annotations

import enum
from typing import Any, Final, Protocol, runtime_checkable

from attrs import frozen

from .._values.export import as_dict

__all__ = ["LONGEST_PAUSE", "Lane", "Limiter", "ObservableLimiter", "Slot", "Ticket", "Usage"]


class Lane(enum.Enum):
    """
    The priority of a request.

    Attributes:
        SEND: A single message; overtakes bulk runs.
        BULK: A request of a bulk run; paced, and served at least once in ten grants.
    """

    SEND = "send"
    BULK = "bulk"


@frozen
class Ticket:
    """A place in the queue, which a refused request keeps."""

    lane: Lane
    place: int


class Slot(Protocol):
    """
    Permission to send one request; exactly one of the four methods must release it.

    Attributes:
        ticket: The place in the queue that was granted the slot.
        waited: Seconds between the call of `acquire` and the grant.
    """

    @property
    def ticket(self) -> Ticket: ...
    @property
    def waited(self) -> float: ...

    def answered(self) -> None:
        """The request was carried out or refused, but not for the rate."""
        ...

    def lost(self) -> None:
        """The request may have left, and no answer came."""
        ...

    def unused(self) -> None:
        """Neither headers nor body of the request can have left."""
        ...

    def refused(self, retry_after: float | None) -> float:
        """
        The gateway refused the request for the rate, and may have asked for a pause in seconds.

        Returns:
            Seconds until the pause of the account ends.
        """
        ...


@frozen(kw_only=True)
class Usage:
    """
    The state of an account; instants are seconds of the limiter's clock.

    Attributes:
        limit: All slots.
        busy: Slots that may not be used now; may exceed the limit if ends were reported late.
        in_flight: Slots whose request has not ended.
        waiting: Callers in the queue, in all running event loops.
        next_free_at: When a slot is certainly free; None while all are in flight.
        paused_until: When the pause ends; None without a pause.
        opens_at: When a shared limiter opens whose store is new or lost its memory; None if open.
        refused_by_others: Refusals for the rate while our own count was below the limit: somebody
            else uses the key.
        share: Requests per period that bulk runs use; the limit, or less after such refusals.
    """

    limit: int
    busy: int
    in_flight: int
    waiting: int
    next_free_at: float | None
    paused_until: float | None
    refused_by_others: int
    opens_at: float | None = None
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON types."""
        return as_dict(self)


class Limiter(Protocol):
    """Grants slots, per account."""

    async def acquire(
        self,
        account: str,
        lane: Lane,
        *,
        longest: float,
        patience: float | None = None,
        ticket: Ticket | None = None,
    ) -> Slot:
        """
        Wait for a slot; may be cancelled at any time.

        Args:
            account: The hash of a key.

            lane: The priority.

            longest: The most seconds that the request can take.

            patience: Seconds after which the slot is of no use; None waits for ever.

            ticket: The place of a request that was granted a slot before.

        Raises:
            WaitTooLong: No slot within *patience*; at once if the queue is too long.
            LimiterUnavailable: The store of a shared limiter does not answer.
        """
        ...


@runtime_checkable
class ObservableLimiter(Limiter, Protocol):
    """A limiter that reports the state of an account."""

    async def usage(self, account: str) -> Usage:
        """
        Return the state of *account*.

        Raises:
            LimiterUnavailable: The store of a shared limiter does not answer.
        """
        ...

    async def ready(self) -> None:
        """
        Wait until the limiter grants slots.

        Raises:
            LimiterUnavailable: The store of a shared limiter does not answer.
        """
        ...


#: Longest pause in seconds, whatever a server asks for: a `Retry-After` may say days.
LONGEST_PAUSE: Final = 600.0
