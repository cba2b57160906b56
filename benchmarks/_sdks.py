"""
The clients of other services, pointed at this machine with their own options.

- twilio: its documented custom HTTP client, which replaces the URL.
- telnyx and slack_sdk: ``base_url``.
- vonage: ``rest_host``; it uses https only, so the server's certificate must be one that `requests`
  trusts (``REQUESTS_CA_BUNDLE``).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import slack_sdk.web.async_client as slack
import telnyx
import vonage
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from vonage_http_client.http_client import HttpClientOptions
from vonage_sms import SmsMessage

__all__ = ["FROM", "TEXT", "Send", "slack_sdk", "telnyx_sdk", "twilio_sdk", "vonage_sdk"]

#: Sends one message to a number, and returns the client's result.
Send = Callable[[str], Awaitable[object]]

TEXT: Final = "Your code is 4711"
FROM: Final = "+12125550100"


class _PointedElsewhere(AsyncTwilioHttpClient):
    def __init__(self, base: str, seconds: float | None, max_retries: int | None) -> None:
        super().__init__(max_retries=max_retries)
        self._base = base
        self._seconds = seconds

    async def request(self, method: str, url: str, *args: Any, **options: Any) -> Response:
        options["timeout"] = self._seconds  # its own option is not passed on
        return await super().request(method, self._base + urlsplit(url).path, *args, **options)


@contextlib.asynccontextmanager
async def twilio_sdk(
    base: str, seconds: float | None = None, max_retries: int | None = None
) -> AsyncIterator[Send]:
    """``client.messages.create_async``, with the HTTP client for asyncio."""
    async with _PointedElsewhere(base, seconds, max_retries) as http:
        client = Client("AC00000000000000000000000000000000", "token", http_client=http)

        async def send(phone: str) -> object:
            return await client.messages.create_async(to=phone, from_=FROM, body=TEXT)

        yield send


@contextlib.asynccontextmanager
async def telnyx_sdk(base: str, seconds: float | None = None) -> AsyncIterator[Send]:
    """``client.messages.send`` of ``AsyncTelnyx``."""
    options: dict[str, Any] = {} if seconds is None else {"timeout": seconds}
    async with telnyx.AsyncTelnyx(api_key="key", base_url=f"{base}/v2", **options) as client:

        async def send(phone: str) -> object:
            return await client.messages.send(to=phone, from_=FROM, text=TEXT)

        yield send


@contextlib.asynccontextmanager
async def slack_sdk(
    base: str, seconds: int = 30, handlers: list[AsyncRetryHandler] | None = None
) -> AsyncIterator[Send]:
    """``client.chat_postMessage`` of ``AsyncWebClient``; by default with a session per request."""
    client = slack.AsyncWebClient(
        token="xoxb-token", base_url=f"{base}/api/", timeout=seconds, retry_handlers=handlers
    )

    async def send(phone: str) -> object:
        return await client.chat_postMessage(channel="C123ABC456", text=f"{phone} {TEXT}")

    yield send


def vonage_sdk(base: str, seconds: int | None = None) -> Callable[[str], object]:
    """``client.sms.send``, which blocks; *base* must be https."""
    options = HttpClientOptions(rest_host=urlsplit(base).netloc, timeout=seconds)
    auth = vonage.Auth(api_key="key", api_secret="secret")
    client = vonage.Vonage(auth, http_client_options=options)

    def send(phone: str) -> object:
        return client.sms.send(
            SmsMessage(to=phone.removeprefix("+"), from_="12125550100", text=TEXT)
        )

    return send
