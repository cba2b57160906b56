"""A message in the database: added, claimed, fenced, settled, taken over, resolved."""

import asyncio
import contextlib
from functools import partial

import attrs
import pytest

from customersms_async import Status
from customersms_async.outbox._core import campaigns as _campaigns
from customersms_async.outbox._core import claim as _claim
from customersms_async.outbox._core import decisions as _decisions
from customersms_async.outbox._core.add import OpenBatches
from customersms_async.outbox._core.fence import Pass
from customersms_async.outbox._core.job import Change, Query
from tests.support.outbox_jobs import NOW, Steps, make_rows


@pytest.fixture
def steps(engine):
    """Return one worker of one campaign."""
    return Steps(engine)


async def sending(steps, count=3, lease=30.0):
    """Bring some messages past the fence."""
    await steps.open()
    await steps.add(make_rows(count))
    await steps.register(lease)
    claim = await steps.claim()
    assert Pass.GO is await steps.fence(claim)
    return claim


async def test_equal_texts_share_batches(steps):
    """Equal texts are batched, up to 100 numbers."""
    await steps.open()
    await steps.add(make_rows(150))

    first = await steps.claim()
    second = await steps.claim(after=first.batches[-1])

    assert (100, 50) == (len(first.phones), len(second.phones))
    assert None is await steps.claim(after=second.batches[-1])


async def test_several_requests_are_claimed_at_once(steps):
    """As many requests are claimed as asked for, each with one text, in order of batches."""
    await steps.open()
    await steps.add([*make_rows(150), *make_rows(2, first=150, text="yo")])

    claims = await steps.claim_several(2)
    (last,) = await steps.claim_several(2, after=claims[-1].batches[0])

    assert [("hi", 100), ("hi", 50), ("yo", 2)] == [
        (claim.text, len(claim.phones)) for claim in (*claims, last)
    ]


async def test_small_batches_of_a_text_are_claimed_together(steps):
    """Batches of one text are joined across others, and numbers stay with their messages."""
    await steps.open()
    for first, text in enumerate(["hi", "yo", "hi", "ya", "yo"]):
        await steps.add(make_rows(2, first=2 * first, text=text))

    claims = await steps.claim_several(2)

    lines = {line.id: line.phone for line in await steps.lines()}
    assert [("hi", 4), ("yo", 4)] == [(claim.text, len(claim.phones)) for claim in claims]
    for claim in claims:
        assert [lines[row_id] for row_id in claim.messages] == list(claim.phones)
    assert ["queued"] * 2 == [state for state in await steps.states() if state != "claimed"]


async def test_a_batch_is_filled_by_later_rows(steps):
    """Later chunks of one `add` fill a batch that is not full."""
    await steps.open()
    batches = OpenBatches()
    await steps.add(make_rows(60), batches)
    await steps.add(make_rows(60, first=60), batches)

    assert 100 == len((await steps.claim()).phones)


async def test_a_claimed_batch_is_not_filled(steps):
    """A batch that was claimed is not changed any more."""
    await steps.open()
    batches = OpenBatches()
    await steps.add(make_rows(60), batches)
    claim = await steps.claim()
    await steps.add(make_rows(60, first=60), batches)

    assert Pass.GO is await steps.fence(claim)
    await steps.settle(claim)
    assert (60, 60) == ((await steps.counts()).sent, (await steps.counts()).queued)


async def test_each_fate_is_stored(steps):
    """A settled message has its fate, its id, and the data of its request."""
    claim = await sending(steps, 1)

    await steps.settle(claim, credits_left=999)

    (line,) = await steps.lines()
    assert ("sent", f"m{line.id}", "abc-1") == (line.status, line.message_id, line.request)
    assert (NOW, NOW + 1, 1000, 999) == (
        line.left_at,
        line.ended_at,
        line.credits_before,
        line.credits_after,
    )


async def test_without_a_claim_nothing_passes_the_fence(steps):
    """The fence is closed for a token that does not own the claim."""
    await steps.open()
    await steps.add(make_rows(3))
    claim = await steps.claim()
    await steps.engine.run(_claim.give_back(steps.token))
    other = Steps(steps.engine, token="w2")
    other.id = steps.id
    theirs = await other.claim()

    assert Pass.TAKEN is await steps.fence(claim)
    assert Pass.GO is await other.fence(theirs)


