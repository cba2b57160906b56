"""`RedisLimiter` alone: several processes that share one store, in one virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from customersms_async import LimiterUnavailable, WaitTooLong
from tests.support.callers import BULK, KEY, SEND, names, now, queue_up, take, take_all, usage_of

pytestmark = pytest.mark.virtual_time


#: Seconds that a call of the store may take: a grant may be heard so much later.
CALL = 2


async def bulk_run(limiter, name, served, *, until, answers_in=0.05):
    """Ask for one slot after the other, as a bulk run does."""
    while now() < until:
        slot = await take(limiter, BULK)
        served.append((name, now()))
        asyncio.get_running_loop().call_later(answers_in, slot.answered)


def jain(counts):
    """Give Jain's index of fairness: 1 where all have the same."""
    return sum(counts) ** 2 / (len(counts) * sum(count**2 for count in counts))


def busiest(instants, per):
    """Count the most in any half-open period."""
    instants = sorted(instants)
    return max(sum(at <= other < at + per for other in instants) for at in instants)


def _interrupt(member):
    """Cancel the call that is under way, as whoever cancels all tasks does."""
    if member._calling is not None:
        member._calling.cancel()


def answer(slots):
    for slot in slots:
        slot.answered()


async def test_processes_take_turns_and_call_once_a_grant(make_shared):
    """Eight bulk runs get equal shares, use the budget, and cost about one call for each grant."""
    limiters, served = [make_shared(100, 5.0) for _ in range(8)], []
    began_at = now()

    runs = [bulk_run(limiter, i, served, until=now() + 30) for i, limiter in enumerate(limiters)]
    await asyncio.gather(*runs)

    counts = Counter(names(served))
    calls = sum(limiter._redis.calls for limiter in limiters)
    assert jain(counts.values()) > 0.99
    assert 600 * 0.95 <= sum(at <= began_at + 30 for _, at in served)
    assert busiest([at for _, at in served], 5.0) <= 100
    assert calls <= 1.2 * len(served)


async def test_a_message_goes_ahead_of_the_bulk_runs_of_other_processes(make_shared):
    """While bulk runs saturate the key, a message waits no longer than two slots of the pace."""
    limiters, served, waits = [make_shared() for _ in range(4)], [], []
    dice = random.Random(3)
    until = now() + 3_000
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

    calls = sum(limiter._redis.calls for limiter in limiters)
    assert calls <= 1.5 * (len(served) + len(waits))
    assert sorted(waits)[int(len(waits) * 0.99)] <= 2 * 60 / 98 + 0.1
    assert 3_000 / 60 * 95 <= len(served) + len(waits)


async def test_one_grant_in_ten_goes_to_a_bulk_run_of_another_process(make_shared):
    """However many messages one process has waiting, a bulk run of another one does not starve."""
    one, other, served = make_shared(5, 5.0, burst=5), make_shared(5, 5.0, burst=5), []
    tasks = queue_up(one, SEND, ["send"] * 100, served)
    await asyncio.sleep(0.1)
    tasks += queue_up(other, BULK, ["bulk"] * 5, served)

    await asyncio.gather(*tasks)

    places = [place for place, name in enumerate(names(served)) if name == "bulk"]
    assert places[-1] <= 5 + 5 * 11


async def test_within_a_process_who_comes_first_is_served_first(make_shared):
    """Processes take turns; each serves its own in the order in which they came."""
    served = []
    tasks = []
    for name in "abc":
        numbered = [(name, number) for number in range(20)]
        tasks += queue_up(make_shared(6, 6.0, burst=6), SEND, numbered, served)

    await asyncio.gather(*tasks)

    for name in "abc":
        assert list(range(20)) == [number for its, number in names(served) if its == name]
    assert {"a", "b", "c"} == {name for name, _ in names(served)[6:12]}


async def test_a_refusal_in_one_process_pauses_the_others(make_shared, caplog):
    """What one process is told holds all of them, and paces all of them from then on."""
    one, other, served = make_shared(), make_shared(), []
    slot = await take(one)
    answer([await take(other)])

    slot.refused(20.0)
    await asyncio.sleep(0.1)
    await asyncio.gather(*queue_up(other, SEND, range(3), served))

    at = [instant - 1_000 for _, instant in served]
    assert pytest.approx([20.0, 20.632, 21.263], abs=0.001) == at
    assert 1 == len([r for r in caplog.records if getattr(r, "event", "") == "limit.shared"])
    assert 1 == (await usage_of(one)).refused_by_others


