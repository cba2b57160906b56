"""The requests of a run that are under way."""

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
        """How many numbers each request has that may have left, and has no answer yet."""
        return [worker.size for worker in self._workers if worker.is_under_way]

    def add(self, worker: Worker) -> None:
        """A request begins."""
        self._workers.add(worker)
        self.numbers += worker.size

    def answered(self, worker: Worker) -> None:
        """A request has its fate, though the journal may still have to note it."""
        self.numbers -= worker.size
        worker.size = 0

    def discard(self, worker: Worker) -> None:
        """A request has ended."""
        self.answered(worker)
        self._workers.discard(worker)

    def halt(self, word: str) -> None:
        """Let nothing of them leave from now on."""
        for worker in self._workers:
            worker.halt(word)

    def end_claims(self) -> None:
        """Wait for the journal no longer, where nothing has left yet."""
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

            died: Called for each whose task was cancelled before its first step.
        """
        while tasks := [worker.task for worker in self._workers if worker.task is not None]:
            try:
                await asyncio.wait(tasks)
            except asyncio.CancelledError:
                cancelled()
            for worker in [w for w in self._workers if w.task is not None and w.task.done()]:
                died(worker)
