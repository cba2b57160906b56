"""
The limiters that are measured, ours among them.

Rules of this module:

1. It needs nothing but this library, so that tests can use it; the peers stand in `peers`.
2. A contestant is made in the loop that it is used in, for one idle key, and used once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from customersms_async import Lane, Limiter, LocalLimiter, Rate

__all__ = ["ACCOUNT", "LIMIT", "LONGEST", "PER", "Contestant", "Job", "Leave", "Ours", "ours"]

#: The limit of all of them: "100 per minute".
LIMIT, PER = 100, 60.0

ACCOUNT = "account-1"
#: Seconds that one of our requests may take.
LONGEST = 30.0

#: Tells the limiter that the answer is here.
Leave = Callable[[], object]
#: The request of one caller, from the instant at which it leaves.
Job = Callable[[int], Awaitable[object]]


class Contestant:
    """
    A limiter, used as its documentation says.

    Only ours hears of answers; the grants of a peer do not depend on the network.
    """

    async def acquire(self, lane: Lane) -> Leave:
        """Wait for leave to send; only ours knows lanes."""
        raise NotImplementedError

    async def for_each(self, job: Job, count: int) -> None:
        """Let *count* callers wait at once, each of which does its job when it may."""

        async def caller(number: int) -> None:
            leave = await self.acquire(Lane.BULK)
            await job(number)
            leave()

        await asyncio.gather(*map(caller, range(count)))

    def close(self) -> None:
        """Release resources."""


class Ours(Contestant):
    """One of our limiters; *lane* is where callers wait that name none."""

    def __init__(self, limiter: Limiter, lane: Lane | None = None) -> None:
        self.limiter = limiter
        self._lane = lane

    async def acquire(self, lane: Lane) -> Leave:
        """Wait for a slot; its end is the answer."""
        slot = await self.limiter.acquire(ACCOUNT, self._lane or lane, longest=LONGEST)
        return slot.answered


def ours(*, lane: Lane | None = None, burst: int | None = None, reserve: int = 1) -> Ours:
    """Make a `LocalLimiter` for the running loop, and for its clock."""
    clock = asyncio.get_running_loop().time
    limiter = LocalLimiter(Rate(LIMIT, per=PER), burst=burst, reserve=reserve, clock=clock)
    return Ours(limiter, lane)
