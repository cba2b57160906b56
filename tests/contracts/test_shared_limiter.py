"""Limiters that share a store, as the processes of one application do, in one virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from customersms_async import ConfigurationError, LimiterUnavailable, WaitTooLong
from tests.support.limiter_callers import (
    BULK,
    KEY,
    SEND,
    names,
    now,
    queue_up,
    served_beside_messages,
    take,
    take_all,
    usage_of,
)
from tests.support.sizes import sized

pytestmark = pytest.mark.virtual_time

#: Seconds that the roll call of a new store takes.
ROLL_CALL = 3.0


async def bulk_run(limiter, name, served, *, until, answers_in=0.05):
    """Ask for one slot after the other, as a bulk run does."""
    while now() < until:
        slot = await take(limiter, BULK)
        served.append((name, now()))
        asyncio.get_running_loop().call_later(answers_in, slot.answered)


def jain(counts):
    """Compute Jain's index of fairness: 1 if all are equal."""
    return sum(counts) ** 2 / (len(counts) * sum(count**2 for count in counts))


def busiest(instants, per):
    """Count the most in any half-open period."""
    instants = sorted(instants)
    return max(sum(at <= other < at + per for other in instants) for at in instants)


def answer(slots):
    for slot in slots:
        slot.answered()


async def test_processes_share_the_limit_fairly(make_shared):
    """Eight bulk runs get equal shares, use the limit, and need at most four calls per grant."""
    limiters, served = [make_shared(100, 5.0) for _ in range(8)], []
    for limiter in limiters:
        limiter.link.trip = lambda: 0.0005
    began_at, lasts = now(), sized(15, 30)

    runs = [bulk_run(limiter, i, served, until=now() + lasts) for i, limiter in enumerate(limiters)]
    await asyncio.gather(*runs)

    counts = Counter(names(served))
    calls = sum(limiter.link.calls for limiter in limiters)
    assert jain(counts.values()) >= 0.97
    assert 20 * lasts * 0.95 <= sum(at <= began_at + lasts for _, at in served)
    assert busiest([at for _, at in served], 5.0) <= 100
    assert calls <= 4 * len(served) + lasts * 8


async def test_a_message_goes_before_bulk_runs_of_other_processes(make_shared):
    """Beside saturating bulk runs, a message waits at most a few paced slots."""
    limiters, waits, served = [make_shared() for _ in range(4)], [], []
    for limiter in limiters:
        limiter.link.trip = lambda: 0.001
    dice = random.Random(3)
    lasts = sized(300, 900)
    until = now() + lasts
    runs = [
        asyncio.create_task(bulk_run(limiter, i, served, until=until, answers_in=0.5))
        for i, limiter in enumerate(limiters[:3])
    ]

    while now() < until:
        await asyncio.sleep(dice.uniform(5, 20))
        slot = await take(limiters[3], SEND)
        waits.append(slot.waited)
        asyncio.get_running_loop().call_later(0.5, slot.answered)
    await asyncio.gather(*runs)

    assert sorted(waits)[int(len(waits) * 0.99)] <= 2.5 * 60 / 98
    assert lasts / 60 * 94 <= len(served) + len(waits)


async def test_a_bulk_run_of_another_process_does_not_starve(make_shared):
    """Some grants go to the bulk run of another process, however many messages one has."""
    one, other = (make_shared(5, 5.0, burst=5, reserve=0) for _ in range(2))
    served = []
    tasks = queue_up(one, SEND, ["send"] * 300, served)
    await asyncio.sleep(0.1)
    tasks += queue_up(other, BULK, ["bulk"] * 5, served)

    await asyncio.gather(*tasks)

    places = [place for place, name in enumerate(names(served)) if name == "bulk"]
    assert places[-1] <= 5 + 5 * 20


@pytest.mark.parametrize("shared_store", ["memory"], indirect=True)
async def test_messages_at_the_full_rate_do_not_starve_a_bulk_run(make_shared):
    """A bulk run keeps its reservation, however many messages other processes send."""
    served = await served_beside_messages(make_shared(), make_shared())

    assert 0.04 <= served.count(BULK) / len(served)


