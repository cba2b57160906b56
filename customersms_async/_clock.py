"""Monotonic time and randomness of the system."""

from __future__ import annotations

import asyncio
import random
import time

__all__ = ["SystemClock"]


class SystemClock:
    """A `Clock` over `time.monotonic`, `random.random` and `asyncio.sleep`."""

    #: Returns the current time, in monotonic seconds.
    now = staticmethod(time.monotonic)

    def jitter(self) -> float:
        """Return a random number, 0 ≤ jitter < 1, uniform."""
        return random.random()  # noqa: S311  # spreads retries, keeps no secret

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 lets other tasks run."""
        await asyncio.sleep(seconds)
