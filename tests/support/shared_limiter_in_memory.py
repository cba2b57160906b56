"""A shared limiter on a store in memory (slow, unavailable or forgetful), in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from customersms_async import Rate
from customersms_async._limit.shared_limiter import SharedLimiter
from customersms_async._ports.store import BACK_OFF, TIMEOUT, Seen, StoreAway, Swap
from tests.support.memory_store import MemoryStore

_runs = itertools.count()


class RemoteStore(MemoryStore):
    """
    The store of all members.

    Attributes:
        trip: Returns the one-way latency of each call, in seconds.
        is_away: Whether it is unavailable.
        loses: Number of swaps whose answers are lost.
        calls: Calls that it has answered.
        ahead: Seconds by which its clock is ahead.
    """

    def __init__(self, *, is_new: bool = False) -> None:
        self.ahead = 0.0
        self.run = f"run-{next(_runs)}"
        loop = asyncio.get_running_loop()
        super().__init__(lambda: loop.time() + self.ahead)
        if not is_new:
            self._since -= 1000
        self.trip: Callable[[], float] = lambda: 0.0
        self.is_away = False
        self.loses = 0
        self.calls = 0

    def forget(self) -> None:
        """Lose all data."""
        self._held.clear()
        self.restart()

    def restart(self) -> None:
        self.run = f"run-{next(_runs)}"
        self._since = self._clock()

    def restore(self, held: dict[str, Any]) -> None:
        """Continue with an old copy of the data."""
        self._held = dict(held)

    def copy(self) -> dict[str, Any]:
        return dict(self._held)

    def _seen(self, account: str) -> Seen:
        seen = super()._seen(account)
        return Seen(seen.value, seen.token, seen.now, self.run, seen.since)

    async def read(self, account: str) -> Seen:
        return await self._after_a_trip(lambda: MemoryStore.read(self, account))

    async def swap(self, account: str, base: Seen, value: bytes, **options: Any) -> Swap:
        answer = await self._after_a_trip(
            lambda: MemoryStore.swap(self, account, base, value, **options)
        )
        if self.loses:
            self.loses -= 1
            raise StoreAway("its answer was lost")
        return answer

    async def _after_a_trip(self, call: Callable[[], Any]) -> Any:
        await self._way()
        self.calls += 1
        answer = await call()
        await self._way()
        return answer

    async def _way(self) -> None:
        if self.is_away:
            await asyncio.sleep(min(BACK_OFF, TIMEOUT))
            raise StoreAway("nothing listens there")
        if seconds := self.trip():
            await asyncio.sleep(seconds)


class LimiterInMemory(SharedLimiter):
    """The limiter of one process on a `RemoteStore`."""

    def __init__(self, server: RemoteStore, rate: Rate | None = None, **options: Any) -> None:
        usual = {"clock": asyncio.get_running_loop().time}
        super().__init__(rate, **(usual | options))
        self._server = server

    def _open_store(self) -> RemoteStore:
        return self._server