async def test_first_come_first_served_within_a_process(make_shared):
    """Each process serves its own callers in order of arrival."""
    served, tasks = [], []
    for name in "abc":
        numbered = [(name, number) for number in range(20)]
        tasks += queue_up(make_shared(6, 6.0, burst=6), SEND, numbered, served)

    await asyncio.gather(*tasks)

    for name in "abc":
        assert list(range(20)) == [number for its, number in names(served) if its == name]


async def test_a_refusal_in_one_process_pauses_the_others(make_shared, caplog):
    """A refusal of one process pauses all of them."""
    one, other, served = make_shared(), make_shared(), []
    slot = await take(one)
    answer([await take(other)])

    slot.refused(20.0)
    await asyncio.sleep(0.1)
    await asyncio.gather(*queue_up(other, SEND, range(3), served))

    assert 20.0 == pytest.approx(served[0][1] - 1_000, abs=0.01)
    assert 1 == len([r for r in caplog.records if getattr(r, "event", "") == "limit.shared"])
    assert 1 == (await usage_of(one)).refused_by_others


async def test_slots_of_a_dead_process_expire(make_shared):
    """A grant that is never ended is busy for as long as its request can have lasted."""
    dead, alive = make_shared(1, 10.0, reserve=0), make_shared(1, 10.0, reserve=0)
    await take(dead, longest=7.0)
    died_at = now()

    await take(alive)

    assert 7 + 10 + 5 < now() - died_at <= 7 + 10 + 5 + 0.1 + 2


async def test_a_lost_answer_of_a_swap_strands_no_slot(make_shared):
    """A slot reserved by a swap whose answer was lost goes to the caller that asked."""
    limiter = make_shared(1, 50.0, reserve=0)
    answer([])
    await usage_of(limiter)
    limiter.link.loses_answers = 1

    with pytest.raises(LimiterUnavailable, match="lost"):
        await take(limiter)
    await asyncio.sleep(1)

    assert (await take(limiter)).waited < 0.1
    assert 1 == (await usage_of(limiter)).in_flight


async def test_an_unused_slot_goes_to_another_process(make_shared):
    """A caller of another process gets an unused slot within seconds."""
    one, other = make_shared(1, 60.0, reserve=0), make_shared(1, 60.0, reserve=0)
    slot = await take(one)
    waiting = asyncio.create_task(take(other))
    await asyncio.sleep(10)

    slot.unused()

    assert (await waiting).waited <= 10 + 3


@pytest.mark.parametrize("lane", [SEND, BULK])
async def test_no_capacity_is_lost_by_cancelling_in_several_processes(make_shared, lane):
    """Waiters cancelled at random times in three processes take no slot from the others."""
    dice = random.Random(11)
    served, tasks = [], []
    for _ in range(3):
        tasks += queue_up(make_shared(10, 10.0, reserve=0), lane, range(60), served)

    while not all(task.done() for task in tasks):
        await asyncio.sleep(dice.random() * 0.3)
        if sum(task.cancelled() for task in tasks) < 90:
            dice.choice(tasks).cancel()

    assert 90 <= len(served)
    assert served[-1][1] - served[0][1] <= len(served) / 10 * 10.1 / 0.9


async def test_usage_by_others_counts_against_patience(make_shared):
    """Slots used by other processes count when a wait is predicted to be too long."""
    one, other = make_shared(3, 60.0), make_shared(3, 60.0)
    answer(await take_all(one, 3))
    await asyncio.sleep(5)
    began_at = now()

    waiting = (take(other, patience=54.0) for _ in range(5))
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert [WaitTooLong] * 5 == list(map(type, results))
    assert now() - began_at < 0.1


