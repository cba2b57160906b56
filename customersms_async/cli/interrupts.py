"""
Ctrl-C, and what a container or a closed terminal sends instead.

The first lets nothing new leave and waits for the answers of what is under way; the second gives
them up, which leaves those messages unknown. The client's log says how many (see `log_lines`).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Final, TypeVar

__all__ = ["interruptible"]

Result = TypeVar("Result")

#: Seconds in which what is carried out takes notice of the first signal.
_A_MOMENT: Final = 0.1

#: Those of Windows are not among them: there, Python's own interruption cancels the task.
_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")


async def interruptible(
    work: Coroutine[object, object, Result], on_first: Callable[[], object] | None = None
) -> Result:
    """
    Carry out *work*; each signal cancels it once.

    Args:
        work: It waits for what is under way when it is cancelled, and no longer when again.

        on_first: Called at the first signal, if given.

    Raises:
        asyncio.CancelledError: It was interrupted, and has ended.
    """
    task = asyncio.ensure_future(work)
    count = 0

    def interrupt() -> None:
        nonlocal count
        count += 1
        if count > 1:  # one that comes at once must not be taken for a part of the first
            asyncio.get_running_loop().call_later(_A_MOMENT, task.cancel)
            return
        if on_first is not None:
            on_first()
        task.cancel()

    async with _handled(interrupt):
        return await task


@contextlib.asynccontextmanager
async def _handled(handler: Callable[[], None]) -> AsyncGenerator[None]:
    loop = asyncio.get_running_loop()
    names = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    with contextlib.suppress(NotImplementedError):  # Windows
        for name in names:
            loop.add_signal_handler(name, handler)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError):
            for name in names:
                loop.remove_signal_handler(name)
