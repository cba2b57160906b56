"""What the client needs of a rate limiter: a slot for each request."""

from __future__ import annotations

import enum
from typing import Any, Final, Protocol, runtime_checkable

from attrs import frozen

from .._values.export import as_dict

__all__ = ["LONGEST_PAUSE", "Lane", "Limiter", "ObservableLimiter", "Slot", "Ticket", "Usage"]


class Lane(enum.Enum):
    """
    Who waits for a slot.

    Attributes:
        SEND: A single message; goes ahead of bulk runs.
        BULK: A request of a bulk run; paced, and served at least once in ten grants.
    """

    SEND = "send"
    BULK = "bulk"


@frozen
class Ticket:
    """A place in the queue, which a request that was turned away keeps."""

    lane: Lane
    place: int


class Slot(Protocol):
    """
    Permission to send one request; exactly one of the four methods must release it.

    Attributes:
        ticket: The place in the queue that it was granted to.
        waited: Seconds between asking and the grant.
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
        The gateway turned the request away for the rate, and asked for a pause of some seconds.

        Returns:
            Seconds until the pause of the account ends.
        """
        ...


@frozen(kw_only=True)
class Usage:
    """
    How an account stands; instants are seconds of the limiter's clock.

    Attributes:
        limit: Slots in all.
        busy: Slots that may not be used now; may exceed the limit where ends were told late.
        in_flight: Slots whose request has not ended.
        waiting: Callers in the queue, of all event loops that run.
        next_free_at: When a slot is free for certain; None while all are in flight.
        paused_until: Before this instant nothing leaves; None where there is no pause.
        opens_at: When a shared limiter opens whose store is new or lost its memory; None where it
            is open.
        refused_by_others: Refusals for the rate that came while our own count was below the
            limit: somebody else uses the key.
        share: Requests a period that bulk runs use; the limit, or less after such refusals.
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
        """Return the attributes as types that JSON has."""
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
        Wait for a slot, in the task that sends; a cancellation ends the wait at once.

        Args:
            account: The hash that stands for a key.

            lane: Who asks.

            longest: The most seconds that the request can take.

            patience: Seconds after which the slot is of no use; None waits as long as it takes.

            ticket: The place that a request keeps which was granted a slot before.

        Raises:
            WaitTooLong: The slot cannot be had within *patience*, by the queue as it stands, or
                was not.
            LimiterUnavailable: The store of a shared limiter cannot be asked.
        """
        ...


@runtime_checkable
class ObservableLimiter(Limiter, Protocol):
    """A limiter that says how an account stands."""

    async def usage(self, account: str) -> Usage:
        """
        Say how *account* stands.

        Raises:
            LimiterUnavailable: The store of a shared limiter cannot be asked.
        """
        ...

    async def ready(self) -> None:
        """
        Wait until slots can be had.

        Raises:
            LimiterUnavailable: The store of a shared limiter cannot be asked.
        """
        ...


#: No pause is longer, even if a server asks: one `Retry-After` has put a client to sleep for days.
LONGEST_PAUSE: Final = 600.0
