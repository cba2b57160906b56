"""
The callers of one account in one event loop, and the slot that each of them gets.

Rules of this module:

1. Each lane is first in, first out. A request that comes back with its ticket has its old place.
2. Only the head of the bulk queue asks for a slot. Before, it waits in a token bucket, a little
   faster than the pace: the bucket smooths what one loop asks, the law proves. A request that
   comes back after a refusal passes the bucket by.
3. Who is cancelled takes nothing along: a slot that was granted and not used goes to the next.
4. Who cannot have a slot in time, by the queue as it stands, is told at once.
"""

from __future__ import annotations

import asyncio
import functools
import math
from collections import deque
from typing import Final, Protocol

from aiolimiter import AsyncLimiter

from .._ports.limiter import Lane, Ticket
from .account_state import SLACK, Lease, Rules
from .law import End
from .wait_queue import insert, out_of_patience

__all__ = ["Desk", "LeasedSlot", "Member", "Waiter"]

#: Looked up once: a member of an enumeration costs as much as a call.
_SEND: Final = Lane.SEND
_ANSWERED: Final = End.ANSWERED
_LOST: Final = End.LOST
_UNUSED: Final = End.UNUSED


class Endings(Protocol):
    """Hears how requests end."""

    def end(self, lease: Lease, how: End) -> None:
        """Take in how a request ended."""
        ...

    def refused(self, lease: Lease, retry_after: float | None) -> float:
        """Take in a refusal for the rate; give the seconds until the pause ends."""
        ...


class Desk(Endings, Protocol):
    """Grants slots: an account in memory, or a member of one in a store."""

    def clock(self) -> float:
        """Give the instant, in monotonic seconds."""
        ...

    def next_place(self) -> int:
        """Number a newcomer."""
        ...

    def next_lease(self, longest: float, *, is_bulk: bool) -> Lease:
        """Begin a lease that has no instant yet."""
        ...

    def refuse_the_hopeless(self, place: int, patience: float, *, is_bulk: bool) -> None:
        """
        Look at the queue as it stands.

        Raises:
            WaitTooLong: Who comes to *place* has no slot within *patience*.
        """
        ...

    def join(self, waiter: Waiter) -> None:
        """Let *waiter* be served; its future may be done at once."""
        ...

    def leave(self, waiter: Waiter) -> None:
        """Forget *waiter*, however it ended."""
        ...

    def confirm(self, slot: LeasedSlot) -> bool:
        """Let a holder go that comes late; False where its lease has run out."""
        ...


class LeasedSlot:
    """Permission to send one request; see `Slot`."""

    __slots__ = ("_desk", "_place", "asked_at", "granted_at", "lease")

    def __init__(
        self, desk: Endings, lease: Lease, place: int, asked_at: float, granted_at: float
    ) -> None:
        self._desk = desk
        self._place = place
        self.lease = lease
        self.asked_at = asked_at
        self.granted_at = granted_at

    @property
    def ticket(self) -> Ticket:
        return Ticket(Lane.BULK if self.lease.is_bulk else _SEND, self._place)

    @property
    def waited(self) -> float:
        return self.granted_at - self.asked_at

    def answered(self) -> None:
        self._desk.end(self.lease, _ANSWERED)

    def lost(self) -> None:
        self._desk.end(self.lease, _LOST)

    def unused(self) -> None:
        self._desk.end(self.lease, _UNUSED)

    def refused(self, retry_after: float | None) -> float:
        return self._desk.refused(self.lease, retry_after)


class Waiter:
    """
    A caller who waits for a slot.

    Attributes:
        future: Done with its slot, with an error, or with its cancellation.
        lease: What it asks for.
        place: Its place among those of its lane.
        asked_at: When it came; monotonic seconds.
        gives_up_at: Until when a slot is of use.
        member: Where it waits.
        is_waiting: Whether its member counts it.
        is_judged: Whether its chances were looked at.
        has_turn: Whether it is the head of the bulk queue.
    """

    __slots__ = (
        "asked_at",
        "future",
        "gives_up_at",
        "has_turn",
        "is_judged",
        "is_waiting",
        "lease",
        "member",
        "place",
    )

    def __init__(
        self, member: Member, lease: Lease, place: int, asked_at: float, gives_up_at: float
    ) -> None:
        self.future: asyncio.Future[LeasedSlot] = member.loop.create_future()
        self.is_waiting = False
        self.is_judged = False
        self.has_turn = lease.is_bulk
        self.lease = lease
        self.place = place
        self.asked_at = asked_at
        self.gives_up_at = gives_up_at
        self.member = member

    @property
    def is_open(self) -> bool:
        """Whether it still waits for an answer."""
        return self.is_waiting and not self.future.done()

    def refuse(self, error: Exception) -> None:
        """End its wait with *error*, unless it has ended."""
        if not self.future.done():
            self.future.set_exception(error)


class _Turn:
    """Lets one bulk request of a loop ask at a time; the others wait in the order of places."""

    __slots__ = ("_is_taken", "_loop", "_queue", "count")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._is_taken = False
        self.count = 0  # who asks or waits

    async def enter(self, place: int) -> None:
        self.count += 1
        if not self._is_taken:
            self._is_taken = True
            return
        future = self._loop.create_future()
        insert(self._queue, (place, future), place, _place_of)
        try:
            await future
        except asyncio.CancelledError:
            if future.cancelled():
                self.count -= 1
            else:  # the turn had come
                self.leave()
            raise

    def leave(self) -> None:
        self.count -= 1
        while self._queue:
            _, future = self._queue.popleft()
            if not future.done():
                future.set_result(None)
                return
        self._is_taken = False


