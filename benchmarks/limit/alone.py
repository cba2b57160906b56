"""
Processes that use one key and share nothing, each with its own `LocalLimiter`.

Each has a bulk run that sends as much as it can, with sixteen requests in flight; answers take 0.1
to 0.5 s. The gateway enforces the whole limit with a sliding log, and says in a refusal how long to
wait, or does not. A refused request is sent again until it is accepted.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Coroutine

from attrs import frozen

from benchmarks.limit.contestants import ACCOUNT, LIMIT, PER
from customersms_async import Lane, LocalLimiter, Rate
from customersms_async.sandbox._gateway.rate_rules import make_rule

__all__ = ["MINUTES", "Alone", "beside_each_other"]

#: The minutes that are simulated, and the minute from which they count.
MINUTES, FROM = 7, 2

_AT_ONCE = 16
_LONGEST = 80.0


@frozen
class Alone:
    """
    The results from the third minute on.

    Attributes:
        used: The percentage of the limit that was used.
        refused: Refusals per 100 requests.
        fairness: Jain's index, 1 if all are equal.
    """

    used: float
    refused: float
    fairness: float


class _Key:
    """The key as the gateway counts it, and the processes that use it."""

    def __init__(self, seed: int, *, asks: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._dice = random.Random(seed)
        self._asks = asks
        self._rule = make_rule("sliding-log", LIMIT, per=PER)
        self._began_at = self._loop.time()
        self._tasks = set[asyncio.Task[None]]()
        self.accepted: list[list[float]] = []
        self.refused: list[float] = []

    def begin(self, spread: float) -> None:
        """Start another process, at a random time within the spread."""
        self.accepted.append([])
        self._spawn(self._bulk_run(self._dice.uniform(0, spread), self.accepted[-1]))

    def end(self) -> None:
        """End all processes."""
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bulk_run(self, wait: float, accepted: list[float]) -> None:
        await asyncio.sleep(wait)
        limiter = LocalLimiter(Rate(LIMIT, per=PER), clock=self._loop.time)
        room = asyncio.Semaphore(_AT_ONCE)
        while True:
            await room.acquire()
            self._spawn(self._request(limiter, room, accepted))

    async def _request(
        self, limiter: LocalLimiter, room: asyncio.Semaphore, accepted: list[float]
    ) -> None:
        ticket = None
        while True:
            slot = await limiter.acquire(ACCOUNT, Lane.BULK, longest=_LONGEST, ticket=ticket)
            takes = self._dice.uniform(0.1, 0.5)
            there = takes * self._dice.random()
            await asyncio.sleep(there)
            now = self._loop.time() - self._began_at
            is_accepted = self._rule.admit(now)
            wait = math.ceil(self._rule.retry_after(now)) if self._asks else None
            await asyncio.sleep(takes - there)
            if is_accepted:
                accepted.append(now)
                slot.answered()
                room.release()
                return
            self.refused.append(now)
            slot.refused(wait)
            ticket = slot.ticket


async def beside_each_other(processes: int, seed: int, *, spread: float, asks: bool) -> Alone:
    """
    Let the processes send.

    Args:
        processes: How many there are.

        seed: The seed of the random numbers.

        spread: Seconds within which they start.

        asks: Whether the gateway says how long to wait.
    """
    key = _Key(seed, asks=asks)
    for _ in range(processes):
        key.begin(spread)
    await asyncio.sleep(MINUTES * 60)
    key.end()
    shares = [sum(at >= FROM * 60 for at in accepted) for accepted in key.accepted]
    refused = sum(at >= FROM * 60 for at in key.refused)
    sent = sum(shares)
    return Alone(
        used=100 * sent / (LIMIT * (MINUTES - FROM)),
        refused=100 * refused / (refused + sent),
        fairness=sent**2 / (processes * sum(share**2 for share in shares)),
    )
