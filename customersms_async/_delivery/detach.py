"""
A coroutine that runs in the task of whoever awaits it, and can outlive that task's cancellation.

Theory of operation
===================

asyncio cancels a task by cancelling the future it waits for, and whatever shares the task goes
with it. The usual way out is a second task for what must go on; it costs two turns of the event
loop each time, a tenth of an HTTP request. Here the task waits for a stand-in, an object of the
kind that `asyncio.isfuture` describes, which passes everything on to the future that the
coroutine waits for. So it is the stand-in that is asked when the task is cancelled. Either the
coroutine is cancelled too, as usual; or the task alone ends, and the coroutine is awaited again by
another, which goes on from where it waits.

Rules of this module:

1. Nothing differs from a plain await until the task is cancelled and the coroutine outlives it.
2. Then the future is left alone: the coroutine still waits for it, and so may others.
3. A coroutine whose wait was over by then takes one step first: it may be at its end.
4. Neither a cancellation is lost nor its message, by which a scope knows its own, whatever the
   coroutine makes of it, unless the task takes it back (`asyncio.Task.uncancel`, as a time limit
   inside does with its own). What the coroutine gave all the same is in `Detachable.value`.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, Generic, TypeVar, cast

__all__ = ["Detachable"]

T = TypeVar("T")
_Wake = Callable[[Any], object]
_END: Final = object()


def _never() -> bool:
    return False


def _no_loop() -> None:
    """A coroutine that has not waited yet is in no loop that could be named."""


def _cancellings() -> int:
    """Count the cancellations of the running task that nobody has taken back."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


