"""What every limiter keeps: the cap, the pace, the pause, and the word about it."""

from __future__ import annotations

import asyncio
import functools
import random
from collections import Counter
from itertools import pairwise

import pytest

from customersms_async import WaitTooLong
from tests.support.callers import BULK, SEND, now, queue_up, take, take_all, usage_of
from tests.support.sizes import sized

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("seed", range(sized(2, 5)))
@pytest.mark.parametrize("lane", [SEND, BULK])
async def test_the_server_never_sees_more_than_the_limit(make_limiter, lane, seed):
    """With random ways to the server and back, no window ever holds more than the limit."""
    dice = random.Random(seed)
    limit, per = 20, 10.0
    limiter = make_limiter(limit, per, burst=limit)
    arrivals = []

    async def request(number):
        slot = await take(limiter, lane, longest=5.0)
        if dice.random() < 0.05:
            return slot.unused()
        if dice.random() < 0.03:
            arrivals.append(now() + dice.random() * 5.0)
            return None  # never ended: its task died
        await asyncio.sleep(dice.random() ** 4 * 4.0)
        arrived_at = now()
        if dice.random() < 0.05:
            arrivals.append(arrived_at + dice.random() * 5.0)  # still on its way when it was lost
            return slot.lost()
        arrivals.append(arrived_at)
        await asyncio.sleep(dice.random() ** 4 * 4.0)
        return slot.refused(None) if dice.random() < 0.02 else slot.answered()

    await asyncio.gather(*map(request, range(400)))

    arrivals.sort()
    assert 300 < len(arrivals)
    for first, last in zip(arrivals, arrivals[limit:], strict=False):
        assert last - first >= per


async def test_the_budget_is_used(make_limiter):
    """Where answers come within two seconds, a bulk run uses at least 95 % of the limit."""
    limiter, served = make_limiter(), []
    count, dice = sized(500, 1_000), random.Random(1)

    async def one():
        slot = await take(limiter, BULK)
        served.append(now())
        await asyncio.sleep(dice.random() * 2.0)
        slot.answered()

    await asyncio.gather(*(one() for _ in range(count)))

    assert served[-1] - served[0] <= count / 100 * 60 / 0.95


async def test_bulk_runs_are_paced(make_limiter):
    """After a small burst, what is free lasts until more opens; messages pass at once."""
    limiter, served = make_limiter(), []
    tasks = queue_up(limiter, BULK, range(30), served)
    await asyncio.sleep(0.1)
    began_at = now()

    slot = await take(limiter)

    assert began_at == now()
    slot.answered()
    await asyncio.gather(*tasks)
    at = [instant - 1000 for _, instant in served]
    assert 9 == sum(1 for instant in at if instant < 0.1)
    # 91 slots are left, one of which stays free, and the first opens again after 60.1 s. Where the
    # tenth request reserved ahead, the message delayed the eleventh.
    assert {0.661} == {round(b - a, 3) for a, b in pairwise(at[10:])}


async def test_the_pace_is_just_under_the_rate(make_limiter):
    """Where the window has run full once, bulk requests leave at 98 % of the rate or less."""
    limiter, served = make_limiter(), []

    await asyncio.gather(*queue_up(limiter, BULK, range(400), served))

    at = [instant for _, instant in served]
    gaps = [b - a for a, b in pairwise(at[200:])]
    assert 0.612 <= min(gaps) + 0.001
    assert 0.612 == pytest.approx(sum(gaps) / len(gaps), rel=0.01)


async def test_a_token_that_nobody_took_makes_no_larger_burst(make_limiter):
    """However many bulk waiters came and went, a burst stays as small as it is."""
    limiter = make_limiter()
    await take_all(limiter, 9, BULK)
    gone = asyncio.create_task(take(limiter, BULK))
    await asyncio.sleep(0.1)
    gone.cancel()
    await asyncio.sleep(30)
    served = []
    tasks = queue_up(limiter, BULK, range(20), served)
    began_at = now()
    await asyncio.gather(*tasks)

    assert 9 >= sum(1 for _, instant in served if instant < began_at + 0.1)


