"""Fixtures for tests of the client: a gateway in memory, in virtual time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from customersms_async import CustomerSMS
from tests.support.client_in_memory import KEY, make_client_in_memory

__all__ = ["KEY"]


@pytest.fixture
def make_client() -> Callable[..., CustomerSMS]:
    """Make clients that use a gateway in memory and the time of the loop."""
    return make_client_in_memory


@pytest.fixture(autouse=True)
def _no_error_in_the_loop(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail the test if an event loop reports an error."""
    yield
    errors = [
        record.getMessage()
        for phase in ("setup", "call")
        for record in caplog.get_records(phase)
        if record.name == "asyncio" and record.levelno >= logging.ERROR
    ]

    assert [] == errors
