"""
The event loop behind the synchronous clients of a process, in a daemon thread.

Rules of this module:

1. One loop per process. It starts at the first call, and again in a forked child.
2. A child never touches its copies of the parent's loop and connections. Closing them would affect
   the parent, which owns the sockets; garbage collection would warn. So they are never freed.
3. A child is recognised by its process id: uWSGI forks without calling Python's hooks.
4. At exit the clients are closed and the loop is stopped, before the interpreter shuts down.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, Protocol, TypeVar

from .._loop.event_loop import BackgroundEventLoop

__all__ = ["BackgroundLoop", "Closable", "close_later", "get_background", "remember"]

T = TypeVar("T")

#: Seconds at exit to wait for requests in flight; a program that needs more closes its clients.
AT_EXIT: Final = 5.0


class Closable(Protocol):
    """A client, as this module needs it."""

    def aclose(self, drain: float | None = ...) -> Coroutine[Any, Any, None]:
        """Stop its runs, and close its session in this loop."""
        ...


class BackgroundLoop:
    """
    An event loop in a daemon thread, from its start to the end of the process.

    Args:
        make_loop: Makes the loop, independently of the event loop policy, which an application may
            have set for its own purposes.
    """

    _loop: asyncio.AbstractEventLoop

    def __init__(
        self, make_loop: Callable[[], asyncio.AbstractEventLoop] = BackgroundEventLoop
    ) -> None:
        self._make_loop = make_loop
        self._started: Future[None] = Future()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closings: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="customersms_async", daemon=True)
        self._thread.start()
        self._started.result()

    @property
    def is_current(self) -> bool:
        """Whether the caller is a callback, which runs in the thread of the loop."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[[], object]) -> None:
        """
        Call *function* in the loop, soon, from any thread.

        Raises:
            RuntimeError: The loop has ended, since the process is exiting.
        """
        self._loop.call_soon_threadsafe(function)

    def start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task, and keep a reference until it ends; called in the loop."""
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self, client: Closable, drain: float) -> None:
        """Close a client; called in the loop."""
        task = self.start(client.aclose(drain))
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)

    def end(self, clients: list[Closable]) -> None:
        """Close *clients* and end the loop; called once, outside the loop."""
        with contextlib.suppress(RuntimeError):
            self.call(lambda: self._end_soon(clients))
        self._thread.join(AT_EXIT + 1)

    def _end_soon(self, clients: list[Closable]) -> None:
        for client in clients:
            self.close(client, AT_EXIT)
        self._ended.set()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._make_loop) as runner:
                runner.run(self._serve())
        except Exception as error:  # raised to the waiting caller: no file descriptor is left, or
            if self._started.done():
                raise
            self._started.set_exception(error)  # a test allows no sockets

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._started.set_result(None)
        await self._ended.wait()
        while self._closings:
            await asyncio.wait(self._closings)


class _ProcessState:
    """
    The loop and the clients of this process.

    Attributes:
        lock: Held while a loop starts, and while the process forks; re-entrant, since a signal
            handler may send a message at any point of a thread that holds it.
        background: The loop, once there is one.
        clients: Clients to close in it.
        is_ending: Whether nothing new may start.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.background: BackgroundLoop | None = None
        self.clients: weakref.WeakSet[Closable] = weakref.WeakSet()
        self.is_ending = False
        self._process_id = os.getpid()

    @property
    def is_parents(self) -> bool:
        """Whether this is still the state of the parent, in a forked child."""
        return os.getpid() != self._process_id

    def start(self) -> BackgroundLoop:
        """Start the loop, unless a signal handler starts it meanwhile."""
        started = BackgroundLoop()
        if self.background is None:
            self.background = started
        else:
            started.end([])
        return self.background

    def end(self) -> None:
        """End the loop; the process is about to exit."""
        with self.lock:
            self.is_ending = True
            if self.is_parents:
                self.begin_child()
            background = self.background
        if background is not None:
            background.end(list(self.clients))

    def begin_child(self) -> None:
        """Start over without the parent's loop and connections, in a forked child."""
        if self.background is not None:
            for one in (self.background, *self.clients):
                _never_free(one)
            self.background = None
        self._process_id = os.getpid()

    def begin_child_at_fork(self) -> None:
        """Start over, in the hook of a fork; uWSGI may call it without the one before the fork."""
        self.begin_child()
        with contextlib.suppress(RuntimeError):
            self.lock.release()


_process: Final = _ProcessState()

atexit.register(_process.end)
with contextlib.suppress(AttributeError):  # Windows has no fork
    os.register_at_fork(
        before=_process.lock.acquire,
        after_in_parent=_process.lock.release,
        after_in_child=_process.begin_child_at_fork,
    )


def get_background() -> BackgroundLoop:
    """
    Return the loop of this process; start it if necessary.

    Raises:
        RuntimeError: The process is exiting.
    """
    with _process.lock:
        if _process.is_ending:
            msg = "the process is exiting: nothing more can be sent"
            raise RuntimeError(msg)
        if _process.is_parents:
            _process.begin_child()
        return _process.background or _process.start()


def remember(client: Closable) -> None:
    """Close a client at exit, unless it has been closed by then."""
    _process.clients.add(client)


def close_later(client: Closable) -> None:
    """Close a client that was dropped without being closed; called by the garbage collector."""
    background = _process.background
    if _process.is_parents:
        _never_free(client)
    elif background is not None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and has closed it
            background.call(lambda: background.close(client, 0.0))


def _never_free(something: object) -> None:
    with contextlib.suppress(AttributeError):  # only CPython counts references
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(something))
