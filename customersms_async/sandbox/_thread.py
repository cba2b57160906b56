"""A sandbox in a thread of its own, with an event loop of its own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from ._sandbox import Sandbox

__all__ = ["SandboxThread"]

_T = TypeVar("_T")


class SandboxThread:
    """
    Runs a sandbox for callers in other threads.

    Use it as ``with SandboxThread(Sandbox()) as thread``. Nothing of the sandbox is touched but in
    its own thread, so that any thread may call.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._run, name="sms_sandbox", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop = self._started.result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        # Not the loop that a policy gives: a suite may have its own, with a clock of its own.
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve())
        except Exception as error:  # noqa: BLE001  # whoever waits for the start is to have it
            self._started.set_exception(error)

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        async with self.sandbox:
            self._started.set_result(asyncio.get_running_loop())
            await self._ended.wait()

    def call(self, function: Callable[[], _T]) -> _T:
        """Call *function* in the sandbox's thread, or here once that has ended."""
        if not self._thread.is_alive():
            return function()

        async def called() -> _T:
            return function()

        return self.start(called()).result()

    def start(self, coroutine: Coroutine[Any, Any, _T]) -> "Future[_T]":
        """Run *coroutine* in the sandbox's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
