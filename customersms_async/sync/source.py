"""
The iterable of a bulk run, read in the thread of its caller.

Rules of this module:

1. Only plain containers are read in the background. Whatever runs code of the caller's (a
   generator, a query, a file) is read where it was made, one item at a time.
2. A generator that is not read to its end is closed in that thread as well.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Sized
from typing import Final, TypeVar, cast

from .call import Errands

__all__ = ["read_by_caller", "read_now"]

T = TypeVar("T")

_PLAIN: Final = (str, bytes, list, tuple, set, frozenset, dict, range, deque)

_END: Final = object()


def read_now(items: Iterable[T]) -> Iterable[T]:
    """Read a collection that is no plain container, like a query's result; leave others alone."""
    is_collection = isinstance(items, Sized) and not isinstance(items, Iterator | AsyncIterable)
    if not is_collection or type(items) in _PLAIN or not isinstance(items, Iterable):
        return items
    read: list[T] = []
    try:
        read.extend(items)
    except Exception as exc:  # noqa: BLE001  # raised again where the run meets it
        return _raising(read, exc)
    return read


def _raising(read: list[T], exc: Exception) -> Iterator[T]:
    yield from read
    raise exc


def read_by_caller(items: Iterable[T], errands: Errands) -> Iterable[T] | AsyncIterable[T]:
    """Return *items* as they are if the background may read them, else what asks the caller."""
    if type(items) in _PLAIN or isinstance(items, AsyncIterable) or not _can_be_read(items):
        return items
    return _read(items, errands)


def _can_be_read(items: object) -> bool:
    """Tell whether the client takes it; what it does not take, it refuses in its own words."""
    return isinstance(items, Iterable) and not isinstance(items, str | bytes | bytearray)


async def _read(items: Iterable[T], errands: Errands) -> AsyncGenerator[T, None]:
    iterator: Iterator[T] | None = None
    try:
        iterator = reading = await errands.ask(lambda: iter(items))
        while (item := await errands.ask(lambda: next(reading, _END))) is not _END:
            yield cast("T", item)
    finally:
        if inspect.isgenerator(iterator):
            await errands.ask(iterator.close)
