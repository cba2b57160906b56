"""`LocalLimiter` alone: options, threads, event loops that come and go."""

from __future__ import annotations

import asyncio
import itertools
import pickle
import sys
import threading
import time

import pytest

from customersms_async import ConfigurationError, CustomerSMS, LocalLimiter, Rate, WaitTooLong
from customersms_async.limiters import default_limiter
from tests.support.limiter_callers import BULK, KEY, SEND, take, take_all, usage_now
from tests.support.virtual_time import VirtualTimeLoop


@pytest.mark.parametrize(
    "options",
    [
        {"rate": 100},
        {"rate": (100, 60)},
        {"burst": 0},
        {"burst": 101},
        {"burst": 1.5},
        {"burst": True},
        {"reserve": -1},
        {"reserve": 100},
    ],
)
def test_an_invalid_option_is_refused_by_name(options):
    """Options that do not fit the limit are refused when the limiter is created."""
    (name,) = options

    with pytest.raises(ConfigurationError, match=name):
        LocalLimiter(**options)


def test_its_repr_and_rate():
    """The repr and `rate` show the limit."""
    limiter = LocalLimiter(Rate(20, per=1.5))

    assert ("<LocalLimiter 20 per 1.5 s>", Rate(20, per=1.5)) == (repr(limiter), limiter.rate)
    assert Rate(100, per=60) == LocalLimiter().rate


def test_the_default_limiter_is_one_per_process():
    """Clients without a limiter share one, so that a key has one budget."""
    first, second = CustomerSMS("cspro_one"), CustomerSMS("cspro_one")

    assert first.limiter is second.limiter is default_limiter


def test_usage_is_kept_across_loops():
    """Slots used in one `asyncio.run` are still busy in the next."""
    limiter = LocalLimiter(Rate(10))

    async def use(count):
        for slot in await take_all(limiter, count):
            slot.answered()
        return usage_now(limiter).busy

    assert [4, 10] == [asyncio.run(use(4)), asyncio.run(use(6))]
    with pytest.raises(Exception, match="its turn comes in 60"):
        asyncio.run(take(limiter, patience=5))


def test_a_second_loop_has_no_burst():
    """In a new loop, the first bulk request waits for the pace."""
    first = VirtualTimeLoop()
    second = VirtualTimeLoop(first.time())
    limiter = LocalLimiter(Rate(100, per=1.0), clock=lambda: max(first.time(), second.time()))

    async def burst():
        began_at = asyncio.get_running_loop().time()
        for slot in await take_all(limiter, 9, BULK):
            slot.answered()
        return asyncio.get_running_loop().time() - began_at

    took = []
    for loop in (first, second):
        with asyncio.Runner(loop_factory=lambda loop=loop: loop) as runner:
            took.append(runner.run(burst()))

    assert [0.0, pytest.approx(0.1, abs=0.02)] == took


