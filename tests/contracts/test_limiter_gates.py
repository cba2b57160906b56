"""What every limiter guarantees: the limit, the pace, pauses, and usage."""

from __future__ import annotations

import asyncio
import functools
import random
from collections import Counter
from itertools import pairwise

import pytest

from customersms_async import WaitTooLong
from tests.support.limiter_callers import BULK, SEND, now, queue_up, take, take_all, usage_of
from tests.support.sizes import sized

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("seed", range(sized(2, 5)))
@pytest.mark.parametrize("lane", [SEND, BULK])
async def test_the_server_never_counts_more_than_the_limit(make_limiter, lane, seed):
    """With random network delays, no window ever has more requests than the limit."""
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
    """If answers take up to two seconds, a bulk run uses at least 95 % of the limit."""
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
    """After a small burst, free slots are spread until more open; messages are not delayed."""
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
    # 91 slots are left, one of which stays free, and the first opens again after 60.1 s. If the
    # tenth request reserved ahead, the message delayed the eleventh.
    assert {0.661} == {round(b - a, 3) for a, b in pairwise(at[10:])}


async def test_the_pace_is_just_under_the_rate(make_limiter):
    """After the window was full once, bulk requests leave at 98 % of the rate or less."""
    limiter, served = make_limiter(), []

    await asyncio.gather(*queue_up(limiter, BULK, range(400), served))

    at = [instant for _, instant in served]
    gaps = [b - a for a, b in pairwise(at[200:])]
    assert 0.612 <= min(gaps) + 0.001
    assert 0.612 == pytest.approx(sum(gaps) / len(gaps), rel=0.01)


async def test_unused_tokens_do_not_enlarge_a_burst(make_limiter):
    """Bulk waiters that came and went do not enlarge a later burst."""
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
    """A message beside a saturating bulk run rarely waits, and no longer than two paced slots."""
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
    """With a burst of the whole limit, bulk requests leave without pacing."""
    limiter, began_at = make_limiter(burst=100, reserve=0), now()

    await take_all(limiter, 100, BULK)

    assert began_at == now()


async def test_a_reserve_is_kept_for_messages(make_limiter):
    """Bulk runs leave the reserve free, and messages can use it."""
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


async def test_a_reserve_does_not_starve_bulk_runs(make_limiter):
    """If messages take every slot that opens, a bulk run still gets every tenth grant."""
    limiter, served = make_limiter(5, 5.0, burst=5, reserve=2), []
    for _ in range(5):
        (await take(limiter)).answered()
        await asyncio.sleep(1)
    tasks = queue_up(limiter, SEND, ["send"] * 60, served)
    tasks += queue_up(limiter, BULK, ["bulk"] * 4, served)

    await asyncio.gather(*tasks)

    places = [place for place, (name, _) in enumerate(served) if name == "bulk"]
    assert places[3] <= 55


async def test_a_reserve_holds_after_a_bulk_run_has_left(make_limiter):
    """After a bulk request that was passed has left, the next one leaves the reserve free."""
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
    """Nothing is granted until the pause of a refusal is over."""
    limiter = make_limiter()
    slot = await take(limiter)
    refused_at = now()

    slot.refused(20.0)

    assert refused_at + 20 == (await usage_of(limiter)).paused_until
    again = await take(limiter)
    assert 20 == pytest.approx(again.waited, abs=0.001)
    assert (await usage_of(limiter)).paused_until is None


async def test_a_pause_is_never_shortened(make_limiter):
    """A shorter pause that is requested later does not end the longer one."""
    limiter = make_limiter()
    first, second = await take_all(limiter, 2)

    first.refused(30.0)
    second.refused(1.0)

    assert 30 == pytest.approx((await take(limiter)).waited, abs=0.001)


async def test_pauses_double_until_a_request_is_accepted(make_limiter):
    """Pauses last 1, 2, 4 … 60 seconds by default, and 1 again after an acceptance."""
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


async def test_refusals_of_older_requests_do_not_escalate(make_limiter):
    """Ten requests that left before a pause and are then refused cause only one pause."""
    limiter = make_limiter()
    slots = await take_all(limiter, 10)
    await asyncio.sleep(0.1)

    for slot in slots:
        slot.refused(None)

    assert 1 == round((await take(limiter)).waited)


