"""Idle connections are not reused when the server may be closing them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import aiohttp
import pytest

from customersms_async import ConnectFailed, CustomerSMS, LocalLimiter, Rate, SendError
from customersms_async._http.default_session import user_agent
from tests.support.far_server import closing_idle, far_away, latency
from tests.support.raw_server import (
    KEY,
    PHONE,
    TEXT,
    RawServer,
    accepted,
    answering,
    client,
    http,
)
from tests.support.sizes import sized

CLIENTS = sized(40, 500)
#: Seconds for which servers keep an idle connection: with and without announcing it.
ANNOUNCED = sized((2,), (2, 5, 15, 60))
UNANNOUNCED = sized((3,), (5, 15, 60))


async def send_after(endpoint: str, gap: float) -> str:
    """Send, wait, and send again; return the fate of the second message."""
    limiter = LocalLimiter(Rate(1_000, per=1))
    async with CustomerSMS(KEY, endpoint=endpoint, limiter=limiter, retries=0) as sms:
        await sms.send(PHONE, TEXT)
        await asyncio.sleep(gap)
        try:
            await sms.send(PHONE, TEXT)
        except SendError as exc:
            return exc.status.value
        return "sent"


async def sends_at_the_limit(seconds: float, count: int, *, announces: bool) -> Counter[str]:
    """Send from many clients just as the server closes idle connections."""
    dice = random.Random(1)
    async with (
        RawServer(closing_idle(seconds, announces=announces)) as server,
        far_away(server.port, latency(0.025, 0.1)) as endpoint,
    ):
        gaps = [seconds + dice.uniform(-0.1, 0.1) for _ in range(count)]
        return Counter(await asyncio.gather(*(send_after(endpoint, gap) for gap in gaps)))


@pytest.mark.parametrize(
    ("seconds", "announces"),
    [(seconds, True) for seconds in ANNOUNCED] + [(seconds, False) for seconds in UNANNOUNCED],
)
async def test_no_message_is_unknown_as_servers_close_connections(seconds, announces):
    """A message sent as the server closes connections uses a new one, announced or not."""
    ends = await sends_at_the_limit(seconds, CLIENTS, announces=announces)

    assert {"sent": CLIENTS} == ends


@pytest.mark.parametrize(
    ("hint", "connections"),
    [
        ("Keep-Alive: timeout=2", 2),
        ("Keep-Alive: max=100, Timeout = 1", 2),
        ("Keep-Alive: timeout=3, max=100", 1),
        ("Keep-Alive: timeout=60", 1),
        ("Keep-Alive: timeout=soon", 1),
        ("X-None: 1", 1),
    ],
)
async def test_the_keep_alive_hint_is_obeyed(hint, connections):
    """A connection that the server will close soon is used once."""
    answer = http(200, accepted([PHONE]), hint)
    async with RawServer(answering(answer, answer)) as server, client(server.url) as sms:
        await sms.send(PHONE, TEXT)
        await sms.send(PHONE, TEXT)

        assert connections == len(server.talks)


@pytest.mark.parametrize(
    ("options", "connections"),
    [
        ({}, 2),
        ({"keepalive_timeout": 60}, 2),
        ({"keepalive_timeout": 2}, 1),
        ({"force_close": True}, 2),
    ],
)
async def test_a_callers_pool_with_long_keep_alive(options, connections):
    """In a session that keeps connections for longer, each of ours is closed after its answer."""
    async with (
        RawServer(answering()) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(**options)) as session,
        client(server.url, session=session) as sms,
    ):
        await sms.send(PHONE, TEXT)
        await sms.send(PHONE, TEXT)

        assert connections == len(server.talks)
        await server.until(lambda: connections == 1 or server.talks[0].reader.at_eof())


async def test_a_session_closed_while_a_message_waits():
    """A message whose session is closed while it waits is not sent, and the error says why."""
    limiter = LocalLimiter(Rate(1, per=0.2))
    async with (
        RawServer(answering()) as server,
        aiohttp.ClientSession() as session,
        client(server.url, session=session, limiter=limiter, retries=0) as sms,
    ):
        await sms.send(PHONE, TEXT)
        waiting = asyncio.create_task(sms.send(PHONE, TEXT))
        await asyncio.sleep(0.05)
        await session.close()
        with pytest.raises(ConnectFailed, match="the session was closed by its owner"):
            await waiting

        assert 1 == len(server.requests)


def test_the_user_agent_without_a_version():
    """The user agent has a name even if the package is not installed."""
    assert "not-installed" == user_agent("not-installed")
    assert user_agent().startswith("customersms-async/")
