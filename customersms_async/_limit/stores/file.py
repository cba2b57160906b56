"""A store in a file, for all processes of one machine, without a server."""

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
    One file, used by a thread of this object, so that the event loop never waits for the disk.

    Args:
        path: Where it is, or will be made: on a disk of this machine, not on a network share.

        settled: Seconds after the boot of the machine until requests from before count no more.
    """

    def __init__(self, path: str, settled: float = 0) -> None:
        self._calls = Calls(path, at_once=1)
        self._database = Database(Path(path), settled)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="customersms-file")
        # For an event loop that ends without closing its store.
        self._end = weakref.finalize(self, _end, self._database, self._thread, os.getpid())

    async def read(self, account: str) -> Seen:
        """Return what is held; see `Store.read`."""
        return await self._in_thread(lambda: self._database.read(account))

    async def swap(
        self, account: str, base: Seen, value: bytes, *, within: float | None = None
    ) -> Swap:
        """Replace what is held, if it is still what *base* shows; see `Store.swap`."""
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
        except RuntimeError:  # the interpreter is shutting down, and the thread has ended
            return work()
        return await result


def _end(database: Database, thread: ThreadPoolExecutor, process: int) -> None:
    if process != os.getpid():
        return  # a forked child: the file is its parent's
    try:
        thread.submit(database.close)
    except RuntimeError:  # the interpreter is shutting down, and the thread has ended
        database.close()
    thread.shutdown(wait=False)
