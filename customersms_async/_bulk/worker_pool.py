"""The requests of a run that are in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .worker import Worker

__all__ = ["WorkerPool"]


class WorkerPool:
    """
    The workers of one run.

    Attributes:
        numbers: Numbers of the requests that have no answer yet.
    """

    def __init__(self) -> None:
        self._workers: set[Worker] = set()
        self.numbers: int = 0

    def __len__(self) -> int:
        return len(self._workers)

    @property
    def under_way(self) -> list[int]:
        """The count of numbers of each request that may have left and has no answer yet."""
        return [worker.size for worker in self._workers if worker.is_under_way]

    def add(self, worker: Worker) -> None:
        """Add a request that begins."""
        self._workers.add(worker)
        self.numbers += worker.size

    def answered(self, worker: Worker) -> None:
        """Record that a request has its fate; the journal may still have to record it."""
        self.numbers -= worker.size
        worker.size = 0

    def discard(self, worker: Worker) -> None:
        """Remove a request that has ended."""
        self.answered(worker)
        self._workers.discard(worker)

    def halt(self, code: str) -> None:
        """Send nothing of them from now on."""
        for worker in self._workers:
            worker.halt(code)

    def end_claims(self) -> None:
        """Stop waiting for the journal if nothing has left yet."""
        for worker in self._workers:
            worker.end_claim()

    def abandon(self) -> None:
        """Stop waiting."""
        for worker in self._workers:
            worker.abandon()

    async def wait(self, cancelled: Callable[[], None], died: Callable[[Worker], None]) -> None:
        """
        Wait until all have ended.

        Args:
            cancelled: Called if this is cancelled, since the event loop is closing.

            died: Called for each request whose task was cancelled before its first step, or ended
                by an interruption such as KeyboardInterrupt.
        """
        while tasks := [worker.task for worker in self._workers if worker.task is not None]:
            try:
                await asyncio.wait(tasks)
            except asyncio.CancelledError:
                cancelled()
            for worker in [w for w in self._workers if w.task is not None and w.task.done()]:
                died(worker)
