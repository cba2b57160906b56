"""Reused connections, and unsolicited answers on them, against raw TCP servers."""

import asyncio
import contextlib

import aiohttp
import pytest

from customersms_async import ConnectFailed, OutcomeUnknown, SendError, Status, codes
from tests.support.raw_server import (
    OTHER,
    PHONE,
    TEXT,
    RawServer,
    Talk,
    accepted,
    answering,
    client,
    http,
)

REFUSAL = b'{"success": false, "error": "No credits left", "code": "INSUFFICIENT_CREDITS"}'


def session_that_keeps(trace):
    """Make a session with a short keep-alive, whose connections may be reused."""
    connector = aiohttp.TCPConnector(keepalive_timeout=2)
    return aiohttp.ClientSession(connector=connector, trace_configs=[trace])


async def settle():
    """Let data in transit on this machine arrive."""
    await asyncio.sleep(0.01)


# --- Connections that end while idle --------------------------------------------------------------


@pytest.mark.parametrize("end", [Talk.close, Talk.reset], ids=["FIN", "RST"])
async def test_a_connection_ends_while_idle(end):
    """If an idle connection has ended, the message uses a new one."""
    async with RawServer(answering()) as server:
        async with client(server.url, retries=0) as sms:
            await sms.send(PHONE, TEXT)
            end(server.talks[0])
            await settle()
            await sms.send(PHONE, TEXT)

        assert [1, 1] == [len(list(talk.requests())) for talk in server.talks]


@pytest.mark.parametrize("end", [Talk.close, Talk.reset], ids=["FIN", "RST"])
@pytest.mark.parametrize("retries", [0, 1])
async def test_a_connection_ends_before_the_write(end, retries):
    """If a connection ends before the write, nothing was sent, and a retry sends it once."""
    trace = aiohttp.TraceConfig()

    async def die(*args: object):
        end(server.talks[0])
        await settle()

    trace.on_connection_reuseconn.append(die)
    async with (
        RawServer(answering()) as server,
        session_that_keeps(trace) as session,
        client(server.url, session=session, retries=retries) as sms,
    ):
        await sms.send(PHONE, TEXT)
        with contextlib.nullcontext() if retries else pytest.raises(ConnectFailed):
            await sms.send(OTHER, TEXT)

        expected = [[PHONE], [OTHER]] if retries else [[PHONE]]
        assert expected == [request.phones for request in server.requests]
        assert server.received.count(b"POST") == len(server.requests)


@pytest.mark.parametrize("end", [Talk.close, Talk.reset], ids=["FIN", "RST"])
@pytest.mark.parametrize("turns", range(5))
async def test_a_connection_ends_during_the_write(end, turns):
    """If a connection ends around the write, a message called not sent has sent no byte."""
    trace = aiohttp.TraceConfig()

    async def die(*args: object):
        if server.requests:
            end(server.talks[0])
            for _ in range(turns):
                await asyncio.sleep(0)

    trace.on_request_headers_sent.append(die)
    async with (
        RawServer(answering()) as server,
        session_that_keeps(trace) as session,
        client(server.url, session=session, retries=0) as sms,
    ):
        await sms.send(PHONE, TEXT)
        with pytest.raises(SendError) as caught:
            await sms.send(OTHER, TEXT)
        await settle()

        assert caught.value.status in {Status.NOT_SENT, Status.UNKNOWN}
        if caught.value.status is Status.NOT_SENT:
            assert 1 == server.received.count(b"POST")


async def test_a_connection_ends_unnoticed():
    """If the end of a connection is not known yet, the message is unknown and sent once."""

    async def play(talk: Talk):
        request = await talk.request()
        talk.say(http(200, accepted(request.phones)))
        await talk.reader.readexactly(1)
        talk.reset()

    async with RawServer(play) as server:
        async with client(server.url) as sms:
            await sms.send(PHONE, TEXT)
            with pytest.raises(OutcomeUnknown):
                await sms.send(OTHER, TEXT)

        assert 1 == len(server.talks)


# --- Stray answers --------------------------------------------------------------------------------

STRAYS = {
    "of another number": http(200, accepted([OTHER])),
    "of the same number": http(200, accepted([PHONE])),
    "a refusal": http(402, REFUSAL),
    "time is up": http(408, "", "Connection: close"),
    "too many": http(429, ""),
    "two at once": http(200, accepted([OTHER])) * 2,
    "without its end": http(200, accepted([PHONE]))[:-9],
    "without a length": b"HTTP/1.1 200 OK\r\n\r\n" + accepted([PHONE]),
    "no HTTP": b"\x15\x03\x03 goodbye\r\n\r\n",
}


def straying(stray: bytes):
    """Answer as documented, and send something more on the first connection."""

    async def play(talk: Talk):
        request = await talk.request()
        talk.say(http(200, accepted(request.phones, left=talk.number)))
        await settle()
        if talk.number == 1:
            talk.say(stray)
        await answering()(talk)

    return play