async def test_who_was_refused_keeps_its_place_among_the_processes(make_shared):
    """A request that is turned away is served before those of other processes that came later."""
    one, other, served = make_shared(1, 5.0), make_shared(1, 5.0), []
    slot = await take(one, BULK)
    tasks = queue_up(other, BULK, ["second", "third"], served)
    await asyncio.sleep(0.1)

    slot.refused(1.0)
    tasks += queue_up(one, BULK, ["first"], served, ticket=slot.ticket)
    await asyncio.gather(*tasks)

    assert ["first", "second", "third"] == names(served)


async def test_a_process_that_dies_is_passed_over(make_shared):
    """One that waits and never comes again costs the others little."""
    dead, alive, served = make_shared(10, 10.0), make_shared(10, 10.0), []
    answer(await take_all(alive, 9))
    waiting = queue_up(dead, BULK, range(9), [])
    await asyncio.sleep(0.1)
    member = dead._member(KEY)
    member._timer.cancel()
    member._calling = "the process is dead"

    await asyncio.wait_for(bulk_run(alive, "alive", served, until=now() + 60), 80)

    assert 60 * 0.98 * 0.9 * 0.9 <= len(served)  # one slot in ten died with it
    assert 1 == sum(task.done() for task in waiting)


async def test_the_slots_of_a_dead_process_come_back_late(make_shared):
    """A grant that is never ended is busy as long as its request can have lasted, and a period."""
    dead, alive = make_shared(1, 10.0), make_shared(1, 10.0)
    await take(dead, longest=7.0)
    died_at = now()

    await take(alive)

    assert 7 + 10 + 5 < now() - died_at <= 7 + CALL + 10 + 5 + 0.1 + 1


@pytest.mark.parametrize("seed", range(3))
async def test_no_window_holds_more_whatever_happens_to_the_processes(make_shared, seed):
    """Slow ways to the store and to the gateway, lost answers, dying processes: the cap holds."""
    dice = random.Random(seed)
    limit, per = 10, 5.0
    arrivals, tasks = [], []

    async def request(limiter, lane):
        await asyncio.sleep(dice.random() * 60)
        slot = await take(limiter, lane, longest=4.0)
        await asyncio.sleep(dice.random() ** 3 * 2)
        arrivals.append(now())
        await asyncio.sleep(dice.random() ** 3 * 2)
        end = dice.choices(["answered", "lost", "died"], [20, 1, 1])[0]
        if end != "died":
            getattr(slot, end)()

    for _ in range(4):
        limiter = make_shared(limit, per, burst=dice.choice([1, limit]), timeout=60.0)
        limiter._redis.way = lambda: dice.random() ** 6 * 3
        tasks += [
            asyncio.create_task(request(limiter, dice.choice([SEND, BULK]))) for _ in range(60)
        ]
        if dice.random() < 0.5:  # a process whose store fails it now and then
            victim = limiter._member(KEY)
            asyncio.get_running_loop().call_later(20, _interrupt, victim)
    await asyncio.gather(*tasks)

    assert 240 == len(arrivals)
    assert busiest(arrivals, per) <= limit


async def test_a_lease_lasts_as_long_as_the_request_that_gets_it(make_shared):
    """Where a long request comes first while a call for a short one is under way, it asks anew."""
    one, other = make_shared(1, 10.0), make_shared(1, 10.0)
    one._redis.way = lambda: 0.5
    short = asyncio.create_task(take(one, longest=1.0))
    await asyncio.sleep(0.1)
    waiting = asyncio.create_task(take(one, longest=30.0))
    await asyncio.sleep(0.1)
    short.cancel()
    await waiting
    granted_at = now()

    await take(other, longest=1.0)

    assert now() - granted_at >= 30 + 5 + 10


async def test_a_grant_that_arrives_in_a_pause_is_given_back(make_shared):
    """A refusal that is read while a grant is on its way holds that one too."""
    limiter = make_shared(10, 60.0)
    slot = await take(limiter)
    limiter._redis.way = lambda: 0.2
    waiting = asyncio.create_task(take(limiter))
    await asyncio.sleep(0.25)
    refused_at = now()

    assert 20 == slot.refused(20.0)

    await waiting
    assert 20 <= now() - refused_at <= 21


