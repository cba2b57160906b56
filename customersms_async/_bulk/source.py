"""
The caller's iterable, read a little ahead.

Rules of this module:

1. An item that was read is never lost: if the iterable raises or is interrupted, the earlier items
   are still available.
2. An async iterable is entered, read and closed by its own task; a caller that waits for items may
   leave at any time without interrupting the read.
3. No item waits longer than `HELD_AT_MOST` seconds for a batch to fill.
"""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Sized,
)
from collections.abc import (
    Set as AbstractSet,
)
from itertools import islice
from typing import Any, Final, TypeGuard, cast

__all__ = ["HELD_AT_MOST", "AsyncSource", "Source", "Spawn", "SyncSource", "open_source"]

#: Seconds for which a number that was read may wait for others to share its request.
HELD_AT_MOST: Final = 1.0

#: Seconds that a generator has to end after an interruption of its cleanup.
_MOMENT: Final = 0.05

#: Starts a task that belongs to the client.
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


def open_source(items: object, name: str) -> Source:
    """
    Make a source of any iterable, sync or async; nothing is read yet.

    Args:
        items: The iterable, or a source, which is returned as it is.

        name: The caller's name for it, for the error.

    Raises:
        TypeError: It cannot be iterated over.
    """
    if isinstance(items, Source):
        return items
    if isinstance(items, AsyncIterable):
        return AsyncSource(cast("AsyncIterable[object]", items))
    if isinstance(items, Iterable) and not isinstance(items, str | bytes | bytearray):
        return SyncSource(cast("Iterable[object]", items))
    msg = f"{name} must be an iterable or async iterable, not {type(items).__name__}"
    raise TypeError(msg)


def _is_counted(items: object) -> TypeGuard[Sized]:
    return isinstance(items, Sequence | AbstractSet | Mapping)


