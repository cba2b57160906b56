"""A store in Redis or Valkey: a hash with a field for each account."""

from __future__ import annotations

import os
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from ..._ports.store import Seen, Swap
from .call_limit import Calls
from .redis_script import Known, Script

__all__ = ["RedisStore", "connect"]

_TOKEN_SIZE: Final = 16
_CALLS_AT_ONCE: Final = 8
_ANY_TIME: Final = ("0", "9e15")


def connect(url: str) -> Redis:
    """Return a client of *url* that does not retry calls."""
    options: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "retry_on_error": []}
    return Redis.from_url(url, **options)  # pyright: ignore[reportUnknownMemberType]  # its own types


class RedisStore:
    """
    One hash.

    Args:
        client: The client of this event loop.

        key: The name of the hash.

        life: Seconds after the last swap until the hash expires.

        is_own: Whether `aclose` closes the client.

        known: What other event loops learnt about the server.
    """

    def __init__(
        self, client: Redis, key: str, *, life: float, is_own: bool, known: Known | None = None
    ) -> None:
        options: dict[str, Any] = client.connection_pool.connection_kwargs
        place = options.get("path") or f"{options.get('host')}:{options.get('port')}"
        self._calls = Calls(f"Redis at {place}", _CALLS_AT_ONCE, options.get("password"))
        self._known = known or Known()
        self._script = Script(client, key, round(life * 1000), self._known)
        self._client = client
        self._is_own = is_own

    async def read(self, account: str) -> Seen:
        """See `Store.read`."""
        answer, _ = await self._calls.make(lambda: self._run(account))
        return _seen(answer, answer[2])

    async def swap(
        self, account: str, base: Seen, value: bytes, *, within: float | None = None
    ) -> Swap:
        """See `Store.swap`."""
        new = os.urandom(_TOKEN_SIZE) + value
        first = round(base.now * 1e6)
        times = _ANY_TIME if within is None else (first, first + round(within * 1e6))
        words = (base.run, base.token, *times, new)

        async def change() -> Swap:
            answer, lost = await self._run(account, *words)
            held, done = answer[2:]
            # If it was sent twice, the second call finds what the first one wrote.
            if done or held == new:
                return Swap(done=True, seen=_seen(answer, new))
            if lost is not None:  # it may have been carried out and overwritten
                raise lost
            return Swap(done=False, seen=_seen(answer, held))

        return await self._calls.make(change)

    async def aclose(self) -> None:
        """Close the connections, unless the client was passed in."""
        self._calls.close()
        if self._is_own:
            await self._client.aclose()

    async def _run(
        self, account: str, *swap: bytes | str | int
    ) -> tuple[list[Any], Exception | None]:
        """Run the script, once more on a new connection if the old one was lost."""
        try:
            return await self._script.run(f":{account}", *swap), None
        except RedisConnectionError as exc:
            # A restarted server has closed all connections, which have not noticed yet.
            await self._client.connection_pool.disconnect(inuse_connections=False)
            self._known.word = ""
            return await self._script.run(f":{account}", *swap), exc


def _seen(answer: list[Any], held: bytes | None) -> Seen:
    now, run = answer[:2]
    value = held[_TOKEN_SIZE:] if held else None
    return Seen(value, (held or b"")[:_TOKEN_SIZE], int(now) / 1e6, run.decode(), _since(run))


def _since(run: bytes) -> float:
    return int(run.split()[1]) / 1e6
