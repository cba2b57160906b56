"""What every limiter guarantees under cancellation: no slot and no token is lost."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async import WaitTooLong
from tests.support.limiter_callers import BULK, SEND, names, now, queue_up, take, take_all, usage_of

pytestmark = pytest.mark.virtual_time


async def wait_in_line(limiter, lane, count):
    """Start *count* callers that wait."""
    tasks = [asyncio.create_task(take(limiter, lane)) for _ in range(count)]
    await asyncio.sleep(0.01)
    return tasks


def cancel_at_the_grant(waiting):
    """Cancel all in the same iteration in which the first is granted its slot, before it runs."""
    loop = asyncio.get_running_loop()

    def look():
        if waiting[0]._fut_waiter is not None and waiting[0]._fut_waiter.done():
            loop.before_turn = lambda: None
            for task in waiting:
                task.cancel()

    loop.before_turn = look


@pytest.mark.parametrize("lane", [SEND, BULK])
async def test_hundreds_are_cancelled_together(make_limiter, lane):
    """If all but the last are cancelled as a slot is granted, the last one gets it."""
    limiter = make_limiter(1, 100.0, burst=1)
    slot = await take(limiter)
    gone = await wait_in_line(limiter, lane, 300)
    (last,) = await wait_in_line(limiter, lane, 1)

    slot.unused()
    for task in gone:
        task.cancel()

    assert 0.01 == pytest.approx((await last).waited, abs=0.01)
    assert all(task.cancelled() for task in gone)


async def test_a_hundred_grants_are_cancelled_before_they_run(make_limiter):
    """A hundred slots whose waiters were cancelled are granted to the next hundred at once."""
    limiter = make_limiter()
    slots = await take_all(limiter, 100)
    gone = await wait_in_line(limiter, SEND, 100)
    began_at, served = now(), []
    tasks = queue_up(limiter, SEND, range(100), served)
    await asyncio.sleep(0)

    for slot in slots:
        slot.unused()
    for task in gone:
        task.cancel()
    await asyncio.gather(*tasks)

    assert list(range(100)) == names(served)
    assert {began_at} == {at for _, at in served}


async def test_the_token_of_a_cancelled_grant_goes_to_the_next(make_limiter):
    """A bulk request that is cancelled as it is granted leaves slot and token to the next."""
    limiter = make_limiter()
    for slot in await take_all(limiter, 9, BULK):
        slot.answered()
    began_at, served = now(), []
    gone = asyncio.create_task(take(limiter, BULK))
    await asyncio.sleep(0)
    tasks = queue_up(limiter, BULK, range(2), served)
    cancel_at_the_grant([gone])

    await asyncio.gather(*tasks)

    assert gone.cancelled()
    assert pytest.approx([0.660, 1.321], abs=0.002) == [at - began_at for _, at in served]


@pytest.mark.parametrize("count", [1, 5])
async def test_the_token_of_the_last_waiter_is_not_saved(make_limiter, count):
    """The token of a cancelled grant does not enlarge a later burst."""
    limiter = make_limiter()
    for slot in await take_all(limiter, 9, BULK):
        slot.answered()
    gone = [asyncio.create_task(take(limiter, BULK)) for _ in range(count)]
    await asyncio.sleep(0)
    cancel_at_the_grant(gone)
    await asyncio.wait(gone)
    served = []
    await asyncio.sleep(30)
    began_at = now()

    await asyncio.gather(*queue_up(limiter, BULK, range(20), served))

    assert all(task.cancelled() for task in gone)
    assert 9 >= sum(1 for _, at in served if at < began_at + 0.1)


async def test_tokens_of_many_cancelled_grants(make_in_memory):
    """Bulk requests behind many that were cancelled as granted wait for the pace only."""
    limiter = make_in_memory(burst=1)
    (await take(limiter, BULK)).answered()
    began_at = now()
    gone = await wait_in_line(limiter, BULK, 12)
    last = asyncio.create_task(take(limiter, BULK))

    def look():
        for task in gone:
            future = task._fut_waiter
            if future is not None and future.done() and future.result() is not None:
                task.cancel()

    asyncio.get_running_loop().before_turn = look
    await last

    granted = 1 + sum(not task.cancelled() for task in gone)
    assert 6 >= granted
    assert pytest.approx(0.612 * granted, abs=0.1) == now() - began_at


# A `LocalLimiter` grants a slot that is free immediately, without a token.
IN_THE_BUCKET = pytest.mark.parametrize("make_in_memory", ["memory"], indirect=True)


async def without_tokens(limiter):
    """Use up all tokens of the bucket; returning the slots returns no token."""
    for _ in range(2):
        (await take(limiter, BULK)).unused()


@IN_THE_BUCKET
async def test_cancelled_in_the_bucket_the_next_one_goes_on(make_in_memory):
    """A request that is cancelled while it waits for a token delays no other."""
    limiter, served = make_in_memory(burst=1), []
    await without_tokens(limiter)
    gone = asyncio.create_task(take(limiter, BULK))
    await asyncio.sleep(0.1)
    began_at = now()
    tasks = queue_up(limiter, BULK, range(2), served)
    await asyncio.sleep(0.1)

    gone.cancel()
    await asyncio.gather(*tasks)

    assert [0, 1] == names(served)
    assert 2.5 >= now() - began_at


@IN_THE_BUCKET
async def test_patience_ends_in_the_bucket(make_in_memory):
    """A bulk request that waits for a token fails when its patience ends."""
    limiter = make_in_memory(burst=1)
    await without_tokens(limiter)
    began_at = now()

    with pytest.raises(WaitTooLong):
        await take(limiter, BULK, patience=0.2)

    assert 0.2 == pytest.approx(now() - began_at)


@pytest.mark.parametrize("lanes", [[SEND] * 6, [BULK] * 6, [SEND, BULK] * 3])
@pytest.mark.parametrize("was_refused", [False, True])
async def test_cancelled_at_any_step_a_waiter_delays_nobody(make_in_memory, lanes, was_refused):
    """A caller cancelled at any iteration of the loop does not delay the others."""
    loop = asyncio.get_running_loop()

    async def run(index, step):
        """Cancel one waiter at an iteration, and return how long the others took."""
        limiter = make_in_memory(2, 2.0, burst=1)
        first = await take(limiter)
        first.refused(0.5) if was_refused else first.unused()
        began_at, served, left = now(), [], [step]
        tasks = []

        def before_turn():
            left[0] -= 1
            if left[0] == 0:
                tasks[index].cancel()

        for name, lane in enumerate(lanes):
            tasks += queue_up(limiter, lane, [name], served)
        loop.before_turn = before_turn
        await asyncio.wait(tasks)
        loop.before_turn = lambda: None
        usage = await usage_of(limiter)
        assert (0, 0) == (usage.waiting, usage.in_flight)
        assert len(lanes) - tasks[index].cancelled() == len(served)
        return served[-1][1] - began_at

    undisturbed = await run(0, -1)
    for step in range(1, 25):
        for index in range(len(lanes)):
            assert undisturbed + 0.01 >= await run(index, step)


async def test_patience_that_ends_just_before_a_slot_comes(make_limiter):
    """A slot that comes just after a caller's patience ended goes to the next in line."""
    limiter, loop = make_limiter(1, 1.0), asyncio.get_running_loop()
    slot = await take(limiter)
    tired = asyncio.create_task(take(limiter, patience=7.0))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(take(limiter))
    await asyncio.sleep(0)
    began_at = now()

    async def end():
        slot.unused()

    tired.add_done_callback(lambda _: loop.create_task(end()))

    await waiting
    assert 7.0 == pytest.approx(now() - began_at, abs=0.01)
    assert isinstance(tired.exception(), WaitTooLong)


