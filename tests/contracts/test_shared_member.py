"""Members of a shared limiter, on a store in memory that is slow, away or forgetful."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest

from customersms_async import ConfigurationError, LimiterUnavailable, Rate, WaitTooLong
from customersms_async._limit.shared_limiter import SharedLimiter
from tests.support.callers import BULK, KEY, SEND, names, now, queue_up, take, take_all, usage_of
from tests.support.memory_store import MemoryStore
from tests.support.shared import InMemory, Server

pytestmark = pytest.mark.virtual_time


def pair(limit=100, per=60.0, **options):
    """Give two members of one store, and the store."""
    server = Server()
    return (*(InMemory(server, Rate(limit, per=per), **options) for _ in range(2)), server)


# --- One account, many members --------------------------------------------------------------------


async def test_members_share_one_budget():
    """What one has used, the other lacks."""
    one, other, _ = pair(10)
    for slot in await take_all(one, 10):
        slot.answered()

    with pytest.raises(WaitTooLong, match=r"its turn comes in 60\.1 s"):
        await take(other, patience=50)


async def test_a_quiet_key_costs_one_trip_a_grant():
    """The next reservation also reports the last end, and needs no read first."""
    one, _, server = pair()
    (await take(one)).answered()
    before = server.calls
    for _ in range(10):
        (await take(one)).answered()

    assert 10 <= server.calls - before <= 11


async def test_a_rush_of_codes_leaves_at_once():
    """Forty messages that come together are reserved by one swap."""
    one, _, server = pair()
    server.trip = lambda: 0.0025
    began_at = now()

    await take_all(one, 40)

    assert now() - began_at <= 0.02


async def test_an_end_is_told_though_nobody_asks():
    """A second later at the latest the other members know."""
    one, other, _ = pair()
    slot = await take(one)
    slot.answered()
    await asyncio.sleep(1.1)

    usage = await usage_of(other)

    assert (1, 0) == (usage.busy, usage.in_flight)


async def test_an_end_is_dated_when_it_was_heard():
    """However late an end is reported, the slot opens a period after the answer."""
    one, other, server = pair(1, 10.0)
    slot = await take(one)
    heard_at = now()
    server.is_away = True
    slot.answered()
    await asyncio.sleep(5)
    server.is_away = False

    await take(other)

    assert 10.1 == pytest.approx(now() - heard_at, abs=0.01)


async def test_a_message_overtakes_the_bulk_run_of_another_member():
    """The reservation of one member's bulk run moves, and it leaves at its new instant."""
    one, other, _ = pair(2, 10.0, burst=1, reserve=0)
    for slot in await take_all(one, 2):
        await asyncio.sleep(1)
        slot.answered()
    served = []
    tasks = queue_up(one, BULK, ["bulk"], served)
    await asyncio.sleep(8.5)

    tasks += queue_up(other, SEND, ["send"], served)
    await asyncio.gather(*tasks)

    assert ["send", "bulk"] == names(served)
    assert [1011.1, 1016.2] == [pytest.approx(at, abs=0.01) for _, at in served]


async def test_a_bulk_run_whose_slot_was_taken_asks_again():
    """With one slot only, a message takes it, and the bulk run has the next."""
    one, other, _ = pair(1, 10.0)
    (await take(one)).answered()
    served = []
    tasks = queue_up(one, BULK, ["bulk"], served)
    await asyncio.sleep(9)

    tasks += queue_up(other, SEND, ["send"], served)
    await asyncio.gather(*tasks)

    assert ["send", "bulk"] == names(served)
    assert 10.1 <= served[1][1] - served[0][1] <= 11


async def test_two_bulk_runs_share_the_key_evenly():
    """Eight hungry members have equal parts."""
    server = Server()
    server.trip = lambda: 0.002
    counts = [0] * 4
    until = now() + 120

    async def run(number):
        limiter = InMemory(server)
        while now() < until:
            slot = await take(limiter, BULK)
            counts[number] += 1
            asyncio.get_running_loop().call_later(0.2, slot.answered)

    await asyncio.gather(*map(run, range(4)))

    assert 180 <= sum(counts)
    assert min(counts) >= 0.9 * max(counts)


async def test_a_grant_beside_seven_other_members_costs_less_than_four_calls():
    """One look that confirms, one swap, and one that came too late for what others had written."""
    server, counts, until = Server(), [0] * 8, now() + 10
    server.trip = lambda: 0.001

    async def run(number):
        limiter = InMemory(server, Rate(100, per=5))
        while now() < until:
            slot = await take(limiter, BULK)
            counts[number] += 1
            asyncio.get_running_loop().call_later(0.02, slot.answered)

    await asyncio.gather(*map(run, range(8)))

    assert 190 <= sum(counts)
    assert 3.5 * sum(counts) >= server.calls
    assert min(counts) >= 0.9 * max(counts)


