"""
Ctrl-C, and the signals that a container or a closed terminal sends instead.

After the first, nothing new is sent, and the answers to requests in flight are awaited; the second
gives them up, which leaves those messages unknown. The client logs how many (see `log_lines`).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Final, TypeVar

__all__ = ["at_once", "interruptible"]

Result = TypeVar("Result")

#: Seconds that the work has to react to the first signal.
_A_MOMENT: Final = 0.1

#: None on Windows: there, Python's KeyboardInterrupt cancels the task.
_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")


@contextlib.contextmanager
def at_once() -> Generator[None]:
    """Let Ctrl-C raise a `KeyboardInterrupt` in a block that keeps the event loop from running."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


async def interruptible(
    work: Coroutine[object, object, Result], on_first: Callable[[], object] | None = None
) -> Result:
    """
    Run *work*; each signal cancels it once.

    Args:
        work: At the first cancellation it waits for requests in flight, at the second it stops.

        on_first: Called at the first signal, if given.

    Raises:
        asyncio.CancelledError: It was interrupted, and has ended.
    """
    task = asyncio.ensure_future(work)
    count = 0

    def interrupt() -> None:
        nonlocal count
        count += 1
        if count > 1:  # an immediate second signal must not be merged with the first
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
