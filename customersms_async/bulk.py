"""`Bulk`: the caller's handle on a bulk run."""

from __future__ import annotations

import asyncio
import warnings
from types import TracebackType
from typing import Final, Self

from . import codes
from ._bulk.run import Run
from ._bulk.run_states import Block, move
from .outcomes import Outcome, Progress

__all__ = ["Bulk"]

_OPEN: Final = frozenset({Block.OPEN, Block.NOTIFIED})


class Bulk:
    """
    A bulk run. Enter its block to start it; iterate over it, or await `finish`.

    ::

        bulk = sms.stream_many(numbers, "We open at nine")
        try:
            async with bulk:
                async for outcome in bulk:
                    write(outcome)
        finally:
            for outcome in bulk.leftovers:
                write(outcome)

    Each outcome is yielded as soon as it is known, not in input order; the run does not get ahead
    of its consumer. Leaving the block stops the run unless it has ended, and waits for requests in
    flight: for as long as they take, or for ``drain`` seconds at most if an exception ends the
    block. A further cancellation ends the wait.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._block = Block.NEW

    def __del__(self) -> None:
        if self._block is Block.NEW:
            msg = "a bulk run was never entered, so nothing was sent; use 'async with' on it"
            warnings.warn(msg, RuntimeWarning, stacklevel=2, source=self)

    @property
    def progress(self) -> Progress:
        """The current counts."""
        return self._run.progress

    @property
    def leftovers(self) -> list[Outcome]:
        """
        The outcomes that were known but not yet yielded when the block was left.

        Sent, rejected and unknown; those that were not sent are not included, so the list is
        bounded by what was in flight or waiting to be yielded. After a second cancellation it grows
        while answers still arrive.
        """
        return self._run.leftovers

    def stop(self) -> None:
        """
        Send nothing new; requests in flight are awaited, the rest becomes ``STOPPED``.

        May be called from any thread, and more than once.
        """
        self._run.stop()

    async def finish(self) -> Progress:
        """
        Run to the end without yielding outcomes, and return the counts.

        Raises:
            BulkInterrupted: The input or the journal raised.
            RuntimeError: Called outside the block.
        """
        self._must_be_open()
        self._run.discard()
        await self._run.join()
        self._block = move(self._block, Block.NOTIFIED)
        self._run.raise_failure()
        return self.progress

    async def __aenter__(self) -> Self:
        if self._block is not Block.NEW:
            msg = "a run can be entered only once; start a new run"
            raise RuntimeError(msg)
        self._block = move(self._block, Block.OPEN)
        try:
            self._run.start()
        except BaseException:
            self._block = move(self._block, Block.LEFT)
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        is_notified = self._block is Block.NOTIFIED
        self._block = move(self._block, Block.LEFT)
        self._run.leave()
        if isinstance(exc, asyncio.CancelledError):
            await self._run.drain_for(exc, is_notified=is_notified)
            return
        self._run.halt(codes.STOPPED)
        if exc is not None:
            self._run.halt_and_drain(codes.STOPPED)
        try:
            await self._run.join()
        except asyncio.CancelledError as again:
            await self._run.drain_for(again, is_notified=is_notified)
            raise

    def __aiter__(self) -> Self:
        self._must_be_open()
        return self

    async def __anext__(self) -> Outcome:
        self._must_be_open()
        outcome = await self._run.next_outcome()
        if outcome is None:
            self._block = move(self._block, Block.NOTIFIED)
            self._run.raise_failure()
            raise StopAsyncIteration
        return outcome

    async def next_outcomes(self) -> list[Outcome]:
        """Wait for outcomes, and return all available ones; empty at the end. See `__anext__`."""
        self._must_be_open()
        outcomes = await self._run.next_outcomes()
        if not outcomes:
            self._block = move(self._block, Block.NOTIFIED)
            self._run.raise_failure()
        return outcomes

    def __repr__(self) -> str:
        state = "open" if self._block in _OPEN else "closed"
        return f"<Bulk {'done' if self._run.is_done else state}: {self.progress}>"

    def _must_be_open(self) -> None:
        if self._block not in _OPEN:
            msg = "use a run inside its block: async with sms.stream_many(...) as bulk"
            raise RuntimeError(msg)
