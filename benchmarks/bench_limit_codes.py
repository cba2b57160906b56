"""
Codes beside a young bulk run: how long single messages wait, in virtual time.

A bulk run sends as much as it can, with 16 requests in flight per member. Codes arrive as a Poisson
process with a share of the rate, and start 0, 20, 40 or 120 s after the run; answers take 0.1 to
0.5 s. One member is a `LocalLimiter`; eight share a store with one-way latencies of 0.5 to 2.5 ms.

``python -m benchmarks.bench_limit_codes`` measures at least 20,000 codes per cell.
"""

from __future__ import annotations

import asyncio
import functools
import math
import random
import sys
from bisect import bisect_right
from collections.abc import Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from attrs import define, field

from benchmarks import _virtual
from benchmarks._results import Bound, Result, Row, Table
from customersms_async import Lane, Limiter, LocalLimiter
from tests.support.shared_limiter_in_memory import LimiterInMemory, RemoteStore

__all__ = ["main", "measure"]

#: Seconds between two requests of a bulk run at its pace.
SLOT: Final = 60 / 98

SHARES: Final = (0.05, 0.1, 0.2, 0.3, 0.5)
PHASES: Final = (0, 20, 40, 120)
MINUTES: Final = 11  # so that the 1,000th has left if nobody else asks

#: The most slots that 99 of 100 codes may wait, by members and share.
MOST: Final = {1: (1.5, 1.5, 2.0, 2.5, 3.5), 8: (2.5, 2.5, 3.0, 3.5, 5.5)}


@define
class Seen:
    """The results of some runs: waits in seconds, arrivals at the server, the most in 60 s."""

    waits: list[float] = field(factory=list)
    busiest: int = 0
    used: list[float] = field(factory=list)
    thousandth: float = 0.0


def limiters(members: int, dice: random.Random) -> Sequence[Limiter]:
    """Make the members for the running loop."""
    loop = asyncio.get_running_loop()
    if members == 1:
        return [LocalLimiter(clock=loop.time)]
    server = RemoteStore()
    server.trip = lambda: dice.uniform(0.0005, 0.0025)
    return [LimiterInMemory(server) for _ in range(members)]


class _Run:
    """Eleven minutes of a bulk run with codes beside it."""

    def __init__(self, members: int, share: float, seed: int, seen: Seen) -> None:
        self._loop = asyncio.get_running_loop()
        self._dice = random.Random(seed)
        self._group = limiters(members, self._dice)
        self._share = share
        self._seen = seen
        self._tasks = set[asyncio.Task[None]]()
        self._began_at = self._loop.time()
        self._ends_at = self._began_at + MINUTES * 60
        self._arrivals: list[float] = []

    async def run(self, phase: float) -> None:
        """Run both, and add the results."""
        for limiter in self._group:
            self._spawn(self._bulk_run(limiter))
        if self._share:
            self._spawn(self._codes(phase))
        await asyncio.sleep(MINUTES * 60)
        for task in list(self._tasks):
            task.cancel()
        seen, times = self._seen, sorted(at - self._began_at for at in self._arrivals)
        counts = (n + 1 - bisect_right(times, at - 60) for n, at in enumerate(times))
        seen.busiest = max(seen.busiest, *counts)
        seen.used.append(sum(60 < at < MINUTES * 60 for at in times) / (MINUTES - 1) / 100)
        seen.thousandth = times[999] if len(times) > 999 else math.inf

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, limiter: Limiter, lane: Lane) -> None:
        loop, asked_at = self._loop, self._loop.time()
        slot = await limiter.acquire("a", lane, longest=30.0 if lane is Lane.SEND else 80.0)
        if lane is Lane.SEND:
            self._seen.waits.append(loop.time() - asked_at)
        takes = self._dice.uniform(0.1, 0.5)
        self._arrivals.append(loop.time() + takes * self._dice.random())
        await asyncio.sleep(takes)
        slot.answered()

    async def _bulk_run(self, limiter: Limiter) -> None:
        room = asyncio.Semaphore(16)

        async def one() -> None:
            await self._request(limiter, Lane.BULK)
            room.release()

        while self._loop.time() < self._ends_at:
            await room.acquire()
            self._spawn(one())

    async def _codes(self, phase: float) -> None:
        await asyncio.sleep(phase)
        while self._loop.time() < self._ends_at:
            await asyncio.sleep(self._dice.expovariate(self._share * 100 / 60))
            self._spawn(self._request(self._dice.choice(self._group), Lane.SEND))


async def measure(members: int, share: float, phase: float, seed: int, seen: Seen) -> None:
    """Run for eleven minutes, and add the results."""
    await _Run(members, share, seed, seen).run(phase)


def cell(members: int, share: float, least: int) -> Seen:
    """Measure until there are enough codes, each phase equally often."""
    seen, seed = Seen(), 0
    while len(seen.waits) < least:
        for phase in PHASES:
            _virtual.run(functools.partial(measure, members, share, phase, seed, seen))
        seed += 1
    seen.waits.sort()
    return seen


def _row(members: int, share: float, seen: Seen) -> Row:
    def slots(percent: float) -> float:
        return seen.waits[int((len(seen.waits) - 1) * percent / 100)] / SLOT

    return {
        "members": members,
        "codes, % of the rate": round(100 * share),
        "codes": len(seen.waits),
        "p50, slots": slots(50),
        "p99, slots": slots(99),
        "longest, slots": slots(100),
        "in any 60 s": seen.busiest,
        "used": min(seen.used),
    }


def main(least: int = 20_000) -> int:
    """Measure, write the results, and fail if a bound is missed."""
    rows, bounds = list[Row](), list[Bound]()
    cells = [
        (members, share, bound)
        for members, most in MOST.items()
        for share, bound in zip(SHARES, most, strict=True)
    ]
    with ProcessPoolExecutor() as pool:
        seen = [pool.submit(cell, members, share, least) for members, share, _ in cells]
        for (members, share, bound), future in zip(cells, seen, strict=True):
            row = _row(members, share, future.result())
            rows.append(row)
            print(dict(row), flush=True)
            what = f"{members} members, codes at {share:.0%}"
            bounds += [
                Bound(f"{what}: p99, slots", float(row["p99, slots"] or 0), bound),
                Bound(f"{what}: arrivals in any 60 s", float(row["in any 60 s"] or 0), 100),
                Bound(f"{what}: left unused", 1 - float(row["used"] or 0), 0.03),
            ]
    alone = Seen()
    _virtual.run(lambda: measure(1, 0.0, 0, 0, alone))
    result = Result(
        name="limit_codes",
        title="Codes beside a bulk run that has just begun, at 100 a minute",
        packages=("customersms-async", "aiolimiter"),
        tables={"waits": Table("Waits", rows, f"In slots of {SLOT:.2f} s; `reserve=1`.")},
        bounds=[
            *bounds,
            Bound("no codes: second in which the 1,000th left", alone.thousandth, 612),
        ],
    )
    return result.publish()


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
