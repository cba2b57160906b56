"""What the campaigns and workers of one outbox share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define, field

from ..outcomes import Progress
from ._core.engine import Engine

__all__ = ["OutboxContext"]

_Runs = dict[asyncio.Task[Progress], Callable[[], object]]


@define(eq=False)
class OutboxContext:
    """
    What the campaigns and workers of one outbox share.

    Attributes:
        engine: The database.
        lease: Seconds without a heartbeat after which a worker counts as dead.
        identity: Which database it is, and where; empty before the outbox is opened.
    """

    engine: Engine
    lease: float
    identity: str = ""
    _runs: _Runs = field(init=False, factory=_Runs)

    def spawn(
        self, run: Coroutine[Any, Any, Progress], stop: Callable[[], object]
    ) -> asyncio.Task[Progress]:
        """Start the run of a campaign; *stop* is called before the outbox is closed."""
        task = asyncio.create_task(run)
        self._runs[task] = stop
        task.add_done_callback(self._runs.pop)
        return task

    async def stop_runs(self) -> None:
        """Stop all runs, and wait for their requests in flight."""
        for stop in list(self._runs.values()):
            stop()
        if self._runs:
            await asyncio.wait(self._runs)
