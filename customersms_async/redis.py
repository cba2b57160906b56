"""
`RedisLimiter`: the limit of a key, shared by machines through Redis or Valkey.

Needs the extra ``[redis]``: ``pip install 'customersms-async[redis]'``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

try:
    from redis.asyncio import Redis
    from redis.asyncio.connection import ConnectionPool, parse_url
except ModuleNotFoundError as _exc:
    msg = "customersms_async.redis needs redis-py: pip install 'customersms-async[redis]'"
    raise ModuleNotFoundError(msg, name=_exc.name) from _exc

from ._limit.config import GRACE, Rate
from ._limit.shared_limiter import SharedLimiter
from ._limit.stores.redis import RedisStore, connect
from ._limit.stores.redis_script import Known
from ._ports.limiter import Usage
from ._ports.store import Store
from ._values.urls import NOT_A_URL, is_cut
from .errors import ConfigurationError

__all__ = ["Rate", "RedisLimiter", "Usage"]

#: Seconds for which a key outlives its last use: far longer than any request counts.
_LIFE: Final = 86_400.0


class RedisLimiter(SharedLimiter):
    """
    Slots for all processes that share a Redis: at most ``rate.limit`` in any ``rate.per`` seconds.

    ::

        async with RedisLimiter("redis://localhost:6379/0") as limiter:
            async with CustomerSMS(limiter=limiter) as sms:
                ...

    It uses the clock of the server. All processes must use the same options.

    While the server is away, nothing is granted: `CustomerSMS.send` raises `LimiterUnavailable`,
    and bulk runs wait. A server that is new, was restarted, or replaced another grants nothing for
    3 s, in which running processes write what they remember. Set ``maxmemory-policy noeviction``.
    The user needs the commands EVAL, EVALSHA, TIME, HMGET, HSET, HGET and PEXPIRE, and on Redis 6.2
    with replicas INFO.

    Args:
        redis: A URL such as ``redis://localhost:6379/0``, or a `redis.asyncio.Redis` of the event
            loop that uses it, which is not closed. Redis from 6.2, or Valkey; cluster clients are
            not supported.

        rate: The gateway's limit; by default 100 requests in 60 s.

        burst, reserve, grace: As for `LocalLimiter`.

        strict: Whether a server that may have lost its memory grants nothing until what it lost no
            longer counts, instead of for 3 s. For limits that must hold even if all processes and
            the server are restarted at once.

        key: The only key that is used. It names accounts by a hash.

        clock: Returns monotonic seconds.

    Raises:
        ConfigurationError: An option is out of range, or *redis* is neither of the two.
    """

    def __init__(
        self,
        redis: str | Redis,
        rate: Rate | None = None,
        *,
        burst: int | None = None,
        reserve: int = 1,
        grace: float = GRACE,
        strict: bool = False,
        key: str = "customersms:limit",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            rate, burst=burst, reserve=reserve, grace=grace, strict=strict, clock=clock
        )
        self._redis = _checked(redis)
        self._key = _checked_key(key)
        self._life = _LIFE + 4 * self.rate.per
        self._known = Known()

    def _open_store(self) -> Store:
        is_own = isinstance(self._redis, str)
        client = connect(self._redis) if isinstance(self._redis, str) else self._redis
        return RedisStore(client, self._key, life=self._life, is_own=is_own, known=self._known)


def _checked(given: object) -> str | Redis:
    if isinstance(given, Redis):
        return given
    what = "redis must be a URL like redis://localhost:6379/0, or a redis.asyncio.Redis"
    if not isinstance(given, str):
        msg = f"{what}, not {type(given).__module__}.{type(given).__name__}"
        raise ConfigurationError(msg)
    try:
        # Does not connect, but rejects unknown options. redis-py left it untyped.
        ConnectionPool(**parse_url(given)).make_connection()  # type: ignore[no-untyped-call]
        is_fit = given.startswith("unix:") or not is_cut(urlsplit(given))
    except (ValueError, TypeError):
        is_fit = False
    if not is_fit:
        msg = f"{what}; {NOT_A_URL}"
        raise ConfigurationError(msg)
    return given


def _checked_key(given: object) -> str:
    if isinstance(given, str) and given:
        return given
    msg = f"key must be a text, not {given!r}"
    raise ConfigurationError(msg)
