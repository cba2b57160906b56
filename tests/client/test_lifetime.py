"""The HTTP sessions of a client: one per event loop; who owns them, and when they are closed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import warnings

import aiohttp
import pytest
from aiohttp import web

from customersms_async import (
    BulkInterrupted,
    ConfigurationError,
    ConnectFailed,
    CustomerSMS,
    LocalLimiter,
    NotSent,
)
from customersms_async._clock import SystemClock
from tests.support.client_in_memory import MemoryTransport, accepts, connects_slowly

PHONE = "+12125551234"


async def _accept(request):
    said = await request.json()
    numbers = said["phone"] if isinstance(said["phone"], list) else [said["phone"]]
    results = [{"phone": phone, "success": True, "message_id": "m"} for phone in numbers]
    return web.json_response({"success": True, "results": results, "remaining_credits": 5})


class Gateway:
    """A small server on this machine that accepts everything."""

    def __init__(self, port=0):
        self._port = port

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/api.php", _accept)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.endpoint = f"http://127.0.0.1:{port}/api.php"
        return self

    async def __aexit__(self, *exc):
        await self._runner.cleanup()


def client_of(endpoint="http://127.0.0.1:1/api.php", **options):
    options = {"limiter": LocalLimiter(), "retries": 0} | options
    return CustomerSMS("cspro_test", endpoint=endpoint, **options)


def open_sessions():
    """Find the open sessions of this process."""
    known = [one for one in gc.get_objects() if type(one) is aiohttp.ClientSession]
    return [session for session in known if not session.closed]


async def use(client):
    """Open the session of this loop by a request that fails."""
    with contextlib.suppress(ConnectFailed):
        await client.send(PHONE, "hello")


async def test_a_session_is_opened_on_demand():
    """A session is opened by the first request, closed by `aclose`, and opened again on demand."""
    async with Gateway() as gateway:
        client = client_of(gateway.endpoint)
        before = open_sessions()
        await client.send(PHONE, "first")
        (first,) = open_sessions()
        await client.send(PHONE, "second")
        same = open_sessions()
        await client.aclose()
        after = open_sessions()
        await client.send(PHONE, "third")
        (second,) = open_sessions()
        await client.aclose()

    assert ([], [first], []) == (before, same, after)
    assert first is not second
    assert first.closed
    assert second.closed


async def test_closing_twice_or_unused_does_nothing():
    """Closing a client that opened nothing does nothing, even twice."""
    client = client_of()

    await client.aclose()
    await client.aclose(drain=0)

    assert [] == open_sessions()


@pytest.mark.parametrize("drain", [-1, True, "5"])
async def test_an_invalid_drain_is_refused(drain):
    """`drain` is a number of seconds of at least 0."""
    with pytest.raises(ConfigurationError, match="drain"):
        await client_of().aclose(drain)


async def test_a_tenants_client_leaves_the_session_open():
    """The session stays open until the root client is closed."""
    async with Gateway() as gateway, client_of(gateway.endpoint) as client:
        async with client.for_key("cspro_tenant") as tenant:
            await tenant.send(PHONE, "hello")

        (session,) = open_sessions()
        assert not session.closed


def test_a_client_works_in_the_next_loop():
    """A client can be used in several `asyncio.run` calls, with a new session each."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = client_of(f"http://127.0.0.1:{port}/api.php")
    receipts = []

    async def main():
        async with Gateway(port), client:
            receipts.append(await client.send(PHONE, "hello"))

    asyncio.run(main())
    asyncio.run(main())

    assert [PHONE, PHONE] == [receipt.phone for receipt in receipts]


def test_a_client_that_was_not_closed_is_reported():
    """The warning names the line that created the client."""
    clients = [client_of()]

    async def main():
        await use(clients[0])
        return open_sessions()[0]

    session = asyncio.run(main())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clients.clear()
        gc.collect()
        _close_quietly(session)
        gc.collect()

    (said,) = (str(warning.message) for warning in caught if "CustomerSMS" in str(warning.message))
    made_at = f"{__file__}:{client_of.__code__.co_firstlineno + 2}"
    assert said.startswith(
        f"the CustomerSMS made at {made_at} was not closed before it was dropped"
    )


def test_an_open_session_of_an_ended_loop_is_reported():
    """Using a client in a new loop warns if it was not closed in the old one."""
    client = client_of()

    async def use_first():
        await use(client)
        return open_sessions()[0]

    async def use_again():
        with pytest.warns(ResourceWarning, match="not closed in an event loop that has ended"):
            await use(client)
        await client.aclose()

    session = asyncio.run(use_first())
    asyncio.run(use_again())
    _close_quietly(session)

    assert [] == open_sessions()


def test_a_closed_session_of_an_ended_loop_is_forgotten():
    """A session that was closed in another way causes no warning."""
    client = client_of()

    async def use_first():
        await use(client)
        await open_sessions()[0].close()

    async def use_again():
        await use(client)
        await client.aclose()

    asyncio.run(use_first())
    asyncio.run(use_again())

    assert [] == open_sessions()


def _close_quietly(session):
    """Keep aiohttp from warning about a session whose loop has ended."""
    session.connector._closed = True
    session.detach()


async def test_a_callers_session_is_used_and_never_closed():
    """A session passed by the caller stays open after `aclose`."""
    async with Gateway() as gateway, aiohttp.ClientSession() as session:
        client = client_of(gateway.endpoint, session=session)
        async with client:
            await client.send(PHONE, "hello")
        await client.send(PHONE, "again")
        used = open_sessions()

        assert [session] == used
        assert not session.closed


