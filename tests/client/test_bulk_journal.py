"""The journal of a durable run: claims before the first byte, settlements once fates are known."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async import BulkInterrupted, LocalLimiter, Message, Rate, Status, StopRules
from tests.support.client_in_memory import (
    MemoryJournal,
    MemoryTransport,
    accepts,
    cannot_connect,
    connects_slowly,
    hangs,
    loses_answer,
    now,
    phones,
    refuses,
    turns_away,
)

pytestmark = pytest.mark.virtual_time


async def test_a_batch_is_claimed_before_its_first_byte(make_client):
    """Nothing is sent while the journal is still writing the claim."""
    gateway = MemoryTransport()
    journal = MemoryJournal(takes=5)

    await make_client(gateway).send_many(phones(1), "hi", journal=journal)

    assert 1005 == pytest.approx(gateway.began[0].began_at)
    assert ["claim", "settle"] == journal.calls


async def test_a_batch_is_claimed_after_its_grant(make_client):
    """A batch that waits for a slot is not claimed, so a crash there leaves nothing unknown."""
    journal = MemoryJournal()
    gateway = MemoryTransport(then=accepts(takes=1))
    client = make_client(gateway, limiter=LocalLimiter(Rate(1, per=60), clock=now))
    run = asyncio.create_task(client.send_many(phones(4), "hi", batch_size=1, journal=journal))
    await asyncio.sleep(50)

    assert ([0], [0]) == (journal.claimed, [outcome.index for outcome in journal.settled])
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert ["claim", "settle"] == journal.calls


async def test_a_claim_has_the_id_of_its_request(make_client):
    """Journal, outcomes and logs use the same id for a request."""
    journal = MemoryJournal()

    report = await make_client(MemoryTransport()).send_many(
        phones(2), "hi", batch_size=1, journal=journal
    )

    assert [report[0].request, report[1].request] == journal.requests


async def test_taken_messages_are_not_sent(make_client):
    """Messages that the journal reports as taken are left out, and the run goes on."""
    gateway, journal = MemoryTransport(), MemoryJournal()
    journal.taken = {1, 4, 5, 6, 7}
    given = phones(10)

    report = await make_client(gateway).send_many(given, "hi", batch_size=4, journal=journal)

    assert [[given[0], given[2], given[3]], given[8:]] == gateway.batches
    assert [1, 4, 5, 6, 7] == [outcome.index for outcome in report if outcome.code == "TAKEN"]
    assert (5, None, True) == (report.sent, report.stopped, report.complete)
    assert [0, 2, 3, 8, 9] == sorted(outcome.index for outcome in journal.settled)
    assert [] == report.safe_to_resend()


async def test_references_stay_with_their_numbers_where_some_are_taken(make_client):
    """If a claim takes part of a batch, the others keep their references."""
    journal = MemoryJournal()
    journal.taken = {0}
    messages = [Message(phone, "hi", ref=n) for n, phone in enumerate(phones(3))]

    report = await make_client(MemoryTransport()).send_messages(messages, journal=journal)

    assert [1, 2] == [outcome.ref for outcome in journal.settled]
    assert [0, 1, 2] == [outcome.ref for outcome in report]


@pytest.mark.parametrize("answer", [True, "all", {99}, [0, "1"]])
async def test_an_invalid_answer_of_claim_sends_nothing(make_client, answer):
    """If `claim` returns anything but indexes of the batch, the run ends."""
    gateway, journal = MemoryTransport(), MemoryJournal()

    async def claim(batch):
        return answer

    journal.claim = claim
    with pytest.raises(BulkInterrupted) as caught:
        await make_client(gateway).send_many(phones(3), "hi", journal=journal)

    assert isinstance(caught.value.__cause__, TypeError | ValueError)
    assert ([], {"JOURNAL_FAILED"}) == (gateway.began, {o.code for o in caught.value.report})


async def test_unclaimed_numbers_are_refused(make_client):
    """The journal is told of bad numbers, duplicates and skips, so its list is complete."""
    given = phones(3)
    journal = MemoryJournal()

    await make_client(MemoryTransport()).send_many(
        ["bad", *given, given[0]], "hi", skip=[given[2]], journal=journal
    )

    assert [(0, "INVALID_PHONE"), (3, "SKIPPED"), (4, "DUPLICATE")] == [
        (outcome.index, outcome.code) for outcome in journal.refused
    ]
    assert [1, 2] == sorted(journal.claimed)


async def test_the_rest_of_a_stopped_list_is_refused_as_well(make_client):
    """After a stop, bad numbers are still refused, and unsent ones are not claimed."""
    journal = MemoryJournal()

    report = await make_client(MemoryTransport(then=refuses("INVALID_API_KEY"))).send_many(
        [*phones(30), "bad"], "hi", batch_size=10, journal=journal
    )

    assert ["INVALID_PHONE"] == [outcome.code for outcome in journal.refused]
    assert (10, 31) == (len(journal.claimed), report.total)


async def test_a_refuse_that_fails_ends_the_run(make_client):
    """If `refuse` raises, the run ends, and every number has a fate."""
    journal = MemoryJournal()

    async def refuse(outcomes):
        raise OSError("the disk is full")

    journal.refuse = refuse
    with pytest.raises(BulkInterrupted) as caught:
        await make_client(MemoryTransport()).send_many(["bad", *phones(50)], "hi", journal=journal)

    assert 51 == caught.value.report.total
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_slow_claim_is_made_again(make_client):
    """If the claim took most of the slot's time, nothing is sent and the claim is repeated."""
    journal = MemoryJournal()
    gateway = MemoryTransport()
    slow = iter([20.0])
    claim = journal.claim

    async def claim_slowly(batch):
        await asyncio.sleep(next(slow, 0.0))
        return await claim(batch)

    journal.claim = claim_slowly
    report = await make_client(gateway).send_many(phones(1), "hi", journal=journal)

    assert (1, 1) == (report.sent, len(gateway.began))
    assert ["claim", "release", "claim", "settle"] == journal.calls


