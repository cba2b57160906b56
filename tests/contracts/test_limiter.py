"""What every limiter guarantees: order, patience, and no lost slot."""

from __future__ import annotations

import asyncio
import random
from itertools import groupby

import pytest

from customersms_async import LocalLimiter, WaitTooLong
from tests.support.limiter_callers import (
    BULK,
    SEND,
    names,
    now,
    queue_up,
    served_beside_messages,
    take,
    take_all,
    usage_of,
)

pytestmark = pytest.mark.virtual_time


async def test_an_idle_key_grants_at_once(make_limiter):
    """Thirty single messages on an idle key are granted without waiting."""
    limiter, began_at = make_limiter(), now()

    slots = await take_all(limiter, 30)

    assert began_at == now()
    assert {0.0} == {slot.waited for slot in slots}
    assert {SEND} == {slot.ticket.lane for slot in slots}


async def test_first_come_first_served(make_limiter):
    """Waiters of one lane are served in order of arrival."""
    limiter, served = make_limiter(2, 10.0), []

    await asyncio.gather(*queue_up(limiter, SEND, range(40), served))

    assert list(range(40)) == names(served)


async def test_bulk_runs_are_served_in_order_too(make_limiter):
    """Bulk requests keep their order even when they are paced."""
    limiter, served = make_limiter(5, 10.0), []

    await asyncio.gather(*queue_up(limiter, BULK, range(30), served))

    assert list(range(30)) == names(served)


async def test_messages_go_before_bulk_runs(make_limiter):
    """A message is served before a bulk request that was waiting already."""
    limiter, served = make_limiter(1, 10.0), []
    (slot,) = await take_all(limiter, 1)
    tasks = queue_up(limiter, BULK, ["bulk"], served)
    await asyncio.sleep(1)
    tasks += queue_up(limiter, SEND, ["send"], served)
    await asyncio.sleep(1)

    slot.answered()
    await asyncio.gather(*tasks)

    assert ["send", "bulk"] == names(served)


async def test_one_grant_in_ten_goes_to_a_bulk_run(make_limiter):
    """A bulk request gets every tenth grant, however many messages wait."""
    limiter, served = make_limiter(1, 1.0, burst=1), []
    (slot,) = await take_all(limiter, 1)
    tasks = queue_up(limiter, SEND, ["send"] * 40, served)
    tasks += queue_up(limiter, BULK, ["bulk"] * 4, served)
    await asyncio.sleep(0)

    slot.answered()
    await asyncio.gather(*tasks)

    assert [9, 19, 29, 39] == [place for place, name in enumerate(names(served)) if name == "bulk"]


async def test_a_paced_bulk_run_gets_a_tenth():
    """Messages at the full rate leave a paced bulk run at least 9.5 % of the grants."""
    limiter = LocalLimiter(clock=asyncio.get_running_loop().time)

    served = await served_beside_messages(limiter, limiter)

    in_a_row = [len(list(run)) for lane, run in groupby(served) if lane is SEND]
    assert 10 >= max(in_a_row)
    assert 0.095 <= served.count(BULK) / len(served)


async def test_a_ticket_keeps_its_place(make_limiter):
    """A refused request that returns with its ticket is served before those behind it."""
    limiter, served = make_limiter(1, 5.0), []
    first = await take(limiter)
    tasks = queue_up(limiter, SEND, ["second", "third"], served)
    await asyncio.sleep(0.1)

    first.refused(None)
    tasks += queue_up(limiter, SEND, ["first"], served, ticket=first.ticket)
    await asyncio.gather(*tasks)

    assert ["first", "second", "third"] == names(served)


async def test_a_bulk_request_that_returns_does_not_block_the_next(make_limiter):
    """Requests behind a bulk request that returned with its ticket keep the normal pace."""
    limiter, served = make_limiter(), []
    first = await take(limiter, BULK)
    first.refused(5.0)
    tasks = queue_up(limiter, BULK, ["first"], served, ticket=first.ticket)
    await asyncio.sleep(0)
    tasks += queue_up(limiter, BULK, range(3), served)

    await asyncio.gather(*tasks)

    assert ["first", 0, 1, 2] == names(served)
    assert 10 >= served[-1][1] - served[0][1]


