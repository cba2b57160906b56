"""
A call: a coroutine that runs in the background while its caller's thread waits.

Rules of this module:

1. While it waits, the caller's thread reads the iterable of a bulk run, since databases and files
   may be bound to one thread.
2. An exception that interrupts the wait (KeyboardInterrupt, or one from a signal handler) cancels
   the coroutine, and is raised once that has ended, with notes on what became of the call. A second
   interruption cancels again, which ends a drain; a third one returns at once.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from ..outcomes import Progress, Receipt, Report
from .background import BackgroundLoop, get_background

__all__ = ["CallerExecutor", "call", "run"]

T = TypeVar("T")

_IN_CALLBACK: Final = (
    "a callback, like on_request or parse_phone, runs in the client's own thread, which this call "
    "would block for ever; call it in a thread of the application"
)

_IN_EVENT_LOOP: Final = (
    "this thread runs an event loop, which a synchronous call would block: "
    "await customersms_async.CustomerSMS instead, or call in a thread (asyncio.to_thread)"
)

#: Interruptions after which a call is abandoned.
MOST_INTERRUPTIONS: Final = 3


class CallerExecutor:
    """Runs work for the background loop in a caller's thread while that waits for a call."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def run_next(self) -> None:
        """Wait for work and do it; called in the caller's thread."""
        self._work.get()()

    def wake(self) -> None:
        """Make `run_next` return."""
        self._work.put(lambda: None)

    async def submit(self, work: Callable[[], T]) -> T:
        """
        Run *work* in the caller's thread and return its result.

        A cancellation withdraws work that has not begun. Work that has begun is awaited, and its
        result is still returned, so that no item that was read is lost.
        """
        item = _WorkItem(work)
        self._work.put(item.run)
        try:
            await asyncio.wait((item.result,))
        except asyncio.CancelledError:
            if item.claim():
                raise
            await asyncio.wait((item.result,))
        return item.result.result()


class _WorkItem(Generic[T]):
    """
    Work for another thread.

    Attributes:
        result: Its result or exception; a future of the submitting loop.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._turn = threading.Lock()
        self.result: asyncio.Future[T] = self._loop.create_future()

    def claim(self) -> bool:
        """Claim it, to run or to withdraw it; return whether this call was the first."""
        return self._turn.acquire(blocking=False)

    def run(self) -> None:
        """Run it, unless it was withdrawn; an interruption is raised on both sides."""
        if not self.claim():
            return
        try:
            given = self._work()
        except Exception as exc:  # noqa: BLE001  # the caller's iterable may raise anything
            self._tell(self.result.set_exception, _carried(exc))
        except BaseException as exc:
            msg = f"reading was interrupted by {type(exc).__name__}"
            self._tell(self.result.set_exception, RuntimeError(msg))
            raise
        else:
            self._tell(self.result.set_result, given)

    def _tell(self, settle: Callable[[Any], None], value: object) -> None:
        self._loop.call_soon_threadsafe(settle, value)


def _carried(exc: Exception) -> Exception:
    """Return an exception that a future accepts: it refuses StopIteration."""
    if not isinstance(exc, StopIteration):
        return exc
    error = RuntimeError("the iterable raised StopIteration outside __next__")
    error.__cause__ = exc
    return error


def call(begin: Callable[[], Coroutine[Any, Any, T]], executor: CallerExecutor | None = None) -> T:
    """
    Do the same as `run`, unless it would block an event loop.

    Raises:
        RuntimeError: This thread runs an event loop.
    """
    if _runs_event_loop():
        raise RuntimeError(_IN_EVENT_LOOP)
    return run(begin, executor)


def _runs_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run(
    begin: Callable[[], Coroutine[Any, Any, T]],
    executor: CallerExecutor | None = None,
    background: BackgroundLoop | None = None,
) -> T:
    """
    Run a coroutine in the background, and wait for it.

    Args:
        begin: Makes the coroutine; called in the loop.

        executor: Its work is run in this thread meanwhile.

        background: Where it runs; the loop of this process if None.

    Returns:
        The coroutine's result; its exception is raised.

    Raises:
        RuntimeError: It was called in the background, which would wait for itself.
    """
    background = background or get_background()
    if background.is_current:
        raise RuntimeError(_IN_CALLBACK)
    return _Call(begin, executor or CallerExecutor(), background).wait()


class _Call(Generic[T]):
    _task: asyncio.Task[T]  # set once it has begun

    def __init__(
        self,
        begin: Callable[[], Coroutine[Any, Any, T]],
        executor: CallerExecutor,
        background: BackgroundLoop,
    ) -> None:
        self._begin = begin
        self._executor = executor
        self._background = background
        self._has_begun = self._has_ended = False
        self._notes: list[str] = []

    def wait(self) -> T:
        """Start it, wait for its end, and return its result or raise its exception."""
        interruption = self._wait_out()
        if interruption is None:
            return self._task.result()
        for note in [*self._notes, *self._news()]:
            interruption.add_note(note)
        raise interruption

    def _wait_out(self) -> BaseException | None:
        """Wait for the end, cancel it at each interruption, and return the first interruption."""
        interruptions: list[BaseException] = []
        while True:
            try:
                self._background.call(self._cancel if interruptions else self._start)
                while not self._has_ended:
                    self._executor.run_next()
            except BaseException as exc:
                interruptions.append(exc)
                if len(interruptions) >= MOST_INTERRUPTIONS:
                    raise
            else:
                return interruptions[0] if interruptions else None

    def _start(self) -> None:
        self._has_begun = True
        self._task = self._background.start(self._noting())
        self._task.add_done_callback(lambda _: self._end())

    def _cancel(self) -> None:
        if self._has_begun:
            self._task.cancel()
        else:  # interrupted before it was started
            self._end()

    def _end(self) -> None:
        self._has_ended = True
        self._executor.wake()

    async def _noting(self) -> T:
        try:
            return await self._begin()
        except asyncio.CancelledError as exc:
            self._notes = getattr(exc, "__notes__", [])
            raise

    def _news(self) -> list[str]:
        """Say how a call ended that failed, or was interrupted too late."""
        try:
            return _told(self._task.result()) if self._has_begun else []
        except asyncio.CancelledError:
            return []
        except Exception as exc:  # noqa: BLE001  # a note on the interruption, which is raised
            return [f"the call had failed by then: {exc!r}"]


def _told(result: object) -> list[str]:
    if isinstance(result, Receipt):
        return ["the message was sent by then"]
    is_count = isinstance(result, Report | Progress)
    return [f"the call had ended by then: {result}"] if is_count else []
