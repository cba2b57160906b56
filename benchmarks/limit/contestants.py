"""
The limiters that are measured, ours among them.

Rules of this module:

1. It needs nothing but this library, so that tests can use it; the peers are in `peers`.
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
#: The longest time of one of our requests, in seconds.
LONGEST = 30.0

#: Reports to the limiter that the answer has arrived.
Leave = Callable[[], object]
#: The request of one caller, from the time at which it leaves.
Job = Callable[[int], Awaitable[object]]


class Contestant:
    """
    A limiter, used as its documentation says.

    Only ours is told about answers; the grants of a peer do not depend on the network.
    """

    async def acquire(self, lane: Lane) -> Leave:
        """Wait for permission to send; only our limiter has lanes."""
        raise NotImplementedError

    async def for_each(self, job: Job, count: int) -> None:
        """Let *count* callers wait at once; each does its job when it may."""

        async def caller(number: int) -> None:
            leave = await self.acquire(Lane.BULK)
            await job(number)
            leave()

        await asyncio.gather(*map(caller, range(count)))

    def close(self) -> None:
        """Release resources."""


class Ours(Contestant):
    """One of our limiters; *lane* replaces the lane of the callers."""

    def __init__(self, limiter: Limiter, lane: Lane | None = None) -> None:
        self.limiter = limiter
        self._lane = lane

    async def acquire(self, lane: Lane) -> Leave:
        """Wait for a slot; it ends with the answer."""
        slot = await self.limiter.acquire(ACCOUNT, self._lane or lane, longest=LONGEST)
        return slot.answered


def ours(*, lane: Lane | None = None, burst: int | None = None, reserve: int = 1) -> Ours:
    """Make a `LocalLimiter` with the clock of the running loop."""
    clock = asyncio.get_running_loop().time
    limiter = LocalLimiter(Rate(LIMIT, per=PER), burst=burst, reserve=reserve, clock=clock)
    return Ours(limiter, lane)
