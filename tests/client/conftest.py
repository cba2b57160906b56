"""What the tests of the client share: a client over a gateway in memory, in virtual time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from customersms_async import CustomerSMS
from tests.support.memory import KEY, make_client_in_memory

__all__ = ["KEY"]


@pytest.fixture
def make_client() -> Callable[..., CustomerSMS]:
    """Make clients whose requests go to a gateway in memory and whose time is the loop's."""
    return make_client_in_memory


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