@pytest.mark.parametrize("step", [-3_600.0, -0.3, 0.3, 3_600.0])
async def test_a_clock_that_is_changed_does_not_move_openings(shared_store, step):
    """Slots open at the right time even if the store's clock is changed."""
    limiter = shared_store.make(5, 10.0, reserve=0)
    answer(await take_all(limiter, 5))
    granted_at = now()
    await asyncio.sleep(3)

    shared_store.ahead = step
    await take_all(limiter, 5)

    assert pytest.approx(10.1, abs=0.3) == now() - granted_at
    assert now() - granted_at >= 10


async def test_a_new_store_opens_after_the_roll_call(shared_store, caplog):
    """Nothing is granted for 3 s; an impatient message fails, and `usage` says until when."""
    shared_store.is_new = True
    limiter = shared_store.make()
    began_at = now()

    with pytest.raises(WaitTooLong) as caught:
        await take(limiter, patience=1.0)
    usage = await usage_of(limiter)
    await take(limiter)

    assert "LIMITER_OPENING" == caught.value.code
    assert pytest.approx(ROLL_CALL, abs=0.01) == now() - began_at
    assert pytest.approx(began_at + ROLL_CALL, abs=0.01) == usage.opens_at


async def test_a_strict_limiter_waits_for_the_whole_look_back(shared_store):
    """With strict=True, a new store grants nothing for the whole look-back."""
    shared_store.is_new = True
    limiter = shared_store.make(strict=True)
    began_at = now()

    await limiter.ready()

    assert now() - began_at > 60 + 5


async def test_a_new_account_in_a_known_store_opens_at_once(make_shared):
    """An unknown account needs no roll call if the store's run is known."""
    limiter = make_shared()
    await limiter.ready()
    began_at = now()

    await limiter.acquire("another", SEND, longest=1.0)

    assert now() - began_at < 0.01


async def test_entering_begins_the_roll_call(shared_store):
    """Entering the limiter starts the roll call, so that later callers need not wait."""
    shared_store.is_new = True
    async with shared_store.make() as limiter:
        await asyncio.sleep(ROLL_CALL + 0.1)
        began_at = now()
        answer([await take(limiter)])
        served_at = now()

    assert served_at - began_at < 0.01


async def test_a_member_with_other_options_is_refused(make_shared):
    """The error says which option differs, and nothing is granted."""
    one, other = make_shared(10, 60.0), make_shared(90, 60.0)
    answer([await take(one)])

    with pytest.raises(ConfigurationError, match="limit is 90 here and 10 there"):
        await take(other)


async def test_an_unavailable_store_grants_nothing(make_shared):
    """A message fails and a bulk run waits; both work once the store is back."""
    limiter = make_shared()
    answer([await take(limiter)])
    limiter.link.is_away = True
    waiting = asyncio.create_task(take(limiter, BULK))

    with pytest.raises(LimiterUnavailable, match="nothing listens"):
        await take(limiter)
    await asyncio.sleep(30)
    assert not waiting.done()
    limiter.link.is_away = False
    away_until = now()

    answer([await waiting, await take(limiter)])
    assert now() - away_until < 1


async def test_closing_reports_ends(make_shared):
    """Pending ends are reported before the connections are closed."""
    limiter, other = make_shared(1, 60.0, reserve=0), make_shared(1, 60.0, reserve=0)
    slot = await take(limiter)
    assert 1 == (await other.usage(KEY)).in_flight
    slot.answered()

    await limiter.aclose()

    usage = await other.usage(KEY)
    assert (0, 1) == (usage.in_flight, usage.busy)
    assert 60.1 == pytest.approx(usage.next_free_at - now())


async def test_a_closed_limiter_may_be_used_again(make_shared):
    """A closed limiter can be used again, and the store has kept its state."""
    limiter = make_shared(2, 60.0)
    (await take(limiter)).answered()
    await limiter.aclose()

    (await take(limiter)).answered()

    assert 2 == (await limiter.usage(KEY)).busy


async def test_the_stored_value_contains_no_account(make_shared):
    """The stored value does not contain the account's name."""
    limiter = make_shared()
    slot = await take(limiter)
    slot.answered()
    await limiter.aclose()

    seen = await limiter._here().store.read(KEY)

    assert KEY.encode() not in seen.value