async def test_a_grant_whose_answer_is_lost_is_granted_anew(make_shared):
    """The call is made again with the same name, so that the one slot is not stranded."""
    limiter = make_shared(1, 5.0)
    await limiter._redis.ping()
    limiter._redis.loses_answers = 1

    assert 0.0 == (await take(limiter)).waited
    assert 1 == (await usage_of(limiter)).in_flight


@pytest.mark.parametrize("times", [2, 3, 4])
async def test_grants_that_nobody_waits_for_any_more_are_freed(make_shared, times):
    """What a store granted to messages that were told it is away is free for other processes."""
    one, other = make_shared(3, 60.0), make_shared(3, 60.0, burst=3)
    await one._redis.ping()
    one._redis.loses_answers = times
    results = await asyncio.gather(*(take(one) for _ in range(3)), return_exceptions=True)
    assert [LimiterUnavailable] * 3 == list(map(type, results))
    await asyncio.sleep(2)

    assert 0 == (await usage_of(other)).busy
    assert {0.0} == {slot.waited for slot in await take_all(other, 3, BULK)}


async def test_a_refusal_that_is_told_late_blames_nobody(make_shared):
    """After an outage nobody knows how full the window was when the gateway refused."""
    limiter = make_shared(10, 10.0)
    slots = await take_all(limiter, 10)
    limiter._redis.is_away = True
    answer(slots[:9])
    slots[9].refused(1.0)
    await asyncio.sleep(15)
    limiter._redis.is_away = False
    await asyncio.sleep(6)

    assert 0 == (await usage_of(limiter)).refused_by_others


async def test_a_server_that_was_started_anew_grants_nothing_for_one_look_back(make_shared):
    """It may lack the last calls, whatever it has on its disk or had from another server."""
    limiter = make_shared(10, 10.0, trust_empty_store=False, prefix="anew")
    await take(limiter)  # once the store counts as used
    await limiter._redis.hset("{anew}:clock", "run", "another run of the server")
    began_at = now()

    await take(limiter)

    assert 30 + 10 <= now() - began_at <= 30 + CALL + 10 + 5 + 0.2


async def test_a_slot_that_was_not_used_goes_to_another_process(make_shared):
    """Whoever waits elsewhere has it within seconds, and need not sit out the lease."""
    one, other = make_shared(1, 60.0), make_shared(1, 60.0)
    slot = await take(one)
    waiting = asyncio.create_task(take(other))
    await asyncio.sleep(10)

    slot.unused()

    assert (await waiting).waited <= 10 + 3.1


@pytest.mark.parametrize("lane", [SEND, BULK])
async def test_no_capacity_is_lost_by_cancelling_in_several_processes(make_shared, lane):
    """Cancelled at random instants in three processes, waiters leave every slot to the others."""
    dice = random.Random(11)
    served, tasks = [], []
    for _ in range(3):
        tasks += queue_up(make_shared(10, 10.0), lane, range(60), served)

    while not all(task.done() for task in tasks):
        await asyncio.sleep(dice.random() * 0.3)
        if sum(task.cancelled() for task in tasks) < 90:
            dice.choice(tasks).cancel()

    assert 90 <= len(served)
    assert served[-1][1] - served[0][1] <= len(served) / 10 * 10.1 / 0.9


async def test_the_hopeless_are_told_at_once_by_the_use_of_others(make_shared):
    """What other processes have used counts when it is foreseen whose turn comes too late."""
    one, other = make_shared(3, 60.0), make_shared(3, 60.0)
    answer(await take_all(one, 3))
    began_at = now()

    results = await asyncio.gather(
        *(take(other, patience=59.0) for _ in range(5)), return_exceptions=True
    )

    assert [WaitTooLong] * 5 == list(map(type, results))
    assert began_at == now()
    assert "its turn comes in 60.1 s at the earliest, and 59.0 s are left" in str(results[0])


async def test_a_queue_as_long_as_several_periods_is_foreseen(make_shared):
    """Who would wait for several periods is told so, and those before it wait."""
    limiter = make_shared(2, 10.0)
    answer(await take_all(limiter, 2))
    tasks = [asyncio.create_task(take(limiter, patience=25.0)) for _ in range(7)]
    await asyncio.sleep(0.1)

    assert [False] * 4 + [True] * 3 == [task.done() for task in tasks]
    for task in tasks[:4]:
        (await task).answered()
    assert [WaitTooLong] * 3 == [type(task.exception()) for task in tasks[4:]]