async def test_a_ticket_counts_only_those_ahead(make_limiter):
    """Only callers ahead of a returning request count against its patience."""
    limiter, served = make_limiter(1, 5.0), []
    first = await take(limiter)
    tasks = queue_up(limiter, SEND, range(10), served)
    await asyncio.sleep(0.1)

    first.refused(None)
    again = await take(limiter, ticket=first.ticket, patience=8.0)

    assert first.ticket == again.ticket
    again.answered()
    await asyncio.gather(*tasks)


async def test_a_wait_that_is_too_long_fails_at_once(make_limiter):
    """A caller that cannot get a slot within its patience is refused without waiting."""
    limiter = make_limiter(1, 60.0)
    slot = await take(limiter)
    slot.answered()
    began_at = now()

    with pytest.raises(WaitTooLong):
        await take(limiter, patience=59.0)

    assert began_at == now()
    assert 60 <= (await take(limiter, patience=61.0)).waited <= 61


async def test_a_wait_ends_with_the_patience(make_limiter):
    """A caller whose slot did not come in time is refused when its patience ends."""
    limiter, began_at = make_limiter(1, 1.0), now()
    await take(limiter)

    with pytest.raises(WaitTooLong):
        await take(limiter, patience=7.0)

    assert 7.0 == pytest.approx(now() - began_at)
    assert 0 == (await usage_of(limiter)).waiting


async def test_callers_that_gave_up_are_skipped(make_limiter):
    """A free slot goes to the next caller that is still waiting."""
    limiter, served = make_limiter(1, 1.0), []
    slot = await take(limiter)
    tired = asyncio.create_task(take(limiter, patience=2.0))
    gone = asyncio.create_task(take(limiter))
    await asyncio.sleep(0)
    tasks = queue_up(limiter, SEND, ["patient"], served)
    await asyncio.sleep(3)
    gone.cancel()

    slot.answered()
    await asyncio.gather(*tasks)

    assert ["patient"] == names(served)
    assert isinstance((await asyncio.gather(tired, return_exceptions=True))[0], WaitTooLong)


async def test_a_waiter_cancelled_as_its_slot_is_granted(make_limiter):
    """A slot whose waiter was cancelled before it ran goes to the next in line at once."""
    limiter, served = make_limiter(1, 100.0), []
    slot = await take(limiter)
    gone = asyncio.create_task(take(limiter))
    await asyncio.sleep(0)
    tasks = queue_up(limiter, SEND, ["next"], served)
    await asyncio.sleep(1)
    freed_at = now()

    slot.unused()
    gone.cancel()
    await asyncio.gather(*tasks)

    assert ["next"] == names(served)
    assert freed_at == pytest.approx(served[0][1], abs=0.01)
    assert gone.cancelled()


@pytest.mark.parametrize("lane", [SEND, BULK])
async def test_no_capacity_is_lost_by_cancelling_half_of_the_waiters(make_limiter, lane):
    """Waiters that are cancelled at random times take no slot from the others."""
    dice = random.Random(7)
    limiter, served = make_limiter(10, 10.0), []
    tasks = queue_up(limiter, lane, range(200), served)

    while not all(task.done() for task in tasks):
        await asyncio.sleep(dice.random() * 0.5)
        task = dice.choice(tasks)
        if len([t for t in tasks if t.cancelled()]) < 100:
            task.cancel()

    assert 100 <= len(served)
    assert sorted(names(served)) == names(served)
    assert served[-1][1] - served[0][1] <= len(served) / 10 * 10.1 / 0.9
    usage = await usage_of(limiter)
    assert (0, 0) == (usage.waiting, usage.in_flight)
