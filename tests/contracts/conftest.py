"""The limiters that keep the contract: each fixture value makes one, in a clock of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from customersms_async import Limiter, LocalLimiter, Rate
from customersms_async._limit.shared_limiter import SharedLimiter
from customersms_async.redis import RedisLimiter
from tests.support.closings import CLOSINGS
from tests.support.shared import InMemory, Server
from tests.support.store import BINARIES, CountedRedis, StoreServer

#: Makes a limiter for the running event loop.
MakeLimiter = Callable[..., Limiter]

_names = itertools.count()


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, StoreServer]]:
    """Give a running server of each kind that is on this machine."""
    running = {kind: StoreServer(kind) for kind in BINARIES}
    for server in running.values():
        server.start()
    yield running
    for server in running.values():
        server.close()


@pytest.fixture(params=list(BINARIES))
def make_shared(request: pytest.FixtureRequest) -> MakeLimiter:
    """Make limiters that share a store, as the processes of one application do."""
    prefix = f"test-{next(_names)}"
    return _in_a_store(request, lambda: prefix)


@pytest.fixture(params=["local", "shared"])
def make_limiter(request: pytest.FixtureRequest) -> MakeLimiter:
    """Make a limiter of each kind; a new kind is one more word above."""
    if request.param == "shared":
        return _shared
    if request.param == "local":
        return _local
    return _in_a_store(request, lambda: f"test-{next(_names)}")


def _local(limit: int = 100, per: float = 60.0, **options: Any) -> LocalLimiter:
    clock = asyncio.get_running_loop().time
    return LocalLimiter(Rate(limit, per=per), clock=clock, **options)


def _shared(limit: int = 100, per: float = 60.0, **options: Any) -> SharedLimiter:
    return InMemory(Server(), Rate(limit, per=per), **options)


def _in_a_store(request: pytest.FixtureRequest, prefix: Callable[[], str]) -> MakeLimiter:
    url = request.getfixturevalue("servers")[request.param].url
    closings = request.node.stash.setdefault(CLOSINGS, [])

    def make(limit: int = 100, per: float = 60.0, **options: Any) -> RedisLimiter:
        client = CountedRedis.from_url(url)
        closings.append(client.aclose)
        usual = {
            "clock": asyncio.get_running_loop().time,
            "prefix": prefix(),
            "trust_empty_store": True,
        }
        return RedisLimiter(client, Rate(limit, per=per), **(usual | options))

    return make