async def test_a_message_beside_a_bulk_run_that_saturates_the_key(make_limiter):
    """It waits no longer than two slots of the pace, and hardly ever at all."""
    limiter, waits, dice = make_limiter(), [], random.Random(5)
    loop, until = asyncio.get_running_loop(), now() + sized(600, 1_800)

    async def bulk_run():
        while now() < until:
            slot = await take(limiter, BULK)
            loop.call_later(dice.uniform(0.02, 1.0), slot.answered)

    running = asyncio.create_task(bulk_run())
    while now() < until:
        await asyncio.sleep(dice.uniform(5, 20))
        slot = await take(limiter)
        waits.append(slot.waited)
        loop.call_later(dice.uniform(0.02, 1.0), slot.answered)
    await running

    waits.sort()
    assert waits[int(len(waits) * 0.99)] <= 2 * 60 / 98
    assert 0.0 == waits[len(waits) // 2]


async def test_a_burst_of_the_whole_limit_turns_pacing_off(make_limiter):
    """Who knows that the server counts a window may leave at once."""
    limiter, began_at = make_limiter(burst=100, reserve=0), now()

    await take_all(limiter, 100, BULK)

    assert began_at == now()


async def test_a_reserve_is_left_to_messages(make_limiter):
    """Bulk runs leave some slots free, which messages take."""
    limiter, began_at = make_limiter(10, 10.0, burst=10, reserve=3), now()
    slots = await take_all(limiter, 7, BULK)
    waiting = asyncio.create_task(take(limiter, BULK))
    await asyncio.sleep(1)

    await take_all(limiter, 3)

    assert 1 == pytest.approx(now() - began_at)
    assert not waiting.done()
    for slot in slots:
        slot.answered()
    assert BULK is (await waiting).ticket.lane


async def test_a_reserve_lets_no_bulk_run_starve(make_limiter):
    """Where messages take each slot as it opens, a bulk run gets one grant in ten all the same."""
    limiter, served = make_limiter(5, 5.0, burst=5, reserve=2), []
    for _ in range(5):
        (await take(limiter)).answered()
        await asyncio.sleep(1)
    tasks = queue_up(limiter, SEND, ["send"] * 60, served)
    tasks += queue_up(limiter, BULK, ["bulk"] * 4, served)

    await asyncio.gather(*tasks)

    places = [place for place, (name, _) in enumerate(served) if name == "bulk"]
    assert places[3] <= 55


async def test_a_reserve_holds_again_when_a_bulk_run_has_left(make_limiter):
    """Messages that passed a bulk run by are forgotten with it: the next one leaves the reserve."""
    limiter = make_limiter(20, 10.0, burst=20, reserve=5)
    slots = await take_all(limiter, 20)
    passed = asyncio.create_task(take(limiter, BULK))
    await asyncio.sleep(0.1)
    tasks = queue_up(limiter, SEND, range(9), [])
    await asyncio.sleep(0.1)
    for slot in slots[:9]:
        slot.unused()
    await asyncio.gather(*tasks)
    passed.cancel()
    for slot in slots[9:]:
        slot.unused()
    await asyncio.sleep(30)

    waiting = [asyncio.create_task(take(limiter, BULK)) for _ in range(20)]
    await asyncio.sleep(1)

    assert 15 == sum(task.done() for task in waiting)


async def test_a_refusal_pauses_everyone(make_limiter):
    """Nothing leaves before the instant that the refusal has set."""
    limiter = make_limiter()
    slot = await take(limiter)
    refused_at = now()

    slot.refused(20.0)

    assert refused_at + 20 == (await usage_of(limiter)).paused_until
    again = await take(limiter)
    assert 20 == pytest.approx(again.waited, abs=0.001)
    assert (await usage_of(limiter)).paused_until is None


async def test_a_pause_is_only_ever_moved_later(make_limiter):
    """A shorter pause that is asked for later does not end the longer one."""
    limiter = make_limiter()
    first, second = await take_all(limiter, 2)

    first.refused(30.0)
    second.refused(1.0)

    assert 30 == pytest.approx((await take(limiter)).waited, abs=0.001)


async def test_pauses_grow_until_something_is_accepted(make_limiter):
    """1, 2, 4 … 60 seconds where the gateway names none, and 1 again after an acceptance."""
    limiter, waits = make_limiter(), []
    slot = await take(limiter)

    for _ in range(9):
        slot.refused(None)
        slot = await take(limiter)
        waits.append(round(slot.waited))
    slot.answered()
    slot = await take(limiter)
    slot.refused(None)

    assert [1, 2, 4, 8, 16, 32, 60, 60, 60] == waits
    assert 1 == round((await take(limiter)).waited)


async def test_old_refusals_do_not_escalate(make_limiter):
    """Ten requests that left before the pause and are refused in it make one pause."""
    limiter = make_limiter()
    slots = await take_all(limiter, 10)
    await asyncio.sleep(0.1)

    for slot in slots:
        slot.refused(None)

    assert 1 == round((await take(limiter)).waited)


async def test_once_refused_everything_is_paced(make_limiter):
    """After the first refusal, messages leave one by one as well, at a slower pace."""
    limiter, served = make_limiter(), []
    slot = await take(limiter)
    slot.refused(1.0)

    await asyncio.gather(*queue_up(limiter, SEND, range(5), served))

    at = [instant - 1001 for _, instant in served]
    assert pytest.approx([0, 0.632, 1.263, 1.895, 2.526], abs=0.001) == at


async def test_after_a_refusal_a_rest_saves_no_burst(make_limiter):
    """Right after a refusal messages leave one by one, however long the key has rested."""
    limiter, served = make_limiter(), []
    slot = await take(limiter)
    await asyncio.sleep(30)
    slot.refused(0.0)
    refused_at = now()

    await asyncio.gather(*queue_up(limiter, SEND, range(4), served))

    about = functools.partial(pytest.approx, abs=0.002)
    assert about([0.632, 1.263, 1.895, 2.526]) == [at - refused_at for _, at in served]


async def test_caution_fades(make_limiter):
    """Four minutes after a refusal, messages leave at once again."""
    limiter = make_limiter()
    (await take(limiter)).refused(0.0)
    waits = []
    for _ in range(3):
        await asyncio.sleep(90)
        slots = await take_all(limiter, 9)
        waits.append(sum(slot.waited > 0 for slot in slots))
        for slot in slots:
            slot.answered()

    assert [5, 2, 0] == waits


async def test_a_share_is_learnt_and_grows(make_limiter):
    """Refused below our own count, bulk runs take 90 % of what was used, and 2 % more a minute."""
    limiter = make_limiter()
    for slot in await take_all(limiter, 50):
        slot.answered()
    await asyncio.sleep(59)
    slot = await take(limiter)

    slot.refused(0.0)

    assert 0.9 * 51 == pytest.approx((await usage_of(limiter)).share, rel=0.03)
    await asyncio.sleep(300)
    assert 0.9 * 51 + 10 == pytest.approx((await usage_of(limiter)).share, rel=0.03)


async def test_a_share_bounds_bulk_runs(make_limiter):
    """Where others use most of the key, bulk runs take no more than their share in a minute."""
    limiter, served = make_limiter(), []
    for slot in await take_all(limiter, 20):
        slot.answered()
    await asyncio.sleep(59)
    (await take(limiter)).refused(0.0)
    began_at = now()
    tasks = queue_up(limiter, BULK, range(60), served)

    await asyncio.sleep(180)

    assert 16 * 3 <= len([at for _, at in served if at < began_at + 180]) <= 24 * 3
    for task in tasks:
        task.cancel()


async def test_the_hopeless_are_told_of_the_slower_pace(make_limiter):
    """After a refusal, a caller that the pace would delay too long fails without waiting."""
    limiter = make_limiter()
    (await take(limiter)).refused(0.0)
    tasks = queue_up(limiter, SEND, range(20), [])
    await asyncio.sleep(0)
    began_at = now()

    with pytest.raises(WaitTooLong):
        await take(limiter, patience=12.0)

    assert began_at == now()
    await take(limiter, patience=14.0)
    await asyncio.gather(*tasks)


@pytest.mark.parametrize(
    ("end", "least"),
    [
        (lambda slot: slot.answered(), 60.0),
        (lambda slot: slot.lost(), 65.0),
        (lambda slot: slot.refused(1.0), 63.0),
        (lambda slot: slot.unused(), 0.0),
    ],
    ids=["answered", "lost", "refused", "unused"],
)
async def test_a_waiter_has_its_slot_as_soon_as_the_end_of_another_allows(make_limiter, end, least):
    """A caller that waits for a lease to expire is served as soon as its request ends."""
    limiter = make_limiter(1, 60.0)
    slot = await take(limiter, longest=300.0)
    waiting = asyncio.create_task(take(limiter))
    await asyncio.sleep(1)
    ended_at = now()

    end(slot)

    await waiting
    assert least <= now() - ended_at <= least + 1.5


async def test_refusals_below_our_own_count_are_others(make_limiter, caplog):
    """Where we are below the limit, somebody else uses the key: counted, and logged once."""
    limiter = make_limiter()
    slots = await take_all(limiter, 2)

    for slot in slots:
        slot.refused(1.0)

    assert 2 == (await usage_of(limiter)).refused_by_others
    assert 1 == len([r for r in caplog.records if getattr(r, "event", "") == "limit.shared"])


async def test_refusals_at_our_own_limit_are_our_own(make_limiter, caplog):
    """Where every slot is busy, nobody else has to be blamed."""
    limiter = make_limiter(1)
    slot = await take(limiter)

    slot.refused(1.0)

    assert 0 == (await usage_of(limiter)).refused_by_others
    assert [] == caplog.records


async def test_usage_tells_how_an_account_stands(make_limiter):
    """Slots, waiters and instants, which asking does not change."""
    limiter = make_limiter(2, 60.0)
    idle = await usage_of(limiter)
    first, second = await take_all(limiter, 2)
    waiting = asyncio.create_task(take(limiter))
    await asyncio.sleep(1)
    flying = await usage_of(limiter)
    first.answered()
    answered = await usage_of(limiter)
    second.unused()
    await waiting

    assert (2, 0, 0, 0, pytest.approx(now() - 1, abs=0.01)) == (
        idle.limit,
        idle.busy,
        idle.in_flight,
        idle.waiting,
        idle.next_free_at,
    )
    assert (2, 2, 1, None) == (
        flying.busy,
        flying.in_flight,
        flying.waiting,
        flying.next_free_at,
    )
    assert (2, 1, pytest.approx(1061, abs=1)) == (
        answered.busy,
        answered.in_flight,
        answered.next_free_at,
    )
    assert await usage_of(limiter) == await usage_of(limiter)


async def test_a_lease_that_never_ends_frees_its_slot_late(make_limiter):
    """A request whose task died holds its slot as long as it can have lasted, and no longer."""
    limiter, began_at = make_limiter(1, 60.0), now()
    await take(limiter, longest=30.0)

    await take(limiter)

    assert 30 + 60 <= now() - began_at <= 30 + 60 + 8


async def test_accounts_are_apart(make_limiter):
    """One account's slots are no other's."""
    limiter, began_at = make_limiter(1), now()

    granted = Counter()
    for account in ("one", "two", "three"):
        slot = await limiter.acquire(account, SEND, longest=1.0)
        granted[account] += 1
        slot.refused(100.0)

    assert began_at == now()
    assert 3 == granted.total()
