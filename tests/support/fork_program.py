"""A program that forks while its limiter is in use; each part exits with 0 if all is well."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings

from customersms_async import Lane, LocalLimiter, Rate, WaitTooLong
from tests.support.limiter_callers import usage_now

# Python warns about every fork of a process with threads, which is what is tested.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

KEY = "account-1"
SECONDS = 30


async def take(limiter, **options):
    return await limiter.acquire(KEY, Lane.SEND, longest=1.0, **options)


async def take_all_that_is_left(limiter):
    count = 0
    try:
        while True:
            (await take(limiter, patience=0.01)).answered()
            count += 1
    except WaitTooLong:
        return count


async def use(limiter, count):
    for _ in range(count):
        (await take(limiter)).answered()


def in_child(work):
    """Fork, and return the result of *work* in the child; an alarm ends a child that hangs."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(SECONDS)
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def hammer():
    """Fork repeatedly while three threads hold the lock as often as possible."""

    def clock():
        time.sleep(0)  # lets other threads run: the limiter reads the time under its lock
        return time.monotonic()

    limiter = LocalLimiter(Rate(50, per=600.0), clock=clock)
    asyncio.run(use(limiter, 10))
    has_ended, turns = threading.Event(), [0] * 3

    async def work(index):
        while not has_ended.is_set():
            (await take(limiter)).unused()
            usage_now(limiter)
            turns[index] += 1
            await asyncio.sleep(0)

    threads = [threading.Thread(target=asyncio.run, args=(work(i),)) for i in range(3)]
    for thread in threads:
        thread.start()
    counts = [in_child(lambda: asyncio.run(take_all_that_is_left(limiter))) for _ in range(100)]
    before = list(turns)
    while any(a == b for a, b in zip(before, turns, strict=True)):
        has_ended.wait(0.01)  # the parent continues
    has_ended.set()
    for thread in threads:
        thread.join()
    # Of 50 slots, 10 were answered, and up to three were in flight in the threads.
    assert {37, 38, 39, 40} >= set(counts), counts
    assert asyncio.run(take_all_that_is_left(limiter)) == 40


def instants():
    """A child knows the times that its parent knew."""
    limiter = LocalLimiter(Rate(1, per=600.0))

    async def prepare():
        (await take(limiter)).refused(100.0)

    asyncio.run(prepare())
    known = usage_now(limiter)

    def check():
        return int(usage_now(limiter) != known)

    child = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(check()))
    child.start()
    child.join(SECONDS)
    assert child.exitcode == 0, child.exitcode


def pace():
    """A burst that the parent has used is not available to the child."""
    limiter = LocalLimiter(Rate(100, per=600.0))

    async def burst():
        slots = []
        for _ in range(20):
            acquire = limiter.acquire(KEY, Lane.BULK, longest=1.0)
            waiting = asyncio.ensure_future(acquire)
            await asyncio.sleep(0)
            slots.append(waiting.done())
            waiting.cancel()
        return sum(slots)

    assert asyncio.run(burst()) == 9
    assert in_child(lambda: asyncio.run(burst())) == 0


class _Loop(asyncio.SelectorEventLoop):
    """Records what arrives on its wake-up socket, which a forked child shares."""

    def __init__(self):
        super().__init__()
        self.woken = 0

    def _process_self_data(self, data):
        self.woken += len(data)


def loops():
    """The child neither counts nor wakes callers that wait in the parent."""
    limiter = LocalLimiter(Rate(2, per=600.0))

    def check(slots):
        if usage_now(limiter).waiting:
            return 1
        for slot in slots:
            slot.unused()
        return 0 if asyncio.run(take_all_that_is_left(limiter)) == 2 else 2

    async def main():
        slots = [await take(limiter), await take(limiter)]
        waiting = [asyncio.create_task(take(limiter)) for _ in range(3)]
        await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        before = loop.woken
        assert in_child(lambda: check(slots)) == 0
        await asyncio.sleep(0.05)
        assert loop.woken == before
        assert not any(task.done() for task in waiting)
        for task in waiting:
            slots.pop(0).unused()
            slots.append(await task)
        assert usage_now(limiter).waiting == 0

    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(main())


def within():
    """Fork within the limiter's lock, as a finalizer or a signal handler may."""
    results = []

    def clock():
        if not results:
            results.append(None)
            results.append(in_child(lambda: 0))
        return 1000.0

    limiter = LocalLimiter(Rate(1), clock=clock)
    asyncio.run(use(limiter, 1))
    assert results == [None, 0]


if __name__ == "__main__":
    {part.__name__: part for part in (hammer, instants, pace, loops, within)}[sys.argv[1]]()
