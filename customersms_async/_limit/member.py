"""
The callers of one account in one event loop, and their slots.

Rules of this module:

1. Each lane is first in, first out. A request that comes back with its ticket keeps its place.
2. Of the bulk requests that have to wait, only the first asks for a slot, and only with a token
   from a bucket that fills a little faster than the pace: the bucket smooths what one loop asks,
   the law proves. A request that comes back after a refusal needs no token.
3. While bulk requests wait, there is a token, or the first of them waits in the bucket. A request
   that gets its slot draws tokens for those behind it, so that each wakes only once, with its slot.
4. Cancelling a caller costs the others nothing: its slot and its token go to the next.
5. A caller that cannot be served in time, as the queue stands, fails at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from bisect import insort
from collections import deque
from collections.abc import Awaitable
from operator import attrgetter
from typing import Final, Protocol

import msgspec
from aiolimiter import AsyncLimiter

from .._ports.limiter import Lane, Ticket
from .account_state import SLACK, Lease, Rules
from .law import ANSWERED, LOST, UNUSED, End
from .reports import out_of_patience

__all__ = ["Desk", "LeasedSlot", "Member", "Waiter"]

_SEND: Final = Lane.SEND  # looking it up costs as much as a call
_PLACE: Final = attrgetter("place")


class Desk(Protocol):
    """Grants slots: an account in memory, or one event loop's part of an account in a store."""

    def clock(self) -> float:
        """Return monotonic seconds."""
        ...

    def next_place(self) -> int:
        """Return the place of a new caller in its queue."""
        ...

    def next_lease(self, longest: float, *, is_bulk: bool) -> Lease:
        """Return a lease that has no instant yet."""
        ...

    def refuse_the_hopeless(self, place: int, patience: float, *, is_bulk: bool) -> None:
        """
        Check the queue as it stands.

        Raises:
            WaitTooLong: A caller at *place* cannot have a slot within *patience*.
        """
        ...

    def join(self, waiter: Waiter) -> None:
        """Queue *waiter*."""
        ...

    def serve(self) -> None:
        """Grant the slots that are free."""
        ...

    def leave(self, waiter: Waiter) -> None:
        """Forget *waiter*, which got no slot or did not use it."""
        ...

    def confirm(self, slot: LeasedSlot) -> bool:
        """Extend the lease of a holder that woke late; return False if it has expired."""
        ...

    def end(self, lease: Lease, how: End) -> None:
        """Record how a request ended."""
        ...

    def refused(self, lease: Lease, retry_after: float | None) -> float:
        """Record a refusal for the rate; return the seconds until the pause ends."""
        ...


class LeasedSlot(msgspec.Struct, eq=False):
    """Permission to send one request; see `Slot`."""

    desk: Desk
    lease: Lease
    place: int
    asked_at: float
    granted_at: float

    @property
    def ticket(self) -> Ticket:
        return Ticket(Lane.BULK if self.lease.is_bulk else _SEND, self.place)

    @property
    def waited(self) -> float:
        return self.granted_at - self.asked_at

    def answered(self) -> None:
        self.desk.end(self.lease, ANSWERED)

    def lost(self) -> None:
        self.desk.end(self.lease, LOST)

    def unused(self) -> None:
        self.desk.end(self.lease, UNUSED)

    def refused(self, retry_after: float | None) -> float:
        return self.desk.refused(self.lease, retry_after)


class Waiter(msgspec.Struct, eq=False):
    """
    A caller that waits for a slot.

    Attributes:
        member: The queues that it waits in.
        future: Its slot, an error or its cancellation; None where it has to draw its token itself.
        lease: What it asks for.
        place: Its place in the queue of its lane.
        asked_at: When it came; monotonic seconds.
        gives_up_at: Until when a slot is of use, for a single message.
        needs_token: Whether it needs a token of the bucket.
        is_judged: Whether it was checked that a slot may come in time.
    """

    member: Member
    future: asyncio.Future[LeasedSlot | None]
    lease: Lease
    place: int
    asked_at: float
    gives_up_at: float
    needs_token: bool
    is_judged: bool = False

    def refuse(self, error: Exception) -> None:
        """End its wait with *error*, unless it has ended."""
        if not self.future.done():
            self.future.set_exception(error)