async def test_a_claim_passes_the_fence_once(steps):
    """The same claim does not pass the fence again."""
    claim = await sending(steps)

    assert Pass.TAKEN is await steps.fence(claim)


async def test_a_fence_is_for_all_batches_or_none(steps):
    """If one of several batches was taken, the others stay claimed."""
    await steps.open()
    await steps.add(make_rows(1))
    await steps.add(make_rows(1, first=1))
    claim = await steps.claim()
    await steps.engine.run(_claim.give_back(steps.token, claim.batches[:1]))

    assert 2 == len(claim.batches)
    assert Pass.TAKEN is await steps.fence(claim)
    assert ["queued", "claimed"] == await steps.states()


@pytest.mark.parametrize("hold", [partial(_campaigns.pause, reason=None), _campaigns.cancel])
async def test_a_held_campaign_passes_no_fence(steps, hold):
    """A pause takes effect at the next fence, whoever requested it."""
    await steps.open()
    await steps.add(make_rows(1))
    claim = await steps.claim()
    await steps.engine.run(hold(steps.id))

    assert Pass.HELD is await steps.fence(claim)
    assert (0, 1) == ((await steps.counts()).requests, (await steps.counts()).claimed)


async def test_the_budget_of_a_campaign(steps):
    """Messages sent and in flight count at the highest price so far."""
    await steps.open()
    await steps.add(make_rows(500))
    first, second, third, fourth, fifth = [await steps.claim() for _ in range(5)]
    await steps.fence(first, budget=250)
    await steps.settle(first, credits_left=1000)
    await steps.fence(second, budget=250)
    await steps.settle(second, credits_left=900)

    assert Pass.GO is await steps.fence(third, budget=400)
    assert Pass.GO is await steps.fence(fourth, budget=400)
    assert Pass.WAIT is await steps.fence(fifth, budget=400)  # until the two are accepted
    await steps.settle(third, credits_left=500)
    assert 2.0 == (await steps.counts()).price  # two requests may have caused the drop of 400
    assert Pass.TOO_DEAR is await steps.fence(fifth, budget=601)
    assert Pass.WAIT is await steps.fence(fifth, budget=999)
    assert 4 == (await steps.counts()).requests  # a refused claim is not counted as a request
    assert Pass.GO is await steps.fence(fifth, budget=1000)


async def test_a_budget_allows_a_part_of_a_claim(steps):
    """Once nothing else is in flight, the fence says how many messages can be paid."""
    await steps.open()
    await steps.add(make_rows(200))
    first, second = [await steps.claim() for _ in range(2)]
    await steps.fence(first, budget=130)
    assert Pass.WAIT is await steps.fence(second, budget=130)
    await steps.settle(first, credits_left=1000)

    assert 30 == await steps.fence(second, budget=130)
    assert Pass.TOO_DEAR is await steps.fence(second, budget=100)


async def test_until_the_price_is_known_requests_of_a_budget_go_one_by_one(steps):
    """Whichever workers they are of; the second answer shows the price."""
    await steps.open()
    await steps.add(make_rows(500))
    first, second, third, fourth = [await steps.claim() for _ in range(4)]

    assert Pass.GO is await steps.fence(first, budget=10_000)
    assert Pass.WAIT is await steps.fence(second, budget=10_000)
    await steps.settle(first, credits_left=1000)
    assert Pass.GO is await steps.fence(second, budget=10_000)
    assert Pass.WAIT is await steps.fence(third, budget=10_000)
    await steps.settle(second, credits_left=900)
    assert Pass.GO is await steps.fence(third, budget=10_000)
    assert Pass.GO is await steps.fence(fourth, budget=10_000)