def _place_of(entry: tuple[int, object]) -> int:
    return entry[0]


class Member:
    """
    The callers of one account in one event loop.

    Attributes:
        sends: Single messages that wait, in their order; those who left are skipped lazily.
        bulk: The head of the bulk queue while it waits for a slot.
        timer: Looks again when a slot opens.
        looks_at: When that is; infinity without one.
    """

    def __init__(self, desk: Desk, rules: Rules, loop: asyncio.AbstractEventLoop) -> None:
        self._desk = desk
        self._rules = rules
        self.loop = loop
        self.sends: deque[Waiter] = deque()
        self.bulk: Waiter | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.looks_at = float("inf")
        self.sends_waiting = 0
        self._turn = _Turn(loop)
        self._has_token = False

    @functools.cached_property
    def _bucket(self) -> AsyncLimiter | None:
        """A bucket at 100 % of the rate; None where the limit itself may go at once."""
        limit, per, burst = self._rules.limit, self._rules.per, self._rules.burst
        return AsyncLimiter(burst, burst * per / limit) if burst < limit else None

    @property
    def bulks_waiting(self) -> int:
        """Requests of bulk runs that wait."""
        return self._turn.count

    @property
    def waiting(self) -> int:
        """Callers that wait; none in a loop that does not run."""
        return self.sends_waiting + self.bulks_waiting if self.loop.is_running() else 0

    def first(self, *, is_bulk: bool) -> Waiter | None:
        """Give the first of a lane, or None where nobody waits."""
        if is_bulk:
            bulk = self.bulk
            return None if bulk is None or bulk.future.done() else bulk
        sends = self.sends
        while sends and not sends[0].is_open:
            sends.popleft()
        return sends[0] if sends else None

    def sends_before(self, place: int) -> int:
        """Count the single messages that wait before *place*."""
        if not self.sends or self.sends[-1].place < place:
            return self.sends_waiting
        return sum(one.place < place for one in self.sends if one.is_waiting)

    def add(self, waiter: Waiter) -> None:
        """Put *waiter* in its place."""
        waiter.is_waiting = True
        if waiter.lease.is_bulk:
            self.bulk = waiter
            return
        self.sends_waiting += 1
        insert(self.sends, waiter, waiter.place, lambda one: one.place)

    def remove(self, waiter: Waiter) -> None:
        """Count *waiter* no longer."""
        if not waiter.is_waiting:
            return
        waiter.is_waiting = False
        if waiter.lease.is_bulk:
            self.bulk = None
        else:
            self.sends_waiting -= 1

    def granted(self, waiter: Waiter) -> None:
        """Let the next bulk request ask, now that *waiter* gets its slot."""
        self.remove(waiter)
        if waiter.lease.is_bulk:
            self._has_token = False
            self._pass_turn(waiter)

    async def acquire(
        self, lane: Lane, longest: float, patience: float | None, ticket: Ticket | None
    ) -> LeasedSlot:
        """Wait for a slot; see `Limiter.acquire`."""
        asked_at = self._desk.clock()
        place = self._desk.next_place() if ticket is None else ticket.place
        if patience is not None:
            self._desk.refuse_the_hopeless(place, patience, is_bulk=lane is not _SEND)
        if lane is _SEND:
            return await self._wait(longest, place, asked_at, patience)
        is_new = ticket is None
        if patience is None:
            return await self._wait(longest, place, asked_at, None, is_new=is_new)
        try:
            async with asyncio.timeout(patience):
                return await self._wait(longest, place, asked_at, None, is_new=is_new)
        except TimeoutError:
            raise out_of_patience(patience) from None

    async def _take_turn(self, place: int, *, is_new: bool) -> None:
        """Become the head of the bulk queue, with a token of the bucket."""
        await self._turn.enter(place)
        try:
            if is_new and not self._has_token and self._bucket is not None:
                await self._bucket.acquire()
        except BaseException:
            self._turn.leave()
            raise
        self._has_token = True

    def _pass_turn(self, waiter: Waiter) -> None:
        if waiter.has_turn:
            waiter.has_turn = False
            self._turn.leave()

    async def _wait(
        self,
        longest: float,
        place: int,
        asked_at: float,
        patience: float | None,
        *,
        is_new: bool | None = None,
    ) -> LeasedSlot:
        """Wait for a slot; a bulk request, which says whether it *is_new*, in its turn."""
        desk, is_bulk = self._desk, is_new is not None
        while True:
            if is_new is not None:
                await self._take_turn(place, is_new=is_new)
            lease = desk.next_lease(longest, is_bulk=is_bulk)
            gives_up_at = math.inf if patience is None else asked_at + patience
            waiter = Waiter(self, lease, place, asked_at, gives_up_at)
            slot = await self._grant_of(waiter, patience)
            if desk.clock() - slot.granted_at <= SLACK or desk.confirm(slot):
                return slot

    async def _grant_of(self, waiter: Waiter, patience: float | None) -> LeasedSlot:
        desk, future = self._desk, waiter.future
        timer = None
        desk.join(waiter)
        try:
            if patience is not None and not future.done():
                left = waiter.asked_at + patience - desk.clock()
                timer = self.loop.call_later(left, _give_up, waiter, patience)
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._has_token |= waiter.lease.is_bulk
                future.result().unused()
            raise
        finally:
            if timer is not None:
                timer.cancel()
            desk.leave(waiter)
            self._pass_turn(waiter)


def _give_up(waiter: Waiter, patience: float) -> None:
    waiter.refuse(out_of_patience(patience))
