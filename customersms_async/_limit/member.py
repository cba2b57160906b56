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
import contextlib
import functools
import math
from bisect import insort
from collections import deque
from operator import attrgetter
from typing import Final, Protocol

import msgspec
from aiolimiter import AsyncLimiter

from .._ports.limiter import Lane, Ticket
from .account_state import SLACK, Lease, Rules
from .law import End
from .wait_queue import out_of_patience

__all__ = ["Desk", "LeasedSlot", "Member", "Waiter"]

#: Looked up once: a member of an enumeration costs as much as a call.
_SEND: Final = Lane.SEND
_ANSWERED: Final = End.ANSWERED
_LOST: Final = End.LOST
_UNUSED: Final = End.UNUSED

_PLACE: Final = attrgetter("place")


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
        """Let *waiter* stand in its line; its future may be done at once."""
        ...

    def serve(self) -> None:
        """Grant what slots there are, since another caller asks."""
        ...

    def leave(self, waiter: Waiter) -> None:
        """Forget *waiter*, which got no slot or did not use it."""
        ...

    def confirm(self, slot: LeasedSlot) -> bool:
        """Let a holder go that comes late; False where its lease has run out."""
        ...


class LeasedSlot(msgspec.Struct, eq=False):
    """Permission to send one request; see `Slot`."""

    desk: Endings
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
        self.desk.end(self.lease, _ANSWERED)

    def lost(self) -> None:
        self.desk.end(self.lease, _LOST)

    def unused(self) -> None:
        self.desk.end(self.lease, _UNUSED)

    def refused(self, retry_after: float | None) -> float:
        return self.desk.refused(self.lease, retry_after)


class Waiter(msgspec.Struct, eq=False):
    """
    A caller who waits for a slot.

    Attributes:
        member: Where it waits.
        future: Done with its slot, with an error, or with its cancellation.
        lease: What it asks for.
        place: Its place among those of its lane.
        asked_at: When it came; monotonic seconds.
        gives_up_at: Until when a slot is of use, for a message.
        is_new: Whether it has not been granted a slot before.
        turn: Done when a bulk request that had to wait for its turn may ask.
        is_judged: Whether its chances were looked at.
    """

    member: Member
    future: asyncio.Future[LeasedSlot]
    lease: Lease
    place: int
    asked_at: float
    gives_up_at: float
    is_new: bool
    turn: asyncio.Future[None] | None = None
    is_judged: bool = False

    def refuse(self, error: Exception) -> None:
        """End its wait with *error*, unless it has ended."""
        if not self.future.done():
            self.future.set_exception(error)


