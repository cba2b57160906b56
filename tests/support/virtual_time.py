"""An event loop whose clock stands still while there is work, and jumps ahead when idle."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any


class _JumpingSelector(selectors.SelectSelector):
    """Waits for no time at all: the time that the loop would have slept is added to its clock."""

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
    Ten simulated minutes take milliseconds; for tests that touch no thread.

    Args:
        now: Its first instant, seconds.
    """

    def __init__(self, now: float = 1_000.0) -> None:
        self._selector_clock = _JumpingSelector(now)
        super().__init__(self._selector_clock)
        self._clock_resolution = 1e-9
        #: Called before each turn of the loop, and does not make it another one.
        self.before_turn: Callable[[], object] = _nothing

    def _run_once(self) -> None:
        self.before_turn()
        super()._run_once()

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Let each timer take a moment, as on a real clock: sums of floats may never fit."""
        when = max(when, self.time() + self._clock_resolution)
        return super().call_at(when, callback, *args, context=context)

    def waits_for_others(self, change: int) -> None:
        """Count the answers of other processes that are awaited: until then, time stands still."""
        self._selector_clock.awaited += change

    def time(self) -> float:
        """Give the instant, which only this loop moves."""
        return self._selector_clock.now


def _nothing() -> None:
    """No test looks at each turn."""
