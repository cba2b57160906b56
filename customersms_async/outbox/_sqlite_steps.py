"""
Jobs on a connection to SQLite: a transaction, and each of its steps.

Rules of this module:

1. Many rows are written by one statement. SQLite releases the GIL meanwhile, and the event loop
   runs.
2. Nothing begins in a file that was moved or deleted: its last commits may be in the log that was
   left behind, and who opens it elsewhere would send them again. Only what has ended is recorded.
   Source: https://www.sqlite.org/howtocorrupt.html, 2.4.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from ._core.errors import OutboxError
from ._core.faults import from_sqlite
from ._core.job import (
    Change,
    Gather,
    Insert,
    Job,
    Light,
    Many,
    NewIds,
    Now,
    Query,
    Step,
    Undo,
    Update,
    is_list,
    scalars,
)
from ._core.schema import with_prefix
from ._lease import machine_clock

__all__ = ["SqliteConnection", "refusal", "transact"]

Result = TypeVar("Result")

#: Pages of a log after which it is copied into the file and restarted: overwriting pages costs half
#: as much as a growing log.
_SHORT_LOG: Final = 1000

#: The same for jobs that add many rows, in which the same index pages change again and again, and
#: each is copied into the file once per log; 64 MB.
_LONG_LOG: Final = 16384

#: Rows in one statement.
_BLOCKS: Final = (2000, 100, 1)

#: The first release with ``UPDATE … FROM``.
_HAS_UPDATE_FROM: Final = sqlite3.sqlite_version_info >= (3, 33)

_IN_LIST: Final = "IN (SELECT value FROM json_each(?))"
_LIST = re.compile(r"= ANY\(\?\)")
_FOR_UPDATE = re.compile(r" FOR UPDATE( SKIP LOCKED)?")


class SqliteConnection(sqlite3.Connection):
    """A connection that remembers its pragmas, and which file it has opened."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  # sqlite3.connect's
        super().__init__(*args, **options)
        self._pragmas: dict[str, object] = {}
        self._path = ""
        self._file: tuple[int, int] | None = None

    def keep(self, pragma: str, value: object) -> None:
        """Set a pragma if it differs; as a script, since a statement is prepared only once."""
        if self._pragmas.get(pragma) != value:
            self.executescript(f"PRAGMA {pragma} = {value}")
            self._pragmas[pragma] = value

    def remember_file(self, path: str) -> None:
        """Remember which file was opened."""
        self._path = str(Path(path).absolute())
        self._file = _file_at(self._path)

    def check_file(self) -> None:
        """
        Refuse to go on in a file that is not in its place any more.

        Raises:
            OutboxError: It was moved, deleted or replaced.
        """
        if _file_at(self._path) != self._file:
            raise OutboxError(
                f"the outbox's database file {self._path} was moved, deleted or replaced while it "
                "was open; end the programs that use it, put it back together with its -wal file, "
                "and start them again"
            )