async def test_a_gateway_without_balances_shows_no_price(steps):
    """If the first answer has no balance, nothing is waited for."""
    await steps.open()
    await steps.add(make_rows(300))
    first, second, third = [await steps.claim() for _ in range(3)]
    await steps.fence(first, budget=10_000)
    await steps.settle(first)

    assert Pass.GO is await steps.fence(second, budget=10_000)
    assert Pass.GO is await steps.fence(third, budget=10_000)


async def test_unknown_messages_use_up_the_budget(steps):
    """They may have been paid for, so a later run does not spend their credits again."""
    await steps.open()
    await steps.add(make_rows(300))
    first, second, third = [await steps.claim() for _ in range(3)]
    await steps.fence(first, budget=200)
    await steps.settle(first, credits_left=1000)
    await steps.fence(second, budget=200)
    await steps.settle(second, Status.UNKNOWN)

    assert Pass.TOO_DEAR is await steps.fence(third, budget=200)
    assert Pass.GO is await steps.fence(third, budget=300)


async def test_a_first_request_is_in_the_budget_of_the_second(steps):
    """An unknown message that is sent again may be paid for twice; a rejected one is not."""
    await steps.open()
    await steps.add([*make_rows(100), *make_rows(100, first=100, text="yo")])
    first, second = [await steps.claim() for _ in range(2)]
    await steps.fence(first, budget=200)
    await steps.settle(first, Status.UNKNOWN)
    await steps.fence(second, budget=200)
    await steps.settle(second, Status.REJECTED)
    refs = [f"row-{number}" for number in range(200)]
    await steps.engine.run(_decisions.send_again(steps.id, refs, NOW))
    claim = await steps.claim(wall=NOW + 60)

    assert 10 == await steps.fence(claim, budget=110)
    assert Pass.GO is await steps.fence(claim, budget=200)


async def test_a_rate_limited_claim_can_be_sent_again(steps):
    """A rate-limited claim is kept, passes the fence again, and counts no request."""
    claim = await sending(steps)

    await steps.turn_away(claim)

    assert ["claimed"] * 3 == await steps.states()
    assert 0 == (await steps.counts()).requests
    assert Pass.GO is await steps.fence(claim)


async def test_a_dropped_claim_is_queued_again(steps):
    """A dropped claim can be claimed again without a delay."""
    claim = await sending(steps)

    await steps.drop(claim)

    assert ["queued"] * 3 == await steps.states()
    assert claim.messages == (await steps.claim()).messages


async def test_a_fence_without_an_answer_is_dropped(steps):
    """A claim is queued again whether or not its fence was committed."""
    await steps.open()
    await steps.add(make_rows(2))
    claim = await steps.claim()

    await steps.drop(claim)

    assert ["queued"] * 2 == await steps.states()
    assert 0 == (await steps.counts()).requests


async def test_a_claim_can_be_split(steps):
    """Both parts stay claimed, each with its own size."""
    await steps.open()
    await steps.add(make_rows(5))
    claim = await steps.claim()
    part = claim.messages[:2]

    new, left = await steps.engine.run(_claim.split(claim.batches, claim.token, part))

    assert claim.batches == left
    assert Pass.GO is await steps.fence(attrs.evolve(claim, batches=[new]))
    assert ["sending"] * 2 + ["claimed"] * 3 == await steps.states()
    counts = await steps.counts()
    assert (3, 2) == (counts.claimed, counts.sending)


async def test_only_the_owner_can_split_a_claim(steps):
    """With another token a claim cannot be split."""
    await steps.open()
    await steps.add(make_rows(5))
    claim = await steps.claim()

    job = _claim.split(claim.batches, "w2", claim.messages[:2])
    assert (0, []) == await steps.engine.run(job)
    assert ["claimed"] * 5 == await steps.states()


async def test_messages_refused_for_credits_are_queued_again(steps):
    """Of one request, accepted messages are sent and the others queued for a top-up."""
    claim = await sending(steps)
    back = claim.messages[2]

    await steps.settle(claim, back={back})

    assert ["sent", "sent", "queued"] == await steps.states()
    assert (2, 1) == ((await steps.counts()).sent, (await steps.counts()).queued)
    assert (back,) == tuple((await steps.claim()).messages)


