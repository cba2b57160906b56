"""The requests of a run that have not ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .bulk_request import BulkRequest

__all__ = ["OpenRequests"]


class OpenRequests:
    """
    The requests of one run that have not ended.

    Attributes:
        numbers: Numbers of the requests that have no answer yet.
    """

    def __init__(self) -> None:
        self._open: set[BulkRequest] = set()
        self.numbers: int = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def under_way(self) -> list[int]:
        """The count of numbers of each request that may have left and has no answer yet."""
        return [request.size for request in self._open if request.is_under_way]

    def add(self, request: BulkRequest) -> None:
        """Add a request that begins."""
        self._open.add(request)
        self.numbers += request.size

    def answered(self, request: BulkRequest) -> None:
        """Record that a request has its fate; the journal may still have to record it."""
        self.numbers -= request.size
        request.size = 0

    def discard(self, request: BulkRequest) -> None:
        """Remove a request that has ended."""
        self.answered(request)
        self._open.discard(request)

    def halt(self, code: str) -> None:
        """Send nothing of them from now on."""
        for request in self._open:
            request.halt(code)

    def end_claims(self) -> None:
        """Stop waiting for the journal if nothing has left yet."""
        for request in self._open:
            request.end_claim()

    def abandon(self) -> None:
        """Stop waiting."""
        for request in self._open:
            request.abandon()

    async def wait(
        self, cancelled: Callable[[], None], died: Callable[[BulkRequest], None]
    ) -> None:
        """
        Wait until all have ended.

        Args:
            cancelled: Called if this is cancelled, since the event loop is closing.

            died: Called for each request whose task was cancelled before its first step, or ended
                by an interruption such as KeyboardInterrupt.
        """
        while tasks := [request.task for request in self._open if request.task is not None]:
            try:
                await asyncio.wait(tasks)
            except asyncio.CancelledError:
                cancelled()
            for request in [one for one in self._open if one.task is not None and one.task.done()]:
                died(request)
