"""
Clients that send one message with their defaults, except for a short timeout.

A client is opened for a URL, and sends one message as its documentation says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import aiohttp
import httpx
import requests
from aiohttp_retry import ExponentialRetry, RetryClient
from attrs import frozen
from requests.adapters import HTTPAdapter
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from urllib3.util import Retry

from benchmarks import _sdks
from benchmarks._answers import PATH
from benchmarks._sdks import TEXT, Send
from customersms_async import CustomerSMS, LocalLimiter

__all__ = ["CLIENTS", "OURS", "SECONDS", "Client"]

KEY: Final = "cspro_0123456789abcdef0123456789abcdef"
#: The timeout of each attempt.
SECONDS: Final = 1

_STATUSES: Final = {429, 500, 502, 503, 504}

Open = Callable[[str], AbstractAsyncContextManager[Send]]


@frozen
class Client:
    """
    A client.

    Attributes:
        open: Opens it for a URL.
        needs_tls: Whether it only uses HTTPS.
    """

    open: Open
    needs_tls: bool = False


def _payload(phone: str) -> dict[str, Any]:
    return {"api_key": KEY, "phone": phone, "message": TEXT}


def _in_thread(call: Callable[[str], object]) -> Send:
    async def send(phone: str) -> object:
        return await asyncio.to_thread(call, phone)

    return send


@contextlib.asynccontextmanager
async def _ours(base: str) -> AsyncIterator[Send]:
    # A separate limiter, since a rate limit pauses everyone who shares it.
    async with CustomerSMS(
        KEY, endpoint=base + PATH, request_timeout=SECONDS, limiter=LocalLimiter()
    ) as sms:

        async def send(phone: str) -> object:
            return await sms.send(phone, TEXT)

        yield send


@contextlib.asynccontextmanager
async def _aiohttp(base: str) -> AsyncIterator[Send]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session:

        async def send(phone: str) -> object:
            async with session.post(base + PATH, json=_payload(phone)) as response:
                await response.read()
                return response.status

        yield send


def _aiohttp_retry(**options: Any) -> Open:
    @contextlib.asynccontextmanager
    async def opened(base: str) -> AsyncIterator[Send]:
        given = {"retry_options": ExponentialRetry(**options)} if options else {}
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with RetryClient(timeout=timeout, **given) as client:

            async def send(phone: str) -> object:
                async with client.post(base + PATH, json=_payload(phone)) as response:
                    await response.read()
                    return response.status

            yield send

    return opened


@contextlib.asynccontextmanager
async def _requests(base: str) -> AsyncIterator[Send]:
    def post(phone: str) -> object:
        return requests.post(base + PATH, json=_payload(phone), timeout=SECONDS).status_code

    yield _in_thread(post)


@contextlib.asynccontextmanager
async def _requests_retrying(base: str) -> AsyncIterator[Send]:
    with requests.Session() as session:
        retry = Retry(3, backoff_factor=0.1, status_forcelist=_STATUSES, allowed_methods=None)
        session.mount("http://", HTTPAdapter(max_retries=retry))

        def post(phone: str) -> object:
            return session.post(base + PATH, json=_payload(phone), timeout=SECONDS).status_code

        yield _in_thread(post)


def _httpx(**options: Any) -> Open:
    @contextlib.asynccontextmanager
    async def opened(base: str) -> AsyncIterator[Send]:
        transport = httpx.AsyncHTTPTransport(**options)
        async with httpx.AsyncClient(transport=transport, timeout=SECONDS) as client:

            async def send(phone: str) -> object:
                return (await client.post(base + PATH, json=_payload(phone))).status_code

            yield send

    return opened


def _twilio(max_retries: int | None = None) -> Open:
    return lambda base: _sdks.twilio_sdk(base, SECONDS, max_retries)


def _telnyx(base: str) -> AbstractAsyncContextManager[Send]:
    return _sdks.telnyx_sdk(base, SECONDS)


def _slack(base: str) -> AbstractAsyncContextManager[Send]:
    return _sdks.slack_sdk(base, SECONDS)


def _slack_retrying(base: str) -> AbstractAsyncContextManager[Send]:
    handlers = [
        AsyncConnectionErrorRetryHandler(),
        AsyncRateLimitErrorRetryHandler(),
        AsyncServerErrorRetryHandler(),
    ]
    return _sdks.slack_sdk(base, SECONDS, handlers)


@contextlib.asynccontextmanager
async def _vonage(base: str) -> AsyncIterator[Send]:
    yield _in_thread(_sdks.vonage_sdk(base, SECONDS))


OURS = "customersms-async"
CLIENTS: Final[dict[str, Client]] = {
    OURS: Client(_ours),
    "aiohttp": Client(_aiohttp),
    "requests (the vendor's example)": Client(_requests),
    "requests, Retry(3, allowed_methods=None)": Client(_requests_retrying),
    "httpx": Client(_httpx()),
    "httpx, retries=3": Client(_httpx(retries=3)),
    "aiohttp-retry": Client(_aiohttp_retry()),
    "aiohttp-retry, exceptions={Exception}, statuses={429}": Client(
        _aiohttp_retry(exceptions={Exception}, statuses={429})
    ),
    "twilio, async": Client(_twilio()),
    "twilio, async, max_retries=3": Client(_twilio(3)),
    "telnyx, async": Client(_telnyx),
    "vonage": Client(_vonage, needs_tls=True),
    "slack_sdk, async": Client(_slack),
    "slack_sdk, async, its three retry handlers": Client(_slack_retrying),
}
