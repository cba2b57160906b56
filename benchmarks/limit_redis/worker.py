"""
One of the processes that share a key: a bulk run through `RedisLimiter`, with a clock of its own.

Run as a program it prints "ready", begins when it is told a line, and prints at its end what it
saw, as JSON. The clock of the process is wrong by the seconds that it is given.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from attrs import asdict, define, frozen
from redis.asyncio import Redis

from customersms_async import CustomerSMS, Rate, Status
from customersms_async.redis import RedisLimiter

__all__ = ["RATE", "Task", "Worker", "phone_of", "worker_of"]

#: So that thirty seconds are six periods.
RATE = Rate(100, per=5)


@frozen
class Task:
    """
    What a worker is told.

    Attributes:
        number: Which of the workers it is.
        store: URL of the store.
        endpoint: URL of the gateway.
        seconds: How long it sends.
        skew: By how many seconds its clocks are wrong.
    """

    number: int
    store: str
    endpoint: str
    seconds: float
    skew: float


def phone_of(worker: int, index: int) -> str:
    """Give a number that no other request has, and that tells the worker."""
    return f"+1{200 + worker}555{index:04d}"


def worker_of(phone: str) -> int:
    """Give the number of the worker that a number tells."""
    return int(phone[2:5]) - 200


@define
class Worker:
    """A worker in a process of its own."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, task: Task) -> Worker:
        """Start it, and wait until it is ready to begin."""
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(asdict(task))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return cls(process)

    def begin(self) -> None:
        """Let it send."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """Wait for its end, and give what it saw; nothing where it was killed."""
        seen, _ = self.process.communicate()
        return json.loads(seen) if seen else {}


class _CountingRedis(Redis):
    calls = 0

    async def execute_command(self, *args: object, **options: object) -> object:
        self.calls += args[0] == "EVALSHA"
        return await super().execute_command(*args, **options)


def _put_clocks_wrong(skew: float) -> None:
    """Patch the clocks of this process, as no test of ours would: here the machine is wrong."""
    right = {name: getattr(time, name) for name in ("time", "monotonic")}
    for name, clock in right.items():
        setattr(time, name, lambda clock=clock: clock() + skew)


def _phones(task: Task) -> Iterator[str]:
    return (phone_of(task.number, index) for index in range(10_000))


async def _send(task: Task) -> dict[str, Any]:
    redis = _CountingRedis.from_url(task.store)
    limiter = RedisLimiter(redis, RATE, trust_empty_store=True)
    sms = CustomerSMS(
        "cspro_bench", endpoint=task.endpoint, limiter=limiter, request_timeout=1.0, retries=0
    )
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with redis, limiter, sms:
        run = sms.stream_many(
            _phones(task), "We open at nine", batch_size=1, stop_after=task.seconds
        )
        async with run as bulk:
            sent = [o.phone async for o in bulk if o.status is Status.SENT]
        progress = bulk.progress
    return {
        "sent": sent,
        "unknown": progress.unknown,
        "rejected": progress.rejected,
        "requests": progress.requests,
        "calls": redis.calls,
    }


def _main(task: Task) -> None:
    _put_clocks_wrong(task.skew)
    print(json.dumps(asyncio.run(_send(task))))


if __name__ == "__main__":
    _main(Task(**json.loads(sys.argv[1])))
