"""
The store of a shared limit: one call of its script, nothing else.

Rules of this module:

1. Whatever the store does, a call gives its answer or raises `LimiterUnavailable`. A store that is
   away never lets anybody through.
2. A call may be made twice, where the connection was lost: the script sees to it that a lease that
   is named twice is one lease. Both together take no longer than the time-out.
"""

from __future__ import annotations

import asyncio
from importlib import resources
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as StoreConnectionError

from .. import codes
from .._values.redaction import clean
from ..errors import LimiterUnavailable
from .redis_messages import Ask, Rules, Told, decode_told, encode

__all__ = ["SCRIPT", "Store"]

SCRIPT: Final = (
    resources.files("customersms_async").joinpath("_limit", "limit.lua").read_text("utf-8")
)


class Store:
    """
    The script in one Redis.

    Args:
        client: The client, of the event loop that calls.

        rules: What holds for every call.

        prefix: What all keys begin with.

        timeout: Seconds for one call.

    Attributes:
        timeout: As given.
    """

    def __init__(self, client: Redis, rules: Rules, prefix: str, timeout: float) -> None:
        self._script = client.register_script(SCRIPT)
        self._rules = encode(rules)
        # One hash tag, so that all keys lie in the same slot of a cluster.
        self._prefix = f"{{{prefix}}}"
        self.timeout = timeout

    async def call(self, account: str, ask: Ask) -> Told:
        """
        Ask the script.

        Raises:
            LimiterUnavailable: There is no answer, or none within the time.
        """
        try:
            async with asyncio.timeout(self.timeout):
                try:
                    return await self._call_once(account, ask)
                except StoreConnectionError:
                    # A connection that lay idle may have been closed long ago; or it was lost on
                    # the way back, and the first call was carried out.
                    return await self._call_once(account, ask.again())
        except Exception as exc:
            # Of whatever kind: a caller's client may raise what it likes, and a caller that waits
            # must be told.
            detail = f"the store of the limiter cannot be asked: {type(exc).__name__} {exc}"
            raise LimiterUnavailable(codes.LIMITER_UNAVAILABLE, (), clean(detail)) from exc

    async def _call_once(self, account: str, ask: Ask) -> Told:
        own = f"{self._prefix}:{account}"
        keys = [f"{self._prefix}:clock", f"{own}:state", f"{own}:flying", f"{own}:ended"]
        return decode_told(await self._script(keys=keys, args=[encode(ask), self._rules]))
