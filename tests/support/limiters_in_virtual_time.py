"""
Shared limiters on real stores in virtual time, each kind as users make it.

Time stands still while a store answers, and the store's clock is that of the event loop.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from customersms_async import FileLimiter, Rate
from customersms_async._limit.shared_limiter import SharedLimiter
from customersms_async._ports.store import TIMEOUT, Seen, Store, StoreAway, Swap
from customersms_async.postgres import PostgresLimiter
from customersms_async.redis import RedisLimiter
from tests.support.limiter_stores import Servers
from tests.support.memory_store import MemoryStore, in_time
from tests.support.redis_server import BINARIES

#: Every kind of shared limiter; "memory" is one on a store in memory.
KINDS = ["memory", "file", "postgres", *BINARIES]

#: How long ago the run of an existing store began.
LONG_AGO = 100_000.0

_numbers = itertools.count()


class InMemory(SharedLimiter):
    """A shared limiter of one process, for the reference store."""

    def __init__(self, store, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._store = store

    def _open_store(self) -> Store:
        return self._store


@define(eq=False)
class StoreLink:
    """
    The connection of one process to the store.

    Attributes:
        trip: Returns the one-way latency of each call, in seconds.
        is_away: Whether the store is unreachable.
        loses_answers: Number of swaps that are carried out, but whose answers are lost.
        calls: Number of calls to the store.
    """

    trip: Callable[[], float] = lambda: 0.0
    is_away: bool = False
    loses_answers: int = 0
    calls: int = 0


@define(eq=False)
class SharedStore:
    """
    The store that members of one limiter share.

    Attributes:
        kind: The kind of store.
        is_new: Whether the first run appears to be new.
        ahead: Seconds by which the store's clock is ahead.
        runs: When each run of the store began, by its name.
    """

    kind: str
    servers: Servers
    folder: Path
    closings: list[Callable[[], Any]]
    is_new: bool = False
    ahead: float = 0.0
    number: int = field(factory=lambda: next(_numbers))
    memory: MemoryStore = field(factory=MemoryStore)
    runs: dict[str, float] = field(factory=dict)

    def now(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead

    def make(self, limit: int = 100, per: float = 60.0, **options: Any) -> Any:
        """Make another member for the running event loop."""
        clock = asyncio.get_running_loop().time
        return self._member_class()(Rate(limit, per=per), **({"clock": clock} | options))

    def since(self, run: str) -> float:
        """Return when a run began, in virtual time."""
        if run not in self.runs:
            is_old = not self.runs and not self.is_new
            self.runs[run] = self.now() - LONG_AGO * is_old
        return self.runs[run]

    def _member_class(self) -> Any:
        shared, base, where = self, *self._class_and_address()

        class Member(base):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(where, *args, **options)
                self.link = StoreLink()

            def _open_store(self) -> Store:
                store = StoreInVirtualTime(super()._open_store(), shared, self.link)
                shared.closings.append(store.aclose)
                return store

        Member.__name__ = base.__name__
        return Member

    def _class_and_address(self) -> tuple[Any, Any]:
        if self.kind == "memory":
            return InMemory, self.memory
        if self.kind == "file":
            return FileLimiter, self.folder / f"limit-{self.number}.db"
        url = self.servers.url(self.kind)
        if self.kind == "postgres":
            return _on(PostgresLimiter, table=f"limit_{self.number}"), url
        return _on(RedisLimiter, key=f"limit-{self.number}"), url


def _on(base: Any, **where: Any) -> Any:
    """Return a class with the name of its table or key."""

    class Named(base):
        def __init__(self, url: str, *args: Any, **options: Any) -> None:
            super().__init__(url, *args, **(where | options))

    Named.__name__ = base.__name__
    return Named


class StoreInVirtualTime:
    """A store as one member sees it."""

    def __init__(self, store: Store, shared: SharedStore, link: StoreLink) -> None:
        self._store = store
        self._shared = shared
        self._link = link

    async def read(self, account: str) -> Seen:
        return await self._travel(lambda: self._read(account))

    async def swap(
        self, account: str, base: Seen, value: bytes, *, within: float | None = None
    ) -> Swap:
        async def carry_out() -> Swap:
            if not in_time(base, self._shared.now(), within):
                return Swap(done=False, seen=await self._read(account))
            swap = await self._ask(self._store.swap(account, base, value))
            return Swap(swap.done, self._dated(swap.seen))

        swap = await self._travel(carry_out)
        if self._link.loses_answers:
            self._link.loses_answers -= 1
            raise StoreAway("its answer was lost")
        return swap

    async def aclose(self) -> None:
        await self._ask(self._store.aclose())

    async def _read(self, account: str) -> Seen:
        return self._dated(await self._ask(self._store.read(account)))

    def _dated(self, seen: Seen) -> Seen:
        return evolve(seen, now=self._shared.now(), since=self._shared.since(seen.run))

    async def _travel(self, work: Callable[[], Any]) -> Any:
        link = self._link
        link.calls += 1
        await self._go(link)
        answer = await work()
        await self._go(link)
        return answer

    async def _go(self, link: StoreLink) -> None:
        if link.is_away:
            await asyncio.sleep(TIMEOUT)
            raise StoreAway("nothing listens there")
        if seconds := link.trip():
            await asyncio.sleep(seconds)

    async def _ask(self, call: Any) -> Any:
        loop: Any = asyncio.get_running_loop()
        loop.waits_for_others(1)
        try:
            return await call
        finally:
            loop.waits_for_others(-1)
