"""Why a run sends nothing new."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import define, field

from .. import codes
from ._core.errors import OutboxError, OutboxUnavailable

__all__ = ["RunStop"]


def _no_run() -> None:
    """There is no run to stop yet."""


@define(eq=False)
class RunStop:
    """
    Stops a run, and remembers why.

    Args:
        changed: Set when the run is stopped, to wake what waits.

    Attributes:
        code: The code of what stopped it, or None.
        failure: The database's error, if that stopped it.
    """

    _changed: asyncio.Event
    code: str | None = field(init=False, default=None)
    failure: OutboxError | None = field(init=False, default=None)
    _stop: Callable[[], object] = field(init=False, default=_no_run)

    def connect(self, stop: Callable[[], object]) -> None:
        """Connect the bulk run that has begun; *stop* stops it."""
        self._stop = stop
        if self.code is not None:
            stop()

    def request(self, code: str) -> None:
        """Send nothing new; the first reason counts."""
        self.code = self.code or code
        self._changed.set()
        self._stop()

    def fail(self, exc: OutboxError) -> None:
        """Send nothing new: the database was unavailable for too long, or refuses."""
        self.failure = self.failure or exc
        self.request(codes.JOURNAL_FAILED)

    def note(self, exc: OutboxError) -> None:
        """Record a failed job; a failure that retrying would not fix ends the run."""
        if not isinstance(exc, OutboxUnavailable):
            self.fail(exc)
