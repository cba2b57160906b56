"""`max_connections`: a limit over all accounts of a client, messages first; `usage` and `ready`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys

import pytest

from customersms_async import ConfigurationError, LocalLimiter, Rate, SendError, WaitTooLong
from customersms_async._delivery.connection_limit import ConnectionLimit
from customersms_async._environment import most_connections
from tests.support.client_in_memory import (
    MemoryTransport,
    accepts,
    cannot_connect,
    connects_slowly,
    loses_answer,
    phones,
    refuses,
    turns_away,
)
from tests.support.limiter_callers import BULK, SEND, now, queue_up, take

pytestmark = pytest.mark.virtual_time

PHONE = "+12125550000"


class Placed:
    """A slot with a connection; both are released together."""

    def __init__(self, slot, connections):
        self.slot = slot
        self.connections = connections
        self.ticket = slot.ticket
        self.waited = slot.waited

    def answered(self):
        self.connections.give_back()
        self.slot.answered()

    def unused(self):
        self.connections.give_back()
        self.slot.unused()


class Capped:
    """A limiter with a few connections; a request takes a slot first, then a connection."""

    def __init__(self, places, limit=100):
        clock = asyncio.get_running_loop().time
        self.limiter = LocalLimiter(Rate(limit, per=60.0), burst=limit, reserve=0, clock=clock)
        self.connections = ConnectionLimit(places)

    async def acquire(self, account, lane, *, longest, patience=None, ticket=None):
        ask = functools.partial(self.limiter.acquire, account, lane, longest=longest)
        slot = await ask(patience=patience, ticket=ticket)
        if not self.connections.take():
            slot = await self.connections.wait_with(slot, ask, patience)
        return Placed(slot, self.connections)


async def test_connections_are_limited_over_all_accounts(make_client):
    """With ten tenants and `max_connections=3`, at most three requests are in flight."""
    gateway = MemoryTransport(then=accepts(1.0))
    client = make_client(gateway, max_connections=3)
    began_at = now()

    tenants = [client.for_key(f"cspro_tenant{number}") for number in range(10)]
    await asyncio.gather(*(one.send(PHONE, "hello", timeout=10) for one in tenants))

    assert 4 == pytest.approx(now() - began_at)
    started = sorted(post.started_at for post in gateway.started)
    assert all(b - a >= 1 for a, b in zip(started, started[3:], strict=False))


async def test_messages_get_a_connection_before_bulk_runs():
    """A waiting message gets a connection before a bulk request that came first."""
    limiter, served = Capped(1), []
    slot = await take(limiter)
    tasks = queue_up(limiter, BULK, ["bulk"], served)
    await asyncio.sleep(0.1)
    tasks += queue_up(limiter, SEND, ["send"], served)
    await asyncio.sleep(0.1)

    slot.answered()
    await asyncio.gather(*tasks)

    assert ["send", "bulk"] == [name for name, _ in served]


@pytest.mark.parametrize(
    "first",
    [accepts(), loses_answer(), cannot_connect(), turns_away("1"), refuses("INVALID_API_KEY")],
    ids=["answered", "lost", "not started", "turned away", "refused"],
)
async def test_each_end_frees_a_connection(make_client, first):
    """The connection of a request is free again, however the request ends."""
    gateway = MemoryTransport(first, then=accepts())
    client = make_client(gateway, max_connections=1, retries=0)

    with contextlib.suppress(SendError):
        await client.send(PHONE, "hello", timeout=9)

    assert PHONE == (await client.send(PHONE, "hello", timeout=9)).phone


async def test_a_cancelled_request_frees_its_connection(make_client):
    """The connection of a cancelled request is free again."""
    gateway = MemoryTransport(connects_slowly(5.0), then=accepts())
    client = make_client(gateway, max_connections=1)
    sending = asyncio.create_task(client.send(PHONE, "hello"))
    await asyncio.sleep(0.1)
    sending.cancel()
    await asyncio.wait([sending])

    assert PHONE == (await client.send(PHONE, "hello", timeout=1)).phone


async def test_a_slot_is_not_kept_without_a_connection():
    """After a second without a connection the slot is released; the request keeps its ticket."""
    limiter = Capped(1)
    slot = await take(limiter)
    waiting = asyncio.create_task(take(limiter))
    await asyncio.sleep(2.5)
    usage = await limiter.limiter.usage("account-1")

    slot.answered()

    assert 2 == usage.in_flight
    assert 1 == (await waiting).ticket.place


async def test_a_connection_that_comes_too_late():
    """A request without a connection in time is refused, and its slot is free again."""
    limiter, began_at = Capped(1), now()
    await take(limiter)

    with pytest.raises(WaitTooLong, match="max_connections"):
        await take(limiter, patience=2.5)

    assert 2.5 == pytest.approx(now() - began_at)
    assert 1 == (await limiter.limiter.usage("account-1")).in_flight


async def test_cancelled_while_waiting_for_a_connection():
    """A request cancelled in line, or as it got a connection, keeps neither that nor its slot."""
    limiter = Capped(1)
    slot = await take(limiter)
    gone = asyncio.create_task(take(limiter))
    just = asyncio.create_task(take(limiter))
    await asyncio.sleep(0.1)
    gone.cancel()
    await asyncio.sleep(0)

    slot.answered()
    just.cancel()
    await asyncio.wait([gone, just])

    assert 1 == limiter.connections.free
    assert 0 == (await limiter.limiter.usage("account-1")).in_flight


async def test_a_connection_freed_during_a_hand_over():
    """If one connection is freed while another is handed over, both waiters get one."""
    connections, loop = ConnectionLimit(2), asyncio.get_running_loop()
    assert [True, True] == [connections.take(), connections.take()]
    waiting = [asyncio.create_task(connections.wait(SEND, 1.0)) for _ in range(2)]
    await asyncio.sleep(0)
    hand_over = loop.call_soon_threadsafe

    def collect(*args):
        loop.call_soon_threadsafe = hand_over
        connections.give_back()
        return hand_over(*args)

    loop.call_soon_threadsafe = collect
    connections.give_back()

    assert [True, True] == await asyncio.gather(*waiting)
    assert 0 == connections.free


async def test_a_connection_freed_before_a_wait():
    """A free connection is taken without waiting."""
    connections = ConnectionLimit(1)

    assert await connections.wait(SEND, 1.0)
    assert not await connections.wait(BULK, 1.0)


def test_a_waiter_of_a_closed_loop_gets_no_connection():
    """A waiter whose loop was closed is skipped."""
    connections, loop = ConnectionLimit(1), asyncio.new_event_loop()
    connections.take()

    async def leave():
        waiting = asyncio.create_task(connections.wait(SEND, 1.0))
        await asyncio.sleep(0)
        return waiting

    waiting = loop.run_until_complete(leave())
    loop.close()
    waiting._log_destroy_pending = False

    connections.give_back()

    assert 1 == connections.free


def test_the_default_is_below_the_limit_of_open_files():
    """The default uses at most half of the files that the process may open."""
    assert 1 <= most_connections() <= 500


def test_the_default_without_a_limit_of_open_files(monkeypatch):
    """On Windows, which has no `resource` module, the default is 500."""
    monkeypatch.setitem(sys.modules, "resource", None)

    assert 500 == most_connections()


async def test_an_invalid_number_of_connections_is_refused(make_client):
    """`max_connections` is an integer of at least 1."""
    with pytest.raises(ConfigurationError, match="max_connections"):
        make_client(MemoryTransport(), max_connections=0)


async def test_usage_and_ready(make_client):
    """`usage` and `ready` ask the limiter of the client."""
    client = make_client(MemoryTransport(then=accepts()))

    await client.ready()
    await client.send_many(phones(1), "hello")

    assert 1 == (await client.usage()).busy


async def test_a_limiter_without_usage(make_client):
    """`usage` is refused if the caller's limiter does not have it."""

    class Bare:
        async def acquire(self, account, lane, **options):
            raise NotImplementedError

    client = make_client(MemoryTransport(), limiter=Bare())

    with pytest.raises(ConfigurationError, match="Bare has not"):
        await client.usage()
