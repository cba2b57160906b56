"""A pool of connections to PostgreSQL, which are replaced when they break."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

import asyncpg  # type: ignore[import-untyped]  # it has no types

from ..._ports.store import TIMEOUT

__all__ = ["Connection", "Connections"]

_Answer = TypeVar("_Answer")

#: A connection of asyncpg, which is untyped.
Connection = Any

#: A call on a connection; when it is repeated, with the error of the first attempt.
_Work = Callable[[Connection, Exception | None], Awaitable[_Answer]]

_open: Callable[[str], Awaitable[Connection]] = cast("Any", asyncpg).connect

#: Others may be the default of the user or the database; in them, two members that swap at the same
#: time would fail.
_ISOLATION: Final = "SET default_transaction_isolation = 'read committed'"


class Connections:
    """Connections of one event loop to the database at *url*."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[Connection] = []
        self._are_closed = False

    async def do(self, work: _Work[_Answer]) -> _Answer:
        """Do *work*; if it fails on an idle connection, repeat it once on a new one."""
        lost = None
        if self._idle:
            try:
                return await self._use(self._idle.pop(), work, lost)
            except Exception as exc:  # noqa: BLE001 - asyncpg raises many kinds for a closed connection
                lost = exc
                # A restarted server has closed all of them, which may not have noticed yet.
                while self._idle:
                    self._idle.pop().terminate()
        return await self._use(await _connect(self._url), work, lost)

    async def aclose(self) -> None:
        """Close idle connections now, and the others once their work is done; raise nothing."""
        self._are_closed = True
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.close(timeout=TIMEOUT)
            except Exception:  # noqa: BLE001 - the server stands still, or has gone
                connection.terminate()

    async def _use(
        self, connection: Connection, work: _Work[_Answer], lost: Exception | None
    ) -> _Answer:
        try:
            answer = await work(connection, lost)
        except BaseException:
            connection.terminate()
            raise
        if self._are_closed:
            connection.terminate()
        else:
            self._idle.append(connection)
        return answer


async def _connect(url: str) -> Connection:
    connection = await _open(url)
    try:
        await connection.execute(_ISOLATION)
    except BaseException:
        connection.terminate()
        raise
    return connection
