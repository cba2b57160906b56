"""
PostgreSQL over asyncpg: plain SQL, one transaction per job, new rows by COPY.

Rules of this module:

1. ``READ COMMITTED``, whatever the database's default is: each statement sees what was committed
   before it, and a waiting ``UPDATE`` checks a changed row again. The fence relies on that.
2. A job whose waiter was cancelled is still run to its end: a connection interrupted halfway would
   have to be discarded.
3. Nothing is retried here. If the answer to a commit was lost, the owner of the job finds out by
   its token whether it took place.
4. A process that is frozen within a transaction loses it: its locks would hold up all others.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from .._values.urls import hosts_of
from ..errors import ConfigurationError
from ._core.errors import OutboxError
from ._core.faults import WRONG_URL, from_postgres
from ._core.job import (
    Change,
    Gather,
    Insert,
    Job,
    NewIds,
    Now,
    Query,
    Record,
    Step,
    Undo,
    Update,
    Wake,
    scalars,
)
from ._core.migrate import migrate
from ._core.schema import QUEUE_CHANNEL, with_prefix
from ._lease import check_process

__all__ = ["PostgresEngine", "numbered"]

Result = TypeVar("Result")

#: Seconds for connecting, and for one statement.
_PATIENCE: Final = 10.0

#: Seconds after which the server ends a transaction in which nothing happens; less than a statement
#: of another process waits for its locks.
_FROZEN: Final = 5.0

#: Connections: one for the run's jobs, which come one by one, one for heartbeats, one for readers.
_CONNECTIONS: Final = 4

_ISOLATION: Final = "read_committed"

_TYPES: Final = {"batch": "bigint"}


class _Connection(Protocol):
    """The methods of asyncpg's connections that are used here."""

    async def fetch(self, query: str, *args: object) -> Sequence[Record]: ...
    async def execute(self, query: str, *args: object) -> str: ...
    async def copy_records_to_table(
        self, table_name: str, *, records: Sequence[Record], columns: Sequence[str]
    ) -> object: ...


