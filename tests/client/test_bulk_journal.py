"""The journal of a durable run: claimed before a byte leaves, settled when the fate is known."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async import BulkInterrupted, LocalLimiter, Message, Rate, Status, StopRules
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
    refuses,
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


async def test_a_batch_is_claimed_after_its_grant(make_client):
    """What waits for a slot is not claimed: a run that dies then has nothing unknown."""
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
    """Journal, outcomes and logs call a request by one name."""
    journal = MemoryJournal()

    report = await make_client(MemoryTransport()).send_many(
        phones(2), "hi", batch_size=1, journal=journal
    )

    assert [report[0].request, report[1].request] == journal.requests


async def test_what_the_journal_has_taken_is_not_sent(make_client):
    """A part of a batch, or all of it, may be let go elsewhere; the run goes on."""
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
    """A claim that lets go a part keeps what the caller calls each of them."""
    journal = MemoryJournal()
    journal.taken = {0}
    messages = [Message(phone, "hi", ref=n) for n, phone in enumerate(phones(3))]

    report = await make_client(MemoryTransport()).send_messages(messages, journal=journal)

    assert [1, 2] == [outcome.ref for outcome in journal.settled]
    assert [0, 1, 2] == [outcome.ref for outcome in report]


@pytest.mark.parametrize("answer", [True, "all", {99}, [0, "1"]])
async def test_a_claim_with_a_wrong_answer_lets_nothing_go(make_client, answer):
    """What is no collection of the batch's own indexes ends the run."""
    gateway, journal = MemoryTransport(), MemoryJournal()

    async def claim(batch):
        return answer

    journal.claim = claim
    with pytest.raises(BulkInterrupted) as caught:
        await make_client(gateway).send_many(phones(3), "hi", journal=journal)

    assert isinstance(caught.value.__cause__, TypeError | ValueError)
    assert ([], {"JOURNAL_FAILED"}) == (gateway.began, {o.code for o in caught.value.report})


async def test_what_is_never_claimed_is_refused(make_client):
    """The journal hears of bad numbers, doubles and skips, so that its list is whole."""
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
    """Bad numbers behind the point of a stop are told; what never left is not claimed."""
    journal = MemoryJournal()

    report = await make_client(MemoryTransport(then=refuses("INVALID_API_KEY"))).send_many(
        [*phones(30), "bad"], "hi", batch_size=10, journal=journal
    )

    assert ["INVALID_PHONE"] == [outcome.code for outcome in journal.refused]
    assert (10, 31) == (len(journal.claimed), report.total)


async def test_a_refusal_that_the_journal_does_not_take_ends_the_run(make_client):
    """Whatever the journal raises ends the run, and every number has its fate."""
    journal = MemoryJournal()

    async def refuse(outcomes):
        raise OSError("the disk is full")

    journal.refuse = refuse
    with pytest.raises(BulkInterrupted) as caught:
        await make_client(MemoryTransport()).send_many(["bad", *phones(50)], "hi", journal=journal)

    assert 51 == caught.value.report.total
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_claim_that_takes_most_of_the_slots_time_is_made_again(make_client):
    """A slot may not be used later than was asked for; nothing is sent on the late one."""
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
    """Claim and request together take no longer than the slot was asked for."""
    gateway = MemoryTransport()

    await make_client(gateway).send_many(phones(1), "hi", journal=MemoryJournal(takes=10))

    assert 20 == pytest.approx(gateway.began[0].timeout)


async def test_every_fate_is_settled_once(make_client):
    """Sent, rejected and unknown alike; what was not sent is released."""
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
    """Each try has a claim of its own, and what sent nothing takes it back."""
    gateway = MemoryTransport(cannot_connect(), turns_away("3"))
    journal = MemoryJournal()

    await make_client(gateway).send_many(phones(3), "hi", journal=journal)

    assert ["claim", "release"] * 2 + ["claim", "settle"] == journal.calls
    assert 3 == len(gateway.began) == len(set(journal.requests))


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
    assert str(caught.value).startswith("the run was interrupted by its journal: ")
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
    """The claim is written to its end, nothing leaves, and it is released."""
    gateway = MemoryTransport()
    journal = MemoryJournal(takes=5)

    async with make_client(gateway).stream_many(phones(3), "hi", journal=journal) as bulk:
        await asyncio.sleep(1)
        bulk.stop()
        outcomes = [outcome async for outcome in bulk]

    assert ([], ["STOPPED"] * 3) == (gateway.began, [outcome.code for outcome in outcomes])
    assert ["claim", "release"] == journal.calls


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


async def test_a_claim_that_ran_out_lets_nothing_leave(make_client):
    """A journal may say no right before the first byte; the claim is released, and tried again."""
    gateway, journal = MemoryTransport(), MemoryJournal()
    answers = [False, True]
    journal.may_start = lambda batch: answers.pop(0)

    report = await make_client(gateway).send_many(phones(3), "hi", journal=journal)

    assert (3, 2, 3) == (report.sent, len(gateway.began), gateway.ledger.total())
    assert [] == answers
    assert journal.is_balanced
