"""
`PostgresLimiter`: the limit of a key, shared by machines through PostgreSQL.

Needs the extra ``[postgres]``: ``pip install 'customersms-async[postgres]'``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

from ._limit.config import GRACE, Rate
from ._limit.shared_limiter import SharedLimiter

try:
    from ._limit.stores.postgres import PostgresStore
except ModuleNotFoundError as _exc:
    msg = "customersms_async.postgres needs asyncpg: pip install 'customersms-async[postgres]'"
    raise ModuleNotFoundError(msg, name=_exc.name) from _exc

from ._ports.limiter import Usage
from ._ports.store import Store
from ._values.urls import check_postgres_url
from .errors import ConfigurationError

__all__ = ["PostgresLimiter", "Rate", "Usage"]

#: Names that need no quotes.
_TABLE: Final = re.compile(r"([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}")


class PostgresLimiter(SharedLimiter):
    """
    Slots for all processes that share a database: at most ``rate.limit`` in ``rate.per`` seconds.

    ::

        async with PostgresLimiter("postgresql://me@localhost/app") as limiter:
            async with CustomerSMS(limiter=limiter) as sms:
                ...

    It uses the clock of the server. All processes must use the same options. It opens up to four
    connections per event loop, and no transaction outlasts a statement; a pooler must pool by
    session.

    While the server is away, nothing is granted: `CustomerSMS.send` raises `LimiterUnavailable`,
    and bulk runs wait. A server that is new, was restarted, or replaced another grants nothing for
    3 s, in which running processes write what they remember. The table is created if missing; a
    user without that right needs SELECT, INSERT and UPDATE on one created like this::

        CREATE TABLE customersms_limit
            (account text PRIMARY KEY, token bytea NOT NULL, value bytea)

    Args:
        url: Such as ``postgresql://user:password@host:5432/database``, perhaps with several hosts
            (``host1:5432,host2:5432``).

        rate: The gateway's limit; by default 100 requests in 60 s.

        burst, reserve, grace: As for `LocalLimiter`.

        strict: As for `customersms_async.redis.RedisLimiter`.

        table: The only table that is used, in lower case, perhaps with its schema. It names
            accounts by a hash.

        clock: Returns monotonic seconds.

    Raises:
        ConfigurationError: An option is out of range.
    """

    def __init__(
        self,
        url: str,
        rate: Rate | None = None,
        *,
        burst: int | None = None,
        reserve: int = 1,
        grace: float = GRACE,
        strict: bool = False,
        table: str = "customersms_limit",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            rate, burst=burst, reserve=reserve, grace=grace, strict=strict, clock=clock
        )
        self._url = check_postgres_url(url)
        self._table = _checked_table(table)

    def _open_store(self) -> Store:
        return PostgresStore(self._url, self._table)


def _checked_table(given: object) -> str:
    if isinstance(given, str) and _TABLE.fullmatch(given):
        return given
    msg = f"table must be a name in lower case like customersms_limit, not {given!r}"
    raise ConfigurationError(msg)
