"""
One message per request, sent by each client as its documentation says, with keep-alive.

A sender is opened for a number of requests in flight, which is its number of callers: each sends a
message, waits for the answer, and sends the next.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import aiohttp
import httpx
import niquests
import orjson
import requests

from benchmarks import _floor, _sdks
from benchmarks._answers import PATH
from benchmarks._sdks import TEXT, Send
from customersms_async import CustomerSMS, LocalLimiter, Rate

__all__ = ["BARE", "OURS", "SENDERS", "SLOW", "Sender"]

KEY: Final = "cspro_0123456789abcdef0123456789abcdef"
_JSON: Final = {"Content-Type": "application/json"}

#: Sends one message to each number.
SendAll = Callable[[Sequence[str]], Awaitable[None]]
#: Opens a client for an address and a number of requests in flight.
Sender = Callable[[str, int], AbstractAsyncContextManager[SendAll]]


def _payload(phone: str) -> dict[str, Any]:
    return {"api_key": KEY, "phone": phone, "message": TEXT}


def _callers(send: Send, in_flight: int) -> SendAll:
    async def send_all(phones: Sequence[str]) -> None:
        async def caller(begin: int) -> None:
            for phone in phones[begin::in_flight]:
                await send(phone)

        await asyncio.gather(*map(caller, range(in_flight)))

    return send_all


@contextlib.asynccontextmanager
async def _ours(base: str, in_flight: int) -> AsyncIterator[SendAll]:
    limiter = LocalLimiter(Rate(1_000_000, per=0.001), burst=1_000_000)  # no limit
    async with CustomerSMS(KEY, endpoint=base + PATH, limiter=limiter) as sms:

        async def send(phone: str) -> None:
            await sms.send(phone, TEXT)

        yield _callers(send, in_flight)


@contextlib.asynccontextmanager
async def _aiohttp_orjson(base: str, in_flight: int) -> AsyncIterator[SendAll]:
    url = base + PATH
    async with aiohttp.ClientSession() as session:

        async def send(phone: str) -> None:
            body = orjson.dumps(_payload(phone))
            async with session.post(url, data=body, headers=_JSON) as response:
                assert orjson.loads(await response.read())["success"]

        yield _callers(send, in_flight)


@contextlib.asynccontextmanager
async def _aiohttp_json(base: str, in_flight: int) -> AsyncIterator[SendAll]:
    url = base + PATH
    async with aiohttp.ClientSession() as session:

        async def send(phone: str) -> None:
            async with session.post(url, json=_payload(phone)) as response:
                assert (await response.json())["success"]

        yield _callers(send, in_flight)


@contextlib.asynccontextmanager
async def _httpx(base: str, in_flight: int) -> AsyncIterator[SendAll]:
    url = base + PATH
    async with httpx.AsyncClient() as client:

        async def send(phone: str) -> None:
            assert (await client.post(url, json=_payload(phone))).json()["success"]

        yield _callers(send, in_flight)


@contextlib.asynccontextmanager
async def _niquests(base: str, in_flight: int) -> AsyncIterator[SendAll]:
    url = base + PATH
    async with niquests.AsyncSession(pool_maxsize=in_flight) as session:

        async def send(phone: str) -> None:
            assert (await session.post(url, json=_payload(phone))).json()["success"]

        yield _callers(send, in_flight)


@contextlib.asynccontextmanager
async def _requests(base: str, in_flight: int) -> AsyncIterator[SendAll]:
    url = base + PATH
    sessions = [requests.Session() for _ in range(in_flight)]

    def caller(session: requests.Session, phones: Sequence[str]) -> None:
        for phone in phones:
            assert session.post(url, json=_payload(phone)).json()["success"]

    with ThreadPoolExecutor(in_flight) as pool:

        async def send_all(phones: Sequence[str]) -> None:
            if in_flight == 1:
                caller(sessions[0], phones)
                return
            loop = asyncio.get_running_loop()
            parts = [phones[begin::in_flight] for begin in range(in_flight)]
            await asyncio.gather(
                *(
                    loop.run_in_executor(pool, caller, session, part)
                    for session, part in zip(sessions, parts, strict=True)
                )
            )

        yield send_all
    for session in sessions:
        session.close()


@contextlib.asynccontextmanager
async def _twilio(base: str, in_flight: int) -> AsyncIterator[SendAll]:
    async with _sdks.twilio_sdk(base) as send:
        yield _callers(send, in_flight)


@contextlib.asynccontextmanager
async def _telnyx(base: str, in_flight: int) -> AsyncIterator[SendAll]:
    async with _sdks.telnyx_sdk(base) as send:
        yield _callers(send, in_flight)


@contextlib.asynccontextmanager
async def _bare_protocol(base: str, in_flight: int) -> AsyncIterator[SendAll]:
    async with contextlib.AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(_floor.connection(base)) for _ in range(in_flight)
        ]

        async def caller(connection: _floor.Connection, phones: Sequence[str]) -> None:
            for phone in phones:
                answer = await connection.post(PATH, orjson.dumps(_payload(phone)))
                assert orjson.loads(answer)["success"]

        async def send_all(phones: Sequence[str]) -> None:
            await asyncio.gather(
                *(
                    caller(connection, phones[begin::in_flight])
                    for begin, connection in enumerate(connections)
                )
            )

        yield send_all


OURS, BARE = "customersms-async", "aiohttp, orjson"
#: Fast enough to be measured with many messages per round.
QUICK: dict[str, Sender] = {
    OURS: _ours,
    BARE: _aiohttp_orjson,
    "aiohttp, json": _aiohttp_json,
    "the floor: a bare asyncio protocol, orjson": _bare_protocol,
}
#: The others.
SLOW: dict[str, Sender] = {
    "httpx": _httpx,
    "niquests": _niquests,
    "requests": _requests,
    "telnyx, async": _telnyx,
    "twilio, async": _twilio,
}
SENDERS = QUICK | SLOW