@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
async def test_a_stray_answer_on_an_idle_connection(stray):
    """A stray answer is never matched to a request, and its connection is not reused."""
    async with RawServer(straying(stray)) as server:
        async with client(server.url, retries=1) as sms:
            await sms.send(PHONE, TEXT)
            await asyncio.sleep(0.03)
            receipt = await sms.send(PHONE, TEXT)

        assert 2 == receipt.remaining_credits
        assert [1, 1] == [len(list(talk.requests())) for talk in server.talks]


async def test_a_stray_answer_without_a_retry():
    """Without retries, a stray answer makes a message not sent, and the next one works."""
    async with RawServer(straying(STRAYS["of the same number"])) as server:
        async with client(server.url, retries=0) as sms:
            await sms.send(PHONE, TEXT)
            await asyncio.sleep(0.03)
            with pytest.raises(ConnectFailed) as caught:
                await sms.send(PHONE, TEXT)

            assert 1 == len(server.requests)
            await sms.send(PHONE, TEXT)

        assert Status.NOT_SENT is caught.value.status
        assert [1, 1] == [len(list(talk.requests())) for talk in server.talks]


@pytest.mark.parametrize("turns", range(4))
async def test_a_stray_answer_during_the_write(turns):
    """With a stray answer around the write, a message called not sent was not sent."""
    trace = aiohttp.TraceConfig()

    async def stray(*args: object):
        if server.requests:
            server.talks[0].say(http(200, accepted([OTHER])))
            for _ in range(turns):
                await asyncio.sleep(0)

    trace.on_request_headers_sent.append(stray)
    async with (
        RawServer(answering()) as server,
        session_that_keeps(trace) as session,
        client(server.url, session=session, retries=0) as sms,
    ):
        await sms.send(PHONE, TEXT)
        with pytest.raises(SendError) as caught:
            await sms.send(PHONE, TEXT)
        await settle()

        assert caught.value.status in {Status.NOT_SENT, Status.UNKNOWN}
        assert (caught.value.status is Status.UNKNOWN) == (len(server.requests) == 2)


async def test_a_server_that_answers_first():
    """Nothing is sent to a server that answers before the request."""

    async def play(talk: Talk):
        talk.say(http(200, accepted([PHONE])))
        await talk.end()

    trace = aiohttp.TraceConfig()

    async def wait(*args: object):
        await settle()

    trace.on_connection_create_end.append(wait)
    async with (
        RawServer(play) as server,
        session_that_keeps(trace) as session,
        client(server.url, session=session, retries=0) as sms,
    ):
        with pytest.raises(ConnectFailed):
            await sms.send(PHONE, TEXT)

        assert b"" == server.received


async def test_the_answer_of_another_request():
    """An answer without any of our numbers is unknown, and its connection is closed."""

    async def play(talk: Talk):
        request = await talk.request()
        mine = http(200, accepted(request.phones))
        talk.say(http(200, accepted([OTHER])) + mine if talk.number == 1 else mine)
        await answering()(talk)

    async with RawServer(play) as server:
        async with client(server.url) as sms:
            with pytest.raises(OutcomeUnknown) as caught:
                await sms.send(PHONE, TEXT)
            await sms.send(PHONE, TEXT)

        assert codes.MISSING_IN_ANSWER == caught.value.code
        assert [1, 1] == [len(list(talk.requests())) for talk in server.talks]


async def test_a_stray_answer_that_ends_with_ours():
    """A stray answer cut in its head goes unnoticed: unknown, and its connection is closed."""
    stray = http(200, accepted([OTHER]))

    async def play(talk: Talk):
        request = await talk.request()
        talk.say(http(200, accepted(request.phones)))
        await settle()
        if talk.number == 1:
            talk.say(stray[:20])
            request = await talk.request()
            talk.say(stray[20:] + http(200, accepted(request.phones)))
        await answering()(talk)

    async with RawServer(play) as server:
        async with client(server.url) as sms:
            await sms.send(PHONE, TEXT)
            await asyncio.sleep(0.03)
            with pytest.raises(OutcomeUnknown):
                await sms.send(PHONE, TEXT)
            await sms.send(PHONE, TEXT)

        assert [2, 1] == [len(list(talk.requests())) for talk in server.talks]


async def test_an_answer_without_numbers_closes_its_connection():
    """After a stray 408, its late 429 is not taken for the answer to the next message."""

    async def play(talk: Talk):
        first = await talk.request()
        if first.phones != [PHONE]:
            talk.say(http(200, accepted(first.phones)))
            return
        talk.say(http(408))
        await asyncio.sleep(0.02)  # the client has read it, and the next message is in flight
        talk.say(http(429, "{}"))
        await asyncio.sleep(0.02)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                request = await talk.request()
                talk.say(http(200, accepted(request.phones)))

    async with RawServer(play) as server:
        async with client(server.url) as sms:
            with pytest.raises(OutcomeUnknown):
                await sms.send(PHONE, TEXT)
            await sms.send(OTHER, TEXT)

        assert [[PHONE], [OTHER]] == [request.phones for request in server.requests]
