"""
SQLite: the standard library's module, in a thread that belongs to the engine.

Rules of this module:

1. One job is one transaction, begun with the write lock (``BEGIN IMMEDIATE``) and ended in the
   thread: the lock is never held across an await, so no process starves another.
2. ``synchronous = FULL``: a committed fence survives a power cut, or a number could be sent twice.
   Only `Light` jobs do not wait for the disk; the log keeps commits in order, so that a commit that
   survives keeps all earlier ones.
3. A job whose waiter was cancelled is still run to its end; its result is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from ._core.errors import OutboxUnavailable
from ._core.job import Job
from ._core.migrate import migrate
from ._file_identity import name_file
from ._folder import find_hazard, read_mounts
from ._lease import check_process
from ._sqlite_steps import SqliteConnection, refusal, transact

__all__ = ["SqliteEngine"]

Result = TypeVar("Result")

#: Seconds that a job waits for another process's transaction.
_PATIENCE: Final = 10.0

#: Seconds between two tries to switch a file that others open too to a write-ahead log.
_BUSY_AGAIN: Final = 0.01

#: Seconds between two checks for writes of others.
_LOOK_EVERY: Final = 0.05

_logger = logging.getLogger("customersms_async")


class SqliteEngine:
    """
    A database file.

    Args:
        path: Where it is; created if missing, with access for its owner only.

        prefix: The prefix of its tables.

    Attributes:
        path: Where it is.
    """

    kind = "sqlite"

    def __init__(self, path: str, prefix: str) -> None:
        self.prefix = prefix
        self.path = os.fspath(path)
        self._thread: _Thread | None = None
        self._opened_by = 0
        self._seen = 0

    async def open(self) -> None:
        """Open the file, and bring the tables up to date; warn if it should not be there."""
        self._opened_by = os.getpid()
        await asyncio.to_thread(_warn_of_folder, self.path)
        self._thread = _Thread(self._connect, self.path)
        await self.run(migrate(self.kind, self.prefix))

    async def run(self, job: Job[Result]) -> Result:
        """Run a job in the thread."""
        if self._thread is None:
            msg = "the outbox is closed; use it inside its `async with`"
            raise RuntimeError(msg)
        check_process(self._opened_by)
        return await self._thread.call(lambda connection: transact(connection, job, self.prefix))

    async def identity(self) -> str:
        """Name the file; see `name_file`."""
        return await asyncio.to_thread(name_file, self.path)

    async def wait_for_change(self, seconds: float) -> None:
        """Poll whether another connection, of this process or another, has written."""
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            await asyncio.sleep(_LOOK_EVERY)
            version = await self._version()
            if version != self._seen:
                self._seen = version
                return

    async def _version(self) -> int:
        if self._thread is None:
            return self._seen
        return await self._thread.call(_read_version)

    async def aclose(self) -> None:
        """Finish pending jobs, and close the file; a forked child leaves it to its parent."""
        if os.getpid() != self._opened_by:
            return
        thread, self._thread = self._thread, None
        if thread is not None:
            await thread.end()

    def _connect(self) -> SqliteConnection:
        _make_private(self.path)
        connection = sqlite3.connect(
            self.path, timeout=_PATIENCE, isolation_level=None, factory=SqliteConnection
        )
        try:
            _keep_a_log(connection)
            connection.keep("cache_size", -65536)
            connection.remember_file(self.path)
        except BaseException:
            connection.close()
            raise
        return connection


class _Thread:
    """One thread that owns the connection to the file at *path*, and runs calls in order."""

    def __init__(self, connect: Callable[[], SqliteConnection], path: str) -> None:
        self._connect = connect
        self._path = path
        self._connection: SqliteConnection | None = None
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        # A daemon: a program may exit with its outbox open, and SQLite undoes what is open.
        self._thread = threading.Thread(target=self._live, name="customersms-outbox", daemon=True)
        self._thread.start()

    async def call(self, work: Callable[[SqliteConnection], Result]) -> Result:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def do() -> None:
            try:
                result = work(self._open())
            except BaseException as exc:  # noqa: BLE001  # it belongs to the waiting task
                deliver: Callable[[], object] = _exception_setter(future, exc)
            else:
                deliver = _result_setter(future, result)
            with contextlib.suppress(RuntimeError):  # the loop is closed: no one waits
                loop.call_soon_threadsafe(deliver)

        self._calls.put(do)
        return await future

    async def end(self) -> None:
        self._calls.put(None)
        await asyncio.to_thread(self._thread.join)

    def _open(self) -> SqliteConnection:
        if self._connection is None:
            try:
                self._connection = self._connect()
            except sqlite3.Error as exc:
                raise refusal(exc, self._path) from exc
            except OSError as exc:
                raise _unavailable(exc) from exc
        return self._connection

    def _live(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # else an idle thread keeps the last result alive
        if self._connection is not None:
            self._connection.close()


def _result_setter(future: asyncio.Future[Result], result: Result) -> Callable[[], None]:
    return lambda: None if future.done() else future.set_result(result)


def _exception_setter(future: asyncio.Future[Any], exc: BaseException) -> Callable[[], None]:
    return lambda: None if future.done() else future.set_exception(exc)


def _read_version(connection: SqliteConnection) -> int:
    """Return a number that changes when another connection has written; takes about 7 µs."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _warn_of_folder(path: str) -> None:
    if hazard := find_hazard(Path(os.path.realpath(path)), read_mounts()):
        what = (
            "the outbox's database file is in %s, where locks may fail and a message may be sent "
            "twice; put it on a local disk, or use postgresql://"
        )
        _logger.warning(what, hazard, extra={"event": "outbox.folder"})


def _make_private(path: str) -> None:
    """
    Create the file for its owner only, if it is missing; its side files get the same mode.

    A link to a missing file counts as existing for O_EXCL, and SQLite would follow it.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _keep_a_log(connection: SqliteConnection) -> None:
    """
    Switch to a write-ahead log.

    While others open a new file at the same time, SQLite does not wait for them, but reports that
    it is busy.
    """
    gives_up_at = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > gives_up_at:
                raise
            time.sleep(_BUSY_AGAIN)
        else:
            return


def _unavailable(exc: Exception) -> OutboxUnavailable:
    return OutboxUnavailable(
        f"the outbox's database file cannot be used ({type(exc).__name__}: {exc})"
    )
