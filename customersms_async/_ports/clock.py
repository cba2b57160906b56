"""Monotonic time, randomness and sleep."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Clock"]


class Clock(Protocol):
    """Monotonic time, randomness and sleep."""

    def now(self) -> float:
        """Return the current time, in monotonic seconds."""
        ...

    def jitter(self) -> float:
        """Return a random number, 0 ≤ jitter < 1, uniform."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 lets other tasks run."""
        ...
