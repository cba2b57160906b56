"""Monotonic time, randomness and sleep."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Clock"]


class Clock(Protocol):
    """Time and dice."""

    def now(self) -> float:
        """Give the instant, in monotonic seconds."""
        ...

    def jitter(self) -> float:
        """Roll the dice: 0 ≤ jitter < 1, uniform."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 lets others run."""
        ...
