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
from typing import Protocol

from attrs import define, field

from .. import codes
from .._ports.limiter import Lane, Slot, Ticket
from ..errors import WaitTooLong

__all__ = ["Ask", "Room"]

#: Seconds for which a slot is kept without a place.
_MOMENT = 1.0


class Ask(Protocol):
    """Waits for a slot; see `Limiter.acquire`."""

    async def __call__(self, *, patience: float | None, ticket: Ticket | None) -> Slot: ...


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
            await asyncio.wait([future], timeout=seconds)
        except BaseException:
            if self._leave(queue, future):
                self.give_back()
            raise
        return future.done() or self._leave(queue, future)

    async def wait_with(self, slot: Slot, ask: Ask, patience: float | None) -> Slot:
        """
        Wait for a place, and for another slot where this one was kept for a moment in vain.

        Args:
            slot: The slot in hand; it is given back where no place comes in a moment.

            ask: Gives another slot.

            patience: Seconds since the slot was asked for, after which both are of no use.

        Returns:
            The slot, this one or another; there is a place for it.

        Raises:
            WaitTooLong: No place came in time; the slot was given back.
        """
        now = asyncio.get_running_loop().time
        ends_at = math.inf if patience is None else now() + patience - slot.waited
        while not (self.take() or await self._comes_with(slot, ends_at - now())):
            left = ends_at - now()
            if left <= 0:
                detail = "as many requests are under way as max_connections allows"
                raise WaitTooLong(codes.WAIT_TOO_LONG, (), detail)
            slot = await ask(patience=None if left == math.inf else left, ticket=slot.ticket)
        return slot

    async def _comes_with(self, slot: Slot, left: float) -> bool:
        """Wait for a place as long as the slot may be kept; else give it back."""
        has_place = False
        try:
            has_place = await self.wait(slot.ticket.lane, max(min(left, _MOMENT), 0.0))
        finally:
            if not has_place:
                slot.unused()
        return has_place

    def give_back(self) -> None:
        """Free a place, or hand it to the next in line."""
        with self._lock:
            for queue in (self._sends, self._bulks):
                while queue:
                    future = queue.popleft()
                    with contextlib.suppress(RuntimeError):  # its loop was closed
                        future.get_loop().call_soon_threadsafe(future.set_result, None)
                        return
            self.free += 1

    def _leave(self, queue: deque[asyncio.Future[None]], future: asyncio.Future[None]) -> bool:
        """Leave the line; say whether a place was handed over meanwhile."""
        with self._lock, contextlib.suppress(ValueError):
            queue.remove(future)
            return False
        return True
