"""A sandbox that runs in a separate thread with its own event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, Final, Self, TypeVar

from .._loop.event_loop import BackgroundEventLoop
from ._sandbox import Sandbox

__all__ = ["SandboxThread"]

#: Seconds; a sandbox that is not blocked reports an unsuccessful wait far sooner.
_PATIENCE: Final = 5.0

_T = TypeVar("_T")


class SandboxThread:
    """
    Runs a sandbox for callers in other threads.

    Use it as ``with SandboxThread(Sandbox()) as thread``. Any thread may call it; the sandbox
    itself is only touched in its own thread.

    Args:
        sandbox: The sandbox.

        patience: Seconds after its timeout when a wait for a blocked sandbox is given up.
    """

    def __init__(self, sandbox: Sandbox, patience: float = _PATIENCE) -> None:
        self.sandbox = sandbox
        self._patience = patience
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._run, name="sms_sandbox", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop = self._started.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        # Not the loop of the event loop policy, which a test suite may replace.
        try:
            with asyncio.Runner(loop_factory=BackgroundEventLoop) as runner:
                runner.run(self._serve())
        except Exception as error:  # noqa: BLE001  # re-raised by `__enter__`
            self._started.set_exception(error)

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        async with self.sandbox:
            self._started.set_result(asyncio.get_running_loop())
            await self._ended.wait()

    @property
    def is_current(self) -> bool:
        """Whether the caller is a callback of the sandbox, which runs in its thread."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[[], _T]) -> _T:
        """Call *function* in the sandbox's thread; here, if this is that thread or it has ended."""
        if self.is_current or not self._thread.is_alive():
            return function()

        async def called() -> _T:
            return function()

        return self.start(called()).result()

    def start(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Run *coroutine* in the sandbox's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def result(self, future: Future[_T], seconds: float) -> _T:
        """
        Wait for a coroutine that ends within *seconds*.

        Raises:
            TimeoutError: It did not, because something blocks the thread.
        """
        done, _ = wait([future], min(seconds + self._patience, threading.TIMEOUT_MAX))
        if done:
            return future.result()
        future.cancel()
        msg = (
            f"the sandbox did not answer within {seconds + self._patience:g} s; does a callback, "
            "like latency=..., block it?"
        )
        raise TimeoutError(msg)