async def test_cancelled_just_before_patience_ends(make_limiter):
    """A caller cancelled just before its patience ends raises only `CancelledError`."""
    limiter = make_limiter(1, 1.0)
    slot = await take(limiter)
    waiting = asyncio.create_task(take(limiter, patience=7.0))
    asyncio.get_running_loop().call_at(now() + 7.0, waiting.cancel)

    await asyncio.wait([waiting])

    assert waiting.cancelled()
    slot.unused()
    assert 7.0 == pytest.approx(now() - 1_000)
    await take(limiter)


async def test_a_newcomer_does_not_overtake_waiters(make_limiter):
    """A slot that came free while the loop was busy goes to the first in line."""
    limiter, loop, served = make_limiter(1, 10.0), asyncio.get_running_loop(), []
    (await take(limiter)).answered()
    tasks = queue_up(limiter, SEND, ["first"], served)
    await asyncio.sleep(1)

    loop._selector_clock.now += 20  # the loop is busy for this long
    (await take(limiter)).answered()

    assert ["first"] == names(served)
    assert now() >= served[0][1] + 10
    await asyncio.gather(*tasks)


async def test_cancelled_callers_do_not_count_for_a_newcomer(make_limiter):
    """Cancelled callers do not count against the patience of a new one."""
    limiter = make_limiter(1, 5.0)
    (await take(limiter)).answered()
    gone = await wait_in_line(limiter, SEND, 50)

    for task in gone:
        task.cancel()
    await asyncio.sleep(0)

    assert 5 == pytest.approx((await take(limiter, patience=6.0)).waited, abs=0.2)
