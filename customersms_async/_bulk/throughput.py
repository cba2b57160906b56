"""The speed of a run over the last minute, and its progress in words."""

from __future__ import annotations

from collections import deque
from typing import Final

from ..outcomes import Progress

__all__ = ["Throughput", "spoken"]

_WINDOW: Final = 60.0
_STEP: Final = 1.0


class Throughput:
    """
    The speed of a run.

    At most one sample per second is kept, and none older than the window, except the one at its
    edge. So it costs the same at any speed.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._told_at = 0.0

    def begin(self, now: float) -> None:
        """Start counting."""
        self._samples.append((now, 0))
        self._told_at = now

    def note(self, now: float, numbers: int) -> None:
        """Record the total count of decided numbers."""
        samples = self._samples
        if now - samples[-1][0] >= _STEP:
            samples.append((now, numbers))
            while len(samples) > 1 and samples[1][0] <= now - _WINDOW:
                samples.popleft()

    def per_minute(self, now: float, numbers: int) -> float | None:
        """Return numbers per minute; None while that is not known."""
        if not self._samples or now <= self._samples[0][0] or numbers == self._samples[0][1]:
            return None
        then, before = self._samples[0]
        return 60.0 * (numbers - before) / (now - then)

    def is_minute_over(self, now: float) -> bool:
        """Whether a minute has passed since this was last true."""
        if now - self._told_at < _WINDOW:
            return False
        self._told_at = now
        return True


def spoken(progress: Progress) -> str:
    """Describe the progress of a run in one line, for a log."""
    end = "" if progress.expected is None else f" of {progress.expected:,}"
    parts = [f"has {progress.total:,}{end}: {progress}"]
    if progress.numbers_per_minute is not None:
        parts.append(f"{progress.numbers_per_minute:,.0f} a minute")
    if progress.eta is not None:
        parts.append(f"{progress.eta:,.0f} s to go")
    return ", ".join(parts)
