"""Sessions and cancellations of the caller, against raw TCP servers."""

import asyncio
import contextlib
import logging

import aiohttp
import pytest

from customersms_async import (
    LocalLimiter,
    OutcomeUnknown,
    Rate,
    Rejected,
    SendError,
    Status,
)
from tests.support.raw_server import (
    OTHER,
    PHONE,
    TEXT,
    RawServer,
    Talk,
    accepted,
    answering,
    client,
    full_backlog,
    http,
)


async def settle():
    """Let data in transit on this machine arrive."""
    await asyncio.sleep(0.01)


# --- Sessions of the caller -----------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kind"), [(500, OutcomeUnknown), (403, Rejected)])
async def test_a_session_that_raises_for_a_status(status, kind):
    """A session with `raise_for_status` does not raise for our requests."""
    async with (
        RawServer(answering(http(status, "<h1>no</h1>"))) as server,
        aiohttp.ClientSession(raise_for_status=True) as session,
        client(server.url, session=session) as sms,
    ):
        with pytest.raises(kind):
            await sms.send(PHONE, TEXT)

        assert 1 == len(server.requests)


async def test_a_middleware_that_sends_again():
    """Middlewares of a session are not run, so that none can repeat our request."""
    runs = []

    async def again(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType):
        runs.append(request.url)
        (await handler(request)).close()
        return await handler(request)

    async with (
        RawServer(answering(http(500))) as server,
        aiohttp.ClientSession(middlewares=[again]) as session,
        client(server.url, session=session) as sms,
    ):
        with pytest.raises(OutcomeUnknown):
            await sms.send(PHONE, TEXT)

        assert [] == runs
        assert 1 == len(server.requests)


async def test_no_connection_is_free_in_time():
    """Waiting for a connection of a full pool sends nothing."""
    may_answer = asyncio.Event()

    async def play(talk: Talk):
        request = await talk.request()
        await may_answer.wait()
        talk.say(http(200, accepted(request.phones)))
        await talk.end()

    connector = aiohttp.TCPConnector(limit=1)
    async with (
        RawServer(play) as server,
        aiohttp.ClientSession(connector=connector) as session,
        client(server.url, session=session, retries=0) as sms,
    ):
        first = asyncio.create_task(sms.send(PHONE, TEXT))
        await server.until(lambda: server.requests)
        with pytest.raises(SendError) as caught:
            await sms.send(OTHER, TEXT, timeout=0.05)
        may_answer.set()
        await first

        assert Status.NOT_SENT is caught.value.status
        assert [[PHONE]] == [request.phones for request in server.requests]


class _Detour(aiohttp.TCPConnector):
    """A connector that gives up a first route after a while, as one with proxies does."""

    async def _create_connection(self, *args: object) -> object:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        return await super()._create_connection(*args)


async def test_a_connector_with_its_own_timeout():
    """A timeout within the session's connector is not taken for a cancellation by the caller."""
    async with (
        RawServer(answering()) as server,
        aiohttp.ClientSession(connector=_Detour()) as session,
        client(server.url, session=session) as sms,
    ):
        receipt = await sms.send(PHONE, TEXT)

    assert (PHONE, 1) == (receipt.phone, len(server.requests))


async def test_a_trace_hook_with_its_own_timeout():
    """A timeout within a trace hook is not taken for a cancellation by the caller."""
    trace, seen = aiohttp.TraceConfig(), []

    async def hesitate(*_: object) -> None:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            seen.append("timed out")

    trace.on_request_start.append(hesitate)
    trace.on_request_end.append(hesitate)
    async with (
        RawServer(answering()) as server,
        aiohttp.ClientSession(trace_configs=[trace]) as session,
        client(server.url, session=session) as sms,
    ):
        await sms.send(PHONE, TEXT)

    assert (["timed out", "timed out"], 1) == (seen, len(server.requests))