async def test_members_with_other_options_are_refused_by_name():
    """Both lanes, and usage, say which options differ."""
    server = Server()
    one, other = InMemory(server, Rate(100)), InMemory(server, Rate(50), reserve=2)
    await take(one)

    for lane in (SEND, BULK):
        with pytest.raises(ConfigurationError, match="limit is 50 here and 100 there, burst"):
            await take(other, lane)


async def test_other_options_count_once_the_account_is_idle():
    """After all members have ended, a new deployment may have another rate."""
    server = Server()
    one, other = InMemory(server, Rate(100)), InMemory(server, Rate(50))
    (await take(one)).answered()
    await asyncio.sleep(130)

    await take(other)

    assert 50 == (await usage_of(other)).limit


async def test_a_foreign_value_is_told_to_the_callers():
    """A value of another version of the package lets nobody through, and nobody hang."""
    one, _, server = pair()
    await server.swap(KEY, await server.read(KEY), b"\x09foreign")

    with pytest.raises(Exception, match="another version"):
        await take(one)


# --- A store that is away -------------------------------------------------------------------------


async def test_a_store_that_is_away_refuses_messages_and_holds_bulk_runs():
    """`LimiterUnavailable` for one, waiting for the other, which goes on by itself."""
    one, _, server = pair()
    server.is_away = True
    bulk = asyncio.create_task(take(one, BULK))

    with pytest.raises(LimiterUnavailable, match="nothing listens"):
        await take(one)
    with pytest.raises(LimiterUnavailable):
        await usage_of(one)
    with pytest.raises(LimiterUnavailable):
        await one.ready()
    await asyncio.sleep(30)
    assert not bulk.done()
    server.is_away = False

    await bulk
    assert 31 >= now() - 1000


@pytest.mark.parametrize("lane", [SEND, BULK])
async def test_a_swap_whose_answer_was_lost_takes_no_second_slot(lane):
    """What the store has carried out is found by its serial, and adopted or given back."""
    one, _, server = pair()
    (await take(one)).unused()
    await asyncio.sleep(0)
    server.loses = 1

    if lane is SEND:
        with pytest.raises(LimiterUnavailable):
            await take(one)
    else:
        await take(one, BULK)
    await asyncio.sleep(2)

    assert (lane is BULK) == (await usage_of(one)).in_flight


async def test_a_refusal_is_shared_at_once():
    """A pause holds the other members too, and says how long."""
    one, other, _ = pair()
    slot = await take(one)

    assert 5.0 == pytest.approx(slot.refused(5.0))
    await asyncio.sleep(0.1)

    with pytest.raises(WaitTooLong) as caught:
        await take(other, patience=2)
    assert "PAUSED" == caught.value.code
    assert 2.9 == pytest.approx(caught.value.retry_after, abs=0.1)


async def test_who_comes_late_to_its_slot_asks_again():
    """A loop that was busy for longer than a lease allows for gives the slot back."""
    one, _, _ = pair()
    loop = asyncio.get_running_loop()
    waiting = asyncio.create_task(take(one))

    def be_busy():
        if waiting._fut_waiter is not None and waiting._fut_waiter.done():
            loop.before_turn = lambda: None
            loop._selector_clock.now += 20

    loop.before_turn = be_busy
    slot = await waiting

    assert 1 == (await usage_of(one)).in_flight
    assert 20 <= now() - 1000 <= 21
    assert slot.granted_at >= 1020


# --- A store that lost its memory -----------------------------------------------------------------


async def test_a_new_store_calls_the_roll():
    """It opens after three seconds, and until then says so."""
    limiter = InMemory(Server(is_new=True))
    began_at = now()

    with pytest.raises(WaitTooLong) as caught:
        await take(limiter, patience=1)
    assert "LIMITER_OPENING" == caught.value.code
    assert began_at + 3 == pytest.approx((await usage_of(limiter)).opens_at, abs=0.01)
    await limiter.ready()
    assert began_at + 3 == pytest.approx(now(), abs=0.01)
    await take(limiter)
    assert now() - began_at <= 3.1


async def test_a_new_account_in_a_store_that_runs_is_served_at_once():
    """Only a new store calls the roll; a new account costs a look and a swap."""
    one, _, server = pair()
    server.trip = lambda: 0.002
    await take(one)
    began_at = now()

    slots = [await one.acquire(f"account-{n}", SEND, longest=1) for n in range(3)]

    assert 3 * 2 * 0.004 + 0.001 >= now() - began_at
    assert max(slot.waited for slot in slots) <= 0.01