async def test_an_attempt_has_the_time_that_the_claim_left(make_client):
    """Claim and request together take no longer than the time asked from the limiter."""
    gateway = MemoryTransport()

    await make_client(gateway).send_many(phones(1), "hi", journal=MemoryJournal(takes=10))

    assert 20 == pytest.approx(gateway.began[0].timeout)


async def test_every_fate_is_settled_once(make_client):
    """Sent, rejected and unknown messages are settled once; unsent ones are released."""
    given = phones(8)
    gateway = MemoryTransport(accepts(refuse=given[:1]), loses_answer(), then=cannot_connect())
    journal = MemoryJournal()

    report = await make_client(gateway).send_many(
        ["bad", *given, given[0]],
        "hi",
        batch_size=2,
        max_in_flight=1,
        journal=journal,
        stop=StopRules(outage=0),
    )

    assert journal.is_balanced
    assert [report[index] for index in range(1, 5)] == sorted(
        journal.settled, key=lambda outcome: outcome.index
    )
    assert {"sent", "rejected", "unknown"} == {o.status for o in journal.settled}
    assert [5, 6] == journal.released


async def test_a_batch_that_was_turned_away_is_released(make_client):
    """Each try has its own claim, which is released if nothing was sent."""
    gateway = MemoryTransport(cannot_connect(), turns_away("3"))
    journal = MemoryJournal()

    await make_client(gateway).send_many(phones(3), "hi", journal=journal)

    assert ["claim", "release"] * 2 + ["claim", "settle"] == journal.calls
    assert 3 == len(gateway.began) == len(set(journal.requests))


async def test_references_are_in_the_journal(make_client):
    """The journal's outcomes have the caller's references."""
    journal = MemoryJournal()

    await make_client(MemoryTransport()).send_messages(
        [Message(phones(1)[0], "hi", ref="row 7")], journal=journal
    )

    assert ["row 7"] == [outcome.ref for outcome in journal.settled]


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_claim_that_fails_ends_the_run(make_client, at):
    """If a claim fails, its batch is not sent, and earlier outcomes are in the report."""
    gateway = MemoryTransport()
    journal = MemoryJournal(fail_claim=at)

    with pytest.raises(BulkInterrupted) as caught:
        await make_client(gateway).send_many(
            phones(50), "hi", batch_size=10, max_in_flight=1, journal=journal
        )

    report = caught.value.report
    assert str(caught.value).startswith("the run was interrupted by its journal: ")
    assert isinstance(caught.value.__cause__, OSError)
    assert (10 * (at - 1), 50) == (report.sent, report.total)
    assert {"JOURNAL_FAILED"} == {o.code for o in report if o.status is Status.NOT_SENT}
    assert gateway.ledger.total() == report.sent
    assert journal.is_balanced


@pytest.mark.parametrize("at", [1, 2])
async def test_a_settlement_that_fails_ends_the_run(make_client, at):
    """If `settle` fails, the fate is still known and in the report."""
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
    """A stream hands over its outcomes first, then raises an error with counts only."""
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
    """After a cancellation at any time, each claim was either settled or released once."""
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
    """After a stop, a pending claim is finished and then released, and nothing is sent."""
    gateway = MemoryTransport()
    journal = MemoryJournal(takes=5)

    async with make_client(gateway).stream_many(phones(3), "hi", journal=journal) as bulk:
        await asyncio.sleep(1)
        bulk.stop()
        outcomes = [outcome async for outcome in bulk]

    assert ([], ["STOPPED"] * 3) == (gateway.began, [outcome.code for outcome in outcomes])
    assert ["claim", "release"] == journal.calls


async def test_a_hanging_claim_does_not_block_a_cancelled_run(make_client):
    """A pending claim is awaited for `drain` seconds at most."""
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


async def test_a_hanging_settle_does_not_block_a_cancelled_run(make_client):
    """The fate is known, although the journal is not told in time."""
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
    """If `on_request` calls `stop`, the attempt that it reports is still settled."""
    runs = []
    journal = MemoryJournal(takes=1)
    client = make_client(MemoryTransport(), on_request=lambda _: runs[0].stop())
    runs.append(client.stream_many(phones(4), "hi", batch_size=2, journal=journal))

    async with runs[0] as bulk:
        progress = await bulk.finish()

    assert journal.is_balanced
    assert (2, 2) == (progress.sent, progress.not_sent)


async def test_a_claim_that_expired_sends_nothing(make_client):
    """If the journal refuses at the first byte, the claim is released and made again."""
    gateway, journal = MemoryTransport(), MemoryJournal()
    answers = [False, True]
    journal.may_start = lambda batch: answers.pop(0)

    report = await make_client(gateway).send_many(phones(3), "hi", journal=journal)

    assert (3, 2, 3) == (report.sent, len(gateway.began), gateway.ledger.total())
    assert [] == answers
    assert journal.is_balanced
