"""`Bulk`: a run over any number of messages, as its caller holds it."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from types import TracebackType
from typing import Protocol, Self

from . import codes
from ._bulk.run import Run
from .errors import BulkInterrupted
from .outcomes import Outcome, Progress

__all__ = ["Bulk"]


class Register(Protocol):
    """Is told when a run begins, which it may refuse, and when it ends."""

    def __call__(self, bulk: Bulk, *, is_open: bool) -> None: ...


class Bulk:
    """
    A bulk run. Enter its block to start it; iterate over it, or await `finish`.

    ::

        async with sms.stream_many(numbers, "We open at nine") as bulk:
            async for outcome in bulk:
                ...

    Outcomes come as soon as each is known, not in input order, and no faster than they are taken.
    The end of the block stops the run unless it is at its end; what is in flight is answered. A
    block that ends by an exception waits for that no longer than ``drain`` seconds.
    """

    def __init__(self, run: Run, register: Register) -> None:
        self._run = run
        self._register = register
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_forgotten = True
        self._is_open = False
        self._has_told = False

    def __del__(self) -> None:
        if self._is_forgotten:
            msg = "a bulk run was never entered, so nothing was sent; use 'async with' on it"
            warnings.warn(msg, RuntimeWarning, stacklevel=2, source=self)

    @property
    def progress(self) -> Progress:
        """The counts at this instant."""
        return self._run.progress

    def stop(self) -> None:
        """
        Let nothing new leave; what is in flight is answered, the rest becomes ``STOPPED``.

        May be called from any thread, and more than once.
        """
        if self._loop is None or _is_running(self._loop):
            self._run.halt(codes.STOPPED)
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed, so the run is over
            self._loop.call_soon_threadsafe(self._run.halt, codes.STOPPED)

    def stop_and_drain(self, seconds: float | None) -> None:
        """As `stop`; in the loop of the run, what has no answer after *seconds* is unknown."""
        if self._loop is not None and _is_running(self._loop):
            self._run.halt_and_drain(codes.STOPPED, seconds)
        else:
            self.stop()

    async def ended(self) -> None:
        """Wait for the last fate of a run of this event loop."""
        if self._loop is not None and _is_running(self._loop):
            await self._run.join()

    async def finish(self) -> Progress:
        """
        Run to the end without handing over outcomes, and give the counts.

        Raises:
            BulkInterrupted: The input or the journal raised.
            RuntimeError: Called outside the block.
        """
        self._must_be_open()
        self._run.discard()
        await self._run.join()
        self._has_told = True
        self._raise_failure()
        return self.progress

    async def __aenter__(self) -> Self:
        if self._loop is not None:
            msg = "a run has one block; make a new run"
            raise RuntimeError(msg)
        self._is_forgotten = False
        self._register(self, is_open=True)
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._run.start(lambda: self._register(self, is_open=False))
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        self._run.discard()
        is_cancelled = isinstance(exc, asyncio.CancelledError)
        if exc is None:
            self._run.halt(codes.STOPPED)
        else:
            self._run.halt_and_drain(codes.CANCELLED if is_cancelled else codes.STOPPED)
        try:
            await self._run.join()
        except asyncio.CancelledError as again:
            if exc is None:  # cancelled only now: as in the block, what is in flight has its time
                self._run.halt_and_drain(codes.CANCELLED)
                await self._join_with_note()
            self._note(again)
            raise
        if exc is not None and is_cancelled:
            self._note(exc)

    async def _join_with_note(self) -> None:
        try:
            await self._run.join()
        except asyncio.CancelledError as exc:
            self._note(exc)
            raise

    def _note(self, cancelled: BaseException) -> None:
        """Tell whoever was cancelled before it heard of the end what was sent."""
        if self._has_told:
            return
        progress = self.progress
        waiting = f", {progress.waiting:,} without a fate yet" if progress.waiting else ""
        cancelled.add_note(f"the bulk run was cancelled: {progress}{waiting}")

    def __aiter__(self) -> Self:
        self._must_be_open()
        return self

    async def __anext__(self) -> Outcome:
        self._must_be_open()
        outcome = await self._run.next_outcome()
        if outcome is None:
            self._has_told = True
            self._raise_failure()
            raise StopAsyncIteration
        return outcome

    def __repr__(self) -> str:
        state = "done" if self._run.is_done else "open" if self._is_open else "closed"
        return f"<Bulk {state}: {self.progress}>"

    def _raise_failure(self) -> None:
        if self._run.failure is not None:
            raise BulkInterrupted(self._run.report()) from self._run.failure

    def _must_be_open(self) -> None:
        if not self._is_open:
            msg = "use a run inside its block: async with sms.stream_many(...) as bulk"
            raise RuntimeError(msg)


def _is_running(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
