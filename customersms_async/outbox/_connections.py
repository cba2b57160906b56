"""
The caller's connections: how each library executes a statement, and its placeholders.

Rules of this module:

1. Nothing is begun, committed or rolled back: the transaction is the caller's.
2. A connection is recognised by the module of its class. Nothing is imported for that.
3. Sync and async connections are not confused: the error names the right call.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Final

from attrs import frozen

from ._core.job import Change, Job, NewIds, Step, Wake
from ._core.schema import with_prefix
from ._postgres import numbered

__all__ = ["Owner", "carry_out", "carry_out_async", "find_async_owner", "find_owner"]

_NEW_ID: Final = {
    "sqlite": "SELECT coalesce(max(id), 0) + 1 FROM {table}",
    "postgresql": "SELECT nextval(pg_get_serial_sequence('{table}', 'id'))",
}
_WAKE: Final = "SELECT pg_notify(?, '')"


@frozen
class Owner:
    """
    A connection of the caller's.

    Attributes:
        kind: ``sqlite`` or ``postgresql``.
        execute: Executes one statement within the caller's transaction; returns the first column of
            its first row, if any, and how many rows it affected. Awaited for an async connection.
    """

    kind: str
    execute: Callable[[str, Sequence[object]], Any]


def find_owner(connection: Any) -> Owner:  # noqa: ANN401  # any library's connection
    """
    Recognise a sync connection, session or Django's wrapper.

    Raises:
        TypeError: It is of an unknown type, or async.
    """
    root, name = type(connection).__module__.partition(".")[0], type(connection).__name__
    if root == "sqlite3":
        return Owner("sqlite", partial(_by_cursor, connection.cursor, str))
    if root == "psycopg" and not name.startswith("Async"):
        return Owner("postgresql", partial(_by_cursor, connection.cursor, _with_percent))
    if root == "django":
        return Owner(connection.vendor, partial(_by_cursor, connection.cursor, _with_percent))
    if root == "sqlalchemy" and not name.startswith(("Async", "async")):
        return Owner(_dialect(connection), partial(_by_sqlalchemy, connection))
    raise _unknown(connection, "enqueue", "enqueue_async")


def find_async_owner(connection: Any) -> Owner:  # noqa: ANN401  # any library's connection
    """
    Recognise an async connection or session.

    Raises:
        TypeError: It is of an unknown type, or sync.
    """
    root, name = type(connection).__module__.partition(".")[0], type(connection).__name__
    if root == "asyncpg":
        return Owner("postgresql", partial(_by_asyncpg, connection))
    if root == "psycopg" and name.startswith("Async"):
        return Owner("postgresql", partial(_by_async_cursor, connection, _with_percent))
    if root == "aiosqlite":
        return Owner("sqlite", partial(_by_async_cursor, connection, str))
    if root == "sqlalchemy" and name.startswith(("Async", "async")):
        return Owner(_dialect(connection), partial(_by_async_sqlalchemy, connection))
    raise _unknown(connection, "enqueue_async", "enqueue")


def carry_out(owner: Owner, job: Job[bool], prefix: str) -> bool:
    """Run a job in the caller's transaction."""
    statements = _statements(owner.kind, job, prefix)
    try:
        statement = next(statements)
        while True:
            statement = statements.send(owner.execute(*statement))
    except StopIteration as stop:
        return bool(stop.value)


async def carry_out_async(owner: Owner, job: Job[bool], prefix: str) -> bool:
    """Run a job in the caller's transaction."""
    statements = _statements(owner.kind, job, prefix)
    try:
        statement = next(statements)
        while True:
            statement = statements.send(await owner.execute(*statement))
    except StopIteration as stop:
        return bool(stop.value)


