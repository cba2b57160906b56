"""
The timeout of an attempt.

Rules of this module:

1. An answer that has arrived counts, however late the event loop reads it: an attempt that was
   handed over ends only after some loop iterations in which nothing of its answer arrived.
2. A request that was not handed over by then never is.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, Final, Protocol

import msgspec

__all__ = ["Limit", "Watch"]

#: Loop iterations without new data before an attempt that was handed over ends. The first one reads
#: the socket; the others pass the data on, through TLS and the reading tasks.
_QUIET_TURNS: Final = 10


class _Progress(Protocol):
    @property
    def is_started(self) -> bool:
        """Whether writing of the body has begun."""
        ...

    @property
    def arrived(self) -> int:
        """A count that grows as the answer arrives."""
        ...


class Limit(msgspec.Struct, eq=False):
    """The time limit of the attempt in one task."""

    task: asyncio.Task[Any]
    cancellations: int  # of the task, when the limit began
    ends_at: float
    progress: _Progress
    is_over: bool = False
    is_ended: bool = False


class Watch:
    """
    Ends attempts whose time is over, in every phase, by cancelling their tasks.

    There is one timer for all: a timer per request, by aiohttp or `asyncio.timeout`, would cost a
    fifteenth of the whole request.
    """

    __slots__ = ("_fires_at", "_limits", "_loop", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits: set[Limit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = math.inf

    def begin(self, timeout: float, progress: _Progress) -> Limit:
        """Limit the running task from now on, until `end`."""
        task = asyncio.current_task(self._loop)
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
            Whether the task was cancelled because its time was over, and for no other reason.
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
        """End the attempts that are late, and schedule the next check, possibly for now."""
        self._timer, self._fires_at = None, math.inf
        now = self._loop.time()  # uvloop counts in milliseconds, and may call this too early
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
        """Continue while data of the answer arrives; the cap on its size bounds this."""
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
