"""`LocalLimiter` in several event loops: one order, one pace; loops that end or disappear."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from itertools import pairwise

import pytest

from customersms_async import LocalLimiter, Rate
from tests.support.limiter_callers import BULK, KEY, SEND, take, take_all, usage_now
from tests.support.loop_threads import LONG, LoopThread


def still():
    """A clock that stands still: no loop is late, and only `unused` frees a slot."""
    return 1000.0


@pytest.fixture
def one():
    with LoopThread() as thread:
        yield thread


@pytest.fixture
def two():
    with LoopThread() as thread:
        yield thread


def queue_up(thread, limiter, lane, name, served, **options):
    """Wait in the loop of *thread*; once served, note the name and release the slot."""

    async def wait():
        slot = await take(limiter, lane, **options)
        served.append(name)
        slot.unused()

    before = usage_now(limiter).waiting
    waiting = thread.start(wait())
    began_at = time.monotonic()
    while usage_now(limiter).waiting == before:
        assert time.monotonic() < began_at + LONG
    return waiting


def end(thread, slot):
    async def unused():
        slot.unused()

    thread.run(unused())


def wait_for(futures):
    for future in futures:
        future.result(LONG)


# --- One order ------------------------------------------------------------------------------------


def test_first_come_first_served_across_loops(one, two):
    """Messages that wait in two loops are served in order of arrival."""
    limiter, served = LocalLimiter(Rate(1), burst=1, clock=still), []
    slot = one.run(take(limiter))
    waiting = [queue_up((one, two)[i % 2], limiter, SEND, i, served) for i in range(20)]

    end(one, slot)
    wait_for(waiting)

    assert list(range(20)) == served


def test_messages_go_before_bulk_runs_of_another_loop(one, two):
    """A message is served before a bulk request that waits in another loop."""
    limiter, served = LocalLimiter(Rate(1), burst=1, clock=still), []
    slot = one.run(take(limiter))
    waiting = [
        queue_up(one, limiter, BULK, "bulk", served),
        queue_up(two, limiter, SEND, "send", served),
    ]

    end(one, slot)
    wait_for(waiting)

    assert ["send", "bulk"] == served


@pytest.mark.parametrize("is_first_opened", [False, True])
def test_every_tenth_grant_goes_to_a_bulk_run_of_another_loop(one, two, is_first_opened):
    """Messages of one loop do not starve bulk runs of another."""
    limiter, served = LocalLimiter(Rate(1), burst=1, clock=still), []
    slot = one.run(take(limiter))
    sends, bulks = (two, one) if is_first_opened else (one, two)
    waiting = [queue_up(sends, limiter, SEND, "send", served) for _ in range(20)]
    waiting += [queue_up(bulks, limiter, BULK, "bulk", served) for _ in range(2)]

    end(one, slot)
    wait_for(waiting)

    first, second = [place for place, name in enumerate(served) if name == "bulk"]
    assert 9 == first
    assert 19 <= second <= 24  # its loop must first learn that its turn has come


def test_a_reserve_does_not_starve_bulk_runs_of_another_loop(one, two):
    """A bulk run still gets every tenth grant if some slots are reserved for messages."""
    limiter, served = LocalLimiter(Rate(2), burst=2, reserve=1, clock=still), []
    slots = one.run(take_all(limiter, 2))
    waiting = [queue_up(one, limiter, SEND, "send", served) for _ in range(12)]
    waiting.append(queue_up(two, limiter, BULK, "bulk", served))

    end(one, slots[0])
    wait_for(waiting)
    end(one, slots[1])

    assert ["send"] * 9 + ["bulk"] + ["send"] * 3 == served


def test_a_newcomer_does_not_overtake_the_waiters_of_another_loop(one, two):
    """A new caller queues behind one that waits in another loop."""
    limiter, served = LocalLimiter(Rate(1), burst=1, clock=still), []
    slot = one.run(take(limiter))
    waiting = [queue_up(two, limiter, SEND, "first", served)]
    may_go_on = threading.Event()
    two.block(may_go_on)
    slot.unused()  # outside any loop: the loop of the first is woken, and cannot look yet
    waiting.append(queue_up(one, limiter, SEND, "second", served))

    may_go_on.set()
    wait_for(waiting)

    assert ["first", "second"] == served


def test_every_loop_is_woken_by_unused_slots(one, two):
    """Unused slots that are released in one loop serve waiters of all loops."""
    limiter = LocalLimiter(Rate(3), clock=still)
    with LoopThread() as three:
        slots = one.run(take_all(limiter, 3))
        served = []
        waiting = [queue_up(thread, limiter, SEND, thread, served) for thread in (one, two, three)]

        for slot in slots:
            end(one, slot)
        wait_for(waiting)

    assert {one, two, three} == set(served)


def test_a_busy_loop_delays_no_other(one, two):
    """A loop whose thread is busy uses its slot later; others are served meanwhile."""
    limiter, served = LocalLimiter(Rate(2), clock=time.monotonic), []
    slots = one.run(take_all(limiter, 2))
    busy = queue_up(two, limiter, SEND, "busy", served)
    second = [queue_up(one, limiter, SEND, name, served) for name in ("second", "third")]
    may_go_on = threading.Event()
    two.block(may_go_on)

    for slot in slots:
        end(one, slot)
    wait_for(second)
    may_go_on.set()
    wait_for([busy])

    assert ["second", "third", "busy"] == served


# --- One pace -------------------------------------------------------------------------------------


def test_two_loops_keep_one_pace(one, two):
    """Bulk runs of two loops together keep to one burst and one pace."""
    rate, burst = Rate(200, per=1.0), 3
    limiter, grants = LocalLimiter(rate, burst=burst), []

    async def run():
        for _ in range(30):
            slot = await take(limiter, BULK)
            grants.append(slot.granted_at)
            slot.answered()

    wait_for([one.start(run()), two.start(run())])

    grants.sort()
    assert 60 == len(grants)
    interval = rate.per / (0.98 * rate.limit)
    for width in range(burst, 60):
        least = 0.99 * (width + 1 - burst) * interval
        assert all(b - a >= least for a, b in zip(grants, grants[width:], strict=False))


def test_after_a_refusal_two_loops_are_paced_as_one(one, two):
    """After a refusal, the messages of two loops together are spread."""
    rate = Rate(100, per=1.0)
    limiter, grants = LocalLimiter(rate), []

    async def refuse():
        (await take(limiter)).refused(0.0)

    async def run():
        for _ in range(10):
            slot = await take(limiter)
            grants.append(slot.granted_at)
            slot.answered()

    one.run(refuse())
    wait_for([one.start(run()), two.start(run())])

    grants.sort()
    assert all(b - a >= 0.0105 for a, b in pairwise(grants))


# --- Loops that end or disappear ------------------------------------------------------------------


def test_a_stopped_loop_is_neither_counted_nor_awaited():
    """Waiters of a stopped loop delay nobody, and are served when it runs again."""
    limiter = LocalLimiter(Rate(1), clock=still)
    resting = asyncio.new_event_loop()

    async def leave():
        slot = await take(limiter)
        waiting = asyncio.create_task(take(limiter))
        await asyncio.sleep(0)
        return slot, waiting

    async def use():
        count = usage_now(limiter).waiting
        slot = await asyncio.wait_for(take(limiter), LONG)
        return count, slot

    async def come_back():
        served = []

        async def note(name, waiting):
            slot = await waiting
            served.append(name)
            slot.unused()

        newcomer = asyncio.create_task(note("newcomer", take(limiter)))
        await asyncio.sleep(0)
        slot.unused()
        await asyncio.gather(newcomer, note("first", waiting))
        return served

    slot, waiting = resting.run_until_complete(leave())
    assert 0 == usage_now(limiter).waiting
    slot.unused()
    count, slot = asyncio.run(use())
    assert 0 == count
    assert ["first", "newcomer"] == resting.run_until_complete(come_back())
    resting.close()


def test_a_resumed_loop_is_served_by_its_own_timer():
    """A loop that was stopped while others ran serves its waiters when it runs again."""
    limiter = LocalLimiter(Rate(1, per=0.001))
    resting = asyncio.new_event_loop()

    async def use():
        (await take(limiter, longest=0.1)).answered()

    async def leave():
        await use()
        waiting = [asyncio.create_task(take(limiter)) for _ in range(2)]
        await asyncio.sleep(0)
        return waiting

    async def run_on():
        slot = await waiting[0]
        count = usage_now(limiter).waiting
        slot.unused()
        (await waiting[1]).answered()
        return count

    waiting = resting.run_until_complete(leave())
    asyncio.run(use())
    count = resting.run_until_complete(run_on())
    resting.close()

    assert 1 == count


def test_a_resumed_loop_notices_an_end_it_missed():
    """A loop that was stopped when a slot was released serves its waiter at the next release."""
    limiter = LocalLimiter(Rate(2, per=0.001))
    resting = asyncio.new_event_loop()

    async def leave():
        slots = await take_all(limiter, 2)
        waiting = asyncio.create_task(take(limiter))
        await asyncio.sleep(0)
        return slots, waiting

    async def run_on():
        second.answered()
        (await asyncio.wait_for(waiting, LONG)).answered()

    (first, second), waiting = resting.run_until_complete(leave())
    first.answered()
    resting.run_until_complete(run_on())
    resting.close()

    assert 0 == usage_now(limiter).in_flight


def test_two_hundred_loops_share_one_limit():
    """The limit is kept across loops, and at most the last loop is referenced."""
    limiter, loops = LocalLimiter(Rate(300), burst=1, clock=still), []

    async def use():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        gone = asyncio.create_task(take(limiter, BULK))  # the only token is for the first loop
        await asyncio.sleep(0)
        gone.cancel()
        (await take(limiter)).answered()

    for _ in range(200):
        asyncio.run(use())
    gc.collect()

    usage = usage_now(limiter)
    assert (0, 200 + 1) == (usage.waiting, usage.busy)
    assert 1 == sum(loop() is not None for loop in loops)


# Python warns that a dropped loop was not closed, which is what is tested here.
@pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_unclosed_loops_are_not_kept_alive():
    """A loop dropped with waiters and a grant is released when the next one comes."""
    now = [1000.0]
    limiter, loops = LocalLimiter(Rate(1), clock=lambda: now[0]), []

    async def leave():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await take(limiter)
        tasks = [asyncio.create_task(take(limiter, lane)) for lane in (SEND, BULK)]
        await asyncio.sleep(0)
        for task in tasks:
            task._log_destroy_pending = False

    for _ in range(10):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(leave())
        del loop
        gc.collect()
        now[0] += 100  # slots in flight expire
    is_alive = [loop() is not None for loop in loops]
    asyncio.run(take(limiter))
    gc.collect()

    assert [False] * 9 + [True] == is_alive
    assert all(loop() is None for loop in loops)
    assert 0 == usage_now(limiter).waiting


def test_an_ended_loop_is_released_without_waiters():
    """A loop that ended is released even if the next callers do not wait."""
    limiter, loops = LocalLimiter(Rate(1, per=0.01)), []

    async def wait_once():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        for _ in range(2):
            (await take(limiter)).answered()

    asyncio.run(wait_once())
    time.sleep(0.05)
    asyncio.run(take(limiter))
    gc.collect()

    assert loops[0]() is None


def test_a_keyboard_interrupt_loses_nothing():
    """A loop that is interrupted during its callbacks leaves its slots to the next one."""
    limiter = LocalLimiter(Rate(2), clock=still)

    def interrupt():
        raise KeyboardInterrupt

    async def work():
        first, second = await take_all(limiter, 2)
        waiting = [asyncio.create_task(take(limiter)) for _ in range(3)]
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(interrupt)
        first.unused()  # granted to a task that will not run before the interrupt
        try:
            await asyncio.gather(*waiting)
        finally:
            second.unused()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(work())

    usage = usage_now(limiter)
    assert (0, 0) == (usage.in_flight, usage.waiting)
    assert 2 == len(asyncio.run(take_all(limiter, 2)))


def account_of_a_dropped_task():
    """Drop a task with a slot, its loop and its limiter; return a weak reference to its account."""
    limiter, loop = LocalLimiter(), asyncio.new_event_loop()

    async def hold():
        slot = await take(limiter, BULK)
        await asyncio.get_running_loop().create_future()
        slot.unused()

    task = loop.create_task(hold())
    for _ in range(3):
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert not task.done()
    return weakref.ref(limiter._account(KEY))


def test_the_garbage_collector_follows_slots():
    """One collection frees an account that only a dropped task's slot refers to."""
    account = account_of_a_dropped_task()

    gc.collect()

    assert account() is None
