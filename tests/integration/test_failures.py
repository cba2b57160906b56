"""
Connections that fail, against raw TCP servers: what callers and servers see.

Each row of these tables is a way in which a request can fail. Two things must hold for all of them:
a message is never called "not sent" if the server had its body, and nothing is sent twice.
"""

import asyncio
import traceback

import aiohttp
import pytest

from customersms_async import ConnectFailed, OutcomeUnknown, SendError, Status, StopRules, codes
from tests.support.raw_server import (
    KEY,
    OTHER,
    PHONE,
    TEXT,
    RawServer,
    Talk,
    accepted,
    answering,
    client,
    free_port,
    full_backlog,
    http,
)

GOOD = http(200, accepted([PHONE]))


# --- No connection: not sent ----------------------------------------------------------------------


def refused():
    return f"http://127.0.0.1:{free_port()}/"


def unknown_host():
    return "https://gateway.invalid/api.php"


@pytest.mark.parametrize("endpoint", [refused, unknown_host])
@pytest.mark.parametrize("retries", [0, 1])
async def test_no_connection_can_be_made(endpoint, retries):
    """If no connection can be made, nothing was sent, and the error is a ConnectionError."""
    async with client(endpoint(), retries=retries) as sms:
        with pytest.raises(ConnectFailed) as caught:
            await sms.send(PHONE, TEXT, timeout=60)  # a resolver may take its time to fail

    assert (Status.NOT_SENT, codes.CONNECT_FAILED) == (caught.value.status, caught.value.code)
    assert isinstance(caught.value, ConnectionError)


async def test_a_connection_that_takes_too_long():
    """If connecting takes longer than an attempt may, nothing was sent."""
    with full_backlog() as endpoint:
        async with client(endpoint, request_timeout=0.05, retries=0) as sms:
            with pytest.raises(ConnectFailed) as caught:
                await sms.send(PHONE, TEXT)

    assert codes.CONNECT_FAILED == caught.value.code


async def test_a_bulk_run_without_a_connection():
    """A run that cannot connect reports every number as not sent and safe to resend."""
    async with client(refused(), retries=0) as sms:
        stop = StopRules(outage=0.2)
        report = await sms.send_many([PHONE, OTHER], TEXT, stop=stop)

    assert [codes.CONNECT_FAILED] * 2 == [outcome.code for outcome in report]
    assert [PHONE, OTHER] == [outcome.phone for outcome in report.safe_to_resend()]


async def test_a_connection_that_comes_late_is_used():
    """A message that was not sent is retried, and sent once when the server listens."""
    async with RawServer(answering()) as server:
        await server.stop_listening()
        async with client(server.url, retries=20, send_timeout=5) as sms:
            sending = asyncio.create_task(sms.send(PHONE, TEXT))
            await asyncio.sleep(0.02)
            await server.listen(server.port)
            await sending

        assert 1 == len(server.requests)


# --- The answer is lost: unknown ------------------------------------------------------------------


async def close_unread(talk: Talk):
    talk.deafen()
    await asyncio.sleep(0.01)
    talk.close()


async def say_goodbye_unread(talk: Talk):
    talk.deafen()
    await asyncio.sleep(0.01)
    talk.writer.write_eof()
    await asyncio.sleep(0.02)


async def reset_unread(talk: Talk):
    talk.deafen()
    await asyncio.sleep(0.01)
    talk.reset()


async def close_after_the_head(talk: Talk):
    await talk.reader.readuntil(b"\r\n\r\n")
    talk.close()


async def close(talk: Talk):
    await talk.request()
    talk.close()


async def reset(talk: Talk):
    await talk.request()
    talk.reset()


def saying(*pieces: bytes):
    """Read the request, write the pieces and close."""

    async def play(talk: Talk):
        await talk.request()
        for piece in pieces:
            talk.say(piece)
            await talk.writer.drain()
        talk.close()

    return play


def saying_and_waiting(content: bytes):
    async def play(talk: Talk):
        await talk.request()
        talk.say(content)
        await talk.end()

    return play


async def trickle(talk: Talk):
    await talk.request()
    for place in range(len(GOOD)):
        talk.say(GOOD[place : place + 1])
        await asyncio.sleep(0.005)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b"
LONG_HEADER = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 140_000 + b"\r\n\r\n"
UNENDED = b"HTTP/1.1 200 OK\r\n\r\n"
BODY = accepted([PHONE])

LOST = {
    "closed unread": (close_unread, codes.ANSWER_LOST),
    "half-closed unread": (say_goodbye_unread, codes.ANSWER_LOST),
    "reset unread": (reset_unread, codes.ANSWER_LOST),
    "closed after the head": (close_after_the_head, codes.ANSWER_LOST),
    "closed after all of it": (close, codes.ANSWER_LOST),
    "reset after all of it": (reset, codes.ANSWER_LOST),
    "no status line": (saying(b"220 smtp ready\r\n\r\n"), codes.ANSWER_LOST),
    "malformed status": (saying(b"HTTP/1.1 two hundred\r\n\r\n"), codes.ANSWER_LOST),
    "half a status line": (saying(b"HTTP/1.1 20"), codes.ANSWER_LOST),
    "malformed header": (saying(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), codes.ANSWER_LOST),
    "malformed length": (
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n"),
        codes.ANSWER_LOST,
    ),
    "endless header": (saying(LONG_HEADER), codes.ANSWER_LOST),
    "cut within its length": (saying(GOOD[:-9]), codes.ANSWER_LOST),
    "cut within a chunk": (saying(CHUNKED % (len(BODY), BODY[:-9])), codes.ANSWER_LOST),
    "cut before the last chunk": (saying(CHUNKED % (len(BODY), BODY)), codes.ANSWER_LOST),
    "cut, without a length": (saying(UNENDED + BODY[:-9]), codes.ANSWER_UNREADABLE),
    "empty, without a length": (saying(UNENDED), codes.ANSWER_UNREADABLE),
    "switching protocols": (saying(b"HTTP/1.1 101 No\r\n\r\n"), codes.ANSWER_UNREADABLE),
    "only an interim answer": (saying(b"HTTP/1.1 100 Continue\r\n\r\n"), codes.ANSWER_LOST),
    "no answer": (saying_and_waiting(b""), codes.ANSWER_LOST),
    "half a head, then nothing": (saying_and_waiting(GOOD[:20]), codes.ANSWER_LOST),
    "half a body, then nothing": (saying_and_waiting(GOOD[:-9]), codes.ANSWER_LOST),
    "byte by byte": (trickle, codes.ANSWER_LOST),
}