async def test_reaping_a_dead_worker(steps):
    """Claims of a dead worker are queued again, and what it was sending is unknown."""
    await steps.open()
    await steps.add(make_rows(101))
    await steps.register(lease=-1.0)
    first = await steps.claim()
    await steps.fence(first)
    await steps.claim()

    assert 100 == await steps.reap()
    counts = await steps.counts()
    assert (100, 1, 0, 0) == (counts.unknown, counts.queued, counts.claimed, counts.sending)
    assert {"WORKER_DIED", None} == {line.code for line in await steps.lines()}
    assert 0 == await steps.reap()


async def test_a_process_that_is_gone_is_reaped_at_once(steps):
    """A worker whose process is gone is reaped before its lease expires."""
    await steps.open()
    await steps.add(make_rows(1))
    await steps.register(process="p1")
    await steps.claim()

    await steps.engine.run(_claim.reap(steps.id, NOW, lambda process: process != "p1"))
    assert ["claimed"] == await steps.states()
    await steps.engine.run(_claim.reap(steps.id, NOW, lambda process: process == "p1"))
    assert ["queued"] == await steps.states()


async def test_a_heartbeat_extends_the_lease(steps):
    """After a heartbeat, a worker keeps its claims."""
    await sending(steps, lease=-1.0)
    await steps.engine.run(_claim.beat(steps.id, steps.token, 30.0, NOW))

    assert 0 == await steps.reap()
    assert ["sending"] * 3 == await steps.states()


async def test_a_worker_that_was_declared_dead_notices(steps):
    """Its next heartbeat finds that its token is gone."""
    await sending(steps, lease=-1.0)
    await steps.reap()

    assert None is await steps.engine.run(_claim.beat(steps.id, steps.token, 30.0, NOW))


async def test_a_dead_worker_passes_no_fence(steps):
    """Messages of a reaped worker are claimed under another token."""
    await steps.open()
    await steps.add(make_rows(1))
    await steps.register(lease=-1.0)
    claim = await steps.claim()
    await steps.reap()
    other = Steps(steps.engine, token="w2")
    other.id = steps.id

    assert None is not await other.claim()
    assert Pass.TAKEN is await steps.fence(claim)


async def test_a_dead_worker_claims_nothing(steps):
    """A reaped worker must take a new token before it can claim."""
    await steps.open()
    await steps.add(make_rows(1))
    await steps.register(lease=-1.0)
    await steps.reap()

    assert None is await steps.claim()
    assert ["queued"] == await steps.states()
    await steps.register()
    assert None is not await steps.claim()


@pytest.mark.parametrize(
    ("status", "expected"), [(Status.SENT, "sent"), (Status.REJECTED, "rejected")]
)
async def test_a_late_answer_settles_unknown_messages(steps, status, expected):
    """A late answer of a reaped worker replaces unknown by the fate."""
    claim = await sending(steps, lease=-1.0)
    await steps.reap()

    assert 0 == await steps.settle(claim, status)
    assert [expected] * 3 == await steps.states()
    counts = await steps.counts()
    assert (3, 0) == (getattr(counts, expected), counts.unknown)


async def test_a_late_unknown_changes_nothing(steps):
    """A late unknown leaves the messages unknown."""
    claim = await sending(steps, lease=-1.0)
    await steps.reap()

    await steps.settle(claim, Status.UNKNOWN)

    assert ["unknown"] * 3 == await steps.states()


async def test_a_late_rate_limit_is_queued_again(steps):
    """A late rate limit proves that nothing was sent."""
    claim = await sending(steps, lease=-1.0)
    await steps.reap()

    await steps.turn_away(claim)

    assert ["queued"] * 3 == await steps.states()
    assert (3, 0) == ((await steps.counts()).queued, (await steps.counts()).unknown)


async def test_a_late_answer_does_not_override_a_decision(steps):
    """The decision is kept, and the contradiction is counted."""
    claim = await sending(steps, lease=-1.0)
    await steps.reap()
    await steps.engine.run(_decisions.send_again(steps.id, ["row-0"], NOW))

    assert 1 == await steps.settle(claim)
    assert ["queued", "sent", "sent"] == await steps.states()


