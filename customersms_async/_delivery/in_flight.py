"""What is under way in each event loop, and how it ends."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aiohttp
from attrs import define, field

from .. import codes
from .._http.sessions import Sessions
from ..bulk import Bulk
from .context import DeliveryContext
from .delivery import Delivery
from .detach import Detachable
from .result import DeliveryResult

__all__ = ["InFlight"]


T = TypeVar("T")


_make_task: Callable[..., asyncio.Task[Any]] = asyncio.Task
if sys.version_info >= (3, 12):
    # It begins at once, which saves a turn of the loop.
    _make_task = functools.partial(asyncio.Task, eager_start=True)


def _start(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return _make_task(coroutine, loop=asyncio.get_running_loop())


@define(eq=False)
class InFlight:
    """
    What all clients made by `CustomerSMS.for_key` use together.

    Attributes:
        sessions: The HTTP sessions.
        tasks: What is under way, in all event loops, each with the context of its client.
        sends: The messages that are under way in their callers' tasks.
        bulks: The runs that are open, each with the context of its client.
    """

    sessions: Sessions
    tasks: dict[asyncio.Task[Any], DeliveryContext] = field(
        factory=dict[asyncio.Task[Any], DeliveryContext]
    )
    sends: dict[Detachable[DeliveryResult], tuple[DeliveryContext, Delivery]] = field(
        factory=dict[Detachable[DeliveryResult], tuple[DeliveryContext, Delivery]]
    )
    bulks: dict[Bulk, DeliveryContext] = field(factory=dict[Bulk, DeliveryContext])
    _closings: set[asyncio.Task[None]] = field(factory=set[asyncio.Task[None]])

    def spawn(self, context: DeliveryContext, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that belongs to the client."""
        task = _start(coroutine)
        self.tasks[task] = context
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

    async def drain(self, seconds: float, context: DeliveryContext | None = None) -> None:
        """Wait for what is under way in the running loop, or that of *context*; then end it."""
        loop = asyncio.get_running_loop()
        # Copied first: other threads start something in loops of their own meanwhile.
        tasks, sends = list(self.tasks.items()), list(self.sends.items())
        ends: dict[asyncio.Future[Any], Callable[[], object]] = {
            task: task.cancel
            for task, its in tasks
            if task.get_loop() is loop and context in (None, its)
        }
        for run, (its, delivery) in sends:
            if run.get_loop() is loop and context in (None, its):
                ends[run.ended()] = functools.partial(_give_up, run, delivery)
        if not ends:
            return
        _, late = await asyncio.wait(ends, timeout=seconds)
        for one in late:
            ends[one]()
        if late:
            await asyncio.wait(late)


def _give_up(run: Detachable[DeliveryResult], delivery: Delivery) -> None:
    """End a delivery, which would take an interruption alone for the end of an attempt."""
    delivery.halt(codes.CANCELLED)
    run.interrupt()
