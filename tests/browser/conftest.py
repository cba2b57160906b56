"""
A real browser and a sandbox for it.

Without a browser these tests are skipped, except in CI, which must install one.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from customersms_async import CustomerSMS, LocalLimiter, Rate
from customersms_async.errors import SendError
from customersms_async.sandbox import Sandbox
from customersms_async.sandbox._thread import SandboxThread

if TYPE_CHECKING:
    from tests.support.browser import Page

KEY = "cspro_canary_one"
OTHER_KEY = "cspro_canary_two"
PHONE = "+12125550123"
OTHER_PHONE = "+447700900142"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need a browser, so that other runs can leave them out."""
    for item in items:
        if "page" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


class Live:
    """A running sandbox, and an application that sends to it."""

    def __init__(self, thread: SandboxThread) -> None:
        self.thread = thread
        self.sandbox = thread.sandbox

    def send(self, text: str, phone: str = PHONE, key: str = KEY) -> str:
        """Send with the client; return the class of the receipt or error."""
        return asyncio.run(self._send(text, phone, key))

    async def _send(self, text: str, phone: str, key: str) -> str:
        free = LocalLimiter(Rate(1_000_000, per=60), burst=1_000_000)
        async with CustomerSMS(key, endpoint=self.sandbox.endpoint, limiter=free, retries=0) as sms:
            try:
                return type(await sms.send(phone, text, timeout=5)).__name__
            except SendError as error:
                return type(error).__name__

    def post(self, texts: dict[str, list[str]], key: str = KEY) -> None:
        """Have the sandbox process a request for each text, without the network."""
        service = self.sandbox._service
        bodies = [
            json.dumps({"api_key": key, "phone": phone, "message": text}).encode()
            for text, phones in texts.items()
            for phone in phones
        ]
        self.thread.call(lambda: [service.receive(body) for body in bodies])

    def stop(self) -> None:
        """Stop the sandbox if it is still running."""
        if self.thread._thread.is_alive():
            self.thread.__exit__(None, None, None)

    def fail_next(self, fault: str) -> None:
        self.thread.call(lambda: self.sandbox.fail_next(fault))


@pytest.fixture
def live() -> Iterator[Live]:
    live = Live(SandboxThread(Sandbox(keys={KEY: 20_000, OTHER_KEY: 50})).__enter__())
    yield live
    live.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    from tests.support.browser import chromium, missing  # noqa: PLC0415  # only where it is needed

    reason = missing()
    if reason is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with chromium() as driver:
        yield driver


@pytest.fixture
def page(browser, live) -> Iterator["Page"]:
    """An open page on a large screen; errors of the browser fail the test."""
    from tests.support.browser import Page  # noqa: PLC0415  # only where it is needed

    page = Page(browser, live.sandbox.url)
    page.resize(1440, 900)
    page.prefer(color_scheme="light")
    page.open()
    yield page

    assert [] == [one for one in page.complaints() if not is_expected(one)]


def is_expected(complaint: str) -> bool:
    """Whether an error only means that a sandbox was stopped, perhaps by an earlier test."""
    return "net::ERR_CONNECTION" in complaint or "net::ERR_INCOMPLETE" in complaint
