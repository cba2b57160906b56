"""The input of a synchronous run, as the run reads it: late items, and reads that never began."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

from customersms_async.sync.call import CallerExecutor
from customersms_async.sync.source import CallersSource


def serve(executor: CallerExecutor) -> threading.Thread:
    """Run submitted work in a thread until the end of the test."""

    def work() -> None:
        while True:
            executor.run_next()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


async def test_items_that_arrive_late():
    """Items that arrive after a wait was given up are in the next chunk."""
    executor, free = CallerExecutor(), threading.Event()

    def numbers() -> Iterator[int]:
        yield 1
        free.wait(10)
        yield from (2, 3, 4)

    source = CallersSource(numbers(), executor)
    serve(executor)
    await source.gather(4, held_for=0.9)
    first = source.take()
    free.set()
    await source.gather(3)
    second = source.take()
    await source.gather(5)

    assert ([1], [2, 3, 4], []) == (first, second, source.take())
    assert source.is_exhausted


async def test_items_beyond_the_requested_count():
    """Surplus items of an earlier, larger read are taken first, then the end is seen."""
    executor, free = CallerExecutor(), threading.Event()

    def numbers() -> Iterator[int]:
        free.wait(10)
        yield from (1, 2, 3)

    source = CallersSource(numbers(), executor)
    serve(executor)
    await source.gather(5, held_for=1.0)
    free.set()
    taken: list[list[object]] = []
    while not source.is_exhausted:
        await source.gather(1)
        taken.append(source.take())

    assert [1, 2, 3] == [item for items in taken for item in items]
    assert 1 >= max(map(len, taken))


async def test_a_read_that_never_began():
    """A read that nobody began is withdrawn when the run ends, and takes no items."""
    items = iter([1, 2, 3])
    source = CallersSource(items, CallerExecutor())
    gathering = asyncio.create_task(source.gather(2))
    await asyncio.sleep(0)
    gathering.cancel()
    await asyncio.wait([gathering])
    await source.close()

    assert ([], [1, 2, 3]) == (source.take(), list(items))