@pytest.mark.parametrize(("play", "code"), LOST.values(), ids=LOST)
async def test_the_answer_is_lost(play, code):
    """A message without a readable answer is unknown, and not sent again."""
    async with RawServer(play) as server:
        async with client(server.url, retries=3, request_timeout=0.1) as sms:
            with pytest.raises(OutcomeUnknown) as caught:
                await sms.send(PHONE, TEXT)

        assert (Status.UNKNOWN, code) == (caught.value.status, caught.value.code)
        assert not isinstance(caught.value, OSError)
        assert 1 == len(server.talks)
        assert len(server.requests) <= 1


SENDING = {"customersms_async", "aiohttp", "asyncio"}


async def test_local_variables_of_frames():
    """No local variable of a frame contains the key, while sending or in a traceback."""
    trace = aiohttp.TraceConfig()
    seen = []

    async def look(*args: object):
        for frame, _ in traceback.walk_stack(None):
            # The test runner's frames contain parameters, among which may be keys.
            if frame.f_globals["__name__"].partition(".")[0] in SENDING:
                seen.append(repr(frame.f_locals))

    trace.on_request_headers_sent.append(look)
    async with (
        RawServer(reset) as server,
        aiohttp.ClientSession(trace_configs=[trace]) as session,
        client(server.url, session=session) as sms,
    ):
        with pytest.raises(OutcomeUnknown) as caught:
            await sms.send(PHONE, TEXT)
        report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)

        assert KEY in server.requests[0].body.decode()
    assert any("<request body>" in shown for shown in seen)
    assert not [shown for shown in [*seen, *report.format()] if KEY in shown]


async def test_a_bulk_run_whose_second_answer_is_lost():
    """Of two requests, the answered one is sent and the other unknown; each is sent once."""

    async def play(talk: Talk):
        while True:
            request = await talk.request()
            if request.phones == [OTHER]:
                talk.reset()
            talk.say(http(200, accepted(request.phones)))

    async with RawServer(play) as server:
        async with client(server.url) as sms:
            report = await sms.send_many([PHONE, OTHER], TEXT, batch_size=1)

        assert [Status.SENT, Status.UNKNOWN] == [outcome.status for outcome in report]
        assert [[PHONE], [OTHER]] == [request.phones for request in server.requests]


async def test_an_answer_before_the_body_was_read():
    """A server that refuses a long body without reading it has refused it."""

    async def play(talk: Talk):
        talk.deafen()
        await asyncio.sleep(0.01)
        talk.say(http(413, "too large", "Connection: close"))
        await asyncio.sleep(0.05)

    async with RawServer(play, buffer=4096) as server:
        async with client(server.url) as sms:
            with pytest.raises(SendError) as caught:
                await sms.send(PHONE, "x" * 900_000)

        assert (Status.REJECTED, "HTTP_413") == (caught.value.status, caught.value.code)
        assert 1 == len(server.talks)


async def test_a_body_that_is_read_in_part():
    """A body of which some bytes left is unknown, however little the server has read."""
    async with RawServer(reset_unread, buffer=4096) as server:
        async with client(server.url) as sms:
            with pytest.raises(OutcomeUnknown):
                await sms.send(PHONE, "x" * 900_000)

        assert 1 == len(server.talks)


# --- Time -----------------------------------------------------------------------------------------


async def test_no_time_is_left():
    """Nothing is sent if the timeout is over before the request is made."""
    async with RawServer(answering()) as server:
        async with client(server.url) as sms:
            with pytest.raises(SendError) as caught:
                await sms.send(PHONE, TEXT, timeout=1e-9)

        assert Status.NOT_SENT is caught.value.status
        assert [] == server.talks


# --- Redirects ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
async def test_a_redirect_is_not_followed(status):
    """A redirect is no answer, and the key is not sent to its target."""
    async with RawServer(answering()) as target:
        redirect = http(status, "", f"Location: {target.url}")
        async with RawServer(answering(redirect)) as server:
            async with client(server.url) as sms:
                with pytest.raises(OutcomeUnknown) as caught:
                    await sms.send(PHONE, TEXT)

            assert codes.ANSWER_UNREADABLE == caught.value.code
            assert 1 == len(server.requests)
            assert [] == target.talks


# --- Interim answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [100, 102, 103])
async def test_an_interim_answer_is_skipped(status):
    """An interim (1xx) answer is skipped, and the final one counts."""
    interim = f"HTTP/1.1 {status} Wait\r\nLink: </x>\r\n\r\n".encode()
    async with RawServer(answering(interim + interim + GOOD)) as server:
        async with client(server.url) as sms:
            receipt = await sms.send(PHONE, TEXT)

        assert "m-1234" == receipt.message_id
        assert 1 == len(server.requests)