async def test_entering_begins_the_roll_call():
    """The block of a limiter may be entered while its store is away."""
    server = Server(is_new=True)
    server.is_away = True

    async with InMemory(server) as limiter:
        server.is_away = False
        await take(limiter)

    assert now() - 1000 <= 4


async def test_strict_waits_the_whole_look_back():
    """Nothing is granted until lost requests no longer count."""
    limiter = InMemory(Server(is_new=True), strict=True)

    with pytest.raises(WaitTooLong):
        await take(limiter, patience=140)

    await limiter.ready()
    assert 80 + 1 + 5 + 60.1 == pytest.approx(now() - 1000, abs=0.1)


def forget(server):
    server.forget()


def delete(server):
    server.restore({})


@pytest.mark.parametrize("lose", [forget, delete])
async def test_what_members_remember_is_brought(lose):
    """After a loss the slots that were busy are busy still, and the gate opens in five seconds."""
    one, other, server = pair(10)
    for slot in await take_all(one, 10):
        slot.answered()
    await asyncio.sleep(2)
    lose(server)
    lost_at = now()
    await asyncio.sleep(5)

    usage = await usage_of(other)

    assert (10, None) == (usage.busy, usage.opens_at)
    with pytest.raises(WaitTooLong):
        await take(other, patience=40)
    assert now() <= lost_at + 5.5


async def test_an_old_copy_loses_against_what_members_remember():
    """A store restored from a backup gets back what it lacks."""
    one, other, server = pair(10)
    for slot in await take_all(one, 5):
        slot.answered()
    await asyncio.sleep(2)
    copy = server.copy()
    for slot in await take_all(one, 5):
        slot.answered()
    await asyncio.sleep(2)
    server.restore(copy)
    server.restart()
    await asyncio.sleep(5)

    assert 10 == (await usage_of(other)).busy


@pytest.mark.parametrize("lose", [Server.restart, Server.forget])
async def test_a_roll_call_costs_a_few_calls(lose):
    """A reservation whose instant passes meanwhile makes nobody look all the time."""
    moments = itertools.count()
    one, other, server = pair(2, 2.0, clock=lambda: now() + 1e-6 * next(moments))
    server.trip = lambda: 0.002
    for slot in await take_all(one, 2):
        slot.answered()
    served = []
    tasks = [*queue_up(one, BULK, "a", served), *queue_up(other, BULK, "b", served)]
    await asyncio.sleep(1.5)
    before = server.calls
    lose(server)

    await asyncio.gather(*tasks)

    assert 30 >= server.calls - before
    assert 1004.5 <= served[0][1] <= 1005


async def test_a_loss_is_noticed_by_accounts_that_rest():
    """One look a second is enough for all, and every account brings what it knows."""
    one, other, server = pair(10)
    for account in ("a", "b", "c"):
        for _ in range(7):
            (await one.acquire(account, SEND, longest=1)).answered()
    await asyncio.sleep(2)
    before = server.calls
    await asyncio.sleep(10)
    assert 9 <= server.calls - before <= 11
    server.forget()
    await asyncio.sleep(5)

    assert [7, 7, 7] == [(await other.usage(account)).busy for account in ("a", "b", "c")]


async def test_idle_accounts_are_forgotten():
    """After all look-backs nobody looks at the store any more."""
    one, _, server = pair()
    for number in range(20):
        (await one.acquire(f"account-{number}", SEND, longest=1)).answered()
    await asyncio.sleep(200)
    before = server.calls
    await asyncio.sleep(100)

    assert 0 == server.calls - before
    (here,) = one._loops.values()
    assert {} == here.accounts


@pytest.mark.parametrize(("opens_in", "calls"), [(0.45, 1), (0.55, 2)])
async def test_a_slot_that_opens_soon_costs_one_call(opens_in, calls):
    """A reservation that nobody could move any more when it was made is not looked at again."""
    one, _, server = pair(1, opens_in - 0.1, reserve=0)
    await usage_of(one)
    await asyncio.sleep(0.1)
    (await take(one)).answered()
    before, asked_at = server.calls, now()

    await take(one)

    assert (calls, opens_in) == (server.calls - before, pytest.approx(now() - asked_at))


# --- Loops that end -------------------------------------------------------------------------------


