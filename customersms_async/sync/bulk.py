"""`Bulk`: a run over any number of messages, for programs without an event loop."""

from __future__ import annotations

from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from .. import bulk as asynchronous
from .._values.status import Status
from ..outcomes import Outcome, Progress
from .background import get_background
from .call import CallerExecutor, call, run

__all__ = ["Bulk"]

T = TypeVar("T")


class Bulk:
    """
    A bulk run. Enter its block to start it; iterate over it, or call `finish`.

    ::

        with sms.stream_many(numbers, "We open at nine") as bulk:
            for outcome in bulk:
                ...
        for outcome in bulk.leftovers:
            ...

    Each outcome is yielded as soon as it is known, not in input order; the run does not get ahead
    of its consumer. The input is read in the thread that iterates, while it waits for an outcome.
    Leaving the block stops the run unless it has ended, and waits for requests in flight: for as
    long as they take, or for ``drain`` seconds at most if an exception ends the block.
    """

    def __init__(self, bulk: asynchronous.Bulk, executor: CallerExecutor) -> None:
        self._bulk = bulk
        self._executor = executor
        self._ready: deque[Outcome] = deque()
        self._is_open = False

    @property
    def progress(self) -> Progress:
        """The current counts; from any thread, and from callbacks."""
        is_here = not self._is_open or get_background().is_current
        return self._bulk.progress if is_here else run(self._count)

    @property
    def leftovers(self) -> list[Outcome]:
        """
        The outcomes that were known but not yet yielded when the block was left.

        Sent, rejected and unknown; those that were not sent are not included.
        """
        ready = [one for one in self._ready if one.status is not Status.NOT_SENT]
        return ready + self._bulk.leftovers

    def stop(self) -> None:
        """
        Send nothing new; requests in flight are awaited, the rest becomes ``STOPPED``.

        May be called from any thread, from a signal handler, and more than once.
        """
        self._bulk.stop()

    def finish(self) -> Progress:
        """
        Run to the end without yielding outcomes, and return the counts.

        Raises:
            BulkInterrupted: The input or the journal raised.
            RuntimeError: Called outside the block, or in a thread that runs an event loop.
        """
        return self._call(self._bulk.finish)

    def __enter__(self) -> Self:
        call(self._bulk.__aenter__, self._executor)
        self._is_open = True
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        # For the run, an interruption of this thread is a cancellation.
        is_interruption = exc is not None and not isinstance(exc, Exception)
        passed_on = CancelledError() if is_interruption else exc
        kind = None if passed_on is None else type(passed_on)
        run(lambda: self._bulk.__aexit__(kind, passed_on, None), self._executor)
        if exc is not None and passed_on is not exc:
            for note in getattr(passed_on, "__notes__", ()):
                exc.add_note(note)

    def __iter__(self) -> Self:
        self._must_be_open()
        return self

    def __next__(self) -> Outcome:
        if not self._ready:  # take all available at once: each round trip costs a millisecond
            self._call(self._take)
        if not self._ready:
            raise StopIteration
        return self._ready.popleft()

    def __repr__(self) -> str:
        return repr(self._bulk)

    async def _take(self) -> None:
        """Wait for outcomes; kept here, they are not lost if the caller is interrupted."""
        self._ready.extend(await self._bulk.next_outcomes())

    async def _count(self) -> Progress:
        return self._bulk.progress

    def _call(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self._must_be_open()
        return call(begin, self._executor)

    def _must_be_open(self) -> None:
        if not self._is_open:
            msg = "use a run inside its block: with sms.stream_many(...) as bulk"
            raise RuntimeError(msg)