async def test_mark_sent(steps):
    """`mark_sent` changes unknown messages, and returns refs of others."""
    claim = await sending(steps)
    await steps.settle(claim, Status.UNKNOWN)

    left = await steps.engine.run(_decisions.mark_sent(steps.id, ["row-0", "nobody"], NOW))

    assert ["nobody"] == left
    assert ["sent", "unknown", "unknown"] == await steps.states()
    assert (1, 2) == ((await steps.counts()).sent, (await steps.counts()).unknown)


@pytest.mark.parametrize("other", [_decisions.mark_sent, _decisions.send_again])
async def test_decisions_at_once(steps, other):
    """Of several decisions at once about a message, the first counts, and the others hear of it."""
    claim = await sending(steps)
    await steps.settle(claim, Status.UNKNOWN)
    refs = ["row-0", "row-1", "row-2"]
    await asyncio.gather(*(steps.counts() for _ in range(4)))  # all connections are open

    decisions = [decide(steps.id, refs, NOW) for decide in (_decisions.mark_sent, other) * 2]
    left = await asyncio.gather(*map(steps.engine.run, decisions))

    counts = await steps.counts()
    assert [[], refs, refs, refs] == sorted(left)
    assert (3, 0) == (counts.sent + counts.queued, counts.unknown)
    assert [["sent"] * 3, ["queued"] * 3][bool(counts.queued)] == await steps.states()


async def _unknown_and_queued_again(steps):
    """Bring two messages with different texts to an unknown fate, and queue them again."""
    await steps.open()
    await steps.add(make_rows(2, personal=True))
    for claim in await steps.claim_several(2):
        await steps.fence(claim)
        await steps.settle(claim, Status.UNKNOWN)
    await steps.engine.run(_decisions.send_again(steps.id, ["row-0", "row-1"], NOW))


async def test_a_withdrawn_message_that_was_unknown_is_unknown(steps):
    """Its first request may have been carried out; it can be sent again, with its own text."""
    await _unknown_and_queued_again(steps)
    await steps.add(make_rows(1, first=2))
    refs = ["row-0", "row-1", "row-2"]

    assert [] == await steps.engine.run(_decisions.withdraw(steps.id, refs, NOW))
    assert ["unknown", "unknown", "not_sent"] == await steps.states()
    counts = await steps.counts()
    assert (2, 1, 0) == (counts.unknown, counts.not_sent, counts.waiting)

    assert [] == await steps.engine.run(_decisions.send_again(steps.id, refs[1:2], NOW))
    assert None is await steps.claim(wall=NOW + 59)  # its first request may be in progress
    assert "hi 1" == (await steps.claim(wall=NOW + 60)).text


async def test_a_cancelled_message_that_was_unknown_is_unknown(steps):
    """It is not safe to resend: its first request may have been carried out."""
    await _unknown_and_queued_again(steps)
    await steps.add(make_rows(1, first=2))
    await steps.engine.run(_campaigns.cancel(steps.id))

    assert 3 == await steps.engine.run(_decisions.cancel_some(steps.id, 100, NOW))
    assert ["unknown", "unknown", "not_sent"] == await steps.states()
    assert (2, 1) == ((await steps.counts()).unknown, (await steps.counts()).not_sent)


async def test_many_messages_are_sent_again_at_once(steps):
    """The campaign is locked for some statements per request, not per message."""
    await steps.open()
    await steps.add(make_rows(300))
    for claim in await steps.claim_several(3):
        await steps.fence(claim)
        await steps.settle(claim, Status.UNKNOWN)
    statements = []

    def noted(job):
        answer = None
        with contextlib.suppress(StopIteration):
            while True:
                statements.append(job.send(answer))
                answer = yield statements[-1]

    refs = [f"row-{number}" for number in range(300)]
    await steps.engine.run(noted(_decisions.send_again(steps.id, refs, NOW)))

    assert ["queued"] * 300 == await steps.states()
    assert len(statements) < 30
    assert [100] * 3 == [len(one.phones) for one in await steps.claim_several(9, wall=NOW + 60)]


