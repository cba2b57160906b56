"""
The HTTP sessions of a client: one for each event loop, opened when it is first needed.

Rules of this module:

1. A caller's session is used and never closed.
2. A session that was not closed is named, with the line that made the client.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aiohttp
from attrs import define, field, frozen

from .. import codes
from .._delivery.context import Delivered, Desk
from .._delivery.delivery import Delivery
from .._delivery.detach import Detachable
from .._ports import Transport
from ..bulk import Bulk
from ..errors import ConfigurationError
from .transport import AiohttpTransport, open_session

__all__ = ["Sessions", "Shared", "calling_line", "check_session"]

T = TypeVar("T")


@frozen
class _Open:
    session: aiohttp.ClientSession
    transport: Transport


@define(eq=False)
class Sessions:
    """
    The transports of a client.

    Attributes:
        endpoint: Where requests go.
        given: The caller's own session, or None.
        made_at: The line that made the client, for the warning.
    """

    endpoint: str
    given: aiohttp.ClientSession | None
    made_at: str
    _open: dict[asyncio.AbstractEventLoop, _Open] = field(
        factory=dict[asyncio.AbstractEventLoop, _Open]
    )

    def transport(self) -> Transport:
        """
        Give the transport of the running event loop.

        Raises:
            ConfigurationError: The caller's session is closed, or belongs to another loop.
        """
        loop = asyncio.get_running_loop()
        found = self._open.get(loop)
        if found is None or (self.given is not None and self.given.closed):
            found = self._open[loop] = self._make(loop)
        return found.transport

    def take(self) -> aiohttp.ClientSession | None:
        """Give away what was opened for the running event loop; its next use opens another."""
        found = self._open.pop(asyncio.get_running_loop(), None)
        return None if found is None or found.session is self.given else found.session

    def _make(self, loop: asyncio.AbstractEventLoop) -> _Open:
        self._forget_closed_loops()
        session = open_session() if self.given is None else self._usable(self.given, loop)
        return _Open(session, AiohttpTransport(session, self.endpoint, is_own=self.given is None))

    @staticmethod
    def _usable(
        given: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop
    ) -> aiohttp.ClientSession:
        if given.closed:
            msg = "session is closed; give one that is open, or none"
            raise ConfigurationError(msg)
        # aiohttp has no public way to ask: `ClientSession.loop` warns that it is deprecated.
        if getattr(given, "_loop", loop) is not loop:
            msg = "session belongs to another event loop; make it in the loop that uses it"
            raise ConfigurationError(msg)
        return given

    def _forget_closed_loops(self) -> None:
        for loop in [known for known in list(self._open) if known.is_closed()]:
            left = self._open.pop(loop, None)  # another thread may have been first
            if left is not None and self._is_left_open(left):
                self._warn("in an event loop that has ended")

    def _is_left_open(self, known: _Open) -> bool:
        return known.session is not self.given and not known.session.closed

    def _warn(self, where: str) -> None:
        warnings.warn(
            f"the CustomerSMS made at {self.made_at} was not closed {where}; "
            "use 'async with CustomerSMS(...)' or await its aclose()",
            ResourceWarning,
            stacklevel=2,
            source=self,
        )

    def __del__(self) -> None:
        if any(map(self._is_left_open, list(self._open.values()))):
            self._warn("before it was dropped")


_make_task: Callable[..., asyncio.Task[Any]] = asyncio.Task
if sys.version_info >= (3, 12):
    # It begins at once, which saves a turn of the loop.
    _make_task = functools.partial(asyncio.Task, eager_start=True)


def _start(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return _make_task(coroutine, loop=asyncio.get_running_loop())


@define(eq=False)
class Shared:
    """
    What all clients made by `CustomerSMS.for_key` use together.

    Attributes:
        sessions: The HTTP sessions.
        tasks: What is under way, in all event loops, each with the desk of its client.
        sends: The messages that are under way in their callers' tasks.
        bulks: The runs that are open, each with the desk of its client.
    """

    sessions: Sessions
    tasks: dict[asyncio.Task[Any], Desk] = field(factory=dict[asyncio.Task[Any], Desk])
    sends: dict[Detachable[Delivered], tuple[Desk, Delivery]] = field(
        factory=dict[Detachable[Delivered], tuple[Desk, Delivery]]
    )
    bulks: dict[Bulk, Desk] = field(factory=dict[Bulk, Desk])
    _closings: set[asyncio.Task[None]] = field(factory=set[asyncio.Task[None]])

    def spawn(self, desk: Desk, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that belongs to the client."""
        task = _start(coroutine)
        self.tasks[task] = desk
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task, None)

    async def close(self, seconds: float) -> None:
        """
        Wait for the tasks of the running loop, so long; then end them and their session.

        Being cancelled ends the wait and not the closing, since a scope around the client cancels
        again and again.
        """
        closing = _start(self._close(self.sessions.take(), seconds))
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)
        await asyncio.shield(closing)

    async def _close(self, session: aiohttp.ClientSession | None, seconds: float) -> None:
        try:
            await self.drain(seconds)
        finally:
            if session is not None:
                await session.close()

    async def drain(self, seconds: float, desk: Desk | None = None) -> None:
        """Wait for what is under way in the running loop, or that of *desk*; then end it."""
        loop = asyncio.get_running_loop()
        # Copied first: other threads start something in loops of their own meanwhile.
        tasks, sends = list(self.tasks.items()), list(self.sends.items())
        ends: dict[asyncio.Future[Any], Callable[[], object]] = {
            task: task.cancel
            for task, its in tasks
            if task.get_loop() is loop and desk in (None, its)
        }
        for run, (its, delivery) in sends:
            if run.get_loop() is loop and desk in (None, its):
                ends[run.ended()] = functools.partial(_give_up, run, delivery)
        if not ends:
            return
        _, late = await asyncio.wait(ends, timeout=seconds)
        for one in late:
            ends[one]()
        if late:
            await asyncio.wait(late)


def _give_up(run: Detachable[Delivered], delivery: Delivery) -> None:
    """End a delivery, which would take an interruption alone for the end of an attempt."""
    delivery.halt(codes.CANCELLED)
    run.interrupt()


def check_session(given: object) -> aiohttp.ClientSession | None:
    """
    Give the caller's session back, or None.

    Raises:
        ConfigurationError: It is neither.
    """
    if given is None or isinstance(given, aiohttp.ClientSession):
        return given
    msg = f"session must be an aiohttp.ClientSession, not {type(given).__name__}"
    raise ConfigurationError(msg)


def calling_line() -> str:
    """Name the line outside this package that is being run: ``file.py:12``."""
    frame = inspect.currentframe()
    package = __name__.partition(".")[0]
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "an unknown line"