@pytest.mark.parametrize(
    ("hook", "status", "left"),
    [
        ("on_connection_create_start", Status.NOT_SENT, 0),
        ("on_request_headers_sent", Status.NOT_SENT, 0),
        ("on_request_end", Status.UNKNOWN, 1),
    ],
)
async def test_a_trace_hook_that_raises(hook, status, left, caplog):
    """The fate is what was proven; the error is logged by class and place, without its text."""
    trace, words = aiohttp.TraceConfig(), ["words", "of", "the", "hook"]

    async def fail(*args: object):
        raise LookupError(" ".join(words))

    getattr(trace, hook).append(fail)
    async with (
        RawServer(answering()) as server,
        aiohttp.ClientSession(trace_configs=[trace]) as session,
        client(server.url, session=session, retries=0) as sms,
    ):
        with pytest.raises(SendError) as caught:
            await sms.send(PHONE, TEXT)
        await settle()

        assert status is caught.value.status
        assert left == len(server.requests) == server.received.count(b"POST")
    (logged,) = [one for one in caplog.records if getattr(one, "event", "") == "session.failed"]
    assert f"LookupError was raised at {__file__}:" in logged.getMessage()
    assert "words of the hook" not in caplog.text
    assert f"LookupError was raised at {__file__}:" in " ".join(caught.value.detail.split())


async def test_the_request_ignores_settings_of_the_session():
    """Headers, cookies, credentials and base URL of a session are not used."""
    theirs = {"Content-Type": "text/plain", "Expect": "100-continue", "User-Agent": "theirs"}
    async with (
        RawServer(answering()) as server,
        aiohttp.ClientSession(
            headers=theirs | {"X-Theirs": "1", "Accept": "*/*", "Authorization": "Basic dGhlbQ=="},
            cookies={"theirs": "1"},
            skip_auto_headers=["Content-Type"],
        ) as session,
        client(server.url, session=session, retries=0) as sms,
    ):
        await sms.send(PHONE, TEXT)

    head = server.requests[0].head.decode().lower()
    names = sorted(line.partition(":")[0] for line in head.split("\r\n")[1:] if line)
    assert [
        *("accept", "accept-encoding", "content-length", "content-type", "host", "user-agent")
    ] == names
    assert "\r\ncontent-type: application/json" in head
    assert "\r\nuser-agent: customersms-async" in head


async def test_a_session_that_is_closed_in_flight():
    """If a session is closed by its owner during a request, the outcome is unknown."""
    async with RawServer(Talk.end) as server, aiohttp.ClientSession() as session:
        async with client(server.url, session=session) as sms:
            sending = asyncio.create_task(sms.send(PHONE, TEXT))
            await server.until(lambda: server.requests)
            await session.close()
            with pytest.raises(OutcomeUnknown):
                await sending

        assert 1 == len(server.requests)


# --- Cancellation ---------------------------------------------------------------------------------


async def cancelled(sending: asyncio.Task[object]):
    """Cancel and return what was raised."""
    sending.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await sending
    return caught.value


def notes(error: BaseException):
    return " ".join(getattr(error, "__notes__", []))


async def test_cancelled_in_the_queue():
    """A message that is cancelled in the queue is never sent."""
    limiter = LocalLimiter(Rate(1, per=60))
    async with RawServer(answering()) as server:
        async with client(server.url, limiter=limiter) as sms:
            await sms.send(PHONE, TEXT)
            sending = asyncio.create_task(sms.send(OTHER, TEXT, timeout=90))
            await settle()
            error = await cancelled(sending)

        assert "" == notes(error)
        assert [[PHONE]] == [request.phones for request in server.requests]


async def test_cancelled_while_connecting():
    """A message that is cancelled while connecting is never sent, and ends at once."""
    with full_backlog() as endpoint:
        async with client(endpoint) as sms:
            sending = asyncio.create_task(sms.send(PHONE, TEXT))
            await settle()
            error = await cancelled(sending)

    assert "" == notes(error)


@pytest.mark.parametrize("answer", [http(200, accepted([PHONE])), b""], ids=["answered", "lost"])
async def test_cancelled_in_flight(answer, caplog):
    """A message that is cancelled in flight is unknown, and its fate is logged."""
    is_cancelled = asyncio.Event()

    async def play(talk: Talk):
        await talk.request()
        await is_cancelled.wait()
        talk.say(answer)
        talk.close()

    async with RawServer(play) as server:
        async with client(server.url) as sms:
            sending = asyncio.create_task(sms.send(PHONE, TEXT))
            await server.until(lambda: server.requests)
            error = await cancelled(sending)
            with caplog.at_level(logging.WARNING, "customersms_async"):
                is_cancelled.set()
                await sms.aclose()

        assert "outcome is unknown" in notes(error)
        assert 1 == len(server.requests)
    said = next(record for record in caplog.records if record.event == "send.cancelled")
    assert ("was sent" if answer else "was unknown") in said.getMessage()
    assert PHONE not in caplog.text
