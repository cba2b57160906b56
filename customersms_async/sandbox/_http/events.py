"""
What happens, as a stream that any number of readers follow at their own pace.

Rules of this module:

1. One bounded row of events for all. A reader is a place in it, nothing more, so that a slow one
   costs nothing and holds up nobody.
2. Whoever has fallen behind the row, or comes from an earlier run, is told to load anew.
3. An event is put into words only when somebody reads it.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from itertools import islice

import attrs
import msgspec

__all__ = ["HEARTBEAT", "Event", "Events", "written"]

#: Events that are held for readers who come back.
KEPT = 1_000

#: Events that are written at once.
MOST = 200

#: Seconds without an event after which a reader is sent a sign of life.
HEARTBEAT = 15.0


@attrs.frozen
class Event:
    """
    Something that happened.

    Attributes:
        number: 1 for the first, 2 for the next.

        kind: Its name.

        say: Puts it into words; called for each reader.
    """

    number: int
    kind: str
    say: Callable[[], object] = attrs.field(repr=False)


@attrs.define(eq=False)
class Events:
    """
    The row of events.

    Attributes:
        heartbeat: As `HEARTBEAT`.

        run: Stands in the ids, so that those of an earlier run are known as such.
    """

    heartbeat: float = HEARTBEAT
    run: str = attrs.field(factory=lambda: secrets.token_hex(4))
    _kept: deque[Event] = attrs.field(init=False, factory=lambda: deque[Event](maxlen=KEPT))
    _last: int = attrs.field(init=False, default=0)
    _sleepers: set[asyncio.Event] = attrs.field(init=False, factory=set[asyncio.Event])

    def publish(self, kind: str, say: Callable[[], object]) -> None:
        """Add an event and wake whoever waits for one."""
        self._last += 1
        self._kept.append(Event(self._last, kind, say))
        for sleeper in self._sleepers:
            sleeper.set()

    def position(self, last_id: str | None) -> int | None:
        """
        Find where a reader goes on.

        Args:
            last_id: Id of the last event that it has seen; none for a new reader.

        Returns:
            The number of that event, for a new reader that of the newest; none for a reader who
            has to load anew.
        """
        if last_id is None:
            return self._last
        run, _, number = last_id.partition("-")
        if run != self.run or not (number.isascii() and number.isdecimal()):
            return None
        return int(number) if self._covers(int(number)) else None

    def id_of(self, number: int) -> str:
        """Give the id of an event."""
        return f"{self.run}-{number}"

    @property
    def newest(self) -> int:
        """Number of the newest event, 0 before the first."""
        return self._last

    def after(self, number: int) -> list[Event] | None:
        """Give the next events after *number*, at most `MOST`; none if some are forgotten."""
        if not self._covers(number):
            return None
        skip = len(self._kept) - (self._last - number)
        return list(islice(self._kept, skip, skip + MOST))

    def _covers(self, number: int) -> bool:
        return self._last - len(self._kept) <= number <= self._last

    def words(self, event: Event) -> str:
        """Write an event as server-sent events are written."""
        return written(event.kind, event.say(), self.id_of(event.number))

    async def wait(self, number: int, closing: "asyncio.Future[None]") -> None:
        """Wait until there is an event after *number*, or *closing* is done, or for a heartbeat."""
        sleeper = asyncio.Event()
        self._sleepers.add(sleeper)
        try:
            if self._last <= number:
                await _either(sleeper, closing, self.heartbeat)
        finally:
            self._sleepers.discard(sleeper)


def written(kind: str, data: object, event_id: str) -> str:
    """Write one event of a stream; JSON has no line breaks of its own."""
    return f"id: {event_id}\nevent: {kind}\ndata: {msgspec.json.encode(data).decode()}\n\n"


async def _either(sleeper: asyncio.Event, closing: "asyncio.Future[None]", seconds: float) -> None:
    waiting = asyncio.ensure_future(sleeper.wait())
    try:
        await asyncio.wait((waiting, closing), timeout=seconds, return_when="FIRST_COMPLETED")
    finally:
        waiting.cancel()