class Member:
    """
    The callers of one account in one event loop.

    Attributes:
        sends: Single messages that wait, in their order.
        bulks: Requests of bulk runs that wait, in their order.
        bulk: The one of them that asks for a slot.
        timer: Looks again when a slot opens.
        looks_at: When that is; infinity without one.
    """

    def __init__(self, desk: Desk, rules: Rules, loop: asyncio.AbstractEventLoop) -> None:
        self._desk = desk
        self._rules = rules
        self.loop = loop
        self.sends: deque[Waiter] = deque()
        self.bulks: deque[Waiter] = deque()
        self.bulk: Waiter | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.looks_at = math.inf
        self._first: Waiter | None = None  # of the bulk requests: it asks, or waits for a token
        self._has_token = False

    @functools.cached_property
    def _bucket(self) -> AsyncLimiter | None:
        """A bucket at 100 % of the rate; None where the limit itself may go at once."""
        limit, per, burst = self._rules.limit, self._rules.per, self._rules.burst
        return AsyncLimiter(burst, burst * per / limit) if burst < limit else None

    @property
    def waiting(self) -> int:
        """Callers that wait; none in a loop that does not run."""
        return len(self.sends) + len(self.bulks) if self.loop.is_running() else 0

    def first_send(self) -> Waiter | None:
        """Give the first message that asks."""
        for send in self.sends:
            if not send.future.done():
                return send
        return None

    def first_bulk(self) -> Waiter | None:
        """Give the bulk request that asks."""
        bulk = self.bulk
        return None if bulk is None or bulk.future.done() else bulk

    def sends_before(self, place: int) -> int:
        """Count the single messages that wait before *place*."""
        if not self.sends or self.sends[-1].place < place:
            return len(self.sends)
        return sum(one.place < place for one in self.sends)

    def add(self, waiter: Waiter) -> None:
        """Put *waiter* in its place, which is nearly always the last."""
        line = self.bulks if waiter.lease.is_bulk else self.sends
        if line and line[-1].place > waiter.place:
            insort(line, waiter, key=_PLACE)
        else:
            line.append(waiter)

    def remove(self, waiter: Waiter) -> None:
        """Let *waiter* stand in line no longer."""
        line = self.bulks if waiter.lease.is_bulk else self.sends
        if waiter is self.bulk:
            self.bulk = None
        with contextlib.suppress(ValueError):
            line.remove(waiter)

    def hand_over(self, waiter: Waiter, slot: LeasedSlot) -> None:
        """Give *waiter* its slot, unless it has gone."""
        if waiter.lease.is_bulk:
            self._has_token = False
        if waiter.future.done():
            slot.unused()
        else:
            waiter.future.set_result(slot)

    async def acquire(
        self, lane: Lane, longest: float, patience: float | None, ticket: Ticket | None
    ) -> LeasedSlot:
        """Wait for a slot; see `Limiter.acquire`."""
        desk, future = self._desk, self.loop.create_future()
        asked_at, is_bulk = desk.clock(), lane is not _SEND
        place = desk.next_place() if ticket is None else ticket.place
        if patience is not None:
            desk.refuse_the_hopeless(place, patience, is_bulk=is_bulk)
        lease = desk.next_lease(longest, is_bulk=is_bulk)
        ends_at = math.inf if patience is None or is_bulk else asked_at + patience
        waiter = Waiter(self, future, lease, place, asked_at, ends_at, ticket is None)
        if patience is None or not is_bulk:
            return await self._wait(waiter)
        try:
            async with asyncio.timeout(patience):
                return await self._wait(waiter)
        except TimeoutError:
            raise out_of_patience(patience) from None

    async def _wait(self, waiter: Waiter) -> LeasedSlot:
        """Wait for a slot, and for another where that came too late to be used."""
        desk, lease = self._desk, waiter.lease
        while True:
            desk.join(waiter)
            try:
                slot = await (self._ask_in_turn if lease.is_bulk else self._ask)(waiter)
            except BaseException:
                self._leave(waiter)
                raise
            if desk.clock() - slot.granted_at <= SLACK or desk.confirm(slot):
                return slot
            waiter.lease = desk.next_lease(lease.longest, is_bulk=lease.is_bulk)
            waiter.future, waiter.is_judged = self.loop.create_future(), False

    async def _ask_in_turn(self, waiter: Waiter) -> LeasedSlot:
        try:
            await self._take_turn(waiter)
            if waiter.is_new and not self._has_token and self._bucket is not None:
                await self._bucket.acquire()
            self._has_token = True
            self.bulk = waiter
            return await self._ask(waiter)
        finally:
            self._pass_turn(waiter)

    async def _ask(self, waiter: Waiter) -> LeasedSlot:
        self._desk.serve()
        if waiter.gives_up_at == math.inf or waiter.future.done():
            return await waiter.future
        left = waiter.gives_up_at - self._desk.clock()
        error = out_of_patience(waiter.gives_up_at - waiter.asked_at)
        timer = self.loop.call_later(left, waiter.refuse, error)
        try:
            return await waiter.future
        finally:
            timer.cancel()

    async def _take_turn(self, waiter: Waiter) -> None:
        """Become the one bulk request of this loop that asks."""
        if self._first is None:
            self._first = waiter
        else:
            waiter.turn = self.loop.create_future()
            await waiter.turn

    def _pass_turn(self, waiter: Waiter) -> None:
        if self._first is not waiter:
            return
        for one in self.bulks:
            if one.turn is not None and not one.turn.done():
                self._first = one
                one.turn.set_result(None)
                return
        self._first = None

    def _leave(self, waiter: Waiter) -> None:
        """Give a slot back that was granted in the very moment in which *waiter* gave up."""
        self._desk.leave(waiter)
        future = waiter.future
        if future.done() and not future.cancelled() and future.exception() is None:
            self._has_token |= waiter.lease.is_bulk
            future.result().unused()
