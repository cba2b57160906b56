"""Rare events in bulk runs, none of which loses a number."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async import BulkInterrupted, LocalLimiter, Rate, Status, StopRules
from tests.support.client_in_memory import (
    MemoryJournal,
    MemoryTransport,
    accepts,
    as_async,
    now,
    phones,
    turns_away,
)

pytestmark = pytest.mark.virtual_time


async def test_a_hanging_refuse_does_not_block_a_cancelled_run(make_client):
    """`Journal.refuse` has `drain` seconds after a cancellation."""
    journal = MemoryJournal(takes=1000)
    client = make_client(MemoryTransport())
    run = asyncio.create_task(client.send_many(["bad"] * 9, "hi", drain=2, journal=journal))
    await asyncio.sleep(1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await run

    assert 1003 == pytest.approx(now())
    assert "9 not sent" in caught.value.__notes__[0]


async def test_the_end_of_the_loop_cancels_a_refuse(make_client):
    """If all tasks are cancelled at once, a pending `Journal.refuse` is given up."""
    journal = MemoryJournal(takes=1000)
    client = make_client(MemoryTransport())
    run = asyncio.create_task(client.send_many(["bad"] * 9, "hi", journal=journal))
    await asyncio.sleep(1)

    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.wait(others)

    assert run.cancelled()
    assert repr(client).endswith(": 0 tasks, 0 runs>")


async def stop_and_cancel_all(client, bulk, *spared):
    """Stop a run, then cancel every task while the run waits for the last one."""
    await asyncio.sleep(1)
    bulk.stop()
    await asyncio.sleep(1)
    assert repr(client).endswith(" 1 runs>")
    for task in asyncio.all_tasks() - {asyncio.current_task(), *spared}:
        task.cancel()


async def test_a_cancelled_run_cancels_its_refuse(make_client):
    """If the run's own task is cancelled, so is a pending `Journal.refuse`."""
    journal, writing = MemoryJournal(), []

    async def refuse(outcomes):
        writing.append(asyncio.current_task())
        await asyncio.sleep(1000)

    journal.refuse = refuse
    client = make_client(MemoryTransport())
    async with client.stream_many(["bad"] * 9, "hi", journal=journal) as bulk:
        await asyncio.sleep(1)
        await stop_and_cancel_all(client, bulk, *writing)

    assert 1003 == pytest.approx(now())
    assert (9, 0) == (bulk.progress.not_sent, bulk.progress.waiting)
    assert writing[0].cancelled()


async def test_the_end_of_the_loop_ends_the_wait_for_an_input(make_client):
    """An item that an input yields while it is closed gets a fate without the journal."""

    async def numbers():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)
            yield "bad"
        finally:
            await asyncio.sleep(1000)

    client = make_client(MemoryTransport())
    async with client.stream_many(numbers(), "hi", journal=MemoryJournal(takes=1000)) as bulk:
        await stop_and_cancel_all(client, bulk)

    assert 1002 == pytest.approx(now())
    assert (1, 0) == (bulk.progress.not_sent, bulk.progress.waiting)


async def test_a_release_that_fails_ends_the_run(make_client):
    """If `release` fails, the run ends with the journal's error and the batch is not sent."""
    journal = MemoryJournal()

    async def release(batch):
        raise OSError("the disk is full")

    journal.release = release
    gateway = MemoryTransport(accepts(), turns_away("1"))
    with pytest.raises(BulkInterrupted) as caught:
        await make_client(gateway).send_many(
            phones(40), "hi", batch_size=10, max_in_flight=1, journal=journal
        )

    report = caught.value.report
    assert (10, 30, "JOURNAL_FAILED") == (report.sent, report.not_sent, report.stopped)
    assert isinstance(caught.value.__cause__, OSError)


async def test_stopped_while_a_release_is_written(make_client):
    """A pending `release` is finished, and nothing is retried after a stop."""
    journal = MemoryJournal(takes=5)
    gateway = MemoryTransport(turns_away("1"))

    async with make_client(gateway).stream_many(phones(3), "hi", journal=journal) as bulk:
        await asyncio.sleep(7)
        bulk.stop()
        outcomes = [outcome async for outcome in bulk]

    assert (["claim", "release"], 1) == (journal.calls, len(gateway.began))
    assert {Status.NOT_SENT} == {outcome.status for outcome in outcomes}


async def test_a_run_is_rate_limited_for_ten_minutes_at_most(make_client):
    """A run that is only ever rate-limited stops after ten minutes and releases its claims."""
    journal = MemoryJournal()
    gateway = MemoryTransport(then=turns_away("50"))

    report = await make_client(gateway).send_many(phones(30), "hi", batch_size=10, journal=journal)

    assert ("RATE_LIMITED", 30) == (report.stopped, report.not_sent)
    assert journal.is_balanced
    assert 1550 < now() < 1700


async def test_a_floor_that_one_more_message_would_cross(make_client):
    """A run stops above its floor if one more message would cross it."""
    gateway = MemoryTransport(accepts(remaining_credits=103), accepts(remaining_credits=101))

    report = await make_client(gateway).send_many(
        phones(9), "hi", batch_size=1, stop=StopRules(min_credits=100)
    )

    assert (2, 7, "NO_CREDITS") == (report.sent, report.not_sent, report.stopped)


async def test_a_large_batch_is_filled_from_several_reads(make_client):
    """Bad numbers and duplicates take no place in a batch, and indexes stay correct."""
    given = phones(700)
    given[10:10] = ["bad", given[0]]
    gateway = MemoryTransport()
    limiter = LocalLimiter(Rate(100, per=60), clock=now)

    report = await make_client(gateway, limiter=limiter).send_many(given, "hi", batch_size=600)

    assert [600, 100] == [len(batch) for batch in gateway.batches]
    assert given[2:10] == [outcome.phone for outcome in report[2:10]]
    assert {1} == set(gateway.ledger.values())


async def test_a_generator_that_swallows_its_cancellation(make_client):
    """An item that a generator yields after its cancellation gets a fate."""
    given = phones(4)

    async def numbers():
        yield given[0]
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)
            yield given[1]
        yield given[2]

    async with make_client(MemoryTransport()).stream_many(numbers(), "hi") as bulk:
        await asyncio.sleep(5)
        bulk.stop()
        outcomes = [outcome async for outcome in bulk]

    assert [(given[0], "sent"), (given[1], "not_sent")] == [(o.phone, o.status) for o in outcomes]


async def test_a_slow_reader_of_a_stream_that_trickles(make_client):
    """An async source is read no faster than its outcomes are taken."""
    gateway = MemoryTransport()
    seen = []

    async with make_client(gateway).stream_many(
        as_async(phones(20), pause=0.1), "hi", batch_size=5
    ) as bulk:
        async for outcome in bulk:
            seen.append(outcome.index)  # one at a time, slowly
            await asyncio.sleep(3)

    assert list(range(20)) == seen
