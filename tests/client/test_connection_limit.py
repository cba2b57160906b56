"""`max_connections`: a cap over all accounts of a client, messages first. `usage` and `ready`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys

import pytest

from customersms_async import ConfigurationError, LocalLimiter, Rate, SendError, WaitTooLong
from customersms_async._delivery.connection_limit import Room
from customersms_async._environment import most_connections
from tests.support.callers import BULK, SEND, now, queue_up, take
from tests.support.memory import (
    MemoryTransport,
    accepts,
    cannot_connect,
    connects_slowly,
    loses_answer,
    phones,
    refuses,
    turns_away,
)

pytestmark = pytest.mark.virtual_time

PHONE = "+12125550000"


class Placed:
    """A slot with a place, which both end at once."""

    def __init__(self, slot, room):
        self.slot = slot
        self.room = room
        self.ticket = slot.ticket
        self.waited = slot.waited

    def answered(self):
        self.room.give_back()
        self.slot.answered()

    def unused(self):
        self.room.give_back()
        self.slot.unused()


class Capped:
    """A limiter with a few places, used as a request uses them: the slot first, then its place."""

    def __init__(self, places, limit=100):
        clock = asyncio.get_running_loop().time
        self.limiter = LocalLimiter(Rate(limit, per=60.0), burst=limit, reserve=0, clock=clock)
        self.room = Room(places)

    async def acquire(self, account, lane, *, longest, patience=None, ticket=None):
        ask = functools.partial(self.limiter.acquire, account, lane, longest=longest)
        slot = await ask(patience=patience, ticket=ticket)
        if not self.room.take():
            slot = await self.room.wait_with(slot, ask, patience)
        return Placed(slot, self.room)


async def test_no_more_than_so_many_are_under_way_over_all_accounts(make_client):
    """Ten tenants send at once, and never more than three of their requests are under way."""
    gateway = MemoryTransport(then=accepts(1.0))
    client = make_client(gateway, max_connections=3)
    began_at = now()

    tenants = [client.for_key(f"cspro_tenant{number}") for number in range(10)]
    await asyncio.gather(*(one.send(PHONE, "hello", timeout=10) for one in tenants))

    assert 4 == pytest.approx(now() - began_at)
    started = sorted(post.started_at for post in gateway.started)
    assert all(b - a >= 1 for a, b in zip(started, started[3:], strict=False))


async def test_messages_go_ahead_of_bulk_runs_for_a_place():
    """A message that waits for a place has it before a bulk request that came first."""
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
async def test_each_end_frees_a_place(make_client, first):
    """However a request ends, the next one has its place."""
    gateway = MemoryTransport(first, then=accepts())
    client = make_client(gateway, max_connections=1, retries=0)

    with contextlib.suppress(SendError):
        await client.send(PHONE, "hello", timeout=9)

    assert PHONE == (await client.send(PHONE, "hello", timeout=9)).phone


async def test_a_cancelled_request_frees_its_place(make_client):
    """A request that is cancelled before its first byte, or in flight, keeps no place."""
    gateway = MemoryTransport(connects_slowly(5.0), then=accepts())
    client = make_client(gateway, max_connections=1)
    sending = asyncio.create_task(client.send(PHONE, "hello"))
    await asyncio.sleep(0.1)
    sending.cancel()
    await asyncio.wait([sending])

    assert PHONE == (await client.send(PHONE, "hello", timeout=1)).phone


async def test_a_slot_is_not_kept_without_a_place():
    """A slot goes back after a second without a place, and its request keeps its ticket."""
    limiter = Capped(1)
    slot = await take(limiter)
    waiting = asyncio.create_task(take(limiter))
    await asyncio.sleep(2.5)
    usage = await limiter.limiter.usage("account-1")

    slot.answered()

    assert 2 == usage.in_flight
    assert 1 == (await waiting).ticket.place


async def test_a_place_that_comes_too_late():
    """Who has no place within its patience is refused, and its slot is free again."""
    limiter, began_at = Capped(1), now()
    await take(limiter)

    with pytest.raises(WaitTooLong, match="max_connections"):
        await take(limiter, patience=2.5)

    assert 2.5 == pytest.approx(now() - began_at)
    assert 1 == (await limiter.limiter.usage("account-1")).in_flight


async def test_cancelled_while_it_waits_for_a_place():
    """Who is cancelled in line, or just as its place came, takes neither place nor slot along."""
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

    assert 1 == limiter.room.free
    assert 0 == (await limiter.limiter.usage("account-1")).in_flight


async def test_a_place_that_comes_back_while_another_is_handed_over():
    """The garbage collector may end a request in any step; both who wait get a place."""
    room, loop = Room(2), asyncio.get_running_loop()
    assert [True, True] == [room.take(), room.take()]
    waiting = [asyncio.create_task(room.wait(SEND, 1.0)) for _ in range(2)]
    await asyncio.sleep(0)
    hand_over = loop.call_soon_threadsafe

    def collect(*args):
        loop.call_soon_threadsafe = hand_over
        room.give_back()
        return hand_over(*args)

    loop.call_soon_threadsafe = collect
    room.give_back()

    assert [True, True] == await asyncio.gather(*waiting)
    assert 0 == room.free


async def test_a_place_that_comes_free_while_one_gets_in_line():
    """A place is looked for once more before anybody waits."""
    room = Room(1)

    assert await room.wait(SEND, 1.0)
    assert not await room.wait(BULK, 1.0)


def test_a_closed_loop_in_line_takes_no_place():
    """The place of one whose loop was closed goes to the next."""
    room, loop = Room(1), asyncio.new_event_loop()
    room.take()

    async def leave():
        waiting = asyncio.create_task(room.wait(SEND, 1.0))
        await asyncio.sleep(0)
        return waiting

    waiting = loop.run_until_complete(leave())
    loop.close()
    waiting._log_destroy_pending = False

    room.give_back()

    assert 1 == room.free


def test_the_default_is_well_below_the_limit_of_files():
    """At most half of the files that the process may open are used for connections."""
    assert 1 <= most_connections() <= 500


def test_the_default_where_no_limit_of_files_can_be_asked(monkeypatch):
    """Windows has no module for it, and none is needed there."""
    monkeypatch.setitem(sys.modules, "resource", None)

    assert 500 == most_connections()


async def test_a_nonsense_number_of_connections_is_refused(make_client):
    """It must be a whole number from 1."""
    with pytest.raises(ConfigurationError, match="max_connections"):
        make_client(MemoryTransport(), max_connections=0)


async def test_a_client_says_how_its_account_stands(make_client):
    """`usage` and `ready` ask the limiter, whatever it is."""
    client = make_client(MemoryTransport(then=accepts()))

    await client.ready()
    await client.send_many(phones(1), "hello")

    assert 1 == (await client.usage()).busy


async def test_a_limiter_that_cannot_say(make_client):
    """A limiter of the caller's that only grants is refused where it is asked."""

    class Bare:
        async def acquire(self, account, lane, **options):
            raise NotImplementedError

    client = make_client(MemoryTransport(), limiter=Bare())

    with pytest.raises(ConfigurationError, match="Bare has not"):
        await client.usage()
