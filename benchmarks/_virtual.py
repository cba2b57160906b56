"""
Virtual time for benchmarks: ten minutes take only as long as their work.

Code that waits with asyncio runs on a loop whose clock jumps to the next timer. Code that reads a
clock of the module `time` gets that loop's clock instead, by a patch of the name it uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from types import ModuleType
from typing import TypeVar
from unittest import mock

from tests.support.virtual_time import VirtualTimeLoop

__all__ = ["Loop", "run"]

T = TypeVar("T")


class Loop(VirtualTimeLoop):
    """Runs work for threads in place, since a thread would not have this loop's time."""

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002
        func: Callable[..., T],
        *args: object,
    ) -> asyncio.Future[T]:
        """Run *func* now."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as exc:  # noqa: BLE001  # it is raised where the future is awaited
            future.set_exception(exc)
        return future


class _Time:
    """The functions of `time` that limiters read, on the clock of a loop."""

    def __init__(self, loop: Loop) -> None:
        self.time = self.monotonic = self.perf_counter = loop.time
        self.time_ns = self.monotonic_ns = self.perf_counter_ns = lambda: int(loop.time() * 1e9)


def run(main: Callable[[], Awaitable[T]], *, clocks: Iterable[str] = ()) -> T:
    """
    Run *main* in virtual time.

    Args:
        main: Called inside the loop, so that it can create objects that belong to it.

        clocks: Names to patch meanwhile, such as ``"limits.aio.storage.memory.time"``: the module
            `time` as imported by another module, or one of its functions.
    """
    loop = Loop()
    with contextlib.ExitStack() as stack, asyncio.Runner(loop_factory=lambda: loop) as runner:
        for name in clocks:
            stack.enter_context(mock.patch(name, _instead_of(name, _Time(loop))))
        return runner.run(_within(main))


async def _within(main: Callable[[], Awaitable[T]]) -> T:
    return await main()


def _instead_of(name: str, time: _Time) -> object:
    module, _, attribute = name.rpartition(".")
    is_whole_module = isinstance(getattr(importlib.import_module(module), attribute), ModuleType)
    return time if is_whole_module else getattr(time, attribute)