def _statements(
    kind: str, job: Job[bool], prefix: str
) -> Generator[tuple[str, Sequence[object]], tuple[Any, int], bool]:
    """Yield the statements of a job, which are sent their results; return the job's result."""
    answer: object = None
    try:
        while True:
            step, answer = job.send(answer), None
            if statement := _statement(kind, step, prefix):
                first, touched = yield statement
                answer = touched if first is None else first
    except StopIteration as stop:
        return bool(stop.value)


def _statement(kind: str, step: Step, prefix: str) -> tuple[str, Sequence[object]] | None:
    """Write a step as a statement; None if this database has nothing to do."""
    match step:
        case NewIds(table, _):
            return with_prefix(_NEW_ID[kind].format(table=table), prefix), ()
        case Wake(channel):
            return (_WAKE, (with_prefix(channel, prefix),)) if kind == "postgresql" else None
        case Change(sql, args):
            return with_prefix(sql, prefix), args
        case _:
            msg = f"{type(step).__name__} cannot be part of a caller's transaction"
            raise TypeError(msg)


def _by_cursor(
    make_cursor: Callable[[], Any],
    spell: Callable[[str], str],
    sql: str,
    args: Sequence[object],
) -> tuple[Any, int]:
    cursor = make_cursor()
    try:
        cursor.execute(spell(sql), tuple(args))
        return _first(cursor.fetchone()) if cursor.description else None, cursor.rowcount
    finally:
        cursor.close()


async def _by_async_cursor(
    connection: Any,  # noqa: ANN401  # psycopg's or aiosqlite's
    spell: Callable[[str], str],
    sql: str,
    args: Sequence[object],
) -> tuple[Any, int]:
    cursor = await connection.execute(spell(sql), tuple(args))
    try:
        row = await cursor.fetchone() if cursor.description else None
        return _first(row), cursor.rowcount
    finally:
        await cursor.close()


async def _by_asyncpg(
    connection: Any,  # noqa: ANN401  # asyncpg's
    sql: str,
    args: Sequence[object],
) -> tuple[Any, int]:
    if sql.startswith("SELECT"):
        return await connection.fetchval(numbered(sql), *args), 0
    said = await connection.execute(numbered(sql), *args)
    return None, int(said.rpartition(" ")[2])


def _by_sqlalchemy(
    connection: Any,  # noqa: ANN401  # a Session or a Connection
    sql: str,
    args: Sequence[object],
) -> tuple[Any, int]:
    return _read_result(connection.execute(*_for_sqlalchemy(sql, args)))


async def _by_async_sqlalchemy(
    connection: Any,  # noqa: ANN401  # an AsyncSession or an AsyncConnection
    sql: str,
    args: Sequence[object],
) -> tuple[Any, int]:
    return _read_result(await connection.execute(*_for_sqlalchemy(sql, args)))


def _for_sqlalchemy(sql: str, args: Sequence[object]) -> tuple[Any, dict[str, object]]:
    from sqlalchemy import text  # noqa: PLC0415  # the caller has it: the connection is one of its

    named = numbered(sql).replace("$", ":p")
    return text(named), {f"p{number}": arg for number, arg in enumerate(args, 1)}


def _read_result(result: Any) -> tuple[Any, int]:  # noqa: ANN401  # SQLAlchemy's
    if result.returns_rows:
        return _first(result.fetchone()), 0
    return None, result.rowcount


def _dialect(connection: Any) -> str:  # noqa: ANN401  # a session, or a connection
    bind = connection.get_bind() if hasattr(connection, "get_bind") else connection
    return str(bind.dialect.name)


def _with_percent(sql: str) -> str:
    return sql.replace("?", "%s")


def _first(row: Sequence[Any] | None) -> Any:  # noqa: ANN401  # a value of the database
    return row[0] if row else None


def _unknown(connection: object, call: str, other: str) -> TypeError:
    kind = type(connection)
    return TypeError(
        f"{call} does not know {kind.__module__}.{kind.__qualname__}; pass the connection or "
        f"session of your transaction, or call {other} if it is of the other kind"
    )