def _file_at(path: str) -> tuple[int, int] | None:
    """Return device and inode of a file; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  # before each job; a `Path` takes as long again
    except OSError:
        return None
    return found.st_dev, found.st_ino


def transact(connection: SqliteConnection, job: Job[Result], prefix: str) -> Result:
    """
    Run a job in a transaction.

    Raises:
        OutboxUnavailable: The file cannot be used; the job may or may not have been committed.
        OutboxError: SQLite refuses a statement, or the file was moved.
    """
    try:
        first = job.send(None)
        if not isinstance(first, Light):
            connection.check_file()
        _prepare(connection, first)
        return _commit(connection, job, first, prefix)
    except Undo as undo:
        return undo.answer  # type: ignore[return-value]  # the job's own answer
    except sqlite3.Error as exc:
        raise refusal(exc) from exc


def _prepare(connection: SqliteConnection, first: Step) -> None:
    connection.keep("synchronous", "NORMAL" if isinstance(first, Light) else "FULL")
    connection.keep("wal_autocheckpoint", _LONG_LOG if isinstance(first, Many) else _SHORT_LOG)


def _commit(connection: SqliteConnection, job: Job[Result], first: Step, prefix: str) -> Result:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = _carry_out(connection, job, first, prefix)
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise
    return result


def _carry_out(connection: SqliteConnection, job: Job[Result], step: Step, prefix: str) -> Result:
    try:
        while True:
            step = job.send(_step(connection, step, prefix))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # the job's own result


def _step(connection: SqliteConnection, step: Step, prefix: str) -> object:
    match step:
        case Query(sql, args):
            return _execute(connection, sql, args, prefix).fetchall()
        case Change(sql, args):
            return _execute(connection, sql, args, prefix).rowcount
        case Gather():
            return _gather(connection, step, prefix)
        case Insert(table, columns, rows):
            _insert(connection, with_prefix(table, prefix), tuple(columns), rows)
        case Update():
            _update(connection, step, prefix)
        case NewIds(table, count):
            return _new_ids(connection, with_prefix(table, prefix), count)
        case Now():
            return machine_clock()
        case _:
            pass  # `Wake`: waiters poll; `Light`, `Many`: applied before BEGIN
    return None


def _new_ids(connection: SqliteConnection, table: str, count: int) -> range:
    (last,) = connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()  # noqa: S608  # a table of ours
    return range(last + 1, last + 1 + count)


def _gather(connection: SqliteConnection, step: Gather, prefix: str) -> list[list[Any]]:
    found = _execute(connection, step.sql("json_group_array"), (step.keys,), prefix).fetchall()
    return [[key, *map(msgspec.json.decode, lists)] for key, *lists in found]


def _execute(
    connection: SqliteConnection, sql: str, args: Sequence[object], prefix: str
) -> sqlite3.Cursor:
    if (values := scalars(args)) is not None:
        return connection.execute(_written(sql, prefix, "= ?"), values)
    bound = [_json(arg) if is_list(arg) else arg for arg in args]
    return connection.execute(_written(sql, prefix, _IN_LIST), bound)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


@lru_cache(256)
def _written(sql: str, prefix: str, among: str) -> str:
    return with_prefix(_LIST.sub(among, _FOR_UPDATE.sub("", sql)), prefix)


def _insert(
    connection: SqliteConnection,
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
    """Write an INSERT; without OR FAIL, SQLite would first copy each page, to undo a failure."""
    marks = f"({', '.join('?' * len(columns))})"
    lines = ", ".join([marks] * size)
    return f"INSERT OR FAIL INTO {table} ({', '.join(columns)}) VALUES {lines}"  # noqa: S608  # names of ours


def _update(connection: SqliteConnection, step: Update, prefix: str) -> None:
    """Write rows that differ only in the last column by one statement; others one by one."""
    rows, columns = step.rows, tuple(step.columns)
    shared = step.shared if len(rows) > 1 and _HAS_UPDATE_FROM else None
    if shared is None:
        connection.executemany(_updating(columns, prefix), rows)
    else:
        changed = _json({row[-1]: row[-2] for row in rows})
        connection.execute(_updating_alike(columns, prefix), [*shared, changed])


@lru_cache(8)
def _updating_alike(columns: tuple[str, ...], prefix: str) -> str:
    changes = ", ".join(f"{column} = ?" for column in columns[:-1])
    changes = f"{changes}, {columns[-1]}" if changes else columns[-1]
    sql = (
        f"UPDATE OR FAIL sms_message SET {changes} = changed.value"  # noqa: S608  # names of ours
        " FROM json_each(?) AS changed WHERE sms_message.id = changed.key"
    )
    return with_prefix(sql, prefix)


@lru_cache(8)
def _updating(columns: tuple[str, ...], prefix: str) -> str:
    changes = ", ".join(f"{column} = ?" for column in columns)
    return with_prefix(f"UPDATE sms_message SET {changes} WHERE id = ?", prefix)  # noqa: S608  # names of ours


def refusal(exc: sqlite3.Error, path: str = "") -> OutboxError:
    """Classify an error of SQLite; with the file, if it was opening it."""
    code = getattr(exc, "sqlite_errorcode", None)  # errors of the module itself have none
    said = f"{exc}: {path}" if path else str(exc)
    return from_sqlite(type(exc).__name__, code, said)
