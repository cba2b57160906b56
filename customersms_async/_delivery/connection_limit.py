"""
A cap on the requests under way, over all accounts of a client.

Rules of this module:

1. A slot of the limiter comes first, then a place among the requests under way: nobody keeps a
   place while it waits for its rate.
2. Single messages go ahead of bulk runs; within a lane, first come, first served.
3. A slot is not kept for longer than a moment without a place: it goes back, for others of its
   account, and is asked for again under its old ticket.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections import deque

from attrs import define, field

from .. import codes
from .._ports.limiter import Lane, Limiter, Slot, Ticket
from ..errors import WaitTooLong

__all__ = ["CappedLimiter", "Room"]

#: Seconds for which a slot is kept without a place.
_MOMENT = 1.0


@define(eq=False)
class Room:
    """
    Places for requests under way, for any thread and event loop.

    Attributes:
        free: Places that are free.
    """

    free: int
    _lock: threading.RLock = field(factory=threading.RLock, init=False)
    _sends: deque[asyncio.Future[None]] = field(factory=deque[asyncio.Future[None]], init=False)
    _bulks: deque[asyncio.Future[None]] = field(factory=deque[asyncio.Future[None]], init=False)

    def take(self) -> bool:
        """Take a place where one is free."""
        with self._lock:
            if self.free <= 0:
                return False
            self.free -= 1
            return True

    async def wait(self, lane: Lane, seconds: float) -> bool:
        """Wait for a place; say whether there was one in time."""
        future = asyncio.get_running_loop().create_future()
        queue = self._sends if lane is Lane.SEND else self._bulks
        with self._lock:
            if self.take():
                return True
            queue.append(future)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return self._leave(queue, future)
        except BaseException:
            if self._leave(queue, future):
                self.give_back()
            raise
        return True

    def give_back(self) -> None:
        """Free a place, or hand it to the next in line."""
        with self._lock:
            for queue in (self._sends, self._bulks):
                while queue:
                    future = queue.popleft()
                    with contextlib.suppress(RuntimeError):  # its loop was closed
                        future.get_loop().call_soon_threadsafe(_wake, future)
                        return
            self.free += 1

    def _leave(self, queue: deque[asyncio.Future[None]], future: asyncio.Future[None]) -> bool:
        """Leave the line; say whether a place was handed over meanwhile."""
        with self._lock, contextlib.suppress(ValueError):
            queue.remove(future)
            return False
        return True


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _CappedSlot:
    """A slot with a place: see `Slot`."""

    __slots__ = ("_room", "_slot")

    def __init__(self, slot: Slot, room: Room) -> None:
        self._slot = slot
        self._room = room

    @property
    def ticket(self) -> Ticket:
        return self._slot.ticket

    @property
    def waited(self) -> float:
        return self._slot.waited

    def answered(self) -> None:
        self._room.give_back()
        self._slot.answered()

    def lost(self) -> None:
        self._room.give_back()
        self._slot.lost()

    def unused(self) -> None:
        self._room.give_back()
        self._slot.unused()

    def refused(self, retry_after: float | None) -> float:
        self._room.give_back()
        return self._slot.refused(retry_after)


@define(eq=False)
class CappedLimiter:
    """A limiter whose slots have a place."""

    limiter: Limiter
    room: Room

    async def acquire(
        self,
        account: str,
        lane: Lane,
        *,
        longest: float,
        patience: float | None = None,
        ticket: Ticket | None = None,
    ) -> Slot:
        """Wait for a slot and a place; see `Limiter.acquire`."""
        slot = await self.limiter.acquire(
            account, lane, longest=longest, patience=patience, ticket=ticket
        )
        if self.room.take():
            return _CappedSlot(slot, self.room)
        return await self._wait_for_room(account, lane, slot, longest, patience)

    async def _wait_for_room(
        self, account: str, lane: Lane, slot: Slot, longest: float, patience: float | None
    ) -> Slot:
        """Wait for a place, and for another slot where this one was kept for a moment in vain."""
        now = asyncio.get_running_loop().time
        ends_at = math.inf if patience is None else now() + patience - slot.waited
        while not (self.room.take() or await self._finds_room(slot, lane, ends_at - now())):
            left = ends_at - now()
            if left <= 0:
                detail = "as many requests are under way as max_connections allows"
                raise WaitTooLong(codes.WAIT_TOO_LONG, (), detail)
            patience = None if left == math.inf else left
            slot = await self.limiter.acquire(
                account, lane, longest=longest, patience=patience, ticket=slot.ticket
            )
        return _CappedSlot(slot, self.room)

    async def _finds_room(self, slot: Slot, lane: Lane, left: float) -> bool:
        """Wait for a place as long as the slot may be kept; else give it back."""
        has_room = False
        try:
            has_room = await self.room.wait(lane, max(min(left, _MOMENT), 0.0))
        finally:
            if not has_room:
                slot.unused()
        return has_room
