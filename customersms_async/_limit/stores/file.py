"""A store in a file, for all processes of a machine."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ..._ports.store import Seen, Swap
from .call_limit import Calls
from .sqlite_table import Database

__all__ = ["FileStore"]

_Answer = TypeVar("_Answer")


class FileStore:
    """
    One file, used in a thread, so that the event loop never waits for the disk.

    Args:
        path: The file, created if missing; on a disk of this machine, not on a network share.

        settled: Seconds after a boot until requests from before no longer count.
    """

    def __init__(self, path: str, settled: float = 0) -> None:
        self._calls = Calls(path, at_once=1)
        self._database = Database(Path(path), settled)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="customersms-file")
        # If the event loop ends without closing the store.
        self._end = weakref.finalize(self, _end, self._database, self._thread, os.getpid())

    async def read(self, account: str) -> Seen:
        """See `Store.read`."""
        return await self._in_thread(lambda: self._database.read(account))

    async def swap(
        self, account: str, base: Seen, value: bytes, *, within: float | None = None
    ) -> Swap:
        """See `Store.swap`."""
        return await self._in_thread(lambda: self._database.swap(account, base, value, within))

    async def aclose(self) -> None:
        """Close the file and end the thread."""
        self._calls.close()
        if self._end.detach():
            await self._submit(self._database.close)
            self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], _Answer]) -> _Answer:
        return await self._calls.make(lambda: self._submit(work))

    async def _submit(self, work: Callable[[], _Answer]) -> _Answer:
        try:
            result = asyncio.get_running_loop().run_in_executor(self._thread, work)
        except RuntimeError:  # at interpreter shutdown the thread has ended
            return work()
        return await result


def _end(database: Database, thread: ThreadPoolExecutor, process: int) -> None:
    if process != os.getpid():
        return  # in a forked child the file belongs to the parent
    try:
        thread.submit(database.close)
    except RuntimeError:  # at interpreter shutdown the thread has ended
        database.close()
    thread.shutdown(wait=False)