class Member:
    """
    The callers of one account in one event loop.

    Attributes:
        sends: Single messages that wait, in order.
        bulks: Requests of bulk runs that wait, in order.
        timer: Fires when a slot opens.
        looks_at: When it fires; infinity without one.
    """

    def __init__(self, desk: Desk, rules: Rules, loop: asyncio.AbstractEventLoop) -> None:
        self._desk = desk
        self.loop = loop
        self.sends: deque[Waiter] = deque()
        self.bulks: deque[Waiter] = deque()
        self.timer: asyncio.TimerHandle | None = None
        self.looks_at = math.inf
        # At 100 % of the rate, a little above the pace; none if the whole limit may leave at once.
        size, interval = 2 * rules.burst, rules.per / rules.limit
        self._bucket = AsyncLimiter(size, size * interval) if rules.burst < rules.limit else None
        # Tokens are drawn a few at a time, and before the last one is used: a grant then goes on to
        # the next request in the same turn of the event loop.
        self._batch = max(1, rules.burst // 2)
        self._drawn = 0  # tokens drawn; changed in this loop only
        self._used = 0  # tokens used; changed by the account only
        self._drawer: Waiter | None = None  # waits in the bucket

    @property
    def waiting(self) -> int:
        """Callers that wait; none in a loop that does not run."""
        return len(self.sends) + len(self.bulks) if self.loop.is_running() else 0

    def first_send(self) -> Waiter | None:
        """Return the first single message that asks."""
        for send in self.sends:
            if not send.future.done():
                return send
        return None

    def first_bulk(self) -> Waiter | None:
        """Return the bulk request that asks: the first one, if there is a token for it."""
        first = self._front()
        if first is None or first is self._drawer or first.future.done():
            return None
        return first if self._drawn > self._used or not first.needs_token else None

    def _front(self) -> Waiter | None:
        try:
            return self.bulks[0]
        except IndexError:  # empty, or emptied just now by a grant in another thread
            return None

    def sends_before(self, place: int) -> int:
        """Count the single messages that wait before *place*."""
        if not self.sends or self.sends[-1].place < place:
            return len(self.sends)
        return sum(one.place < place for one in self.sends)

    def add(self, waiter: Waiter) -> None:
        """Queue *waiter* by its place, nearly always as the last."""
        queue = self.bulks if waiter.lease.is_bulk else self.sends
        if queue and queue[-1].place > waiter.place:
            insort(queue, waiter, key=_PLACE)
        else:
            queue.append(waiter)

    def remove(self, waiter: Waiter) -> None:
        """Take *waiter* out of its queue, if it is there."""
        queue = self.bulks if waiter.lease.is_bulk else self.sends
        if queue and queue[0] is waiter:
            queue.popleft()
            return
        with contextlib.suppress(ValueError):
            queue.remove(waiter)

    def grant(self, waiter: Waiter) -> None:
        """Take *waiter*, which gets a slot, out of its queue, and use its token."""
        self.remove(waiter)
        self._used += waiter.needs_token

    def hand_over(self, waiter: Waiter, slot: LeasedSlot) -> None:
        """Give *waiter* its slot; it goes to the next if *waiter* is gone."""
        if waiter.future.done():
            self._give_back(waiter, slot)
        else:
            waiter.future.set_result(slot)

    def acquire(
        self, lane: Lane, longest: float, patience: float | None, ticket: Ticket | None
    ) -> Awaitable[LeasedSlot]:
        """Wait for a slot; see `Limiter.acquire`."""
        desk, future = self._desk, self.loop.create_future()
        asked_at, is_bulk = desk.clock(), lane is not _SEND
        place = desk.next_place() if ticket is None else ticket.place
        if patience is not None:
            desk.refuse_the_hopeless(place, patience, is_bulk=is_bulk)
        lease = desk.next_lease(longest, is_bulk=is_bulk)
        ends_at = math.inf if patience is None or is_bulk else asked_at + patience
        needs_token = is_bulk and ticket is None and self._bucket is not None
        waiter = Waiter(self, future, lease, place, asked_at, ends_at, needs_token)
        return self._wait(waiter) if patience is None else self._wait_within(patience, waiter)

    async def _wait_within(self, patience: float, waiter: Waiter) -> LeasedSlot:
        error = out_of_patience(patience)
        if waiter.lease.is_bulk:  # it may be waiting in the bucket
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    return await self._wait(waiter)
            raise error
        timer = self.loop.call_later(patience, waiter.refuse, error)
        try:
            return await self._wait(waiter)
        finally:
            timer.cancel()

    async def _wait(self, waiter: Waiter) -> LeasedSlot:
        """Wait for a slot, and for another one where the caller woke too late to use it."""
        desk, lease = self._desk, waiter.lease
        while True:
            desk.join(waiter)
            try:
                if not lease.is_bulk:
                    desk.serve()
                elif self._front() is waiter:
                    await self._ask_as_first(waiter)
                while (slot := await waiter.future) is None:
                    waiter.future = self.loop.create_future()
                    await self._ask_as_first(waiter)
            except BaseException:
                self._leave(waiter)
                raise
            if lease.is_bulk and self.bulks and (left := self._drawn - self._used) <= 1:
                await self._draw_ahead(left)
            if desk.clock() - slot.granted_at <= SLACK or desk.confirm(slot):
                return slot
            waiter.lease = desk.next_lease(lease.longest, is_bulk=lease.is_bulk)
            waiter.future, waiter.is_judged = self.loop.create_future(), False

    async def _ask_as_first(self, waiter: Waiter) -> None:
        """Ask for the first bulk request, once it has its token."""
        if self._bucket is not None and self.first_bulk() is not waiter:
            self._drawer = waiter
            await self._bucket.acquire()
            self._drawn += 1
            self._drawer = None
        self._desk.serve()

    async def _draw_ahead(self, left: int) -> None:
        """Draw the next tokens if the bucket has them, which does not suspend; see `_batch`."""
        if self._bucket is not None and self._bucket.has_capacity(self._batch):
            await self._bucket.acquire(self._batch)
            self._drawn += self._batch
        if not left:
            self._let_first_ask()

    def _let_first_ask(self) -> None:
        """Ask for the first bulk request, or wake it to draw its token."""
        first = self._front()
        if self.first_bulk() is not None:
            self._desk.serve()
        elif first is not None and self._drawer is None and not first.future.done():
            self._drawer = first
            first.future.set_result(None)

    def _leave(self, waiter: Waiter) -> None:
        """Give back a slot that was granted just as *waiter* gave up, and let the next one ask."""
        self._desk.leave(waiter)
        if waiter is self._drawer:
            self._drawer = None
        future = waiter.future
        is_granted = future.done() and not future.cancelled() and future.exception() is None
        if is_granted and (slot := future.result()) is not None:
            self._give_back(waiter, slot)
        if waiter.lease.is_bulk:
            self._let_first_ask()

    def _give_back(self, waiter: Waiter, slot: LeasedSlot) -> None:
        self._drawn += waiter.needs_token
        slot.unused()
