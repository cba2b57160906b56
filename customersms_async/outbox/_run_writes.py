"""
The writes of a run, in order, even if the database fails.

Rule of this module: a write that fails is kept, and retried before the next write and at each
heartbeat.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define, field

from ._core.errors import OutboxError
from ._core.job import Job
from ._run_stop import RunStop
from ._run_target import RunTarget

__all__ = ["RunWrites"]

Result = TypeVar("Result")

_Jobs = deque[Callable[[], Job[Any]]]


@define(eq=False)
class RunWrites:
    """
    The writes of a run, and those of them that have failed so far.

    Args:
        target: What the run sends.

        stop: Notes failures, and ends the run if they will not pass.
    """

    _target: RunTarget
    _stop: RunStop
    _kept: _Jobs = field(init=False, factory=_Jobs)
    _turn: asyncio.Lock = field(init=False, factory=asyncio.Lock)

    async def write(self, make_job: Callable[[], Job[Result]]) -> Result | None:
        """Write, after the failed writes; if that is not possible, keep it for later."""
        if await self.retry():
            try:
                return await self._target.engine.run(make_job())
            except OutboxError as exc:
                what = f"cannot record how a request ended, and will try again: {exc}"
                self._target.log(logging.ERROR, "outbox.owed", what)
                self._stop.note(exc)
        self.keep(make_job)
        return None

    def keep(self, make_job: Callable[[], Job[Any]]) -> None:
        """Keep a write for later."""
        self._kept.append(make_job)

    async def retry(self) -> bool:
        """Retry the failed writes, in order; return whether all have succeeded."""
        async with self._turn:
            while self._kept:
                try:
                    await self._target.engine.run(self._kept[0]())
                except OutboxError as exc:
                    self._stop.note(exc)
                    return False
                self._kept.popleft()
        return True
