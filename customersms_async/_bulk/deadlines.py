"""When a run stops waiting."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

__all__ = ["Deadlines"]


class Deadlines:
    """The timers of one run, in its event loop."""

    def __init__(self) -> None:
        self._timers: list[asyncio.TimerHandle] = []
        self._ends_at: float | None = None
        self._last_wait: asyncio.Timeout | None = None

    @property
    def is_set(self) -> bool:
        """Whether the run has a time at which it stops waiting."""
        return self._ends_at is not None

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call back after *seconds*, unless the run has ended by then."""
        self._timers.append(asyncio.get_running_loop().call_later(seconds, callback))

    def end_by(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call back after *seconds*; from then on the run waits for nothing."""
        self.later(seconds, callback)
        self._ends_at = asyncio.get_running_loop().time() + seconds
        if self._last_wait is not None and not self._last_wait.expired():
            self._last_wait.reschedule(self._ends_at)

    async def within(self, wait: Callable[[], Awaitable[None]]) -> None:
        """Await *wait*, but at most until that time."""
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._ends_at) as self._last_wait:
                    await wait()
        finally:
            self._last_wait = None  # a wait that is over cannot be rescheduled

    def cancel(self) -> None:
        """Cancel the timers."""
        for timer in self._timers:
            timer.cancel()
