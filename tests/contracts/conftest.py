"""The limiters that keep the contract: each fixture value makes one, in a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from customersms_async import Limiter, LocalLimiter, Rate

#: Makes a limiter for the running event loop.
MakeLimiter = Callable[..., Limiter]


def _local(limit: int = 100, per: float = 60.0, **options: object) -> LocalLimiter:
    clock = asyncio.get_running_loop().time
    return LocalLimiter(Rate(limit, per=per), clock=clock, **options)


@pytest.fixture(params=[_local], ids=["local"])
def make_limiter(request: pytest.FixtureRequest) -> MakeLimiter:
    """Make a limiter of each kind; a new kind is one more line above."""
    return request.param