async def test_a_callers_session_that_is_closed_is_refused():
    """Nothing is sent through a closed session, whether closed before or after its first use."""
    async with aiohttp.ClientSession() as session:
        client = client_of(session=session)
        await use(client)

    with pytest.raises(ConfigurationError, match="session is closed"):
        await client.send(PHONE, "hello")
    with pytest.raises(ConfigurationError, match="session is closed"):
        await client.send_many([PHONE], "hello")
    with pytest.raises(ConfigurationError, match="session is closed"):
        await client_of(session=session).stream_many([PHONE], "hello").__aenter__()


def test_a_callers_session_of_another_loop_is_refused():
    """A session can only be used in the loop that it was created in."""
    sessions = []

    async def make():
        sessions.append(aiohttp.ClientSession())

    async def use():
        with pytest.raises(ConfigurationError, match="another event loop"):
            await client_of(session=sessions[0]).send(PHONE, "hello")

    with asyncio.Runner() as runner:
        runner.run(make())
        asyncio.run(use())
        runner.run(sessions[0].close())

    assert sessions[0].closed


async def test_a_session_closed_during_a_run_loses_no_number():
    """Every number of the run has a fate, and the error says what happened."""
    numbers = [f"+1212555{n:04}" for n in range(20)]
    outcomes = []

    async def run(client, session):
        async with client.stream_many(numbers, "hello", batch_size=2) as bulk:
            async for outcome in bulk:
                outcomes.append(outcome)
                await session.close()

    async with Gateway() as gateway, aiohttp.ClientSession() as session:
        client = client_of(gateway.endpoint, session=session)
        with pytest.raises(BulkInterrupted) as caught:
            await run(client, session)

    assert list(range(20)) == sorted(outcome.index for outcome in outcomes)
    assert 20 == caught.value.report.total
    assert "session is closed" in str(caught.value.__cause__)


class _Polling:
    """A limiter that yields to the event loop several times."""

    def __init__(self, turns):
        self._turns = turns
        self._limiter = LocalLimiter(clock=asyncio.get_running_loop().time)

    async def acquire(self, *args, **options):
        for _ in range(self._turns):
            await asyncio.sleep(0)
        return await self._limiter.acquire(*args, **options)


@pytest.mark.virtual_time
async def test_closing_waits_for_messages_in_any_state(make_client):
    """`aclose` waits for a message whose limiter only yields to the loop."""
    client = make_client(MemoryTransport(), limiter=_Polling(30))
    sending = asyncio.create_task(client.send("+12125551234", "hello"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    await client.aclose(5)

    assert sending.done()
    assert "+12125551234" == (await sending).phone


@pytest.mark.virtual_time
async def test_closing_gives_up_connection_attempts(make_client):
    """A message that is still connecting after the drain time is not retried."""
    gateway = MemoryTransport(then=connects_slowly(30))
    client = make_client(gateway)
    sending = asyncio.create_task(client.send("+12125551234", "hello", timeout=60))
    await asyncio.sleep(1)

    await client.aclose(5)

    with pytest.raises(NotSent) as caught:
        await sending
    assert ("CANCELLED", 1) == (caught.value.code, len(gateway.began))
    assert 1006 == pytest.approx(asyncio.get_running_loop().time())


@pytest.mark.virtual_time
async def test_closing_waits_for_answers_by_default(make_client, caplog):
    """By default `aclose` waits for every message, and logs what it waits for."""
    gateway = MemoryTransport(then=accepts(takes=12))
    client = make_client(gateway)
    sending = asyncio.create_task(client.send("+12125551234", "hello", timeout=60))
    await asyncio.sleep(1)

    await client.aclose()

    assert sending.done()
    assert 1012 == pytest.approx(asyncio.get_running_loop().time())
    said = [one.getMessage() for one in caplog.records if one.event == "client.draining"]
    assert ["closing the client waits for requests in flight: 1 tasks"] == said


@pytest.mark.virtual_time
async def test_closing_with_drain_0_logs_nothing(make_client, caplog):
    """With `drain=0` nothing is awaited, and nothing is logged about waiting."""
    client = make_client(MemoryTransport(then=connects_slowly(30)))
    sending = asyncio.create_task(client.send("+12125551234", "hello", timeout=60))
    await asyncio.sleep(1)

    await client.aclose(0)

    with pytest.raises(NotSent):
        await sending
    assert [] == [one for one in caplog.records if one.event == "client.draining"]


async def test_the_systems_clock_is_the_default():
    """The system clock is monotonic, its jitter is in [0, 1), and a sleep of 0 yields."""
    clock = SystemClock()
    turns = []
    asyncio.get_running_loop().call_soon(turns.append, True)

    first = clock.now()
    await clock.sleep(0)

    assert first <= clock.now()
    assert all(0 <= clock.jitter() < 1 for _ in range(100))
    assert [True] == turns


@pytest.mark.parametrize("call", [lambda sms: sms.__aenter__(), lambda sms: sms.send(PHONE, "Hi")])
def test_without_asyncio(call):
    """Where no event loop of asyncio runs, as under trio, the error says what to use."""
    coroutine = call(CustomerSMS("cspro_test", endpoint="http://127.0.0.1:9/"))

    with pytest.raises(RuntimeError, match=r"needs an event loop of asyncio.*to_thread"):
        coroutine.send(None)
