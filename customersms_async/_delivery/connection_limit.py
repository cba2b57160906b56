"""
A cap on the requests in flight, over all accounts of a client.

Rules of this module:

1. A request gets a slot from the limiter first, then a place among the requests in flight: no place
   is held while waiting for the rate limit.
2. Single messages go ahead of bulk runs; within a lane, first come, first served.
3. A slot without a place is kept only briefly: it goes back, for others of its account, and is
   requested again with the old ticket.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections import deque
from typing import Protocol

from .. import codes
from .._ports.limiter import Lane, Slot, Ticket
from ..errors import WaitTooLong

__all__ = ["Ask", "ConnectionLimit"]

#: Seconds for which a slot is kept without a place.
_MOMENT = 1.0


class Ask(Protocol):
    """Waits for a slot; see `Limiter.acquire`."""

    async def __call__(self, *, patience: float | None, ticket: Ticket | None) -> Slot: ...


class ConnectionLimit:
    """
    Places for requests in flight, for any thread and event loop.

    Free places are items of a list, and there nearly always is one: taking or returning one is
    atomic and needs no lock. A caller that joins the queue checks for a free place once more, and
    one that returns a place checks the queue afterwards, so that no place stays free beside a
    queue.

    Args:
        places: How many requests may be in flight.
    """

    __slots__ = ("_bulks", "_free", "_lock", "_sends")

    def __init__(self, places: int) -> None:
        self._free: list[None] = [None] * places
        self._lock = threading.RLock()  # a finaliser may end a request during `_serve`
        self._sends = deque[asyncio.Future[None]]()
        self._bulks = deque[asyncio.Future[None]]()

    @property
    def free(self) -> int:
        """How many places are free."""
        return len(self._free)

    def take(self) -> bool:
        """Take a place if one is free."""
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    def give_back(self) -> None:
        """Free a place, or hand it to the next in the queue."""
        self._free.append(None)
        if self._sends or self._bulks:
            self._serve()

    async def wait(self, lane: Lane, seconds: float) -> bool:
        """Wait for a place; return whether there was one in time."""
        future = asyncio.get_running_loop().create_future()
        queue = self._sends if lane is Lane.SEND else self._bulks
        queue.append(future)
        self._serve()
        try:
            await asyncio.wait([future], timeout=seconds)
        except BaseException:
            if self._leave(queue, future):
                self.give_back()
            raise
        return future.done() or self._leave(queue, future)

    async def wait_with(self, slot: Slot, ask: Ask, patience: float | None) -> Slot:
        """
        Wait for a place; if none comes soon, return the slot and get another one.

        Args:
            slot: The slot in hand; it is given back if no place is free soon.

            ask: Gets another slot.

            patience: Seconds since the slot was requested after which both are of no use.

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
                detail = "the client already has max_connections requests in flight"
                raise WaitTooLong(codes.WAIT_TOO_LONG, (), detail)
            slot = await ask(patience=None if left == math.inf else left, ticket=slot.ticket)
        return slot

    async def _comes_with(self, slot: Slot, left: float) -> bool:
        """Wait for a place while the slot may be kept; else give the slot back."""
        has_place = False
        try:
            has_place = await self.wait(slot.ticket.lane, max(min(left, _MOMENT), 0.0))
        finally:
            if not has_place:
                slot.unused()
        return has_place

    def _serve(self) -> None:
        """Hand free places to the queue, while there are both."""
        with self._lock:
            while (queue := self._sends or self._bulks) and self.take():
                try:
                    future = queue.popleft()
                    future.get_loop().call_soon_threadsafe(future.set_result, None)
                except (IndexError, RuntimeError):  # a finaliser was first, or its loop was closed
                    self._free.append(None)

    def _leave(self, queue: deque[asyncio.Future[None]], future: asyncio.Future[None]) -> bool:
        """Leave the queue; return whether a place was handed over meanwhile."""
        with self._lock, contextlib.suppress(ValueError):
            queue.remove(future)
            return False
        return True