def test_threads_share_one_limit():
    """Four loops in four threads never hold more slots than the limit."""
    limiter = LocalLimiter(Rate(20, per=0.3))
    grants, lock = [], threading.Lock()

    async def worker():
        for _ in range(10):
            slot = await take(limiter, longest=0.1)
            with lock:
                grants.append(time.monotonic())
            slot.answered()

    threads = [threading.Thread(target=asyncio.run, args=(worker(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    grants.sort()
    assert 40 == len(grants)
    assert all(b - a >= 0.3 for a, b in zip(grants, grants[20:], strict=False))


def test_a_slot_ended_in_one_loop_wakes_a_waiter_in_another():
    """A waiter is served when an unused slot is released in another loop."""
    limiter = LocalLimiter(Rate(1, per=60))
    has_slot, may_wait = threading.Event(), threading.Event()
    waited = []

    async def hold():
        slot = await take(limiter)
        has_slot.set()
        while usage_now(limiter).waiting == 0:  # noqa: ASYNC110  # no event works across loops
            await asyncio.sleep(0.005)
        slot.unused()
        may_wait.set()

    async def wait():
        slot = await take(limiter)
        waited.append(slot.waited)
        slot.answered()

    holder = threading.Thread(target=asyncio.run, args=(hold(),))
    holder.start()
    has_slot.wait(5)
    asyncio.run(asyncio.wait_for(wait(), 10))
    holder.join()

    assert may_wait.is_set()
    assert waited[0] < 5


def test_a_loop_that_ends_with_waiters_and_grants():
    """Waiters and slots of a loop that ended do not block the next loop."""
    limiter = LocalLimiter(Rate(2, per=0.1))

    async def leave():
        await take(limiter, longest=0.1)
        slot = await take(limiter, BULK, longest=0.1)
        waiting = [asyncio.ensure_future(take(limiter, lane)) for lane in (SEND, BULK)]
        await asyncio.sleep(0)
        return slot, waiting

    async def use():
        slot = await take(limiter, longest=0.1)
        slot.answered()

    slot, _ = asyncio.run(leave())
    slot.unused()
    asyncio.run(use())

    assert 0 == usage_now(limiter).waiting


def test_a_loop_that_is_closed_with_pending_tasks():
    """Waiters of a closed loop are neither counted nor woken."""
    limiter = LocalLimiter(Rate(1, per=60))
    loop = asyncio.new_event_loop()

    async def leave():
        slot = await take(limiter)
        waiting = loop.create_task(take(limiter))
        await asyncio.sleep(0)
        return slot, waiting

    slot, waiting = loop.run_until_complete(leave())
    loop.close()
    waiting._log_destroy_pending = False

    async def use():
        queued = asyncio.ensure_future(take(limiter))
        await asyncio.sleep(0)
        count = usage_now(limiter).waiting
        slot.unused()
        (await asyncio.wait_for(queued, 5)).answered()
        return count

    assert 1 == asyncio.run(use())


@pytest.mark.virtual_time
async def test_a_slot_that_comes_as_patience_ends_is_granted():
    """A waiter whose slot comes at the very end of its patience gets it."""
    loop = asyncio.get_running_loop()
    limiter = LocalLimiter(Rate(1, per=1.0), clock=loop.time)
    slot = await take(limiter)
    loop.call_at(loop.time() + 7.0, slot.unused)

    assert 7.0 == pytest.approx((await take(limiter, patience=7.0)).waited)


async def count_steps(run):
    """Run with an interruption at each step in turn, and return the number of steps."""
    step = 0
    while await run(step) > step:
        step += 1
    return step


@pytest.mark.virtual_time
@pytest.mark.parametrize("lane", [SEND, BULK])
async def test_a_slot_that_ends_during_a_grant_is_granted_next(lane):
    """A request may end at any step of another grant, as by the garbage collector."""
    clock = asyncio.get_running_loop().time

    async def run(step):
        """End the second slot at a given call or return after the end of the first."""
        limiter = LocalLimiter(Rate(2, per=0.1), burst=1, reserve=0, clock=clock)
        first, second = await take_all(limiter, 2)
        waiting = [asyncio.create_task(take(limiter, lane)) for _ in range(3)]
        await asyncio.sleep(0)
        events = itertools.count()
        sys.setprofile(lambda *_: second.unused() if next(events) == step else None)
        first.unused()
        sys.setprofile(None)
        seen = next(events)
        if seen <= step:
            second.unused()
        granted = [await task for task in waiting[:2]]
        assert 2 == usage_now(limiter).in_flight
        assert not waiting[2].done()
        for slot in granted:
            slot.unused()
        (await waiting[2]).unused()
        return seen

    assert 20 < await count_steps(run)


def look(limiter, slot):
    usage_now(limiter)
    slot.answered()


def refuse(limiter, slot):
    slot.refused(None)
    usage_now(limiter)


def ask_in_vain(limiter, slot):
    with pytest.raises(WaitTooLong):
        take(limiter, patience=0.01).send(None)
    slot.answered()


@pytest.mark.virtual_time
@pytest.mark.parametrize("act", [look, refuse, ask_in_vain])
async def test_slots_that_end_during_another_operation(act):
    """No slot is granted twice if requests end while another call is handled."""
    now = [0.0]

    async def run(step):
        """End three slots at a given call or return after the beginning of *act*."""
        limiter = LocalLimiter(Rate(6), burst=6, reserve=0, clock=lambda: now[0])
        slots = await take_all(limiter, 6)
        slots.pop().answered()
        waiting = [asyncio.create_task(take(limiter)) for _ in range(8)]
        await asyncio.sleep(0)
        now[0] += 61.0  # one slot is free, and nobody has noticed yet
        events = itertools.count()

        def end():
            slots[1].unused()
            slots[2].answered()
            slots[3].lost()

        sys.setprofile(lambda *_: end() if next(events) == step else None)
        act(limiter, slots[0])
        sys.setprofile(None)
        seen = next(events)
        if seen <= step:
            end()
        await asyncio.sleep(0)
        usage = usage_now(limiter)
        assert usage.busy <= 6
        assert usage.in_flight == sum(task.done() for task in waiting) + 1
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return seen

    assert 5 < await count_steps(run)


@pytest.mark.virtual_time
async def test_slots_that_end_while_a_message_is_served():
    """A bulk request gets slots that come free while a message is served."""
    clock = asyncio.get_running_loop().time

    async def run(step):
        """End two slots at a given call or return after a message asks."""
        limiter = LocalLimiter(Rate(3), burst=3, reserve=1, clock=clock)
        slots = await take_all(limiter, 2)
        waiting = asyncio.create_task(take(limiter, BULK))
        await asyncio.sleep(0)
        began_at, events = clock(), itertools.count()

        def end():
            for slot in slots:
                slot.unused()

        sys.setprofile(lambda *_: end() if next(events) == step else None)
        await take(limiter)
        sys.setprofile(None)
        seen = next(events)
        if seen <= step:
            end()
        await waiting
        assert began_at == clock()
        return seen

    assert 10 < await count_steps(run)


@pytest.mark.virtual_time
async def test_a_reserve_holds_after_a_passed_bulk_run_has_left():
    """With only the reserve free, the next bulk request is not granted."""
    limiter = LocalLimiter(Rate(10), burst=10, reserve=2, clock=asyncio.get_running_loop().time)
    slots = await take_all(limiter, 10)
    passed = asyncio.create_task(take(limiter, BULK))
    await asyncio.sleep(1)
    sends = [asyncio.create_task(take(limiter, SEND)) for _ in range(9)]
    await asyncio.sleep(1)
    for slot in slots[:9]:
        slot.unused()
    granted = await asyncio.gather(*sends)
    passed.cancel()
    await asyncio.sleep(1)
    for slot in granted[:2]:
        slot.unused()

    waiting = asyncio.create_task(take(limiter, BULK))
    await asyncio.sleep(1)

    assert (8, False) == (usage_now(limiter).busy, waiting.done())
    waiting.cancel()


@pytest.mark.virtual_time
async def test_idle_accounts_are_dropped():
    """Ten thousand accounts that were idle for two look-backs are dropped."""
    limiter = LocalLimiter(clock=asyncio.get_running_loop().time)
    for number in range(10_000):
        (await limiter.acquire(f"account-{number}", SEND, longest=1.0)).answered()
    for _ in range(3):
        await asyncio.sleep(70)
        await take(limiter)

    await limiter.acquire("new", SEND, longest=1.0)

    assert {KEY, "new"} == limiter._accounts.keys()


@pytest.mark.virtual_time
async def test_an_account_in_use_is_not_dropped():
    """An account with a slot in flight or a waiter is kept."""
    limiter = LocalLimiter(Rate(1), clock=asyncio.get_running_loop().time)
    await limiter.acquire("in flight", SEND, longest=1000.0)
    await limiter.acquire("waited for", SEND, longest=100.0)
    waiting = asyncio.create_task(limiter.acquire("waited for", SEND, longest=1000.0))
    for number in range(5):
        await limiter.acquire(f"new-{number}", SEND, longest=0.1)
        await asyncio.sleep(70)

    assert {"in flight", "waited for"} <= limiter._accounts.keys()
    await waiting


@pytest.mark.virtual_time
@pytest.mark.parametrize(("seconds", "in_flight"), [(20, 1), (200, 1)], ids=["renewed", "dead"])
async def test_a_loop_that_was_busy_when_a_slot_was_granted(seconds, in_flight):
    """A late holder has its lease renewed, or gets another slot if it expired."""
    loop = asyncio.get_running_loop()
    limiter = LocalLimiter(Rate(1, per=1.0), clock=loop.time)
    first = await take(limiter, longest=5.0)
    waiting = asyncio.create_task(take(limiter, longest=5.0))
    await asyncio.sleep(0)
    first.unused()

    loop._selector_clock.now += seconds
    usage_now(limiter)  # drops leases that have expired
    slot = await waiting

    assert in_flight == usage_now(limiter).in_flight
    slot.answered()
    assert loop.time() + 1.1 == pytest.approx(usage_now(limiter).next_free_at)


@pytest.mark.virtual_time
async def test_the_patience_of_a_bulk_request():
    """A bulk request is refused at once if its slot comes too late, or when its patience ends."""
    loop = asyncio.get_running_loop()
    limiter = LocalLimiter(Rate(1, per=10.0), clock=loop.time)
    slot = await take(limiter, longest=100.0)
    with pytest.raises(WaitTooLong):
        await take(limiter, BULK, patience=5.0)
    assert 1000 == loop.time()

    with pytest.raises(WaitTooLong):
        await take(limiter, BULK, patience=15.0)

    assert 1015 == pytest.approx(loop.time())
    slot.unused()
    assert BULK is (await take(limiter, BULK, patience=15.0)).ticket.lane


@pytest.mark.virtual_time
async def test_a_bulk_run_is_passed_nine_times_at_most():
    """A bulk request that waits for its pace goes before the tenth message."""
    limiter = LocalLimiter(Rate(100), burst=1, clock=asyncio.get_running_loop().time)
    await take(limiter, BULK)
    waiting = asyncio.create_task(take(limiter, BULK))
    await asyncio.sleep(0)

    slots = await take_all(limiter, 12)

    assert {0.0} == {slot.waited for slot in slots}
    await waiting


def test_a_waiter_whose_loop_is_closed_during_a_grant():
    """The slot goes to the next waiter."""
    limiter = LocalLimiter(Rate(1))
    loop = asyncio.SelectorEventLoop()

    async def leave():
        slot = await take(limiter)
        waiting = [loop.create_task(take(limiter)) for _ in range(2)]
        await asyncio.sleep(0)
        return slot, waiting

    slot, waiting = loop.run_until_complete(leave())
    loop.close()
    loop.is_running = lambda: True  # closed just after this was checked
    for task in waiting:
        task._log_destroy_pending = False

    slot.unused()

    assert 0 == usage_now(limiter).in_flight


def test_a_limiter_in_memory_is_not_pickled():
    """Pickling is refused, as a copy in another process would count separately."""
    with pytest.raises(TypeError, match="use a FileLimiter"):
        pickle.dumps(LocalLimiter())
