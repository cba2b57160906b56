"""
The iterable of a bulk run, read in its caller's thread.

Rules of this module:

1. Only plain containers are read in the background. Iterables that run the caller's code (a
   generator, a query, a file) are read, and generators closed, in the caller's thread.
2. An item that was read is never lost: it stays in a deque until the run takes it, even if the
   caller is still reading the next item when the run stops.
3. An item that was read waits at most `HELD_AT_MOST` seconds for the next one.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
import time
from collections import deque
from collections.abc import AsyncIterable, Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar, cast

from .._bulk.source import HELD_AT_MOST, Source
from .call import CallerExecutor

__all__ = ["CallersSource", "read_by_caller"]

T = TypeVar("T")

_PLAIN: Final = (str, bytes, bytearray, list, tuple, set, frozenset, dict, range, deque)


def read_by_caller(items: T, executor: CallerExecutor) -> T:
    """Return *items* if the background may read them, else a source that reads in the caller."""
    if _may_be_read_in_background(items):
        return items
    return cast("T", CallersSource(cast("Iterable[object]", items), executor))


def _may_be_read_in_background(items: object) -> bool:
    if type(items) in _PLAIN or isinstance(items, AsyncIterable):
        return True
    return not isinstance(items, Iterable)  # the client raises its own error


class CallersSource(Source):
    """
    Any iterable, read by the thread that waits for the run.

    Args:
        items: The iterable.

        executor: Runs work in that thread.
    """

    def __init__(self, items: Iterable[object], executor: CallerExecutor) -> None:
        super().__init__(items)
        self._items = items
        self._executor = executor
        self._iterator: Iterator[object] | None = None
        self._arrived: deque[object] = deque()
        self._reading: asyncio.Task[bool] | None = None

    async def gather(self, count: int, held_for: float | None = None) -> None:
        """Have the caller's thread read *count* items; see `Source.gather`."""
        self._accept(count)
        if len(self._gathered) < count and not self.is_exhausted:
            await self._wait_for(count - len(self._gathered), held_for)
            self._accept(count)

    async def _wait_for(self, count: int, held_for: float | None) -> None:
        """Wait for *count* items, or until the items held must go."""
        reading = self._reading or self._ask(count)
        if held_for is not None:
            await asyncio.wait((reading,), timeout=max(HELD_AT_MOST - held_for, 0.0))
            return
        while not (reading.done() or self._arrived):
            await asyncio.wait((reading,), timeout=HELD_AT_MOST)

    async def close(self) -> None:
        """Accept what is still being read, and close a generator in the caller's thread."""
        if self._reading is not None:
            self._reading.cancel()  # if it has begun, it still runs to its end
            await asyncio.wait((self._reading,))
        self._accept(math.inf)
        if inspect.isgenerator(self._iterator):
            try:
                await self._executor.submit(self._iterator.close)
            except Exception as exc:  # noqa: BLE001  # the caller's generator may raise anything
                self.fail(exc)

    def _ask(self, count: int) -> asyncio.Task[bool]:
        work = functools.partial(self._read, count)
        self._reading = asyncio.ensure_future(self._executor.submit(work))
        return self._reading

    def _read(self, count: int) -> bool:
        """Read up to *count* items, in the caller's thread; return whether that was the end."""
        if self._iterator is None:
            self._iterator = iter(self._items)
        read, ends_at = 0, math.inf
        for item in islice(self._iterator, count):
            self._arrived.append(item)
            read += 1
            now = time.monotonic()
            ends_at = min(ends_at, now + HELD_AT_MOST)
            if now >= ends_at:
                return False
        return read < count

    def _accept(self, count: float) -> None:
        """Accept up to *count* items that have arrived, and how the reading ended."""
        while self._arrived and len(self._gathered) < count:
            self._gathered.append(self._arrived.popleft())
        reading = self._reading
        if reading is None or not reading.done() or self._arrived:
            return
        self._reading = None
        if reading.cancelled():
            return
        error = reading.exception()
        if isinstance(error, Exception):
            self.fail(error)
        elif reading.result():
            self.end()