async def test_closing_tells_the_ends_and_those_who_wait():
    """Ends are reported, waiting callers fail, and the limiter may be used again."""
    one, other, _ = pair(2, 60.0, reserve=0)
    slot, _ = await take_all(one, 2)
    waiting = [asyncio.create_task(take(one, lane)) for lane in (SEND, BULK, BULK, BULK)]
    await asyncio.sleep(1)
    slot.answered()

    await one.aclose()
    await one.aclose()

    usage = await usage_of(other)
    assert (2, 1) == (usage.busy, usage.in_flight)
    async with asyncio.timeout(1):
        told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [LimiterUnavailable] * 4 == list(map(type, told))
    assert 2 == (await usage_of(one)).busy


async def test_closing_while_the_store_is_away():
    """What cannot be told is kept for the next loop, and closing waits for nothing."""
    one, _, server = pair()
    slot = await take(one)
    server.is_away = True
    slot.answered()

    await one.aclose()

    server.is_away = False
    assert 0 == (await usage_of(one)).in_flight


@pytest.mark.parametrize(
    ("end", "is_away"), [("flush", False), ("aclose", False), ("aclose", True)]
)
async def test_nothing_begins_after_the_end(end, is_away):
    """A task that began while the event loop ends would be left over, half done."""
    one, _, server = pair()
    slot = await take(one)
    await asyncio.sleep(2.5)  # its task has ended
    server.is_away = is_away
    slot.answered()
    await getattr(one, end)()
    loop, begun = asyncio.get_running_loop(), []

    def note(loop, coro, **options):
        begun.append(coro.__qualname__)
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(note)
    await asyncio.sleep(0.1)

    assert [] == begun
    assert {asyncio.current_task()} == asyncio.all_tasks()


async def test_a_slot_that_ends_after_its_limiter_was_closed():
    """The next use tells it."""
    one, _, server = pair()
    slot = await take(one)
    await one.aclose()
    slot.answered()
    await asyncio.sleep(2)
    server.calls = 0

    usage = await usage_of(one)

    assert (1, 0) == (usage.busy, usage.in_flight)
    assert 1 == server.calls


async def test_closing_after_a_loss_leaves_the_rest_to_the_next_loop():
    """Ends are kept, not reported, while the store has just lost its memory."""
    one, _, server = pair()
    slot = await take(one)
    server.forget()
    slot.answered()

    await one.aclose()

    await one.ready()
    await asyncio.sleep(2)
    usage = await usage_of(one)
    assert (1, 0) == (usage.busy, usage.in_flight)


class OnOneStore(SharedLimiter):
    """A limiter whose loops all use one store in memory."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.store = MemoryStore()
        self.store._since -= 1000

    def _open_store(self):
        return self.store


def test_a_loop_per_call_leaves_nothing_untold():
    """Ends that one loop did not tell, the next one tells; slots are used as in one long loop."""
    limiter = OnOneStore(Rate(2, per=0.2))

    async def job():
        (await take(limiter, longest=30)).answered()

    for _ in range(6):
        asyncio.run(job())

    assert 0 == asyncio.run(usage_of(limiter)).in_flight
    assert 1 == len(limiter._loops)


def test_a_reservation_of_a_loop_that_is_gone_is_given_back():
    """A loop that is closed while a caller waits leaves the slot to others."""
    limiter = OnOneStore(Rate(1, per=1.0))
    loop = asyncio.new_event_loop()

    async def leave():
        (await take(limiter)).answered()
        waiting = asyncio.create_task(take(limiter))
        await asyncio.sleep(0.05)
        waiting._log_destroy_pending = False
        (here,) = limiter._loops.values()
        here.accounts[KEY]._pump._log_destroy_pending = False
        here.timer.cancel()

    loop.run_until_complete(leave())
    loop.close()

    assert 1 == asyncio.run(usage_of(limiter)).busy


def test_a_slot_may_end_in_another_thread():
    """Its own loop tells it."""
    limiter = OnOneStore(Rate(2))

    async def main():
        slot = await take(limiter)
        thread = threading.Thread(target=slot.answered)
        thread.start()
        thread.join()
        await asyncio.sleep(1.2)
        seen = await usage_of(limiter)
        await limiter.aclose()
        return slot, seen

    slot, seen = asyncio.run(main())
    slot.answered()  # its loop is closed: noted for the next one

    assert (1, 0) == (seen.busy, seen.in_flight)


async def test_a_forked_child_begins_under_other_names():
    """Nothing of the parent's loops is used or closed in a child."""
    one, _, _ = pair()
    await take(one)

    one.forget_loops()

    assert {} == one._loops
    await take(one)
    assert 2 == (await usage_of(one)).in_flight


def test_a_base_without_a_store_is_no_limiter():
    """A subclass says how its store is opened."""
    with pytest.raises(NotImplementedError):
        asyncio.run(take(SharedLimiter()))
    assert "<SharedLimiter 100 per 60 s>" == repr(SharedLimiter())
