"""
`RedisLimiter`: the limit of a key, kept exactly among processes and machines.

Needs the extra ``[redis]``: ``pip install 'customersms-async[redis]'``. How it works stands in
`_member` and ``_limit.lua``; why it holds, in `_window`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from attrs import define, field

try:
    from redis.asyncio import Redis
    from redis.asyncio.connection import ConnectionPool, parse_url
except ModuleNotFoundError as _exc:
    msg = "customersms_async.redis needs redis-py: pip install 'customersms-async[redis]'"
    raise ModuleNotFoundError(msg, name=_exc.name) from _exc

from ._limit.config import Rate, Terms
from ._limit.pacing import interval
from ._limit.redis_messages import Rules
from ._limit.redis_queue import Member, SharedSlot
from ._limit.redis_store import Store
from ._limit.window import GRACE, MARGIN
from ._ports.limiter import Lane, Ticket, Usage
from ._values.validation import check_seconds
from .errors import ConfigurationError

__all__ = ["Rate", "RedisLimiter", "Usage"]

#: Seconds for one call of the store.
_TIMEOUT: Final = 2.0


@define(eq=False)
class _InLoop:
    """What one event loop has of its own."""

    client: Redis
    store: Store
    members: dict[str, Member] = field(factory=dict[str, Member])


class RedisLimiter:
    """
    Slots for all processes that share a Redis: at most ``rate.limit`` in any ``rate.per`` seconds.

    ::

        async with RedisLimiter("redis://localhost:6379/0") as limiter:
            async with CustomerSMS(limiter=limiter) as sms:
                ...

    It counts, paces and gives precedence as `LocalLimiter` does, by the clock of the store. Within
    a process who comes first is served first, and the processes take turns. All of them must be
    given the same options, and clients with the same time-outs.

    A store that is away lets nobody through: `CustomerSMS.send` raises `LimiterUnavailable`, and
    bulk runs wait. One that has lost its memory grants nothing for one look-back (the longest
    request, *timeout*, *grace* and the period); so does a server that was started anew or took over
    from another, which may lack the last calls, and a new store, which looks the same. Set
    ``maxmemory-policy noeviction``.

    Args:
        redis: A URL such as ``redis://localhost:6379/0``, or a `redis.asyncio.Redis` of the event
            loop that it is used in, which is not closed. Redis from 6.2, or Valkey; the client of a
            cluster is not taken.

        rate: The gateway's limit.

        burst: As for `LocalLimiter`.

        reserve: As for `LocalLimiter`.

        grace: As for `LocalLimiter`.

        prefix: What the names of all keys begin with, in braces. Accounts are named by a hash.

        timeout: Seconds for one call of the store, after which it counts as away; part of each
            lease, since a grant may be heard so much later.

        trust_empty_store: Whether a store that knows nothing is taken for one that was never used.
            For tests and development: after a store was lost, it lets up to twice the limit
            through within a period.

        clock: Gives the instant in place of the store's clock; for tests in virtual time.

    Raises:
        ConfigurationError: An option is out of its range, or *redis* is neither of the two.
    """

    def __init__(
        self,
        redis: str | Redis,
        rate: Rate | None = None,
        *,
        burst: int | None = None,
        reserve: int = 0,
        grace: float = GRACE,
        prefix: str = "customersms",
        timeout: float = _TIMEOUT,
        trust_empty_store: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        terms = self._terms = Terms.read(rate, burst, reserve, grace)
        self._rules = Rules(
            limit=terms.rate.limit,
            per=terms.rate.per,
            margin=MARGIN,
            grace=terms.grace,
            burst=terms.burst,
            interval=interval(terms.rate),
            slow_interval=interval(terms.rate, was_refused=True),
            reserve=terms.reserve,
            poll=max(1.0, terms.rate.per / 20),
            trusts_empty=bool(trust_empty_store),
        )
        self._redis = _checked(redis)
        self._prefix = _checked_prefix(prefix)
        self._timeout = check_seconds("timeout", timeout)
        self._clock = clock
        self._loops: dict[asyncio.AbstractEventLoop, _InLoop] = {}

    @property
    def rate(self) -> Rate:
        """The limit that is kept."""
        return self._terms.rate

    async def acquire(
        self,
        account: str,
        lane: Lane,
        *,
        longest: float,
        patience: float | None = None,
        ticket: Ticket | None = None,
    ) -> SharedSlot:
        """
        Wait for a slot; see `Limiter.acquire`.

        Raises:
            WaitTooLong: The slot cannot be had within *patience*, or was not.
            LimiterUnavailable: The store does not answer; only where a single message asks.
        """
        return await self._member(account).acquire(lane, longest, patience, ticket)

    async def usage(self, account: str) -> Usage:
        """
        Say how *account* stands (`CustomerSMS.account` is its name); instants are the store's.

        Raises:
            LimiterUnavailable: The store does not answer.
        """
        return await self._member(account).usage()

    async def aclose(self) -> None:
        """
        Tell the store how requests ended, and close the connections of this event loop.

        Whoever still waits in it is told `LimiterUnavailable`. A client that was given stays open.
        The limiter may be used again.
        """
        found = self._loops.pop(asyncio.get_running_loop(), None)
        if found is None:
            return
        try:
            await asyncio.gather(*(member.close() for member in found.members.values()))
        finally:
            if found.client is not self._redis:
                await found.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<RedisLimiter {self.rate.limit} per {self.rate.per:g} s>"

    def _member(self, account: str) -> Member:
        loop = asyncio.get_running_loop()
        here = self._loops.get(loop)
        if here is None:
            here = self._begin(loop)
        member = here.members.get(account)
        if member is None:
            member = Member(account, here.store, self._rules, loop, self._clock)
            here.members[account] = member
        return member

    def _begin(self, loop: asyncio.AbstractEventLoop) -> _InLoop:
        for closed in [known for known in list(self._loops) if known.is_closed()]:
            self._loops.pop(closed, None)
        client = self._redis if isinstance(self._redis, Redis) else _connect(self._redis)
        store = Store(client, self._rules, self._prefix, self._timeout)
        found = self._loops[loop] = _InLoop(client, store)
        return found


def _connect(url: str) -> Redis:
    return Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType]  # its own options


def _checked(given: object) -> str | Redis:
    if isinstance(given, Redis):
        return given
    what = "redis must be a URL like redis://localhost:6379/0, or a redis.asyncio.Redis"
    if not isinstance(given, str):
        msg = f"{what}, not {type(given).__module__}.{type(given).__name__}"
        raise ConfigurationError(msg)
    try:
        # Connects to nobody, but knows which options there are. redis-py left it without types.
        ConnectionPool(**parse_url(given)).make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        msg = f"{what}; the string given is none"  # and not shown: it may hold a password
        raise ConfigurationError(msg) from None
    return given


def _checked_prefix(given: object) -> str:
    if isinstance(given, str) and given and not set(given) & set("{}"):
        return given
    msg = f"prefix must be a text without braces, not {given!r}"
    raise ConfigurationError(msg)
