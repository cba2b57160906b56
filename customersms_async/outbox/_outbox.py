"""
`Outbox`: a database of campaigns.

Rules of this module:

1. One URL says where everything is stored; calls and states are the same on every database.
2. An outbox is closed by its opener: `async with`.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from typing import Final, Self, cast

from .._bulk.stop_rules import StopRules, check_rules
from .._limit.shared_limiter import SharedLimiter
from .._values.safe_repr import safe_repr
from .._values.urls import check_postgres_url
from .._values.validation import check_count, check_seconds
from ..client import CustomerSMS
from ..errors import ConfigurationError
from ..limiters import FileLimiter
from ._campaign import Campaign
from ._context import OutboxContext
from ._core.campaigns import IDENTITY, QUEUE, find, is_same_database
from ._core.decisions import purge, purge_beside_unknown, purge_refused
from ._core.engine import Engine
from ._core.job import Job
from ._core.migrate import read_meta, write_meta
from ._core.rows import is_storable
from ._core.schema import PREFIX, check_prefix, schema_text
from ._lease import LEASE
from ._postgres import PostgresEngine
from ._sender import check_client
from ._sqlite import SqliteEngine
from ._worker import Worker

__all__ = ["Outbox"]

#: Batches that are purged in one transaction.
_AT_ONCE: Final = 1000

_LONGEST_NAME: Final = 200


class Outbox:
    """
    Campaigns in a database.

    ::

        async with Outbox("tonight.db") as outbox, CustomerSMS() as sms:
            campaign = outbox.campaign("parents-evening-2026-12")
            await campaign.add(messages)
            print(await campaign.send(sms))

    Args:
        url: A path or ``sqlite:///...`` for a file on this machine, created with access for its
            owner only; ``postgresql://...`` for several machines (extra ``[postgres]``).

        prefix: The prefix of the tables.

        lease: Seconds without a heartbeat after which a worker counts as dead.

    Raises:
        ConfigurationError: The URL is of another kind, or an option is out of range.
    """

    def __init__(
        self, url: str | os.PathLike[str], *, prefix: str = PREFIX, lease: float = LEASE
    ) -> None:
        self._engine = _make_engine(url, check_prefix(prefix))
        self._context = OutboxContext(self._engine, check_seconds("lease", lease))
        self._url = os.fspath(url)
        self._limiter: SharedLimiter | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._engine.open()
            self._context.identity = await self._engine.identity()
            await self._engine.run(_settle_down(self._context.identity))
        except BaseException:
            await self._engine.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """
        Close the connections to the database, including those of `limiter`.

        Campaigns that are being sent are stopped, and their requests in flight waited for.
        """
        await self._context.stop_runs()
        if self._limiter is not None:
            await self._limiter.aclose()
        await self._engine.aclose()

    @property
    def limiter(self) -> SharedLimiter:
        """
        The gateway's limit, shared by all users of this outbox, for ``CustomerSMS(limiter=...)``.

        100 requests in 60 seconds. On PostgreSQL it is kept in the same database; for a file, in
        another file beside it, ``….limit``, so that neither waits for the other's lock. It is
        closed with the outbox.
        """
        if self._limiter is None:
            self._limiter = _make_limiter(self._engine, self._url)
        return self._limiter

    def campaign(self, name: str) -> Campaign:
        """
        Return the campaign of this name; it is created with its first row.

        Raises:
            ValueError: The name is empty or too long.
        """
        is_text = isinstance(name, str) and is_storable(name)
        if not (is_text and 0 < len(name) <= _LONGEST_NAME):
            msg = f"name must be a text of 1 to {_LONGEST_NAME} characters, not {name!r}"
            raise ValueError(msg)
        return Campaign(self._context, name)

    @property
    def queue(self) -> Campaign:
        """The messages of `enqueue`, as a campaign: to inspect, resume and resolve."""
        return Campaign(self._context, QUEUE)

    def worker(
        self, sms: CustomerSMS, *, stop: StopRules | None = None, max_in_flight: int = 16
    ) -> Worker:
        """
        Make a worker, which sends the messages of `enqueue` but no campaign; use ``async with``.

        Args:
            sms: The client.

            stop: When to pause the queue and log an ERROR.

            max_in_flight: Requests in flight at once.
        """
        count = check_count("max_in_flight", max_in_flight, 1)
        rules = StopRules() if stop is None else check_rules(stop)
        return Worker(self._context, check_client(sms), rules, count)

    async def purge(self, *, older_than: dt.timedelta) -> int:
        """
        Blank texts and numbers of messages settled longer ago; counts and fates are kept.

        Rows that were never going to be sent (bad, duplicate, skipped) go with the last message of
        their campaign. Unknown messages are never blanked. Without the numbers, a later
        `Campaign.add` no longer finds duplicates of these messages, except by their refs.

        Returns:
            How many requests were purged.

        Raises:
            ConfigurationError: *older_than* is not a timedelta.
        """
        before, total = time.time() - _checked_age(older_than).total_seconds(), 0
        while batches := await self._engine.run(purge(before, _AT_ONCE)):
            total += batches
        for rest in (purge_beside_unknown, purge_refused):
            while await self._engine.run(rest(before, _AT_ONCE)):
                pass
        return total

    async def adopt(self) -> None:
        """Declare this database the one to continue with, although it was copied or moved."""
        await self._engine.run(write_meta(IDENTITY, self._context.identity))

    def schema(self) -> str:
        """Return the SQL that creates the tables, for your own migration tool."""
        return schema_text(self._engine.kind, self._engine.prefix)

    @safe_repr
    def __repr__(self) -> str:
        return f"<Outbox on {self._engine.kind}>"


def _make_limiter(engine: Engine, url: str) -> SharedLimiter:
    if isinstance(engine, SqliteEngine):
        return FileLimiter(f"{engine.path}.limit")
    from ..postgres import PostgresLimiter  # noqa: PLC0415  # it needs the extra

    return PostgresLimiter(url, table=f"{engine.prefix}limit")


def _checked_age(value: object) -> dt.timedelta:
    if isinstance(value, dt.timedelta):
        return value
    msg = f"older_than must be a timedelta, like timedelta(days=90), not {value!r}"
    raise ConfigurationError(msg)


def _settle_down(identity: str) -> Job[None]:
    """Record the identity of the database if it has none; create the queue that `enqueue` needs."""
    yield from find(QUEUE, time.time())
    recorded = yield from read_meta(IDENTITY)
    if recorded != identity and (recorded is None or is_same_database(recorded, identity)):
        yield from write_meta(IDENTITY, identity)


def _make_engine(url: object, prefix: str) -> Engine:
    if isinstance(url, os.PathLike):
        url = os.fspath(cast("os.PathLike[str]", url))
    if not isinstance(url, str):
        raise ConfigurationError(_not_a_url(type(url).__name__))
    scheme, found, rest = url.partition("://")
    if found and scheme in ("postgresql", "postgres"):
        return PostgresEngine(check_postgres_url(url), prefix)
    path = {"sqlite": rest.removeprefix("/")}.get(scheme, "") if found else url
    if path in ("", ":memory:"):  # else it would be a file of that name
        raise ConfigurationError(_not_a_url(f"{scheme}://..." if found else repr(url)))
    return SqliteEngine(path, prefix)


def _not_a_url(given: str) -> str:
    return f"url must be a path, sqlite:///... or postgresql://..., not {given}"
