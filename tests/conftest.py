"""Runs each coroutine test in its own event loop, in real or virtual time."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.support.async_closings import CLOSINGS
from tests.support.virtual_time import VirtualTimeLoop

#: Files whose tests take seconds: processes, real time, fuzz. `-m "not slow"` skips them.
SLOW = {
    "test_accessibility.py",
    "test_applications.py",
    "test_away.py",
    "test_cli.py",
    "test_cli_bulk.py",
    "test_cli_ends.py",
    "test_cli_secrets.py",
    "test_columns.py",
    "test_command_line_page.py",
    "test_crash.py",
    "test_demo.py",
    "test_example.py",
    "test_docs.py",
    "test_fuzz.py",
    "test_limiter_at_the_server.py",
    "test_local_fork.py",
    "test_plugin.py",
    "test_queues.py",
    "test_readme.py",
    "test_recorded_session.py",
    "test_secrets.py",
    "test_shared_limiter.py",
    "test_shared_limiters.py",
    "test_shell_blocks.py",
    "test_limiter_race.py",
    "test_stream_with_signals.py",
    "test_sync_programs.py",
    "test_store.py",
    "test_store_file.py",
    "test_store_postgres.py",
    "test_store_redis.py",
    "test_telemetry_secrets.py",
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that runs a test in virtual time."""
    config.addinivalue_line(
        "markers", "virtual_time: run in a loop whose clock jumps to the next timer"
    )
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As for background jobs of a shell; programs that tests interrupt inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests, and run their files first, so that none runs alone at the end."""
    for item in items:
        if item.path.name in SLOW:
            item.add_marker("slow")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test in a new event loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    make_loop = _loop_factory(pyfuncitem)
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(_run(pyfuncitem, pyfuncitem.obj(**arguments)))
    return True


async def _run(item: pytest.Function, test: Coroutine[Any, Any, None]) -> None:
    """Run a test, and then the cleanup of its fixtures in the same loop."""
    if os.environ.get("CUSTOMERSMS_TEST_TASKS") == "eager":
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    try:
        await test
    finally:
        if closings := item.stash.get(CLOSINGS, []):
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        for close in reversed(closings):
            await close()


def _loop_factory(item: pytest.Function) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if item.get_closest_marker("virtual_time"):
        return VirtualTimeLoop
    if os.environ.get("CUSTOMERSMS_TEST_LOOP") == "uvloop":
        import uvloop  # noqa: PLC0415  # only on request: not every platform has it

        return uvloop.new_event_loop
    return None