async def test_a_purged_message_is_not_sent_again(steps):
    """A rejected message whose number and text are gone stays rejected, and its ref is returned."""
    claim = await sending(steps)
    await steps.settle(claim, Status.REJECTED)
    await steps.engine.run(_decisions.purge(NOW + 2, 100))

    assert ["row-0"] == await steps.engine.run(_decisions.send_again(steps.id, ["row-0"], NOW))
    assert ["rejected"] * 3 == await steps.states()


def _change(sql):
    yield Change(sql)


@pytest.mark.parametrize("purge", [_decisions.purge, _decisions.purge_beside_unknown])
@pytest.mark.parametrize("seconds", [0.05, 0.15])  # after the purge has read, or has written
async def test_a_message_is_purged_or_sent_again(make_engine, kind, purge, seconds):
    """Of a purge and `send_again` at once, one is too late: nothing without a number is queued."""
    steps = Steps(make_engine())
    claim = await sending(steps)
    await steps.settle(claim, Status.REJECTED)
    if purge is _decisions.purge_beside_unknown:
        await steps.engine.run(_change("UPDATE sms_message SET status = 'unknown' WHERE id = 3"))

    def slowly(job):
        answer = None
        with contextlib.suppress(StopIteration):
            while True:
                answer = yield job.send(answer)
                if kind == "postgresql":
                    yield Query("SELECT 1 FROM pg_sleep(0.1)")

    purging = asyncio.create_task(steps.engine.run(slowly(purge(NOW + 2, 100))))
    await asyncio.sleep(seconds)
    left = await steps.engine.run(_decisions.send_again(steps.id, ["row-0"], NOW))
    await purging

    line = (await steps.lines())[0]
    assert ("rejected", "", ["row-0"]) == (line.status, line.phone, left) or (
        ("queued", "+12120000000", []) == (line.status, line.phone, left)
    )


async def test_send_again_waits_for_the_first_request(steps):
    """An unknown message is sent again after its first request cannot be in flight."""
    claim = await sending(steps)
    await steps.settle(claim, Status.UNKNOWN)

    left = await steps.engine.run(_decisions.send_again(steps.id, ["row-0", "x"], NOW))

    assert ["x"] == left
    assert None is await steps.claim(wall=NOW + 59)
    assert None is not await steps.claim(wall=NOW + 60)


async def test_a_rejected_message_is_sent_again_at_once(steps):
    """A rejected message needs no wait, since the gateway has answered."""
    claim = await sending(steps)
    await steps.settle(claim, Status.REJECTED, "NO_ROUTE")

    await steps.engine.run(_decisions.send_again(steps.id, ["row-1"], NOW))

    assert ["rejected", "queued", "rejected"] == await steps.states()
    assert (claim.messages[1],) == tuple((await steps.claim()).messages)


async def test_a_sent_message_is_never_sent_again(steps):
    """`send_again` of a sent message does nothing."""
    claim = await sending(steps)
    await steps.settle(claim)

    assert ["row-0"] == await steps.engine.run(_decisions.send_again(steps.id, ["row-0"], NOW))


async def test_withdraw(steps):
    """A withdrawn message is removed from its batch, and the others are sent."""
    await steps.open()
    await steps.add(make_rows(3))
    await steps.register()

    left = await steps.engine.run(_decisions.withdraw(steps.id, ["row-1", "nobody"], NOW))

    assert ["nobody"] == left
    assert ["queued", "not_sent", "queued"] == await steps.states()
    assert (2, 1) == ((await steps.counts()).queued, (await steps.counts()).not_sent)
    assert 2 == len((await steps.claim()).messages)


async def test_withdrawing_a_whole_batch(steps):
    """An empty batch is not claimed."""
    await steps.open()
    await steps.add(make_rows(2))
    await steps.register()

    assert [] == await steps.engine.run(_decisions.withdraw(steps.id, ["row-0", "row-1"], NOW))
    assert (0, 2) == ((await steps.counts()).queued, (await steps.counts()).not_sent)
    assert None is await steps.claim()


