"""
SQLite: the standard library's module, in one thread of the engine's own.

Rules of this module:

1. One job is one transaction, begun with the write lock (``BEGIN IMMEDIATE``) and ended in the
   thread: no await ever holds the lock, so no process starves another.
2. ``synchronous = FULL``: a committed fence is there after a power cut, or a number could be
   sent twice. `Light` jobs alone wait for no disk; the log keeps the order of commits, so that
   whatever is kept keeps all before it.
3. Many rows are written by one statement: SQLite works without the interpreter's lock meanwhile,
   and the event loop runs.
4. A job that nobody waits for any more is carried out to its end; its result is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeGuard, TypeVar

import msgspec

from ._core.errors import OutboxError, OutboxUnavailable
from ._core.faults import from_sqlite
from ._core.job import Change, Insert, Job, Light, NewIds, Now, Query, Step, Undo, Update
from ._core.migrate import migrate
from ._core.schema import with_prefix
from ._folder import find_hazard, read_mounts
from ._lease import machine_clock

__all__ = ["SqliteEngine"]

Result = TypeVar("Result")

#: Seconds that a job waits for another process's transaction.
_PATIENCE: Final = 10.0

#: Seconds between two tries to make a log of a file that others open, too.
_BUSY_AGAIN: Final = 0.01

#: Seconds between two looks at what others have written.
_LOOK_EVERY: Final = 0.05

#: A log of 64 MB: rows that are added touch the same pages of an index again and again, and each
#: of these pages is copied into the file once a checkpoint.
_PRAGMAS: Final = (
    "synchronous = FULL",
    "cache_size = -65536",
    "wal_autocheckpoint = 16384",
)

#: Rows in one statement.
_BLOCKS: Final = (2000, 100, 1)

#: ``UPDATE … FROM`` is there since then.
_HAS_UPDATE_FROM: Final = sqlite3.sqlite_version_info >= (3, 33)

_AS_EVER: Final = contextlib.nullcontext()

_IN_LIST: Final = "IN (SELECT value FROM json_each(?))"
_LIST = re.compile(r"= ANY\(\?\)")
_FOR_UPDATE = re.compile(r" FOR UPDATE( SKIP LOCKED)?")

_logger = logging.getLogger("customersms_async")


class SqliteEngine:
    """
    A database file.

    Args:
        path: Where it lies; made where there is none, for its owner alone.

        prefix: What its tables begin with.

    Attributes:
        path: Where it lies.
    """

    kind = "sqlite"

    def __init__(self, path: str, prefix: str) -> None:
        self.prefix = prefix
        self.path = os.fspath(path)
        self._thread: _Thread | None = None
        self._seen = 0

    async def open(self) -> None:
        """Open the file, and bring the tables up to date; warn where it should not lie."""
        await asyncio.to_thread(_warn_of_folder, self.path)
        self._thread = _Thread(self._connect)
        await self.run(migrate(self.kind, self.prefix))

    async def run(self, job: Job[Result]) -> Result:
        """Carry a job out in the thread."""
        if self._thread is None:
            msg = "the outbox is closed; use it inside its `async with`"
            raise RuntimeError(msg)
        return await self._thread.call(lambda connection: _transact(connection, job, self.prefix))

    async def identity(self) -> str:
        """Name the file by its inode, which a copy does not share and a rename keeps."""
        return await asyncio.to_thread(_inode, self.path)

    async def wait_for_change(self, seconds: float) -> None:
        """Look now and then whether another connection has written, of this process or another."""
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
        """Let pending jobs end, and close the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await thread.end()

    def _connect(self) -> sqlite3.Connection:
        _make_private(self.path)
        connection = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
        _keep_a_log(connection)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection


