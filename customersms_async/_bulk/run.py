"""
The caller's side of a run: start, wait, stop from any thread, report.

Rules of this module:

1. A caller may leave at any time; its cancellation ends a wait, but never a request in flight.
2. A note on the cancellation has the counts that a cancelled caller was not told.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol, cast

from .. import codes
from .._delivery.context import DeliveryContext
from .._values.columns import Columns
from ..errors import BulkInterrupted
from ..outcomes import Outcome, Progress, Report
from .lifecycle import Lifecycle
from .options import Options
from .reader import Reader
from .source import Spawn

__all__ = ["Register", "Run"]


class Register(Protocol):
    """Called when a run begins, which it may refuse, and when it ends."""

    def __call__(self, run: Run, *, is_open: bool) -> None: ...


class Run:
    """
    One run. `start` it once, in its event loop.

    Args:
        context: What its requests share.

        reader: Its input.

        options: Its options.

        spawn: Starts a task that belongs to the client.

        register: Called when it begins and ends.

        columns: Where the outcomes of a report go; None yields them as they arrive.
    """

    def __init__(
        self,
        context: DeliveryContext,
        reader: Reader,
        options: Options,
        *,
        spawn: Spawn,
        register: Register,
        columns: Columns | None = None,
    ) -> None:
        self._lifecycle = Lifecycle(context, reader, options, spawn, columns)
        self._name = context.name
        self._columns = columns
        self._register = register
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_done(self) -> bool:
        """Whether every number that was read has its fate."""
        return self._lifecycle.is_done

    @property
    def progress(self) -> Progress:
        """The current counts."""
        return self._lifecycle.progress

    @property
    def leftovers(self) -> list[Outcome]:
        """What may have been sent and had not been yielded when the caller left."""
        return list(self._lifecycle.results.leftovers)

    def start(self) -> None:
        """
        Start.

        Raises:
            ConfigurationError: The session is unusable.
        """
        self._register(self, is_open=True)
        self._loop = asyncio.get_running_loop()
        self._lifecycle.start(lambda: self._register(self, is_open=False))

    async def run_to_end(self) -> Report:
        """
        Start, and return the report at the end.

        Raises:
            ConfigurationError: The session is unusable.
            BulkInterrupted: The input, the journal or the session failed.
            asyncio.CancelledError: The caller was cancelled; a note has the counts.
        """
        self.start()
        try:
            await self.join()
        except asyncio.CancelledError as exc:
            await self.drain_for(exc)
            raise
        self.raise_failure()
        return self.report()

    async def next_outcome(self) -> Outcome | None:
        """Wait for the next outcome; None at the end."""
        life, ready = self._lifecycle, self._lifecycle.results.ready
        await life.until(lambda: bool(ready) or life.is_done)
        life.changed.set()  # there is room again
        return ready.popleft() if ready else None

    async def next_outcomes(self) -> list[Outcome]:
        """Wait for outcomes, and return all available ones; empty at the end."""
        first = await self.next_outcome()
        if first is None:
            return []
        ready = self._lifecycle.results.ready
        return [first, *(ready.popleft() for _ in range(len(ready)))]

    def discard(self) -> None:
        """Yield nothing more: from now on only counts are kept."""
        self._lifecycle.results.discard()
        self._lifecycle.changed.set()

    def leave(self) -> None:
        """Yield nothing more, and keep as left over what may have been sent."""
        self._lifecycle.results.leave()
        self._lifecycle.changed.set()

    async def join(self) -> None:
        """Wait for the end of a started run; a cancellation ends the wait, not the run."""
        await asyncio.wait([cast("asyncio.Task[None]", self._lifecycle.task)])

    async def drain_for(
        self, cancelled: asyncio.CancelledError, *, is_notified: bool = False
    ) -> None:
        """
        Stop, since the caller was cancelled; wait for requests in flight, and note the counts.

        Args:
            cancelled: The cancellation, for the note.

            is_notified: Whether the caller already knows of the end: then there is no note.

        Raises:
            asyncio.CancelledError: It was cancelled again, which only ends the wait; it has the
                note.
        """
        self.halt_and_drain(codes.CANCELLED)
        try:
            await self.join()
        except asyncio.CancelledError as again:
            self._note(again, is_notified=is_notified)
            raise
        self._note(cancelled, is_notified=is_notified)

    def _note(self, cancelled: BaseException, *, is_notified: bool) -> None:
        if is_notified:
            return
        progress = self.progress
        waiting = f", {progress.waiting:,} without a fate yet" if progress.waiting else ""
        cancelled.add_note(f"the bulk run was cancelled: {progress}{waiting}")

    def raise_failure(self) -> None:
        """
        Raise an error if the caller's iterable, journal or session failed.

        Raises:
            BulkInterrupted: The input, the journal or the session failed.
        """
        if self._lifecycle.failure is not None:
            raise BulkInterrupted(self.report()) from self._lifecycle.failure

    def report(self) -> Report:
        """Return the outcomes that were kept in columns, and the counts."""
        columns = self._columns or Columns()
        columns.trim()
        return Report(columns, self.progress, self._name)

    def halt(self, code: str) -> None:
        """Send nothing new; called in the event loop of the run."""
        self._lifecycle.halt(code)

    def halt_and_drain(self, code: str) -> None:
        """Like `halt`, and wait for requests in flight at most as long as the option ``drain``."""
        self._lifecycle.halt_and_drain(code)

    def stop(self) -> None:
        """Send nothing new; may be called from any thread, and more than once."""
        if self._loop is None or _is_running(self._loop):
            self._lifecycle.halt(codes.STOPPED)
            return
        self._lifecycle.forbid()  # at once: the loop has steps to take before it can halt
        with contextlib.suppress(RuntimeError):  # the loop is closed, so the run is over
            self._loop.call_soon_threadsafe(self._lifecycle.halt, codes.STOPPED)

    def stop_and_drain(self, seconds: float | None) -> None:
        """Like `stop`; in its own loop, requests without an answer after *seconds* are unknown."""
        if self._loop is not None and _is_running(self._loop):
            self._lifecycle.halt_and_drain(codes.STOPPED, seconds)
        else:
            self.stop()


def _is_running(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