class Source(ABC):
    """
    An input that is read on demand.

    Attributes:
        is_sized: Whether its rest is known when a run stops, as for a list.
        expected: How many items it has in total, or None.
        is_exhausted: Whether nothing more will come.
        failure: What it raised, or None.
    """

    def __init__(self, items: object) -> None:
        self.is_sized: bool = isinstance(items, Sized) and not isinstance(items, AsyncIterable)
        # Only for real collections: the length of database rows may cost a query.
        self.expected: int | None = len(items) if _is_counted(items) else None
        self.is_exhausted: bool = False
        self.failure: Exception | None = None
        self._gathered: list[object] = []

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come: it is exhausted, or was interrupted."""
        return self.is_exhausted

    @property
    def waits(self) -> bool:
        """Whether its items arrive in their own time, not on demand."""
        return False

    @property
    def age(self) -> float:
        """Seconds since the oldest item arrived that has not been taken."""
        return 0.0

    def start(self, spawn: Spawn) -> None:
        """Start, in the event loop of the run; *spawn* starts a task of the client."""
        del spawn

    def read_ahead(self, count: int) -> None:
        """Read up to *count* items in the background, if the source has a task for it."""
        del count

    @abstractmethod
    async def gather(self, count: int, held_for: float | None = None) -> None:
        """
        Read *count* items; an exception of the iterable becomes ``failure`` and ends it.

        There may be fewer at the end of the input, or after `HELD_AT_MOST` seconds.

        Args:
            count: How many.

            held_for: Seconds since the oldest item that the reader holds was read, or None.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close a generator that was not exhausted; its exception becomes ``failure``."""

    def take(self) -> list[object]:
        """Return what was read, and forget it."""
        taken, self._gathered = self._gathered, []
        return taken

    def fail(self, exc: Exception) -> None:
        """End it with an error; the first one is kept."""
        self.failure = self.failure or exc
        self.end()

    def end(self) -> None:
        """Record that nothing more will come."""
        self.is_exhausted = True


class SyncSource(Source):
    """A plain iterable, read by the run itself."""

    def __init__(self, items: Iterable[object]) -> None:
        super().__init__(items)
        self._items = items
        self._iterator: Iterator[object] | None = None

    async def gather(self, count: int, held_for: float | None = None) -> None:
        del held_for  # nothing is waited for
        self.gather_now(count)

    def gather_now(self, count: int) -> None:
        """Read up to *count* items."""
        try:
            if self._iterator is None:
                self._iterator = iter(self._items)
            # `extend` keeps the items before an exception of the iterator.
            self._gathered.extend(islice(self._iterator, max(count - len(self._gathered), 0)))
        except Exception as exc:  # noqa: BLE001  # the caller's iterable may raise anything
            self.fail(exc)
        self.is_exhausted |= len(self._gathered) < count

    async def close(self) -> None:
        try:
            # Only a generator: an open file, for example, is the caller's to close.
            if inspect.isgenerator(self._iterator):
                self._iterator.close()
        except Exception as exc:  # noqa: BLE001  # the caller's generator may raise anything
            self.fail(exc)


class AsyncSource(Source):
    """An async iterable, read by a separate task."""

    def __init__(self, items: AsyncIterable[object]) -> None:
        super().__init__(items)
        self._items = items
        self._iterator: AsyncIterator[object] | None = None
        self._wanted = 0
        self._enough = 0
        self._first_at = 0.0
        self._is_closing = False
        self._is_ripe = False
        self._demand = asyncio.Event()
        self._supply = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        return self.is_exhausted or self._is_closing

    @property
    def waits(self) -> bool:
        return True

    @property
    def age(self) -> float:
        return asyncio.get_running_loop().time() - self._first_at if self._gathered else 0.0

    def start(self, spawn: Spawn) -> None:
        self._task = spawn(self._live())

    def read_ahead(self, count: int) -> None:
        self._wanted = count
        self._demand.set()

    async def gather(self, count: int, held_for: float | None = None) -> None:
        self._enough = count
        self.read_ahead(max(self._wanted, count))
        if held_for is not None:
            self._ripen_after(HELD_AT_MOST - held_for)
            await asyncio.sleep(0)  # available items are read, however long others were held
        while not (self._is_ripe or self.is_over or len(self._gathered) >= count):
            self._supply.clear()
            await self._supply.wait()

    def take(self) -> list[object]:
        self._wanted, self._is_ripe = 0, False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return super().take()

    async def close(self) -> None:
        """Close it in its own task; a cancellation interrupts that too."""
        task, self._is_closing = self._task, True
        if task is None or task.done():
            return
        task.cancel()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task], timeout=_MOMENT)
            raise

    async def _live(self) -> None:
        try:
            await self._read()
        except StopAsyncIteration:
            self.is_exhausted = True
        except asyncio.CancelledError:
            self._is_closing = True
        except Exception as exc:  # noqa: BLE001  # the caller's iterable may raise anything
            self.fail(exc)
        self._supply.set()
        await self._close_generator()

    async def _read(self) -> None:
        iterator = self._iterator = aiter(self._items)
        while not self._is_closing:
            if len(self._gathered) >= self._wanted:
                self._demand.clear()
                await self._demand.wait()
                continue
            item = await anext(iterator)
            if not self._gathered:
                self._first_at = asyncio.get_running_loop().time()
            self._gathered.append(item)  # looked up each time: `take` may have started a new list
            if len(self._gathered) >= self._enough:
                self._supply.set()
            elif self._timer is None:
                self._ripen_after(HELD_AT_MOST)

    async def _close_generator(self) -> None:
        try:
            # Only a generator: anything else is the caller's to close.
            if inspect.isasyncgen(self._iterator):
                await self._iterator.aclose()
        except Exception as exc:  # noqa: BLE001  # the caller's generator may raise anything
            self.failure = self.failure or exc

    def _ripen_after(self, seconds: float) -> None:
        """Stop waiting for items after *seconds*."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(seconds, 0.0), self._ripen)

    def _ripen(self) -> None:
        self._is_ripe = True
        self._supply.set()
