"""
Priorities: single messages beside a bulk run that saturates the key.

A bulk run has `WORKERS` requests in flight, each of which asks for the next grant when it is
answered. Answers take 0.02 to 1 s. A peer has no lanes, so everybody waits in one queue.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator

from benchmarks.limit.contestants import LIMIT, PER, Contestant
from customersms_async import Lane

__all__ = ["grants_in_turns", "waits_beside_bulk", "waits_of_a_rush"]

#: Requests of a bulk run in flight at once: the default of `CustomerSMS.send_many`.
WORKERS = 16

#: Simulated seconds: an hour, and half an hour.
_LONG, _HALF = 3600.0, 1800.0


class _Traffic:
    """The callers of one contestant, and their results."""

    def __init__(self, contestant: Contestant, seed: int) -> None:
        self._contestant = contestant
        self._dice = random.Random(seed)
        self._tasks: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()
        self.waits: list[float] = []  # of single messages, seconds
        self.lanes: list[Lane] = []  # of the grants, in order

    def start_bulk(self) -> None:
        """Start an endless bulk run."""
        self._tasks += [asyncio.create_task(self._worker()) for _ in range(WORKERS)]

    async def send(self, gaps: Iterator[float], seconds: float) -> None:
        """Send single messages for *seconds*, each independently."""
        ends_at = self._loop.time() + seconds
        while self._loop.time() + (gap := next(gaps)) < ends_at:
            await asyncio.sleep(gap)
            self._tasks.append(asyncio.create_task(self._request(Lane.SEND)))

    async def stop(self) -> None:
        """Cancel all callers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _worker(self) -> None:
        while True:
            await self._request(Lane.BULK)

    async def _request(self, lane: Lane) -> None:
        began_at = self._loop.time()
        leave = await self._contestant.acquire(lane)
        self.lanes.append(lane)
        if lane is Lane.SEND:
            self.waits.append(self._loop.time() - began_at)
        await asyncio.sleep(self._dice.uniform(0.02, 1.0))
        leave()


async def waits_beside_bulk(contestant: Contestant, seed: int) -> list[float]:
    """Send one message every 5 to 20 s for an hour beside a bulk run; return sorted waits."""
    dice = random.Random(-1 - seed)
    traffic = _Traffic(contestant, seed)
    traffic.start_bulk()
    await traffic.send(iter(lambda: dice.uniform(5, 20), None), _LONG)
    await asyncio.sleep(PER)
    await traffic.stop()
    return sorted(traffic.waits)


async def waits_of_a_rush(contestant: Contestant, seed: int, seconds: float = 1.0) -> list[float]:
    """Send thirty messages in quick succession on an idle key; return their waits, sorted."""
    dice = random.Random(-1 - seed)
    traffic = _Traffic(contestant, seed)
    instants = [0.0, *sorted(seconds * dice.random() for _ in range(30))]
    gaps = (after - before for before, after in itertools.pairwise(instants))
    await traffic.send(itertools.chain(gaps, [1.0]), max(seconds, 0.5))
    await asyncio.sleep(PER)
    await traffic.stop()
    assert len(traffic.waits) == 30
    return sorted(traffic.waits)


async def grants_in_turns(contestant: Contestant, seed: int) -> tuple[float, int]:
    """
    Send as many messages as the limit allows for half an hour, beside a bulk run.

    Returns:
        The bulk run's share of all grants in percent, and the most grants in a row that went to
        messages, once both wait.
    """
    traffic = _Traffic(contestant, seed)
    traffic.start_bulk()
    await traffic.send(itertools.repeat(PER / LIMIT), _HALF)
    lanes = traffic.lanes.copy()
    await traffic.stop()
    in_a_row = max(
        (len(list(run)) for lane, run in itertools.groupby(lanes) if lane is Lane.SEND), default=0
    )
    return 100 * lanes.count(Lane.BULK) / len(lanes), in_a_row