class Detachable(Generic[T]):
    """
    A coroutine that is to be awaited; and once more, by another task, where it `is_detached`.

    Args:
        coroutine: The coroutine, not begun yet.

        outlives: Asked whenever the first task that awaits it is cancelled: whether the coroutine
            goes on without it. Once another task awaits it, it is cancelled with that one.

    Attributes:
        is_cancelled: Whether its task was cancelled, and has not taken that back.
        is_detached: Whether its task is gone, and the coroutine not at its end; to be asked once
            the await has ended.
        value: What it returned, also where its task is cancelled all the same; None until then.
    """

    __slots__ = (
        "_asyncio_future_blocking",
        "_cancellings",
        "_end",
        "_is_interrupted",
        "_message",
        "_outlives",
        "_steps",
        "_waits_for",
        "_wake",
        "get_loop",
        "is_cancelled",
        "is_detached",
        "value",
    )

    def __init__(
        self, coroutine: Coroutine[Any, Any, T], outlives: Callable[[], bool] = _never
    ) -> None:
        self._steps = self._run(coroutine).__await__()
        self._outlives = outlives
        self._waits_for: asyncio.Future[Any] | None = None
        self._end: asyncio.Future[None] | None = None
        self._wake: tuple[_Wake, contextvars.Context | None] | None = None
        self._message: tuple[Any, ...] = ()
        self._cancellings = 0
        self._is_interrupted = False
        self.get_loop: Callable[[], asyncio.AbstractEventLoop | None] = _no_loop
        self.is_cancelled = False
        self.is_detached = False
        self.value: T | None = None

    async def _run(self, coroutine: Coroutine[Any, Any, T]) -> None:
        # A coroutine that returns None ends without a `StopIteration`, which costs.
        self.value = await coroutine

    def __await__(self) -> Generator[Any, None, T]:
        is_waiting = self.is_detached  # where the task before this one has left it
        if is_waiting:
            self.is_detached = self.is_cancelled = False
            self._outlives = _never
        error: BaseException | None = None
        try:
            while is_waiting or self._step(error):
                is_waiting = False
                try:
                    self._asyncio_future_blocking = True  # until a task has taken it
                    yield self if self._waits_for else None
                except BaseException as exc:  # noqa: BLE001  # it is the coroutine that is told
                    error = self._what_to_tell_of(exc)
                else:
                    error = None
                    if self.is_cancelled and self._waits_for is not None:  # it was taken back
                        self.is_detached = self.is_cancelled = False
            return cast("T", self.value)
        finally:
            error = None  # no circle of an exception and this frame
            if not self.is_detached:
                self._forget()

    def _step(self, error: BaseException | None) -> bool:
        """Let the coroutine go on to its next wait; tell whether there is one."""
        if self._is_interrupted:
            self._is_interrupted = False
            error = self._cancellation()
        try:
            found: Any = next(self._steps, _END) if error is None else self._throw(error)
        except BaseException as exc:
            is_same = not isinstance(exc, asyncio.CancelledError) or exc.args == self._message
            if not self.is_detached and (is_same or not self.must_end()):
                raise
            self.is_detached = False
            raise self._cancellation() from exc
        if found is not _END:
            self._waits_for = found
            if found is None:
                loop = asyncio.get_running_loop()
                self.get_loop = lambda: loop
            else:
                # As a task does: or nobody else could wait for this future.
                found._asyncio_future_blocking = False  # noqa: SLF001  # see `asyncio.isfuture`
                self.get_loop = found.get_loop
        if self.is_cancelled:
            self._feel(is_at_end=found is _END)
        return found is not _END

    def _throw(self, error: BaseException) -> object:
        try:
            return self._steps.throw(error)
        except StopIteration:
            return _END

    def _what_to_tell_of(self, exc: BaseException) -> BaseException | None:
        """Give what the coroutine is told at its next step; raise *exc* where its task ends."""
        if not isinstance(exc, asyncio.CancelledError):
            return exc
        if self._waits_for is None:
            self._may_leave(exc.args)
        if self.is_cancelled:
            self._cancellings = _cancellings()
        if not self.is_detached:
            return exc
        if not self.done():
            raise exc
        return None

    def must_end(self) -> bool:
        """Whether the task has not taken its cancellation back."""
        return self.is_cancelled and _cancellings() >= self._cancellings

    def _feel(self, *, is_at_end: bool) -> None:
        """See to the cancellation of the task, which the coroutine has survived or was not told."""
        if not (self.is_detached or self.must_end()):
            self.is_cancelled = False
        elif is_at_end or self.is_detached:
            self.is_detached = not is_at_end
            raise self._cancellation()
        elif self._waits_for is None:
            self._is_interrupted = True
        else:
            self._waits_for.cancel(*self._message)

    def _cancellation(self) -> asyncio.CancelledError:
        """Make the error of a cancellation, with the words of whoever cancelled the task."""
        return asyncio.CancelledError(*(self._message if self.is_cancelled else ()))

    def _forget(self) -> None:
        """Let go of all that could know this one: a circle would wait for the garbage collector."""
        self._outlives = _never
        self._waits_for = self._wake = None
        if self._end is not None and not self._end.done():
            self._end.set_result(None)

    def interrupt(self) -> None:
        """
        Raise `asyncio.CancelledError` where the coroutine waits, whichever task it is in.

        What it waits for may be there already: it is told of the interruption all the same.
        """
        self._is_interrupted = True
        if self._waits_for is not None:
            self._waits_for.cancel()

    def ended(self) -> asyncio.Future[None]:
        """Give a future that is done once the coroutine is at its end, whichever task it is in."""
        if self._end is None:
            self._end = asyncio.get_running_loop().create_future()
        return self._end

    def _may_leave(self, message: tuple[Any, ...]) -> bool:
        """Its task is cancelled: decide whether that one leaves alone."""
        self.is_cancelled, self._message = True, message
        self.is_detached = self._outlives()
        return self.is_detached

    # What a task asks of the future that it waits for.

    def done(self) -> bool:
        return self._waits_for is None or self._waits_for.done()

    def add_done_callback(self, wake: _Wake, *, context: contextvars.Context | None = None) -> None:
        future = self._waits_for
        assert future is not None  # noqa: S101  # for the type checkers: a task waits for it
        self._wake = wake, context
        future.add_done_callback(wake, context=context)

    def cancel(self, msg: object = None) -> bool:
        """Tell whether the task will be woken by its cancellation."""
        future = self._waits_for
        if self.is_detached or future is None:
            return False
        if not self._may_leave(() if msg is None else (msg,)):
            return future.cancel(msg)
        if future.done() or self._wake is None:
            return False
        wake, context = self._wake
        future.remove_done_callback(wake)
        future.get_loop().call_soon(wake, self, context=context)
        return True

    def result(self) -> None:
        """End the task, which was woken though the future is not done."""
        raise self._cancellation()
