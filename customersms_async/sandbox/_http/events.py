"""
The buffer of events, which any number of readers follow at their own pace.

Rules of this module:

1. All readers share one bounded buffer of events, and a reader is just a position in it, so that a
   slow reader costs nothing and delays no one.
2. A reader that has fallen behind the buffer, or comes from an earlier run, has to reload.
3. An event is serialised only when it is read.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final

import msgspec
from attrs import define, field, frozen

__all__ = ["HEARTBEAT", "KEPT", "MOST", "Event", "Events", "format_event"]

#: Events kept for readers that reconnect.
KEPT: Final = 1_000

#: Events in one write.
MOST: Final = 200

#: Seconds without an event after which a reader gets a heartbeat.
HEARTBEAT: Final = 15.0


@frozen
class Event:
    """
    Something that happened.

    Attributes:
        number: 1 for the first, 2 for the next.
        kind: Its name.
        say: Returns the data for JSON; called for each reader.
    """

    number: int
    kind: str
    make_data: Callable[[], object] = field(repr=False)


@define(eq=False)
class Events:
    """
    The buffer of events that all readers share.

    Attributes:
        heartbeat: See `HEARTBEAT`.
        run: Part of every id, to tell ids of an earlier run apart.
    """

    heartbeat: float = HEARTBEAT
    run: str = field(factory=lambda: secrets.token_hex(4))
    _kept: deque[Event] = field(init=False, factory=lambda: deque[Event](maxlen=KEPT))
    _last: int = field(init=False, default=0)
    _waiters: set[asyncio.Event] = field(init=False, factory=set[asyncio.Event])

    def publish(self, kind: str, make_data: Callable[[], object]) -> None:
        """Add an event and wake all waiting readers."""
        self._last += 1
        self._kept.append(Event(self._last, kind, make_data))
        for waiter in self._waiters:
            waiter.set()

    def position(self, last_id: str | None) -> int | None:
        """
        Find where a reader continues.

        Args:
            last_id: Id of the last event that it saw; None for a new reader.

        Returns:
            The number of that event, or of the newest for a new reader; None if the reader has
            to reload.
        """
        if last_id is None:
            return self._last
        run, _, number = last_id.partition("-")
        if run != self.run or not (number.isascii() and number.isdecimal()):
            return None
        return int(number) if self._covers(int(number)) else None

    def id_of(self, number: int) -> str:
        """Return the id of an event."""
        return f"{self.run}-{number}"

    @property
    def newest(self) -> int:
        """Number of the newest event, 0 before the first."""
        return self._last

    def after(self, number: int) -> list[Event] | None:
        """Return the next events after *number*, at most `MOST`; None if some are forgotten."""
        if not self._covers(number):
            return None
        skip = len(self._kept) - (self._last - number)
        return list(islice(self._kept, skip, skip + MOST))

    def _covers(self, number: int) -> bool:
        return self._last - len(self._kept) <= number <= self._last

    def format(self, event: Event) -> str:
        """Write an event in the format of server-sent events."""
        return format_event(event.kind, event.make_data(), self.id_of(event.number))

    async def wait(self, number: int, closing: asyncio.Future[None]) -> None:
        """Wait for an event after *number*, for *closing*, or for the heartbeat."""
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            if self._last <= number:
                await _either(waiter, closing, self.heartbeat)
        finally:
            self._waiters.discard(waiter)


def format_event(kind: str, data: object, event_id: str) -> str:
    """Write one event of a stream; compact JSON contains no line breaks."""
    return f"id: {event_id}\nevent: {kind}\ndata: {msgspec.json.encode(data).decode()}\n\n"


async def _either(waiter: asyncio.Event, closing: asyncio.Future[None], seconds: float) -> None:
    waiting = asyncio.ensure_future(waiter.wait())
    try:
        await asyncio.wait((waiting, closing), timeout=seconds, return_when="FIRST_COMPLETED")
    finally:
        waiting.cancel()
