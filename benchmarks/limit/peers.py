"""
The peers, each as its own documentation uses it for "100 per minute" in asyncio.

Where a peer leaves it to the caller how to wait after a refusal, its documentation is followed.
"""

from __future__ import annotations

import asyncio
import time

import aiometer
import limits
from aiolimiter import AsyncLimiter
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from pyrate_limiter import Duration, Limiter, Rate
from throttled.asyncio import RateLimiterType, Throttled
from throttled.asyncio.store import MemoryStore

from benchmarks.limit.contestants import LIMIT, PER, Contestant, Job, Leave
from customersms_async import Lane

__all__ = [
    "CLOCKS",
    "PACKAGES",
    "Aiolimiter",
    "AiolimiterPaced",
    "Aiometer",
    "Limits",
    "Pyrate",
    "ThrottledBucket",
    "ThrottledGcra",
]

#: The measured packages, by their names in the package index.
PACKAGES = ("aiolimiter", "pyrate-limiter", "limits", "aiometer", "throttled-py")

#: The names by which peers read the time; patched in virtual time.
CLOCKS = (
    "benchmarks.limit.peers.time",
    "limits.aio.storage.memory.time",
    "limits.aio.strategies.time",
    "pyrate_limiter.clocks.monotonic_ns",
    "pyrate_limiter.limiter.monotonic",
    "throttled.utils.time",
)


def _nothing() -> None:
    """Do nothing: no peer needs to know about the answer."""


class Aiolimiter(Contestant):
    """``AsyncLimiter(100, 60)``: a leaky bucket."""

    def __init__(self, max_rate: float = LIMIT, time_period: float = PER) -> None:
        self._limiter = AsyncLimiter(max_rate, time_period)

    async def acquire(self, lane: Lane) -> Leave:  # noqa: ARG002
        """Wait for room in the bucket."""
        await self._limiter.acquire()
        return _nothing


class AiolimiterPaced(Aiolimiter):
    """``AsyncLimiter(1, 0.6)``: the same rate, evenly spread."""

    def __init__(self) -> None:
        super().__init__(1, PER / LIMIT)


class Pyrate(Contestant):
    """``Limiter(Rate(100, Duration.MINUTE))``: a sliding log, its default."""

    def __init__(self) -> None:
        self._limiter = Limiter(Rate(LIMIT, Duration.MINUTE))

    async def acquire(self, lane: Lane) -> Leave:  # noqa: ARG002
        """Wait for a permit."""
        assert await self._limiter.try_acquire_async(name="key")
        return _nothing

    def close(self) -> None:
        """End its thread."""
        self._limiter.close()


class Limits(Contestant):
    """
    ``MovingWindowRateLimiter`` in memory; it only refuses, so that the caller must wait.

    Source: "Query available capacity and reset time", https://limits.readthedocs.io/
    """

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._item = limits.parse("100/minute")

    async def acquire(self, lane: Lane) -> Leave:  # noqa: ARG002
        """Hit; sleep until the window has room, and repeat until it succeeds."""
        while not await self._limiter.hit(self._item, "key"):
            window = await self._limiter.get_window_stats(self._item, "key")
            await asyncio.sleep(window.reset_time - time.time())
        return _nothing


class Aiometer(Contestant):
    """``run_on_each(max_per_second=100 / 60)``: it starts the jobs itself, so nobody waits."""

    async def for_each(self, job: Job, count: int) -> None:
        """Do all jobs."""
        await aiometer.run_on_each(job, range(count), max_per_second=LIMIT / PER)


class ThrottledBucket(Contestant):
    """
    ``Throttled(quota="100/m")``: a token bucket, its default.

    Source: "Wait & Retry", https://github.com/ZhuoZhuoCrayon/throttled-py
    """

    algorithm = RateLimiterType.TOKEN_BUCKET

    def __init__(self) -> None:
        # By default all share one store per process, which would remember the last run.
        self._throttle = Throttled(using=self.algorithm.value, quota="100/m", store=MemoryStore())

    async def acquire(self, lane: Lane) -> Leave:  # noqa: ARG002
        """Wait and retry, for an hour at most."""
        result = await self._throttle.limit("key", timeout=3600)
        assert not result.limited
        return _nothing


class ThrottledGcra(ThrottledBucket):
    """The same with ``using="gcra"``."""

    algorithm = RateLimiterType.GCRA
