"""The journal of a durable run: claimed before a byte leaves, settled when the fate is known."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async import BulkInterrupted, Message, Status
from tests.support.memory import (
    MemoryJournal,
    MemoryTransport,
    accepts,
    cannot_connect,
    connects_slowly,
    hangs,
    loses_answer,
    now,
    phones,
    turns_away,
)

pytestmark = pytest.mark.virtual_time


async def test_a_batch_is_claimed_before_its_first_byte(make_client):
    """Nothing leaves while the journal still writes the claim."""
    gateway = MemoryTransport()
    journal = MemoryJournal(takes=5)

    await make_client(gateway).send_many(phones(1), "hi", journal=journal)

    assert 1005 == pytest.approx(gateway.began[0].began_at)
    assert ["claim", "settle"] == journal.calls


async def test_every_fate_is_settled_once(make_client):
    """Sent, rejected, unknown and not sent alike; refused inputs were never claimed."""
    given = phones(8)
    gateway = MemoryTransport(accepts(refuse=given[:1]), loses_answer(), *[cannot_connect()] * 2)
    journal = MemoryJournal()

    report = await make_client(gateway, retries=1).send_many(
        ["bad", *given, given[0]], "hi", batch_size=2, max_in_flight=1, journal=journal
    )

    assert journal.is_balanced
    assert [report[index] for index in range(1, 9)] == sorted(
        journal.settled, key=lambda outcome: outcome.index
    )
    assert {"sent", "rejected", "unknown", "not_sent"} == {o.status for o in journal.settled}


async def test_a_batch_that_is_tried_again_is_claimed_once(make_client):
    """Tries and refusals for the rate are one claim."""
    gateway = MemoryTransport(cannot_connect(), turns_away("3"))
    journal = MemoryJournal()

    await make_client(gateway).send_many(phones(3), "hi", journal=journal)

    assert (["claim", "settle"], 3) == (journal.calls, len(gateway.began))


async def test_references_are_in_the_journal(make_client):
    """What the caller calls a message stands in its outcome."""
    journal = MemoryJournal()

    await make_client(MemoryTransport()).send_messages(
        [Message(phones(1)[0], "hi", ref="row 7")], journal=journal
    )

    assert ["row 7"] == [outcome.ref for outcome in journal.settled]


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_claim_that_fails_ends_the_run(make_client, at):
    """The batch whose claim failed was not sent, and what came before is in the report."""
    gateway = MemoryTransport()
    journal = MemoryJournal(fail_claim=at)

    with pytest.raises(BulkInterrupted) as caught:
        await make_client(gateway).send_many(
            phones(50), "hi", batch_size=10, max_in_flight=1, journal=journal
        )

    report = caught.value.report
    assert isinstance(caught.value.__cause__, OSError)
    assert (10 * (at - 1), 50) == (report.sent, report.total)
    assert {"JOURNAL_FAILED"} == {o.code for o in report if o.status is Status.NOT_SENT}
    assert gateway.ledger.total() == report.sent
    assert journal.is_balanced


@pytest.mark.parametrize("at", [1, 2])
async def test_a_settlement_that_fails_ends_the_run(make_client, at):
    """The fate is known all the same, and stands in the report."""
    gateway = MemoryTransport()
    journal = MemoryJournal(fail_settle=at)

    with pytest.raises(BulkInterrupted) as caught:
        await make_client(gateway).send_many(
            phones(50), "hi", batch_size=10, max_in_flight=1, journal=journal
        )

    report = caught.value.report
    assert isinstance(caught.value.__cause__, OSError)
    assert gateway.ledger.total() == report.sent >= 10 * at
    assert 50 == report.total


async def test_a_journal_that_fails_interrupts_a_stream(make_client):
    """The outcomes come first, then the error, with counts only."""
    journal = MemoryJournal(fail_claim=2)
    client = make_client(MemoryTransport())
    outcomes = []

    async def run():
        async with client.stream_many(phones(4), "hi", batch_size=2, journal=journal) as bulk:
            async for outcome in bulk:
                outcomes.append(outcome.status)  # noqa: PERF401  # the loop ends by an error

    with pytest.raises(BulkInterrupted) as caught:
        await run()

    assert [Status.SENT] * 2 + [Status.NOT_SENT] * 2 == outcomes
    assert (2, 4, 0) == (
        caught.value.report.sent,
        caught.value.report.total,
        len(caught.value.report),
    )


@pytest.mark.parametrize(
    "behaviour", [accepts(takes=4), hangs(), connects_slowly(20), cannot_connect(takes=20)]
)
@pytest.mark.parametrize("after", [0.5, 1.5, 3, 6, 11])
async def test_after_a_cancellation_everything_claimed_is_settled(make_client, behaviour, after):
    """Whatever a cancelled run was doing, no claim stays open and none is settled twice."""
    gateway = MemoryTransport(then=behaviour)
    journal = MemoryJournal(takes=0.1)
    run = asyncio.create_task(
        make_client(gateway).send_many(phones(60), "hi", batch_size=10, drain=3, journal=journal)
    )
    await asyncio.sleep(after)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert journal.is_balanced
    for outcome in journal.settled:
        sent = gateway.ledger[outcome.phone]
        assert sent == (outcome.status is Status.SENT) or outcome.status is Status.UNKNOWN


async def test_stopping_while_a_claim_is_written(make_client):
    """The claim is written to its end, nothing leaves, and it is settled as not sent."""
    gateway = MemoryTransport()
    journal = MemoryJournal(takes=5)

    async with make_client(gateway).stream_many(phones(3), "hi", journal=journal) as bulk:
        await asyncio.sleep(1)
        bulk.stop()
        outcomes = [outcome async for outcome in bulk]

    assert ([], ["STOPPED"] * 3) == (gateway.began, [outcome.code for outcome in outcomes])
    assert journal.is_balanced


async def test_a_claim_that_takes_for_ever_does_not_hold_a_cancelled_run(make_client):
    """After `drain` seconds the journal is not waited for either."""
    gateway = MemoryTransport()
    journal = MemoryJournal(takes=1000)
    run = asyncio.create_task(
        make_client(gateway).send_many(phones(3), "hi", drain=2, journal=journal)
    )
    await asyncio.sleep(1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert 1003 == pytest.approx(now())
    assert ([], []) == (gateway.began, journal.claimed)


async def test_a_settlement_that_takes_for_ever_does_not_hold_a_cancelled_run(make_client):
    """The fate is known; only the journal does not hear of it."""
    gateway = MemoryTransport()
    journal = MemoryJournal()

    async def settle(outcomes):
        await asyncio.sleep(1000)

    journal.settle = settle
    run = asyncio.create_task(
        make_client(gateway).send_many(phones(3), "hi", drain=2, journal=journal)
    )
    await asyncio.sleep(1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await run

    assert 1003 == pytest.approx(now())
    assert 3 == gateway.ledger.total()
    assert "3 sent" in caught.value.__notes__[0]


async def test_a_hook_that_stops_the_run_loses_no_settlement(make_client):
    """`stop` from `on_request` ends the run, and the attempt it was told of is settled."""
    runs = []
    journal = MemoryJournal(takes=1)
    client = make_client(MemoryTransport(), on_request=lambda _: runs[0].stop())
    runs.append(client.stream_many(phones(4), "hi", batch_size=2, journal=journal))

    async with runs[0] as bulk:
        progress = await bulk.finish()

    assert journal.is_balanced
    assert (2, 2) == (progress.sent, progress.not_sent)
