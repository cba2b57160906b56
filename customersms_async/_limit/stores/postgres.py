"""A store in PostgreSQL: a table with a row for each account and one for the run."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import asyncpg  # type: ignore[import-untyped]  # it has no types

from ..._ports.store import Seen, Swap
from ..._values.urls import hosts_of
from .call_limit import Calls
from .postgres_connections import Connection, Connections
from .postgres_statements import Statements

__all__ = ["PostgresStore"]

_CALLS_AT_ONCE: Final = 4
_ANY_TIME: Final = (float("-inf"), float("inf"))


class PostgresStore:
    """
    One table, created if missing.

    Args:
        url: ``postgresql://user:password@host:port/database``.

        table: Its name, perhaps with a schema; inserted into statements unquoted.
    """

    def __init__(self, url: str, table: str) -> None:
        parts = urlsplit(url)
        place = f"PostgreSQL at {_hosts(parts)}"
        self._calls = Calls(place, _CALLS_AT_ONCE, unquote(parts.password or ""))
        self._connections = Connections(url)
        self._statements = Statements.of(table)

    async def read(self, account: str) -> Seen:
        """See `Store.read`."""
        return await self._calls.make(
            lambda: self._connections.do(lambda one, _lost: self._look(one, account))
        )

    async def swap(
        self, account: str, base: Seen, value: bytes, *, within: float | None = None
    ) -> Swap:
        """See `Store.swap`."""
        token = os.urandom(16)
        run = [word.encode() for word in base.run.split()]
        times = _ANY_TIME if within is None else (base.now, base.now + within)
        statement = self._statements.replace if base.token else self._statements.add

        async def change(connection: Connection, lost: Exception | None) -> Swap:
            at = await connection.fetchval(
                statement, f":{account}", base.token, token, value, *run, *times
            )
            if at is not None:
                return Swap(done=True, seen=Seen(value, token, at, base.run, base.since))
            seen = await self._look(connection, account)
            if lost is not None and seen.token != token:
                raise lost  # it may have been carried out and overwritten
            return Swap(done=seen.token == token, seen=seen)

        return await self._calls.make(lambda: self._connections.do(change))

    async def aclose(self) -> None:
        """Close the connections."""
        self._calls.close()
        await self._connections.aclose()

    async def _look(self, connection: Connection, account: str) -> Seen:
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


def _hosts(parts: SplitResult) -> str:
    """Return the hosts and their ports; without a host it is a socket of this machine."""
    hosts = hosts_of(parts)
    return hosts if "," in hosts else f"{parts.hostname or 'its socket'}:{parts.port or 5432}"
