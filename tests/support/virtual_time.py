"""An event loop whose clock stands still during work, and jumps ahead when idle."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any


class _JumpingSelector(selectors.SelectSelector):
    """Never sleeps: the time that the loop would have slept is added to its clock."""

    #: Real seconds that another process may take to answer.
    PATIENCE = 30.0

    def __init__(self, now: float) -> None:
        super().__init__()
        self.now = now
        self.awaited = 0  # answers of other processes, during which time stands still

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(self.PATIENCE if self.awaited and timeout != 0 else 0)
        if not ready and self.awaited and timeout != 0:
            msg = f"another process has not answered for {self.PATIENCE} s"
            raise RuntimeError(msg)
        if not ready and timeout is None:
            msg = "the test waits for something that can never happen"
            raise RuntimeError(msg)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """
    Simulates ten minutes in milliseconds; for tests without threads.

    Args:
        now: The time at which it begins, in seconds.
    """

    def __init__(self, now: float = 1_000.0) -> None:
        self._selector_clock = _JumpingSelector(now)
        super().__init__(self._selector_clock)
        self._clock_resolution = 1e-9
        #: Called before each iteration of the loop; causes no further iteration.
        self.before_turn: Callable[[], object] = _nothing

    def _run_once(self) -> None:
        self.before_turn()
        super()._run_once()

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Delay each timer by a moment, as on a real clock, so that sums of floats match."""
        when = max(when, self.time() + self._clock_resolution)
        return super().call_at(when, callback, *args, context=context)

    def waits_for_others(self, change: int) -> None:
        """Count the awaited answers of other processes, during which time stands still."""
        self._selector_clock.awaited += change

    def time(self) -> float:
        """Return the time, which only this loop advances."""
        return self._selector_clock.now


def _nothing() -> None:
    """The default: do nothing before an iteration."""
