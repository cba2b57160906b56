"""The system's clock and dice."""

from __future__ import annotations

import asyncio
import random
import time

__all__ = ["SystemClock"]


class SystemClock:
    """A `Clock` of monotonic time and of the process's own dice."""

    #: Gives the instant, in monotonic seconds.
    now = staticmethod(time.monotonic)

    def jitter(self) -> float:
        """Roll the dice: 0 ≤ jitter < 1, uniform."""
        return random.random()  # noqa: S311  # spreads retries, keeps no secret

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 lets others run."""
        await asyncio.sleep(seconds)
