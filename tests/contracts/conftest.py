"""Every limiter that must keep the contract, each with its own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from customersms_async import Limiter, LocalLimiter, Rate
from tests.support.async_closings import CLOSINGS
from tests.support.limiter_stores import Servers, running_servers
from tests.support.limiters_in_virtual_time import KINDS, SharedStore

#: Creates a limiter for the running event loop.
MakeLimiter = Callable[..., Limiter]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Start servers of each kind on demand."""
    with running_servers() as servers:
        yield servers


@pytest.fixture(params=["local", *KINDS])
def make_limiter(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> MakeLimiter:
    """Create limiters of each kind; add a new kind to the list above."""
    return _maker(request, servers, tmp_path)


@pytest.fixture(params=["local", "memory"])
def make_in_memory(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> MakeLimiter:
    """Create limiters without I/O, for tests that need hundreds of them."""
    return _maker(request, servers, tmp_path)


@pytest.fixture(params=KINDS)
def shared_store(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> SharedStore:
    """Return a store of each kind, for limiters that share it."""
    return _shared_store(request, servers, tmp_path)


@pytest.fixture
def make_shared(shared_store: SharedStore) -> MakeLimiter:
    """Create limiters that share a store, as processes of one application do."""
    return shared_store.make


def _shared_store(request: pytest.FixtureRequest, servers: Servers, folder: Path) -> SharedStore:
    closings = request.node.stash.setdefault(CLOSINGS, [])
    return SharedStore(request.param, servers, folder, closings)


def _maker(request: pytest.FixtureRequest, servers: Servers, folder: Path) -> MakeLimiter:
    """Return a factory of limiters that share nothing."""
    if request.param == "local":
        return _local
    return lambda *args, **options: _shared_store(request, servers, folder).make(*args, **options)


def _local(limit: int = 100, per: float = 60.0, **options: Any) -> LocalLimiter:
    clock = asyncio.get_running_loop().time
    return LocalLimiter(Rate(limit, per=per), clock=clock, **options)