async def test_a_clock_that_steps_back_stops_nothing(make_shared):
    """The store's clock is set back by an hour: nobody waits for it to catch up."""
    loop, step = asyncio.get_running_loop(), 0.0
    limiter = make_shared(5, 10.0, clock=lambda: 1e6 + loop.time() - step)
    slots = await take_all(limiter, 5)
    await asyncio.sleep(3)
    began_at = now()

    step = 3_600.0
    answer(slots)
    await take_all(limiter, 5)

    assert pytest.approx(10.1, abs=0.1) == now() - began_at


async def test_an_empty_store_grants_nothing_for_one_look_back(make_shared, caplog):
    """A store that knows nothing may have lost its memory: the first grant waits, and says why."""
    limiter = make_shared(100, 60.0, trust_empty_store=False)
    began_at = now()

    with pytest.raises(WaitTooLong, match="since its store has lost its memory"):
        await take(limiter, patience=5.0)
    assert began_at == now()
    await take(limiter)

    assert pytest.approx(30 + CALL + 5 + 60 + 0.1, abs=0.1) == now() - began_at
    warnings = [r for r in caplog.records if getattr(r, "event", "") == "limit.store_empty"]
    assert 1 == len(warnings)


async def test_a_store_that_was_idle_is_not_empty(make_shared):
    """An account whose keys have expired by themselves is served at once."""
    limiter = make_shared(trust_empty_store=False)
    await limiter.acquire("another", SEND, longest=1.0)
    await take(limiter)
    await asyncio.sleep(7_200)
    found = await limiter._redis.keys(f"*{KEY}*")
    await limiter._redis.delete(*found)
    began_at = now()

    await take(limiter)

    assert began_at == now()


async def test_a_store_that_forgets_one_account_is_noticed(make_shared):
    """Whoever knew the account closes it, also where a newcomer has begun it anew."""
    one, newcomer = make_shared(10, 10.0), make_shared(10, 10.0)
    answer(await take_all(one, 10))
    found = await one._redis.keys(f"*{KEY}*")
    await one._redis.delete(*found)
    began_at = now()

    await take(newcomer)
    await take(one)

    assert 30 + 10 <= now() - began_at <= 30 + CALL + 10 + 5 + 0.2


async def test_a_store_that_lost_its_memory_is_fair_again(make_shared):
    """Processes that remember their places in the lines of before get no other share for it."""
    limiters, served = [make_shared(20, 5.0) for _ in range(4)], []
    until = now() + 120
    runs = [
        asyncio.create_task(bulk_run(limiter, i, served, until=until))
        for i, limiter in enumerate(limiters)
    ]
    await asyncio.sleep(20)
    await limiters[0]._redis.flushdb()
    await asyncio.sleep(50)
    del served[:]

    await asyncio.gather(*runs)

    assert jain(Counter(names(served)).values()) > 0.99
    assert 50 / 5 * 20 * 0.9 <= len(served)


async def test_a_store_that_goes_back_in_time_is_noticed(make_shared):
    """A replica that lacks the last calls, or an older snapshot, is not believed."""
    limiter = make_shared(10, 10.0)
    answer(await take_all(limiter, 5))
    await asyncio.sleep(0.6)
    client, kept = limiter._redis, {}
    for key in await client.keys(f"*{KEY}*"):
        kept[key] = await client.dump(key)
    answer(await take_all(limiter, 5))
    await asyncio.sleep(0.6)
    for key, value in kept.items():
        await client.restore(key, 0, value, replace=True)
    began_at = now()

    await take(limiter)

    assert 30 + 10 <= now() - began_at <= 30 + CALL + 10 + 5 + 0.2


async def test_the_store_keeps_no_secret_and_keeps_nothing_for_ever(make_shared):
    """Keys are named by the hash of the account, and each of them expires by itself."""
    limiter = make_shared(prefix="app")
    slot = await take(limiter)
    slot.answered()
    await limiter.aclose()
    client = limiter._redis

    found = sorted(key.decode() for key in await client.keys("{app}*"))

    assert ["{app}:account-1:ended", "{app}:account-1:state", "{app}:clock"] == found
    for key in found:
        assert 95 + 600 < await client.ttl(key)


async def test_its_keys_share_a_prefix_of_ones_own(make_shared):
    """Two applications in one store do not meet where their prefixes differ."""
    one, other = make_shared(1, prefix="one"), make_shared(1, prefix="other")
    await take(one)

    assert 0.0 == (await take(other)).waited
