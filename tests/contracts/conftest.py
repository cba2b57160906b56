"""The limiters that keep the contract: each fixture value makes one, with its own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from customersms_async import Limiter, LocalLimiter, Rate
from tests.support.closings import CLOSINGS
from tests.support.places import KINDS, Place
from tests.support.stores import Servers, running_servers

#: Makes a limiter for the running event loop.
MakeLimiter = Callable[..., Limiter]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Give a running server of each kind, once it is asked for."""
    with running_servers() as servers:
        yield servers


@pytest.fixture(params=["local", *KINDS])
def make_limiter(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> MakeLimiter:
    """Make a limiter of each kind; a new kind is one more word above."""
    return _maker(request, servers, tmp_path)


@pytest.fixture(params=["local", "memory"])
def make_in_memory(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> MakeLimiter:
    """Make a limiter without I/O, for tests that need hundreds of them."""
    return _maker(request, servers, tmp_path)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Place:
    """Give a store of each kind, for limiters that share it."""
    return _place(request, servers, tmp_path)


@pytest.fixture
def make_shared(place: Place) -> MakeLimiter:
    """Make limiters that share a store, as the processes of one application do."""
    return place.make


def _place(request: pytest.FixtureRequest, servers: Servers, folder: Path) -> Place:
    closings = request.node.stash.setdefault(CLOSINGS, [])
    return Place(request.param, servers, folder, closings)


def _maker(request: pytest.FixtureRequest, servers: Servers, folder: Path) -> MakeLimiter:
    """Give what makes limiters that share nothing."""
    if request.param == "local":
        return _local
    return lambda *args, **options: _place(request, servers, folder).make(*args, **options)


def _local(limit: int = 100, per: float = 60.0, **options: Any) -> LocalLimiter:
    clock = asyncio.get_running_loop().time
    return LocalLimiter(Rate(limit, per=per), clock=clock, **options)
