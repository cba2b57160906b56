"""Members of a shared limiter, on a store in memory that is slow, unavailable or forgetful."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest

from customersms_async import ConfigurationError, LimiterUnavailable, Rate, WaitTooLong
from customersms_async._limit.shared_limiter import SharedLimiter
from tests.support.limiter_callers import (
    BULK,
    KEY,
    SEND,
    names,
    now,
    queue_up,
    take,
    take_all,
    usage_of,
)
from tests.support.memory_store import MemoryStore
from tests.support.shared_limiter_in_memory import LimiterInMemory, RemoteStore

pytestmark = pytest.mark.virtual_time


def pair(limit=100, per=60.0, **options):
    """Return two members of one store, and the store."""
    server = RemoteStore()
    return (*(LimiterInMemory(server, Rate(limit, per=per), **options) for _ in range(2)), server)


# --- One account, many members --------------------------------------------------------------------


async def test_members_share_one_limit():
    """Slots used by one member are not available to another."""
    one, other, _ = pair(10)
    for slot in await take_all(one, 10):
        slot.answered()

    with pytest.raises(WaitTooLong, match=r"its turn comes in 60\.1 s"):
        await take(other, patience=50)


async def test_a_grant_on_a_quiet_key_costs_one_call():
    """A reservation also reports the last end, and needs no read before it."""
    one, _, server = pair()
    (await take(one)).answered()
    before = server.calls
    for _ in range(10):
        (await take(one)).answered()

    assert 10 <= server.calls - before <= 11


async def test_simultaneous_messages_leave_at_once():
    """Forty simultaneous messages are reserved by one swap."""
    one, _, server = pair()
    server.trip = lambda: 0.0025
    began_at = now()

    await take_all(one, 40)

    assert now() - began_at <= 0.02


async def test_an_end_is_reported_without_further_grants():
    """Other members know of an end after a second, even without further grants."""
    one, other, _ = pair()
    slot = await take(one)
    slot.answered()
    await asyncio.sleep(1.1)

    usage = await usage_of(other)

    assert (1, 0) == (usage.busy, usage.in_flight)


async def test_an_end_counts_from_its_answer():
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


async def test_a_message_overtakes_a_bulk_run_of_another_member():
    """A bulk reservation of another member is moved, and leaves at its new time."""
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


async def test_a_bulk_run_that_lost_its_slot_asks_again():
    """With one slot only, a message takes it, and the bulk run gets the next."""
    one, other, _ = pair(1, 10.0)
    (await take(one)).answered()
    served = []
    tasks = queue_up(one, BULK, ["bulk"], served)
    await asyncio.sleep(9)

    tasks += queue_up(other, SEND, ["send"], served)
    await asyncio.gather(*tasks)

    assert ["send", "bulk"] == names(served)
    assert 10.1 <= served[1][1] - served[0][1] <= 11


async def test_bulk_runs_of_two_members_share_evenly():
    """Bulk runs of several members get equal parts."""
    server = RemoteStore()
    server.trip = lambda: 0.002
    counts = [0] * 4
    until = now() + 120

    async def run(number):
        limiter = LimiterInMemory(server)
        while now() < until:
            slot = await take(limiter, BULK)
            counts[number] += 1
            asyncio.get_running_loop().call_later(0.2, slot.answered)

    await asyncio.gather(*map(run, range(4)))

    assert 180 <= sum(counts)
    assert min(counts) >= 0.9 * max(counts)


async def test_a_grant_beside_seven_members_costs_under_four_calls():
    """With eight busy members, a grant takes at most 3.5 calls."""
    server, counts, until = RemoteStore(), [0] * 8, now() + 10
    server.trip = lambda: 0.001

    async def run(number):
        limiter = LimiterInMemory(server, Rate(100, per=5))
        while now() < until:
            slot = await take(limiter, BULK)
            counts[number] += 1
            asyncio.get_running_loop().call_later(0.02, slot.answered)

    await asyncio.gather(*map(run, range(8)))

    assert 190 <= sum(counts)
    assert 3.5 * sum(counts) >= server.calls
    assert min(counts) >= 0.9 * max(counts)


async def test_members_with_other_options_are_refused_by_name():
    """The error for each lane, and for `usage`, names the options that differ."""
    server = RemoteStore()
    one, other = LimiterInMemory(server, Rate(100)), LimiterInMemory(server, Rate(50), reserve=2)
    await take(one)

    for lane in (SEND, BULK):
        with pytest.raises(ConfigurationError, match="limit is 50 here and 100 there, burst"):
            await take(other, lane)


async def test_other_options_are_accepted_on_an_idle_account():
    """Once the account is idle, a new deployment can use another rate."""
    server = RemoteStore()
    one, other = LimiterInMemory(server, Rate(100)), LimiterInMemory(server, Rate(50))
    (await take(one)).answered()
    await asyncio.sleep(130)

    await take(other)

    assert 50 == (await usage_of(other)).limit


async def test_a_foreign_value_is_an_error():
    """A value of another version of the package raises an error instead of hanging."""
    one, _, server = pair()
    await server.swap(KEY, await server.read(KEY), b"\x09foreign")

    with pytest.raises(Exception, match="another version"):
        await take(one)


# --- A store that is unavailable ------------------------------------------------------------------


async def test_an_unavailable_store_fails_messages_and_delays_bulk_runs():
    """Messages raise `LimiterUnavailable`; bulk runs wait, and go on by themselves."""
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
async def test_a_lost_answer_of_a_swap_takes_no_second_slot(lane):
    """A swap whose answer was lost is found by its serial, and used or given back."""
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
    """A pause applies to other members too, with the same end."""
    one, other, _ = pair()
    slot = await take(one)

    assert 5.0 == pytest.approx(slot.refused(5.0))
    await asyncio.sleep(0.1)

    with pytest.raises(WaitTooLong) as caught:
        await take(other, patience=2)
    assert "PAUSED" == caught.value.code
    assert 2.9 == pytest.approx(caught.value.retry_after, abs=0.1)


async def test_a_late_holder_asks_again():
    """A loop that was busy for longer than its lease allows gives the slot back."""
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


async def test_a_new_store_does_a_roll_call():
    """A new store opens after three seconds, and `usage` says so until then."""
    limiter = LimiterInMemory(RemoteStore(is_new=True))
    began_at = now()

    with pytest.raises(WaitTooLong) as caught:
        await take(limiter, patience=1)
    assert "LIMITER_OPENING" == caught.value.code
    assert began_at + 3 == pytest.approx((await usage_of(limiter)).opens_at, abs=0.01)
    await limiter.ready()
    assert began_at + 3 == pytest.approx(now(), abs=0.01)
    await take(limiter)
    assert now() - began_at <= 3.1


async def test_a_new_account_in_a_running_store_is_served_at_once():
    """Only a new store needs a roll call; a new account needs a read and a swap."""
    one, _, server = pair()
    server.trip = lambda: 0.002
    await take(one)
    began_at = now()

    slots = [await one.acquire(f"account-{n}", SEND, longest=1) for n in range(3)]

    assert 3 * 2 * 0.004 + 0.001 >= now() - began_at
    assert max(slot.waited for slot in slots) <= 0.01


async def test_entering_starts_the_roll_call():
    """A limiter can be entered while its store is unavailable."""
    server = RemoteStore(is_new=True)
    server.is_away = True

    async with LimiterInMemory(server) as limiter:
        server.is_away = False
        await take(limiter)

    assert now() - 1000 <= 4


async def test_strict_waits_for_the_whole_look_back():
    """With strict, nothing is granted until lost requests no longer count."""
    limiter = LimiterInMemory(RemoteStore(is_new=True), strict=True)

    with pytest.raises(WaitTooLong):
        await take(limiter, patience=140)

    await limiter.ready()
    assert 80 + 1 + 5 + 60.1 == pytest.approx(now() - 1000, abs=0.1)


def forget(server):
    server.forget()


def delete(server):
    server.restore({})


@pytest.mark.parametrize("lose", [forget, delete])
async def test_members_restore_what_they_remember(lose):
    """After a loss, busy slots are busy again, and the store opens within five seconds."""
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


async def test_members_replace_an_old_copy():
    """A store that was restored from a backup gets back what it lacks."""
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


@pytest.mark.parametrize("lose", [RemoteStore.restart, RemoteStore.forget])
async def test_a_roll_call_costs_a_few_calls(lose):
    """Members do not poll during a roll call, even if reservations become due in it."""
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


async def test_a_loss_is_noticed_by_idle_accounts():
    """One read per second is enough to notice a loss, and every account is restored."""
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


async def test_idle_accounts_are_dropped():
    """After the look-back of all requests, the store is no longer read."""
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
    """A reservation that was final when it was made is not read again."""
    one, _, server = pair(1, opens_in - 0.1, reserve=0)
    await usage_of(one)
    await asyncio.sleep(0.1)
    (await take(one)).answered()
    before, asked_at = server.calls, now()

    await take(one)

    assert (calls, opens_in) == (server.calls - before, pytest.approx(now() - asked_at))


# --- Loops that end -------------------------------------------------------------------------------


async def test_closing_reports_ends_and_fails_waiters():
    """Ends are reported, waiting callers fail, and the limiter can be used again."""
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


async def test_closing_while_the_store_is_unavailable():
    """Unreported ends are kept for the next loop, and closing does not wait."""
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
async def test_closing_starts_no_new_task(end, is_away):
    """No task is started while the event loop ends, as it would be left half done."""
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
    """The end of a slot after closing is reported by the next use of the limiter."""
    one, _, server = pair()
    slot = await take(one)
    await one.aclose()
    slot.answered()
    await asyncio.sleep(2)
    server.calls = 0

    usage = await usage_of(one)

    assert (1, 0) == (usage.busy, usage.in_flight)
    assert 1 == server.calls


async def test_closing_after_a_loss_keeps_ends_for_the_next_loop():
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


def test_a_loop_per_call_reports_every_end():
    """Ends that one loop did not report are reported by the next."""
    limiter = OnOneStore(Rate(2, per=0.2))

    async def job():
        (await take(limiter, longest=30)).answered()

    for _ in range(6):
        asyncio.run(job())

    assert 0 == asyncio.run(usage_of(limiter)).in_flight
    assert 1 == len(limiter._loops)


def test_a_reservation_of_a_closed_loop_is_given_back():
    """If a loop is closed while a caller waits, the slot goes to others."""
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
    """An end in another thread is reported by the loop of the slot."""
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
    slot.answered()  # its loop is closed: kept for the next one

    assert (1, 0) == (seen.busy, seen.in_flight)


async def test_a_forked_child_has_its_own_members():
    """A child neither uses nor closes anything of its parent's loops."""
    one, _, _ = pair()
    await take(one)

    one.forget_loops()

    assert {} == one._loops
    await take(one)
    assert 2 == (await usage_of(one)).in_flight


def test_a_subclass_must_open_a_store():
    """`SharedLimiter` itself, which cannot open a store, raises NotImplementedError."""
    with pytest.raises(NotImplementedError):
        asyncio.run(take(SharedLimiter()))
    assert "<SharedLimiter 100 per 60 s>" == repr(SharedLimiter())