async def test_after_a_refusal_messages_are_paced(make_limiter):
    """After the first refusal, messages are spread as well, at a slower pace."""
    limiter, served = make_limiter(), []
    slot = await take(limiter)
    slot.refused(1.0)

    await asyncio.gather(*queue_up(limiter, SEND, range(5), served))

    at = [instant - 1001 for _, instant in served]
    assert pytest.approx([0, 0.632, 1.263, 1.895, 2.526], abs=0.001) == at


async def test_an_idle_time_before_a_refusal_allows_no_burst(make_limiter):
    """After a refusal messages are spread, however long the key was idle before."""
    limiter, served = make_limiter(), []
    slot = await take(limiter)
    await asyncio.sleep(30)
    slot.refused(0.0)
    refused_at = now()

    await asyncio.gather(*queue_up(limiter, SEND, range(4), served))

    about = functools.partial(pytest.approx, abs=0.002)
    assert about([0.632, 1.263, 1.895, 2.526]) == [at - refused_at for _, at in served]


async def test_the_slower_pace_ends(make_limiter):
    """Four minutes after a refusal, messages are not paced any more."""
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


async def test_a_share_is_learned_and_grows(make_limiter):
    """After a refusal below our count, the share is 90 % of what was used, plus 2 % a minute."""
    limiter = make_limiter()
    for slot in await take_all(limiter, 50):
        slot.answered()
    await asyncio.sleep(59)
    slot = await take(limiter)

    slot.refused(0.0)

    assert 0.9 * 51 == pytest.approx((await usage_of(limiter)).share, rel=0.03)
    await asyncio.sleep(300)
    assert 0.9 * 51 + 10 == pytest.approx((await usage_of(limiter)).share, rel=0.03)


async def test_a_share_limits_bulk_runs(make_limiter):
    """If others use most of the key, bulk runs use no more than their share per minute."""
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


async def test_the_slower_pace_counts_against_patience(make_limiter):
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
async def test_a_waiter_is_served_once_another_request_ends(make_limiter, end, least):
    """A caller that waits for a lease to expire is served as soon as its request ends."""
    limiter = make_limiter(1, 60.0)
    slot = await take(limiter, longest=300.0)
    waiting = asyncio.create_task(take(limiter))
    await asyncio.sleep(1)
    ended_at = now()

    end(slot)

    await waiting
    assert least <= now() - ended_at <= least + 1.5


async def test_refusals_below_our_count_are_by_others(make_limiter, caplog):
    """Refusals below our own limit are counted as caused by others, and logged once."""
    limiter = make_limiter()
    slots = await take_all(limiter, 2)

    for slot in slots:
        slot.refused(1.0)

    assert 2 == (await usage_of(limiter)).refused_by_others
    assert 1 == len([r for r in caplog.records if getattr(r, "event", "") == "limit.shared"])


async def test_refusals_at_our_limit_are_our_own(make_limiter, caplog):
    """Refusals with every slot busy are not attributed to others."""
    limiter = make_limiter(1)
    slot = await take(limiter)

    slot.refused(1.0)

    assert 0 == (await usage_of(limiter)).refused_by_others
    assert [] == caplog.records


async def test_usage(make_limiter):
    """`usage` has slots, waiters and times, and calling it changes nothing."""
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


async def test_a_lease_that_is_never_ended_expires(make_limiter):
    """A request whose task died keeps its slot for as long as it can have lasted."""
    limiter, began_at = make_limiter(1, 60.0), now()
    await take(limiter, longest=30.0)

    await take(limiter)

    assert 30 + 60 <= now() - began_at <= 30 + 60 + 8


async def test_accounts_are_separate(make_limiter):
    """Slots of one account do not count for another."""
    limiter, began_at = make_limiter(1), now()

    granted = Counter()
    for account in ("one", "two", "three"):
        slot = await limiter.acquire(account, SEND, longest=1.0)
        granted[account] += 1
        slot.refused(100.0)

    assert began_at == now()
    assert 3 == granted.total()
