"""The system's clock and dice."""

from __future__ import annotations

import asyncio
import random

__all__ = ["SystemClock"]


class SystemClock:
    """A `Clock` of the running event loop's time and of the process's own dice."""

    def now(self) -> float:
        """Give the instant, in monotonic seconds."""
        return asyncio.get_running_loop().time()

    def jitter(self) -> float:
        """Roll the dice: 0 ≤ jitter < 1, uniform."""
        return random.random()  # noqa: S311  # spreads retries, keeps no secret

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 lets others run."""
        await asyncio.sleep(seconds)
