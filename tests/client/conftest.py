"""What the tests of the client share: a client over a gateway in memory, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from customersms_async import CustomerSMS, LocalLimiter
from customersms_async._sessions import Shared
from tests.support.memory import LoopClock, MemorySessions, MemoryTransport

KEY = "cspro_test"


@pytest.fixture
def make_client() -> Callable[..., CustomerSMS]:
    """Make clients whose requests go to a gateway in memory and whose time is the loop's."""

    def make(
        transport: MemoryTransport, *, jitter: float = 0.5, api_key: str = KEY, **options: Any
    ) -> CustomerSMS:
        if "limiter" not in options:
            options["limiter"] = LocalLimiter(clock=asyncio.get_running_loop().time)
        client = CustomerSMS(api_key, **options)
        sessions = MemorySessions(transport)
        client._shared = Shared(sessions)
        client._desk.transport = sessions.transport
        client._desk.clock = LoopClock(jitter)
        return client

    return make


@pytest.fixture(autouse=True)
def _no_error_in_the_loop(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever an event loop reports as an error fails the test."""
    yield
    errors = [
        record.getMessage()
        for phase in ("setup", "call")
        for record in caplog.get_records(phase)
        if record.name == "asyncio" and record.levelno >= logging.ERROR
    ]

    assert [] == errors
