"""The requests and runs in flight in each event loop, and how they end."""

from __future__ import annotations

import asyncio
import functools
import logging
import sys
import types
from collections.abc import Callable, Collection, Coroutine, Generator
from typing import Any, Final, Protocol, TypeVar

from attrs import define, field

from .._ports.transport import Network
from .context import DeliveryContext

__all__ = ["InFlight", "OpenRun", "begun"]


T = TypeVar("T")

#: Seconds that closing waits before it logs what it waits for.
_QUIETLY: Final = 1.0

_logger = logging.getLogger("customersms_async")


class OpenRun(Protocol):
    """A bulk run that has begun, in any event loop."""

    def stop_and_drain(self, seconds: float | None) -> None:
        """
        Start nothing new; in its own event loop, wait at most *seconds* for requests in flight.

        None means as long as its options say.
        """
        ...


_make_task: Callable[..., asyncio.Task[Any]] = asyncio.Task
if sys.version_info >= (3, 12):
    # It starts at once, which saves an iteration of the loop.
    _make_task = functools.partial(asyncio.Task, eager_start=True)


@types.coroutine
def begun() -> Generator[None]:
    """
    Let a coroutine enter its ``try`` before it has a task; see `InFlight.begin`.

    A task that is cancelled before its first step does not run at all.
    """
    yield


def _start(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task."""
    return _make_task(coroutine, loop=asyncio.get_running_loop())


@define(eq=False)
class InFlight:
    """
    The requests and runs in flight of a client and its `for_key` clients.

    Attributes:
        network: Gives up the session of the running loop when the client is closed.
        tasks: The tasks of requests and runs, in all event loops, each with the context of its
            client.
        bulks: The open runs, each with the context of its client.
    """

    network: Network
    tasks: dict[asyncio.Task[Any], DeliveryContext] = field(
        factory=dict[asyncio.Task[Any], DeliveryContext]
    )
    bulks: dict[OpenRun, DeliveryContext] = field(factory=dict[OpenRun, DeliveryContext])
    _closings: set[asyncio.Task[None]] = field(factory=set[asyncio.Task[None]])

    def spawn(self, context: DeliveryContext, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that belongs to the client until it ends."""
        task = _start(coroutine)
        self.tasks[task] = context
        task.add_done_callback(self.forget)
        return task

    def begin(self, context: DeliveryContext, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """
        Start a task that belongs to the client until it calls `forget_current`; see `begun`.

        Args:
            context: The context of its client.

            coroutine: The work; first of all, within its ``try``, it awaits `begun`.
        """
        coroutine.send(None)
        task = _start(coroutine)
        if not task.done():
            self.tasks[task] = context
        return task

    def forget(self, task: asyncio.Task[Any]) -> None:
        """Drop a task that has ended."""
        self.tasks.pop(task, None)

    def forget_current(self) -> None:
        """Drop the running task, which is about to end."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop runs: the coroutine is closed, together with the client
            return
        if task is not None:
            self.forget(task)

    async def close(self, seconds: float | None, context: DeliveryContext | None = None) -> None:
        """
        Stop every run, wait at most *seconds* for requests in flight in this loop, end the rest.

        A cancellation ends the wait but not the closing, since a scope around the client may cancel
        repeatedly.

        Args:
            seconds: The longest wait; None for as long as each request and run may take.

            context: Close only what belongs to it; None closes all, and the session of this loop.
        """
        # Copied first: other threads may start something in their loops meanwhile.
        for bulk, its_context in list(self.bulks.items()):
            if context in (None, its_context):
                bulk.stop_and_drain(seconds)
        closing = _start(self._close(seconds, context))
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)
        await asyncio.shield(closing)

    async def _close(self, seconds: float | None, context: DeliveryContext | None) -> None:
        session = self.network.take() if context is None else None
        try:
            await self._drain(seconds, context)
        finally:
            if session is not None:
                await session.close()

    async def _drain(self, seconds: float | None, context: DeliveryContext | None) -> None:
        """Wait for the tasks of the running loop, all or those of *context*; then end the rest."""
        loop = asyncio.get_running_loop()
        tasks = [
            task
            for task, its_context in list(self.tasks.items())
            if task.get_loop() is loop and context in (None, its_context)
        ]
        late = await _wait(tasks, _QUIETLY if seconds is None else min(_QUIETLY, seconds))
        if late and seconds != 0:
            _logger.warning(
                "closing the client waits for requests in flight: %d tasks",
                len(late),
                extra={"event": "client.draining"},
            )
            late = await _wait(late, None if seconds is None else max(seconds - _QUIETLY, 0.0))
        for task in late:
            task.cancel()
        await _wait(late, None)


async def _wait(
    tasks: Collection[asyncio.Task[Any]], seconds: float | None
) -> Collection[asyncio.Task[Any]]:
    """Wait for tasks, and return those that have not ended."""
    if not tasks:
        return ()
    _, late = await asyncio.wait(tasks, timeout=seconds)
    return late
