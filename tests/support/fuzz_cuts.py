"""The ways in which a call is interrupted after a delay; a faster call ends normally."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import anyio

from customersms_async._bulk.run import Run

__all__ = ["CUTS", "SEND_CUTS", "STREAM_CUTS"]

Use = Callable[[], Awaitable[None]]


class _Sibling(Exception):
    """Fails beside a call in the same task group."""


class Client(Protocol):
    """A client that remembers its last bulk run."""

    last: Run | None

    async def aclose(self, drain: float = 5.0) -> None: ...


async def _not_at_all(_: Client, use: Use, __: float) -> None:
    await use()


async def _timeout(_: Client, use: Use, delay: float) -> None:
    try:
        async with asyncio.timeout(delay):
            await use()
    except TimeoutError:
        pass


async def _group(_: Client, use: Use, delay: float) -> None:
    async def fail() -> None:
        await asyncio.sleep(delay)
        raise _Sibling

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            call = group.create_task(use())  # type: ignore[arg-type]
            call.add_done_callback(lambda _: None)
    except* _Sibling:
        pass


async def _move_on(_: Client, use: Use, delay: float) -> None:
    with anyio.move_on_after(delay):
        await use()


async def _scope(_: Client, use: Use, delay: float) -> None:
    with anyio.CancelScope() as scope:
        timer = asyncio.get_running_loop().call_later(delay, scope.cancel)
        try:
            await use()
        finally:
            timer.cancel()


async def _around_client(sms: Client, use: Use, delay: float) -> None:
    """Cancel both the call and the closing of the client, as a scope around both does."""
    with anyio.move_on_after(delay):
        try:
            await use()
        finally:
            await sms.aclose(0.3)


async def _task(_: Client, use: Use, delay: float) -> None:
    task = asyncio.ensure_future(use())
    await asyncio.wait([task], timeout=delay)
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def _task_twice(_: Client, use: Use, delay: float) -> None:
    task = asyncio.ensure_future(use())
    await asyncio.wait([task], timeout=delay)
    task.cancel()
    await asyncio.wait([task], timeout=delay / 2)
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def _close(sms: Client, use: Use, delay: float) -> None:
    task = asyncio.ensure_future(use())
    await asyncio.wait([task], timeout=delay)
    await sms.aclose(delay / 2)
    await task


async def _close_at_once(sms: Client, use: Use, delay: float) -> None:
    task = asyncio.ensure_future(use())
    await asyncio.wait([task], timeout=delay)
    await sms.aclose(0)
    await task


async def _close_and_cancel(sms: Client, use: Use, delay: float) -> None:
    task = asyncio.ensure_future(use())
    await asyncio.wait([task], timeout=delay)
    closing = asyncio.ensure_future(sms.aclose(0))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await closing
    if not task.cancelled():
        task.result()


async def _stop(sms: Client, use: Use, delay: float) -> None:
    task = asyncio.ensure_future(use())
    await asyncio.wait([task], timeout=delay)
    if sms.last is not None:
        sms.last.stop()
        sms.last.stop()
    await task


async def _stop_from_thread(sms: Client, use: Use, delay: float) -> None:
    def stop() -> None:
        if sms.last is not None:
            sms.last.stop()

    thread = threading.Timer(delay, stop)
    thread.start()
    try:
        await use()
    finally:
        await asyncio.to_thread(thread.join)


#: Ways that work with every call.
SEND_CUTS: Final = {
    "none": _not_at_all,
    "timeout": _timeout,
    "group": _group,
    "move-on": _move_on,
    "scope": _scope,
    "task": _task,
    "task-twice": _task_twice,
}
#: Ways for streamed runs only; they are implemented where the outcomes are consumed.
STREAM_CUTS: Final = {"break": _not_at_all, "raise": _not_at_all, "hurry": _not_at_all}
CUTS: Final = {
    **SEND_CUTS,
    **STREAM_CUTS,
    "around-client": _around_client,
    "close": _close,
    "close-at-once": _close_at_once,
    "close-and-cancel": _close_and_cancel,
    "stop": _stop,
    "stop-from-thread": _stop_from_thread,
    "stop-after": _not_at_all,
}
