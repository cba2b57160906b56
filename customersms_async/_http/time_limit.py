"""
The end of an attempt whose time is over.

Rules of this module:

1. What has arrived counts, however late the event loop looks: an attempt that was handed over ends
   only after some turns of the loop in which nothing of its answer came.
2. What was not handed over by then never is.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, Final, Protocol

from attrs import define

__all__ = ["Limit", "Watch"]

#: Turns of the event loop in which nothing arrives, before an attempt ends that was handed over.
#: One reads what lies in the socket; the others hand it on, through TLS and the tasks that read.
_QUIET_TURNS: Final = 10


class _Progress(Protocol):
    @property
    def is_started(self) -> bool:
        """Whether the body has begun to be written."""
        ...

    @property
    def arrived(self) -> int:
        """Count what has arrived of the answer."""
        ...


@define(eq=False)
class Limit:
    """How long the attempt in one task may take."""

    task: asyncio.Task[Any]
    cancellations: int  # of the task, before
    ends_at: float
    progress: _Progress
    is_over: bool = False
    is_ended: bool = False


class Watch:
    """
    Ends attempts whose time is over, in every phase alike, by cancelling their tasks.

    One timer for all: one timer per request, aiohttp's or that of `asyncio.timeout`, costs a
    fifteenth of the whole request.
    """

    __slots__ = ("_fires_at", "_limits", "_loop", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits: set[Limit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = math.inf

    def begin(self, timeout: float, progress: _Progress) -> Limit:
        """Limit what the running task does from now on, until `end`."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # for the type checkers: a coroutine runs in a task
        limit = Limit(task, task.cancelling(), self._loop.time() + timeout, progress)
        self._limits.add(limit)
        if limit.ends_at < self._fires_at:
            self._arm(limit.ends_at)
        return limit

    def end(self, limit: Limit) -> bool:
        """
        End a limit.

        Returns:
            Whether the task was cancelled since its time was over, and by nothing else.
        """
        self._limits.discard(limit)
        limit.is_ended = True
        if not limit.is_over:
            return False
        limit.is_over = False
        return limit.task.uncancel() <= limit.cancellations

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._fires_at = self._loop.call_at(at, self._look), at

    def _look(self) -> None:
        """End what is late, and come back for the next, which may be the one of now."""
        self._timer, self._fires_at = None, math.inf
        now = self._loop.time()  # uvloop counts in milliseconds, and may be here before the instant
        for limit in [one for one in self._limits if one.ends_at <= now]:
            self._limits.discard(limit)
            if limit.progress.is_started:
                self._listen(limit, limit.progress.arrived, _QUIET_TURNS)
            else:
                _cancel(limit)
        next_end = min((limit.ends_at for limit in self._limits), default=math.inf)
        if next_end < math.inf:
            self._arm(next_end)

    def _listen(self, limit: Limit, arrived: int, turns: int) -> None:
        """Go on while something of the answer arrives, which is bounded by what is read of it."""
        if limit.is_ended:
            return
        if not turns:
            _cancel(limit)
            return
        has_come = limit.progress.arrived
        turns = _QUIET_TURNS if has_come > arrived else turns - 1
        self._loop.call_soon(self._listen, limit, has_come, turns)


def _cancel(limit: Limit) -> None:
    limit.is_over = True
    limit.task.cancel()