async def test_a_claimed_message_is_not_withdrawn(steps):
    """A message that a worker has claimed cannot be withdrawn."""
    await sending(steps)

    assert ["row-0"] == await steps.engine.run(_decisions.withdraw(steps.id, ["row-0"], NOW))


async def test_cancel_affects_queued_messages_only(steps):
    """Messages in flight end with their own fate."""
    await sending(steps)
    await steps.add(make_rows(2, first=10, text="later"))
    await steps.engine.run(_campaigns.cancel(steps.id))

    assert 1 == await steps.engine.run(_decisions.cancel_some(steps.id, 100, NOW))
    assert ["sending"] * 3 + ["not_sent"] * 2 == await steps.states()
    assert 2 == (await steps.counts()).not_sent


async def test_a_claim_dropped_after_a_cancellation_is_cancelled(steps):
    """A dropped claim of a cancelled campaign is not queued again."""
    claim = await sending(steps)
    await steps.engine.run(_campaigns.cancel(steps.id))

    await steps.drop(claim)

    assert {("not_sent", "CANCELLED")} == {(line.status, line.code) for line in await steps.lines()}


async def test_purge_keeps_unknown_messages(steps):
    """Numbers and texts of settled messages are removed, those of unknown ones kept."""
    claim = await sending(steps)
    await steps.settle(claim)
    await steps.add(make_rows(1, first=5, text="other"))
    unknown = await steps.claim()
    await steps.fence(unknown)
    await steps.settle(unknown, Status.UNKNOWN)

    assert 1 == await steps.engine.run(_decisions.purge(NOW + 2, 100))
    assert ["", "", "", "+12120000005"] == [line.phone for line in await steps.lines()]
    assert 3 == (await steps.counts()).sent


async def test_an_orderly_end_is_not_a_crash(steps):
    """The claims of a worker that ends are queued again."""
    await steps.open()
    await steps.add(make_rows(1))
    await steps.register()
    await steps.claim()

    await steps.engine.run(_claim.end_worker(steps.id, steps.token))

    assert ["queued"] == await steps.states()


async def test_a_campaign_is_identified_by_its_name(make_engine):
    """Equal names are the same campaign in every process."""
    one, two = await Steps(make_engine()).open(), await Steps(make_engine()).open()
    other = await Steps(make_engine(), name="others").open()

    assert one.id == two.id != other.id


async def test_crashes_and_binding_of_a_campaign(steps):
    """Crashes with unknown messages are counted, and `resume` resets the count."""
    await steps.open()
    for turn in range(2):
        await steps.add(make_rows(1, first=turn))
        await steps.register(lease=-1.0)
        await steps.fence(await steps.claim())
        await steps.reap()
    await steps.engine.run(_campaigns.bind(steps.id, "a", "http://x"))

    facts = await steps.engine.run(_campaigns.facts(steps.id, "here"))
    assert (2, "a", "http://x", False) == (
        facts.crashes,
        facts.account,
        facts.endpoint,
        facts.is_copied,
    )
    assert await steps.engine.run(_campaigns.resume(steps.id))
    assert 0 == (await steps.engine.run(_campaigns.facts(steps.id, "here"))).crashes


async def test_a_cancelled_campaign_cannot_be_resumed(steps):
    """`resume` of a cancelled campaign returns False."""
    await steps.open()
    await steps.engine.run(_campaigns.cancel(steps.id))

    assert not await steps.engine.run(_campaigns.resume(steps.id))


async def test_a_repeated_settlement_counts_once(steps):
    """A settlement whose first answer was lost changes nothing when repeated."""
    claim = await sending(steps)
    back = {claim.messages[0]}
    await steps.settle(claim, back=back)

    assert 0 == await steps.settle(claim, back=back)
    assert (2, 1) == ((await steps.counts()).sent, (await steps.counts()).queued)


async def test_messages_in_flight_at_the_end_of_a_worker_are_unknown(steps):
    """A request without a fate becomes unknown when its worker ends."""
    await sending(steps)

    await steps.engine.run(_claim.end_worker(steps.id, steps.token))

    assert 3 == await steps.reap()
    assert ["unknown"] * 3 == await steps.states()