class _Thread:
    """One thread that owns the connection, and carries out what it is given in order."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        # Not a daemon's life: `end` is called, or the interpreter waits for a pending job.
        self._thread = threading.Thread(target=self._live, name="customersms-outbox", daemon=True)
        self._thread.start()

    async def call(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def do() -> None:
            try:
                result = work(self._open())
            except BaseException as exc:  # noqa: BLE001  # it belongs to the waiting task
                told: Callable[[], object] = _raiser(future, exc)
            else:
                told = _teller(future, result)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(told)

        self._calls.put(do)
        return await future

    async def end(self) -> None:
        self._calls.put(None)
        await asyncio.to_thread(self._thread.join)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = self._connect()
            except sqlite3.Error as exc:
                raise _refusal(exc) from exc
            except OSError as exc:
                raise _unavailable(exc) from exc
        return self._connection

    def _live(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # else the last result lives as long as the thread is idle
        if self._connection is not None:
            self._connection.close()


def _teller(future: asyncio.Future[Result], result: Result) -> Callable[[], None]:
    return lambda: None if future.done() else future.set_result(result)


def _raiser(future: asyncio.Future[Any], exc: BaseException) -> Callable[[], None]:
    return lambda: None if future.done() else future.set_exception(exc)


def _transact(connection: sqlite3.Connection, job: Job[Result], prefix: str) -> Result:
    try:
        first = job.send(None)
        with _lightly(connection) if isinstance(first, Light) else _AS_EVER:
            return _commit(connection, job, first, prefix)
    except Undo as undo:
        return undo.answer  # type: ignore[return-value]  # the job's own answer
    except sqlite3.Error as exc:
        raise _refusal(exc) from exc


@contextlib.contextmanager
def _lightly(connection: sqlite3.Connection) -> Generator[None]:
    """Let a commit not wait for the disk; a script, since a statement would be prepared once."""
    connection.executescript("PRAGMA synchronous = NORMAL")
    try:
        yield
    finally:
        connection.executescript("PRAGMA synchronous = FULL")


def _commit(connection: sqlite3.Connection, job: Job[Result], first: Step, prefix: str) -> Result:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = _carry_out(connection, job, first, prefix)
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise
    return result


def _carry_out(connection: sqlite3.Connection, job: Job[Result], step: Step, prefix: str) -> Result:
    try:
        while True:
            step = job.send(_step(connection, step, prefix))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # the job's own result


def _step(connection: sqlite3.Connection, step: Step, prefix: str) -> object:
    match step:
        case Query(sql, args):
            return _execute(connection, sql, args, prefix).fetchall()
        case Change(sql, args):
            return _execute(connection, sql, args, prefix).rowcount
        case Insert(table, columns, rows):
            _insert(connection, with_prefix(table, prefix), tuple(columns), rows)
        case Update(columns, rows):
            _update(connection, tuple(columns), rows, prefix)
        case NewIds(table, count):
            return _new_ids(connection, with_prefix(table, prefix), count)
        case Now():
            return machine_clock()
        case _:
            pass  # `Wake`: who waits looks by itself; `Light`: it was heeded before BEGIN
    return None


def _new_ids(connection: sqlite3.Connection, table: str, count: int) -> range:
    (last,) = connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()  # noqa: S608  # a table of ours
    return range(last + 1, last + 1 + count)


def _execute(
    connection: sqlite3.Connection, sql: str, args: Sequence[object], prefix: str
) -> sqlite3.Cursor:
    """Execute a statement; a list of one is a value, which costs half of what a list does."""
    if all(len(arg) == 1 for arg in args if _is_list(arg)):
        bound = [arg[0] if _is_list(arg) else arg for arg in args]
        return connection.execute(_written(sql, prefix, "= ?"), bound)
    bound = [_json(arg) if _is_list(arg) else arg for arg in args]
    return connection.execute(_written(sql, prefix, _IN_LIST), bound)


def _is_list(arg: object) -> TypeGuard[list[object]]:
    return isinstance(arg, list)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


@lru_cache(256)
def _written(sql: str, prefix: str, among: str) -> str:
    return with_prefix(_LIST.sub(among, _FOR_UPDATE.sub("", sql)), prefix)


def _insert(
    connection: sqlite3.Connection,
    table: str,
    columns: tuple[str, ...],
    rows: Sequence[Sequence[object]],
) -> None:
    most, at = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(columns), 0
    for size in (size for size in _BLOCKS if size <= most):
        sql = _inserting(table, columns, size)
        for _ in range((len(rows) - at) // size):
            connection.execute(sql, list(chain.from_iterable(rows[at : at + size])))
            at += size


@lru_cache(64)
def _inserting(table: str, columns: tuple[str, ...], size: int) -> str:
    """Write an INSERT; OR FAIL, else SQLite copies each page first, for a statement that fails."""
    marks = f"({', '.join('?' * len(columns))})"
    lines = ", ".join([marks] * size)
    return f"INSERT OR FAIL INTO {table} ({', '.join(columns)}) VALUES {lines}"  # noqa: S608  # names of ours


def _update(
    connection: sqlite3.Connection,
    columns: tuple[str, ...],
    rows: Sequence[Sequence[object]],
    prefix: str,
) -> None:
    """Write rows that differ in the last column alone in one statement; others one by one."""
    same = rows[0][:-2] if rows else ()
    if len(rows) > 1 and _HAS_UPDATE_FROM and all(row[:-2] == same for row in rows):
        told = _json({row[-1]: row[-2] for row in rows})
        connection.execute(_updating_alike(columns, prefix), [*same, told])
    else:
        connection.executemany(_updating(columns, prefix), rows)


@lru_cache(8)
def _updating_alike(columns: tuple[str, ...], prefix: str) -> str:
    changes = ", ".join(f"{column} = ?" for column in columns[:-1])
    changes = f"{changes}, {columns[-1]}" if changes else columns[-1]
    sql = (
        f"UPDATE OR FAIL sms_message SET {changes} = told.value"  # noqa: S608  # names of ours
        " FROM json_each(?) AS told WHERE sms_message.id = told.key"
    )
    return with_prefix(sql, prefix)


@lru_cache(8)
def _updating(columns: tuple[str, ...], prefix: str) -> str:
    changes = ", ".join(f"{column} = ?" for column in columns)
    return with_prefix(f"UPDATE sms_message SET {changes} WHERE id = ?", prefix)  # noqa: S608  # names of ours


def _read_version(connection: sqlite3.Connection) -> int:
    """Give a number that changes when another connection has written; about 7 µs."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _inode(path: str) -> str:
    return f"inode {Path(path).stat().st_ino}"


def _warn_of_folder(path: str) -> None:
    if hazard := find_hazard(Path(path).resolve(), read_mounts()):
        what = (
            "the outbox's database file lies on %s, where locks may fail and a message may be sent "
            "twice; put it on a disk of this machine, or use postgresql://"
        )
        _logger.warning(what, hazard, extra={"event": "outbox.folder"})


def _make_private(path: str) -> None:
    """Make the file for its owner alone where there is none; its side files get the same mode."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _refusal(exc: sqlite3.Error) -> OutboxError:
    code = getattr(exc, "sqlite_errorcode", None)  # what the module says itself has none
    return from_sqlite(type(exc).__name__, code, str(exc))


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """
    Write ahead into a log.

    Where others open a new file at the same instant, SQLite does not wait for them but says that
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
