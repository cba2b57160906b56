"""
The ports: what the life of a request needs from outside, and the values that cross.

Whoever implements one of these Protocols need not import anything else of this package.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from attrs import define, field, frozen

from .errors import Status
from .outcomes import Outcome

__all__ = [
    "Attempt",
    "Batch",
    "Body",
    "Carrier",
    "Clock",
    "Journal",
    "Lane",
    "Limiter",
    "NotAllowed",
    "Reply",
    "RequestRecord",
    "Slot",
    "Ticket",
    "Transport",
    "TransportFailure",
    "Usage",
]


class Clock(Protocol):
    """Time and dice."""

    def now(self) -> float:
        """Give the instant, in monotonic seconds."""
        ...

    def jitter(self) -> float:
        """Roll the dice: 0 ≤ jitter < 1, uniform."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 lets others run."""
        ...


class Body:
    """The bytes of a request, which hold the key: they show themselves to nobody but the socket."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def reveal(self) -> bytes:
        """Give the bytes, to be put on the wire."""
        return self._content

    def __len__(self) -> int:
        return len(self._content)

    def __repr__(self) -> str:
        return f"<Body of {len(self)} bytes>"


class NotAllowed(Exception):
    """The body may not start: the attempt was called off, or it was written once already."""


def _do_nothing() -> None:
    """Nobody runs it, or there is no connection to drop."""


@define(eq=False)
class Attempt:
    """
    One POST: whether any of its body has left, and whether it still may.

    It is handed *into* the transport, so that what it knows survives whatever ends the call.

    Attributes:
        number: Its number among the client's attempts, from 1.
        interrupt: Ends its wait by an `asyncio.CancelledError`, whichever task it is in by now.
        is_started: Whether the body has begun to be written.
        is_called_off: Whether it may not begin any more.
    """

    number: int
    interrupt: Callable[[], object] = field(default=_do_nothing, repr=False)
    is_started: bool = False
    is_called_off: bool = False

    def start(self) -> None:
        """
        Mark the first byte; called right before it is written.

        Raises:
            NotAllowed: It was called off, or something writes the body a second time.
        """
        if self.is_called_off or self.is_started:
            raise NotAllowed
        self.is_started = True

    def call_off(self) -> bool:
        """Forbid the start; tell whether that was in time, so that nothing has left or will."""
        self.is_called_off = True
        return not self.is_started


@define(eq=False)
class Reply:
    """
    What came back.

    Attributes:
        status: The HTTP status.
        body: The body, whole; hidden, since a server may echo the key.
        headers: The headers, by names in any case.
        discard: Drops the connection it came on, because it answered another request.
    """

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    discard: Callable[[], None] = field(default=_do_nothing, repr=False)


class Carrier(Protocol):
    """
    Whatever runs a delivery.

    Attributes:
        is_cancelled: Whether the task that waits for it was cancelled.
    """

    @property
    def is_cancelled(self) -> bool: ...

    def interrupt(self) -> None:
        """End its wait by an `asyncio.CancelledError`."""
        ...

    def must_end(self) -> bool:
        """Whether its task is cancelled still, though something took the error for its own."""
        ...


class TransportFailure(Exception):
    """The attempt ended without a whole reply; the text says why and holds no secret."""


class Transport(Protocol):
    """One POST, nothing else: no second try, no redirect."""

    async def post(self, body: Body, attempt: Attempt, *, timeout: float, most: int) -> Reply:
        """
        Send *body* once and read the reply whole.

        Args:
            body: What to send.

            attempt: Its ``start`` is called right before the first byte of the body is written,
                and nothing is written where that raises.

            timeout: Seconds for all of it: the connection, the request and the reply. Their end is
                enforced by ``attempt.interrupt``, and never by cancelling the task, as
                `asyncio.timeout` does: it may be the caller's, and who cancels it leaves.

            most: Bytes of the reply that are read before it counts as no reply.

        Raises:
            TransportFailure: There is no whole reply. Whether something left, *attempt* knows.
        """
        ...


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
    Leave for one request. Exactly one of the four calls ends it.

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
        The gateway turned the request away for the rate, and asked for so many seconds.

        Returns:
            Seconds until the pause of the account ends.
        """
        ...


@frozen(kw_only=True)
class Usage:
    """
    How an account stands; instants are monotonic seconds of the limiter's clock.

    Attributes:
        limit: Slots in all.
        busy: Slots that may not be used now.
        in_flight: Slots whose request has not ended.
        waiting: Callers in the queue, of all event loops that run.
        next_free_at: When a slot is free for certain; None while all are in flight.
        paused_until: Before this instant nothing leaves; None where there is no pause.
        refused_by_others: Refusals for the rate that came while our own count was below the
            limit: somebody else uses the key.
    """

    limit: int
    busy: int
    in_flight: int
    waiting: int
    next_free_at: float | None
    paused_until: float | None
    refused_by_others: int


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
        Wait for a slot, in the task of whoever sends; to be cancelled ends the wait at once.

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


@frozen
class Batch:
    """
    The inputs that share one request.

    Attributes:
        indexes: Their positions in the input.
        phones: Their numbers, in E.164.
        text: Their common text.
        refs: Their `Message.ref`, one each; empty where there are none.
        is_personal: Whether each number has a text of its own, as in `CustomerSMS.send_messages`.
    """

    indexes: Sequence[int]
    phones: Sequence[str] = field(repr=lambda phones: f"<{len(phones)} numbers>")
    text: str = field(repr=lambda text: f"<{len(text)} characters>")
    refs: Sequence[object] = ()
    is_personal: bool = False


class Journal(Protocol):
    """
    The memory of a durable run.

    A run that died finds in it what was claimed and never settled: those numbers are unknown.
    """

    async def claim(self, batch: Batch) -> None:
        """
        Note that *batch* is about to leave; awaited before its first byte may.

        Whatever it raises ends the run, and the batch was not sent.
        """
        ...

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Note the fates of a claimed batch; whatever it raises ends the run."""
        ...


@frozen(kw_only=True)
class RequestRecord:
    """
    What ``on_request`` is told of one attempt: never a key, a text or a number.

    Attributes:
        account: The hash that stands for the key.
        request: The short name of the attempt, the same in logs and in `Outcome.request`.
        kind: ``"send"`` or ``"bulk"``.
        numbers: How many numbers it carried.
        fates: How many of them ended how; only fates that occurred. An attempt that is tried
            again counts them as `Status.NOT_SENT`.
        code: The word of the reason where the whole request has one, or None.
        waited: Seconds in the limiter's queue.
        took: Seconds from the grant to the end of the attempt.
        credits: The balance that the answer named, or None.
    """

    account: str
    request: str
    kind: str
    numbers: int
    fates: Mapping[Status, int]
    code: str | None
    waited: float
    took: float
    credits: int | None
