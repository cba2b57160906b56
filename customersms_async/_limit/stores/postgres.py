"""A store in PostgreSQL: one table, with a row for each account and one that names the run."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast
from urllib.parse import unquote, urlsplit

import asyncpg  # type: ignore[import-untyped]  # it has no types

from ..._ports.store import TIMEOUT, Seen, Swap
from .call_limit import Calls
from .postgres_statements import Statements

__all__ = ["PostgresStore"]

_Answer = TypeVar("_Answer")

_CALLS_AT_ONCE: Final = 4
_ANY_TIME: Final = (float("-inf"), float("inf"))

#: A connection of asyncpg, which has no types.
_Connection = Any

#: What is done with a connection, and the error for which it is done again.
_Work = Callable[[_Connection, Exception | None], Awaitable[_Answer]]

_connect: Callable[[str], Awaitable[_Connection]] = cast("Any", asyncpg).connect


class PostgresStore:
    """
    One table, which is made where there is none.

    Args:
        url: ``postgresql://user:password@host:port/database``.

        table: Its name; in front of it the schema and a point, if need be. Goes into statements as
            it is.
    """

    def __init__(self, url: str, table: str) -> None:
        parts = urlsplit(url)
        place = f"PostgreSQL at {parts.hostname or 'its socket'}:{parts.port or 5432}"
        self._calls = Calls(place, _CALLS_AT_ONCE, unquote(parts.password or ""))
        self._url = url
        self._idle: list[_Connection] = []
        self._statements = Statements.of(table)

    async def read(self, account: str) -> Seen:
        """Return what is held; see `Store.read`."""
        return await self._calls.make(
            lambda: self._do(lambda connection, _lost: self._look(connection, account))
        )

    async def swap(
        self, account: str, base: Seen, value: bytes, *, within: float | None = None
    ) -> Swap:
        """Replace what is held, if it is still what *base* shows; see `Store.swap`."""
        token = os.urandom(16)
        run = [word.encode() for word in base.run.split()]
        times = _ANY_TIME if within is None else (base.now, base.now + within)
        statement = self._statements.replace if base.token else self._statements.add

        async def change(connection: _Connection, lost: Exception | None) -> Swap:
            at = await connection.fetchval(
                statement, f":{account}", base.token, token, value, *run, *times
            )
            if at is not None:
                return Swap(done=True, seen=Seen(value, token, at, base.run, base.since))
            seen = await self._look(connection, account)
            if lost is not None and seen.token != token:
                raise lost  # it may have been carried out, and replaced by another one
            return Swap(done=seen.token == token, seen=seen)

        return await self._calls.make(lambda: self._do(change))

    async def aclose(self) -> None:
        """Close the connections."""
        self._calls.close()
        while self._idle:
            await self._idle.pop().close(timeout=TIMEOUT)

    async def _look(self, connection: _Connection, account: str) -> Seen:
        try:
            row = await connection.fetchrow(self._statements.read, f":{account}")
        except asyncpg.UndefinedTableError:
            await connection.execute(self._statements.create)
            row = None
        if row is None:
            await connection.execute(self._statements.begin)
            row = await connection.fetchrow(self._statements.read, f":{account}")
        value, token, at, run, since, _ = row
        return Seen(value, token or b"", at, f"{run.decode()} {since.decode()}", float(since))

    async def _do(self, work: _Work[_Answer]) -> _Answer:
        """Do *work*; where it fails on a connection that lay idle, once more on a new one."""
        lost = None
        if self._idle:
            try:
                return await self._use(self._idle.pop(), work, lost)
            except Exception as exc:  # noqa: BLE001 - asyncpg has many for a closed connection
                lost = exc
                # A server that was restarted has closed all of them, and few know it yet.
                while self._idle:
                    self._idle.pop().terminate()
        return await self._use(await _connect(self._url), work, lost)

    async def _use(
        self, connection: _Connection, work: _Work[_Answer], lost: Exception | None
    ) -> _Answer:
        try:
            answer = await work(connection, lost)
        except BaseException:
            connection.terminate()
            raise
        if self._calls.are_closed:
            connection.terminate()
        else:
            self._idle.append(connection)
        return answer