class PostgresEngine:
    """
    A PostgreSQL database.

    Args:
        url: Where it is: ``postgresql://…``.

        prefix: The prefix of its tables.

    Raises:
        ConfigurationError: asyncpg is not installed.
    """

    kind = "postgresql"
    _notified: asyncio.Event

    def __init__(self, url: str, prefix: str) -> None:
        try:
            asyncpg: Any = importlib.import_module("asyncpg")  # an extra, and without types
        except ImportError as exc:
            msg = "an outbox on PostgreSQL needs asyncpg: pip install 'customersms-async[postgres]'"
            raise ConfigurationError(msg) from exc
        self.prefix = prefix
        self._url = url
        self._hosts = hosts_of(urlsplit(url)) or "its socket"
        self._asyncpg: Any = asyncpg
        self._failures: tuple[type[Exception], ...] = (
            OSError,
            TimeoutError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        )
        self._pool: Any = None
        self._listener: Any = None
        self._opened_by = 0
        self._at_hand: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Connect, and bring the tables up to date."""
        self._opened_by = os.getpid()
        self._notified = asyncio.Event()  # in this loop; the last one may have been another
        self._pool = await self._asyncpg.create_pool(
            self._url,
            min_size=0,  # it connects at the first job
            max_size=_CONNECTIONS,
            timeout=_PATIENCE,
            command_timeout=_PATIENCE,
            init=_limit_transactions,
            reset=_leave_as_it_is,
        )
        await self.run(migrate(self.kind, self.prefix))

    async def run(self, job: Job[Result]) -> Result:
        """Run a job on a connection of the pool."""
        if (pool := self._pool) is None:
            msg = "the outbox is closed; use it inside its `async with`"
            raise RuntimeError(msg)
        check_process(self._opened_by)
        task = asyncio.create_task(self._transact(pool, job))
        self._at_hand.add(task)
        task.add_done_callback(self._at_hand.discard)
        return await asyncio.shield(task)

    async def _transact(self, pool: Any, job: Job[Result]) -> Result:  # noqa: ANN401  # asyncpg's
        try:
            async with pool.acquire() as connection, connection.transaction(isolation=_ISOLATION):
                return await _carry_out(connection, job, self.prefix)
        except Undo as undo:
            return undo.answer  # type: ignore[return-value]  # the job's own answer
        except self._failures as exc:
            raise _refusal(exc, self._hosts) from None  # its detail may quote a row

    async def identity(self) -> str:
        """Name the cluster and the database in it; a restored copy differs in one of the two."""
        rows = await self.run(_identity())
        return "cluster {}, database {}, table {}".format(*rows[0])

    async def wait_for_change(self, seconds: float) -> None:
        """Wait for a notification, for *seconds* at most."""
        try:
            await self._listen()
            async with asyncio.timeout(seconds):
                await self._notified.wait()
            self._notified.clear()
        except TimeoutError:
            pass
        except self._failures:
            self._listener = None
            await asyncio.sleep(seconds)

    async def _listen(self) -> None:
        if self._listener is not None and not self._listener.is_closed():
            return
        self._listener = await self._asyncpg.connect(self._url, timeout=_PATIENCE)
        channel = with_prefix(QUEUE_CHANNEL, self.prefix)
        await self._listener.add_listener(channel, self._hear)

    def _hear(self, *_: object) -> None:
        self._notified.set()

    async def aclose(self) -> None:
        """Close the connections; a forked child leaves them to its parent."""
        if os.getpid() != self._opened_by:
            return
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if self._listener is not None:
            self._listener.terminate()
        if self._at_hand:
            await asyncio.wait(self._at_hand, timeout=_PATIENCE)
        try:
            await asyncio.wait_for(pool.close(), _PATIENCE)
        except self._failures:
            pool.terminate()


async def _limit_transactions(connection: _Connection) -> None:
    milliseconds = round(_FROZEN * 1000)
    await connection.execute(f"SET idle_in_transaction_session_timeout = {milliseconds}")


async def _leave_as_it_is(_: object) -> None:
    """Do not reset a connection: a job leaves no state outside its transaction."""


def _identity() -> Job[Sequence[Record]]:
    rows: Sequence[Record] = yield Query(
        "SELECT (SELECT system_identifier FROM pg_control_system()), oid,"
        " 'sms_meta'::regclass::oid FROM pg_database WHERE datname = current_database()"
    )
    return rows


async def _carry_out(connection: _Connection, job: Job[Result], prefix: str) -> Result:
    answer: object = None
    try:
        while True:
            answer = await _step(connection, job.send(answer), prefix)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # the job's own result


async def _step(connection: _Connection, step: Step, prefix: str) -> object:
    match step:
        case Query(sql, args):
            text, values = _statement(sql, args, prefix)
            return await connection.fetch(text, *values)
        case Gather():
            text, values = _statement(step.sql("array_agg"), (step.keys,), prefix)
            return await connection.fetch(text, *values)
        case Change(sql, args):
            text, values = _statement(sql, args, prefix)
            return _touched(await connection.execute(text, *values))
        case Insert(table, columns, rows):
            name = with_prefix(table, prefix)
            await connection.copy_records_to_table(name, records=rows, columns=columns)
        case Update(_, rows) if rows:
            await _update(connection, step, prefix)
        case NewIds(table, count):
            return await _new_ids(connection, with_prefix(table, prefix), count)
        case Wake(channel):
            name = with_prefix(channel, prefix)
            await connection.execute("SELECT pg_notify($1, '')", name)
        case Now():
            (row,) = await connection.fetch("SELECT extract(epoch FROM clock_timestamp())::float8")
            return "postgresql", row[0]
        case _:
            pass
    return None


def _statement(sql: str, args: Sequence[object], prefix: str) -> tuple[str, Sequence[object]]:
    if (values := scalars(args)) is None:
        return _written(sql, prefix, "= ANY(?)"), args
    return _written(sql, prefix, "= ?"), values


async def _update(connection: _Connection, step: Update, prefix: str) -> None:
    """Write rows; values that all rows share are sent once."""
    shared = step.shared or ()
    *lists, ids = map(list, zip(*(row[len(shared) :] for row in step.rows), strict=True))
    sql = _updating(tuple(step.columns), len(shared), prefix)
    await connection.execute(sql, ids, *shared, *lists)


#: The sequence is looked up once, not for each row.
_IDS: Final = (
    "SELECT nextval((SELECT pg_get_serial_sequence($1, 'id')::regclass)) AS id"
    " FROM generate_series(1, $2)"
)


async def _new_ids(connection: _Connection, table: str, count: int) -> Sequence[int]:
    """Reserve ids; a range unless another connection has reserved some in between."""
    sql = f"SELECT min(id), max(id) FROM ({_IDS}) AS ids"  # noqa: S608  # the text above
    ((first, last),) = await connection.fetch(sql, table, count)
    if count and last - first + 1 == count:
        return range(first, last + 1)
    return [row[0] for row in await connection.fetch(_IDS, table, count)]


def _touched(said: str) -> int:
    """Parse the number of affected rows from a tag like ``UPDATE 3``."""
    last = said.rpartition(" ")[2]
    return int(last) if last.isdecimal() else 0


@lru_cache(256)
def _written(sql: str, prefix: str, among: str) -> str:
    return numbered(with_prefix(sql.replace("= ANY(?)", among), prefix))


def numbered(sql: str) -> str:
    """Write ``$1``, ``$2`` … for each ``?``."""
    count = 0

    def number(_: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"${count}"

    return re.sub(r"\?", number, sql)


@lru_cache(16)
def _updating(columns: tuple[str, ...], shared: int, prefix: str) -> str:
    """Write an UPDATE by ids ($1) whose first columns are the same for all rows."""
    typed = [f"${n}::{_TYPES.get(column, 'text')}" for n, column in enumerate(columns, 2)]
    values = [*typed[:shared], *(f"changed.{column}" for column in columns[shared:])]
    changes = ", ".join(map(" = ".join, zip(columns, values, strict=True)))
    lists = ", ".join(f"{value}[]" for value in typed[shared:])
    sql = (
        f"UPDATE sms_message SET {changes} FROM unnest($1::bigint[], {lists})"  # noqa: S608  # names of ours
        f" AS changed (id, {', '.join(columns[shared:])}) WHERE sms_message.id = changed.id"
    )
    return with_prefix(sql, prefix)


def _refusal(exc: Exception, hosts: str) -> OutboxError:
    """Classify a failure by its SQLSTATE; what asyncpg itself refuses has a code of ours."""
    kind = type(exc).__name__
    said = str(exc).partition("\n")[0]
    if kind == "ClientConfigurationError":
        return from_postgres(kind, WRONG_URL, said)
    if isinstance(exc, ValueError):  # asyncpg cannot encode a value
        return from_postgres(kind, "22000", said)
    if code := getattr(exc, "sqlstate", None):
        return from_postgres(kind, code, said)
    return from_postgres(kind, "", f"{said or 'no answer in time'}, at {hosts}")
