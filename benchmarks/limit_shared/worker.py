"""
One of the processes that share a key: a bulk run through a shared limiter, or a loop per job.

Run as a program, it prints "ready", starts when it reads a line, and prints its results as JSON.
The clock of the process is wrong by a given number of seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from attrs import asdict, define, frozen

from customersms_async import (
    CustomerSMS,
    FileLimiter,
    Lane,
    LimiterUnavailable,
    LocalLimiter,
    Rate,
    WaitTooLong,
)
from customersms_async.outcomes import Status
from customersms_async.postgres import PostgresLimiter
from customersms_async.redis import RedisLimiter

__all__ = ["LIMIT", "Task", "Worker", "phone_of", "worker_of"]

LIMIT = 100


@frozen
class Task:
    """
    The instructions of a worker.

    Attributes:
        number: Which of the workers it is.
        kind: Of the store.
        store: Its address, or path.
        endpoint: URL of the gateway.
        seconds: How long it sends.
        skew: By how many seconds its clocks are wrong.
        per: The period in seconds, which holds 100 requests at most.
        jobs_per_second: Jobs started one after another; 0 for one bulk run.
        is_loop_per_job: Whether each job has its own event loop.
        burst: Of the limiter; None for its default.
        most: Requests of the bulk run.
    """

    number: int
    kind: str
    store: str
    endpoint: str
    seconds: float
    skew: float
    per: float = 5.0
    jobs_per_second: float = 0.0
    is_loop_per_job: bool = False
    burst: int | None = None
    most: int = 10_000


def phone_of(worker: int, index: int) -> str:
    """Return a number that identifies the worker and no other request has."""
    return f"+1{200 + worker}555{index:04d}"


def worker_of(phone: str) -> int:
    """Return the worker that a number identifies."""
    return int(phone[2:5]) - 200


@define
class Worker:
    """A worker in a separate process."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, *tasks: Task) -> list[Worker]:
        """Start some workers, and wait until all are ready."""
        workers = [cls._of(task) for task in tasks]
        for worker in workers:
            assert worker.process.stdout is not None
            assert worker.process.stdout.readline() == "ready\n"
        return workers

    @classmethod
    def _of(cls, task: Task) -> Worker:
        words = [sys.executable, "-m", __name__, json.dumps(asdict(task))]
        pipe = subprocess.PIPE
        return cls(subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True))

    def begin(self) -> None:
        """Let it send."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """Wait for its end, and return its results; none if it was killed."""
        seen, _ = self.process.communicate()
        return json.loads(seen) if seen else {}


LIMITERS = {
    "file": FileLimiter,
    "postgres": PostgresLimiter,
    "redis": RedisLimiter,
    "redis-plain": RedisLimiter,
}


class _Counted:
    """A store that counts its calls."""

    calls = 0

    def __init__(self, store: Any) -> None:
        self._store = store
        self.aclose = store.aclose

    async def read(self, account: str) -> Any:
        _Counted.calls += 1
        return await self._store.read(account)

    async def swap(self, *args: Any, **options: Any) -> Any:
        _Counted.calls += 1
        return await self._store.swap(*args, **options)


def _limiter(task: Task) -> Any:
    if task.kind == "local":
        return LocalLimiter(Rate(LIMIT, per=task.per), burst=task.burst)
    limiter = LIMITERS[task.kind](task.store, Rate(LIMIT, per=task.per), burst=task.burst)
    open_store = limiter._open_store  # noqa: SLF001  # counts calls
    limiter._open_store = lambda: _Counted(open_store())  # noqa: SLF001
    return limiter


def _put_clocks_wrong(skew: float) -> None:
    """Patch the clocks of this process, to simulate a machine with a wrong clock."""
    right = {name: getattr(time, name) for name in ("time", "monotonic")}
    for name, clock in right.items():
        setattr(time, name, lambda clock=clock: clock() + skew)


def _phones(task: Task) -> Iterator[str]:
    return (phone_of(task.number, index) for index in range(task.most))


async def _send(task: Task) -> dict[str, Any]:
    limiter = _limiter(task)
    sms = CustomerSMS(
        "cspro_bench", endpoint=task.endpoint, limiter=limiter, request_timeout=1.0, retries=0
    )
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with limiter, sms:
        run = sms.stream_many(
            _phones(task), "We open at nine", batch_size=1, stop_after=task.seconds
        )
        async with run as bulk:
            sent = [o.phone async for o in bulk if o.status is Status.SENT]
        progress = bulk.progress
    return {"sent": sent, "requests": progress.requests, "calls": _Counted.calls}


def _send_by_jobs(task: Task) -> dict[str, Any]:
    """Run jobs one after another with 0.3 s of patience; count those that got a slot."""
    limiter = _limiter(task)
    print("ready", flush=True)
    sys.stdin.readline()
    asyncio.run(_wait_until_ready(limiter))
    work = _in_a_loop_each if task.is_loop_per_job else _in_one_loop
    return {"sent": [], "requests": work(task, limiter), "calls": _Counted.calls}


def _in_a_loop_each(task: Task, limiter: Any) -> int:
    async def work() -> bool:
        async with _entered(limiter):
            return await _job(limiter, dice)

    granted, dice = 0, random.Random(task.number)
    for wait in _waits(task):
        time.sleep(wait)
        granted += asyncio.run(work())
    return granted


def _in_one_loop(task: Task, limiter: Any) -> int:
    async def work() -> int:
        granted, dice = 0, random.Random(task.number)
        async with _entered(limiter):
            for wait in _waits(task):
                await asyncio.sleep(wait)
                granted += await _job(limiter, dice)
        return granted

    return asyncio.run(work())


def _waits(task: Task) -> Iterator[float]:
    """Yield the seconds until the next job, the same for the same worker."""
    dice = random.Random(1_000 + task.number)
    next_at = time.monotonic()
    ends_at = next_at + task.seconds
    while max(next_at, time.monotonic()) < ends_at:
        yield max(0.0, next_at - time.monotonic())
        next_at += dice.expovariate(task.jobs_per_second)


def _entered(limiter: Any) -> Any:
    """Enter *limiter*, if it is a context manager."""
    return limiter if hasattr(limiter, "__aenter__") else contextlib.nullcontext()


async def _wait_until_ready(limiter: Any) -> None:
    async with _entered(limiter):
        await limiter.ready()


async def _job(limiter: Any, dice: random.Random) -> bool:
    try:
        slot = await limiter.acquire("account", Lane.SEND, longest=1.0, patience=0.3)
    except (WaitTooLong, LimiterUnavailable):
        return False
    await asyncio.sleep(dice.uniform(0.005, 0.05))
    slot.answered()
    return True


def _main(task: Task) -> None:
    _put_clocks_wrong(task.skew)
    seen = _send_by_jobs(task) if task.jobs_per_second else asyncio.run(_send(task))
    print(json.dumps(seen))


if __name__ == "__main__":
    _main(Task(**json.loads(sys.argv[1])))
