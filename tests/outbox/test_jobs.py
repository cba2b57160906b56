"""The life of a message in the database: added, claimed, fenced, settled, inherited, resolved."""

import attrs
import pytest

from customersms_async import Status
from customersms_async.outbox._core import campaigns as _campaigns
from customersms_async.outbox._core import claim as _claim
from customersms_async.outbox._core import resolve as _resolve
from customersms_async.outbox._core.add import OpenBatches
from customersms_async.outbox._core.fence import Pass
from tests.support.outbox import NOW, Steps, make_rows


@pytest.fixture
def steps(engine):
    """Give one worker of one campaign."""
    return Steps(engine)


async def sending(steps, count=3, lease=30.0):
    """Bring some messages as far as the fence."""
    await steps.open()
    await steps.add(make_rows(count))
    await steps.register(lease)
    claim = await steps.claim()
    assert Pass.GO is await steps.fence(claim)
    return claim


async def test_equal_texts_share_batches(steps):
    """Up to 100 numbers leave together."""
    await steps.open()
    await steps.add(make_rows(150))

    first = await steps.claim()
    second = await steps.claim(after=first.batches[-1])

    assert (100, 50) == (len(first.phones), len(second.phones))
    assert None is await steps.claim(after=second.batches[-1])


async def test_several_requests_are_claimed_at_once(steps):
    """As many as were asked for, each of one text, from the first batch on."""
    await steps.open()
    await steps.add([*make_rows(150), *make_rows(2, first=150, text="yo")])

    claims = await steps.claim_several(2)
    (last,) = await steps.claim_several(2, after=claims[-1].batches[0])

    assert [("hi", 100), ("hi", 50), ("yo", 2)] == [
        (claim.text, len(claim.phones)) for claim in (*claims, last)
    ]


async def test_small_batches_of_a_text_leave_together_though_others_stand_between(steps):
    """Each number stays beside its message."""
    await steps.open()
    for first, text in enumerate(["hi", "yo", "hi", "ya", "yo"]):
        await steps.add(make_rows(2, first=2 * first, text=text))

    claims = await steps.claim_several(2)

    lines = {line.id: line.phone for line in await steps.lines()}
    assert [("hi", 4), ("yo", 4)] == [(claim.text, len(claim.phones)) for claim in claims]
    for claim in claims:
        assert [lines[row_id] for row_id in claim.messages] == list(claim.phones)
    assert ["queued"] * 2 == [state for state in await steps.states() if state != "claimed"]


async def test_a_batch_is_filled_up_by_later_rows(steps):
    """Chunks of one `add` do not leave gaps."""
    await steps.open()
    batches = OpenBatches()
    await steps.add(make_rows(60), batches)
    await steps.add(make_rows(60, first=60), batches)

    assert 100 == len((await steps.claim()).phones)


async def test_a_claimed_batch_is_not_filled_up(steps):
    """What a worker has read does not change under its hands."""
    await steps.open()
    batches = OpenBatches()
    await steps.add(make_rows(60), batches)
    claim = await steps.claim()
    await steps.add(make_rows(60, first=60), batches)

    assert Pass.GO is await steps.fence(claim)
    await steps.settle(claim)
    assert (60, 60) == ((await steps.counts()).sent, (await steps.counts()).queued)


async def test_the_fate_of_each_is_kept(steps):
    """A settled message has its fate, its id, and the evidence of its request."""
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
    """A token that is not that of the claim opens nothing."""
    await steps.open()
    await steps.add(make_rows(3))
    claim = await steps.claim()
    await steps.engine.run(_claim.give_back(steps.token))
    other = Steps(steps.engine, token="w2")
    other.id = steps.id
    theirs = await other.claim()

    assert Pass.TAKEN is await steps.fence(claim)
    assert Pass.GO is await other.fence(theirs)


async def test_the_fence_opens_once(steps):
    """The same claim does not pass twice."""
    claim = await sending(steps)

    assert Pass.TAKEN is await steps.fence(claim)


async def test_a_fence_is_for_all_batches_or_none(steps):
    """Where one of several was taken, the others stay claimed."""
    await steps.open()
    await steps.add(make_rows(1))
    await steps.add(make_rows(1, first=1))
    claim = await steps.claim()
    await steps.engine.run(_claim.give_back(steps.token, claim.batches[:1]))

    assert 2 == len(claim.batches)
    assert Pass.TAKEN is await steps.fence(claim)
    assert ["queued", "claimed"] == await steps.states()


@pytest.mark.parametrize("state", ["paused", "cancelled"])
async def test_a_held_campaign_passes_no_fence(steps, state):
    """A pause from any process holds at once."""
    await steps.open()
    await steps.add(make_rows(1))
    claim = await steps.claim()
    await steps.engine.run(_campaigns.hold(steps.id, state, None))

    assert Pass.HELD is await steps.fence(claim)
    assert (0, 1) == ((await steps.counts()).requests, (await steps.counts()).claimed)


async def test_the_budget_is_the_campaign_s(steps):
    """What was sent and what is in flight count, at the dearest price seen."""
    await steps.open()
    await steps.add(make_rows(300))
    first, second, third = [await steps.claim() for _ in range(3)]

    assert Pass.GO is await steps.fence(first, budget=250)
    assert Pass.GO is await steps.fence(second, budget=250)
    await steps.settle(first, credits_left=1000)
    assert Pass.TOO_DEAR is await steps.fence(third, budget=250)
    await steps.settle(second, credits_left=800)
    assert 2.0 == (await steps.counts()).price
    assert Pass.TOO_DEAR is await steps.fence(third, budget=599)
    assert 2 == (await steps.counts()).requests  # what was refused did not leave
    assert Pass.GO is await steps.fence(third, budget=600)


async def test_what_was_turned_away_may_be_tried_again(steps):
    """The worker keeps its claim, and passes the fence anew; the request does not count."""
    claim = await sending(steps)

    await steps.turn_away(claim)

    assert ["claimed"] * 3 == await steps.states()
    assert 0 == (await steps.counts()).requests
    assert Pass.GO is await steps.fence(claim)


async def test_what_is_dropped_is_queued_again(steps):
    """It may be claimed at once: its request has not left, and nothing is waited out."""
    claim = await sending(steps)

    await steps.drop(claim)

    assert ["queued"] * 3 == await steps.states()
    assert claim.messages == (await steps.claim()).messages


async def test_a_fence_whose_answer_was_lost_is_given_back(steps):
    """Whether it was committed or not, what was not posted is queued again."""
    await steps.open()
    await steps.add(make_rows(2))
    claim = await steps.claim()

    await steps.drop(claim)

    assert ["queued"] * 2 == await steps.states()
    assert 0 == (await steps.counts()).requests


async def test_a_part_of_a_claim_may_leave_alone(steps):
    """Both parts stay claimed, each with its own size."""
    await steps.open()
    await steps.add(make_rows(5))
    claim = await steps.claim()
    part = claim.messages[:2]

    new = await steps.engine.run(_claim.split(claim.batches, claim.token, part))

    assert Pass.GO is await steps.fence(attrs.evolve(claim, batches=[new]))
    assert ["sending"] * 2 + ["claimed"] * 3 == await steps.states()
    counts = await steps.counts()
    assert (3, 2) == (counts.claimed, counts.sending)


async def test_what_is_not_claimed_is_not_parted(steps):
    """Another token has no part in it."""
    await steps.open()
    await steps.add(make_rows(5))
    claim = await steps.claim()

    assert 0 == await steps.engine.run(_claim.split(claim.batches, "w2", claim.messages[:2]))
    assert ["claimed"] * 5 == await steps.states()


async def test_refused_for_credit_goes_back_alone(steps):
    """Of one request, some are sent, and the rest waits for a top-up."""
    claim = await sending(steps)
    back = claim.messages[2]

    await steps.settle(claim, back={back})

    assert ["sent", "sent", "queued"] == await steps.states()
    assert (2, 1) == ((await steps.counts()).sent, (await steps.counts()).queued)
    assert (back,) == tuple((await steps.claim()).messages)


async def test_the_dead_are_inherited_from(steps):
    """What a dead worker had claimed is queued again; what it was sending is unknown."""
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


async def test_a_process_that_is_gone_is_not_waited_for(steps):
    """Its lease has not run out, and still it is inherited from."""
    await steps.open()
    await steps.add(make_rows(1))
    await steps.register(process="p1")
    await steps.claim()

    await steps.engine.run(_claim.reap(steps.id, NOW, lambda process: process != "p1"))
    assert ["claimed"] == await steps.states()
    await steps.engine.run(_claim.reap(steps.id, NOW, lambda process: process == "p1"))
    assert ["queued"] == await steps.states()


async def test_the_living_keep_what_is_theirs(steps):
    """A sign of life moves the end of a lease."""
    await sending(steps, lease=-1.0)
    await steps.engine.run(_claim.beat(steps.id, steps.token, 30.0, NOW))

    assert 0 == await steps.reap()
    assert ["sending"] * 3 == await steps.states()


async def test_a_worker_that_was_declared_dead_hears_of_it(steps):
    """Its next sign of life finds its token gone."""
    await sending(steps, lease=-1.0)
    await steps.reap()

    assert None is await steps.engine.run(_claim.beat(steps.id, steps.token, 30.0, NOW))


async def test_the_dead_pass_no_fence(steps):
    """What was inherited is claimed under another token."""
    await steps.open()
    await steps.add(make_rows(1))
    await steps.register(lease=-1.0)
    claim = await steps.claim()
    await steps.reap()
    other = Steps(steps.engine, token="w2")
    other.id = steps.id

    assert None is not await other.claim()
    assert Pass.TAKEN is await steps.fence(claim)


async def test_the_dead_claim_nothing(steps):
    """What they claimed would be inherited by nobody: they take a new token first."""
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
async def test_a_late_answer_tells_what_was_unknown(steps, status, expected):
    """A worker that was only slow still knows the truth."""
    claim = await sending(steps, lease=-1.0)
    await steps.reap()

    assert 0 == await steps.settle(claim, status)
    assert [expected] * 3 == await steps.states()
    counts = await steps.counts()
    assert (3, 0) == (getattr(counts, expected), counts.unknown)


async def test_a_late_unknown_changes_nothing(steps):
    """It was unknown before."""
    claim = await sending(steps, lease=-1.0)
    await steps.reap()

    await steps.settle(claim, Status.UNKNOWN)

    assert ["unknown"] * 3 == await steps.states()


async def test_turned_away_told_late_is_queued_again(steps):
    """It is proven that nothing was sent."""
    claim = await sending(steps, lease=-1.0)
    await steps.reap()

    await steps.turn_away(claim)

    assert ["queued"] * 3 == await steps.states()
    assert (3, 0) == ((await steps.counts()).queued, (await steps.counts()).unknown)


async def test_a_late_answer_does_not_overrule_a_person(steps):
    """The decision stands, and the contradiction is told."""
    claim = await sending(steps, lease=-1.0)
    await steps.reap()
    await steps.engine.run(_resolve.send_again(steps.id, ["row-0"], NOW))

    assert 1 == await steps.settle(claim)
    assert ["queued", "sent", "sent"] == await steps.states()


async def test_marked_as_sent(steps):
    """A person has found out; what is not unknown is named."""
    claim = await sending(steps)
    await steps.settle(claim, Status.UNKNOWN)

    left = await steps.engine.run(_resolve.mark_sent(steps.id, ["row-0", "nobody"], NOW))

    assert ["nobody"] == left
    assert ["sent", "unknown", "unknown"] == await steps.states()
    assert (1, 2) == ((await steps.counts()).sent, (await steps.counts()).unknown)


async def test_sent_again_when_nothing_can_be_under_way(steps):
    """An unknown one waits out its first request; a rejected one does not."""
    claim = await sending(steps)
    await steps.settle(claim, Status.UNKNOWN)

    left = await steps.engine.run(_resolve.send_again(steps.id, ["row-0", "x"], NOW))

    assert ["x"] == left
    assert None is await steps.claim(wall=NOW + 59)
    assert None is not await steps.claim(wall=NOW + 60)


async def test_rejected_is_sent_again_at_once(steps):
    """The gateway has answered, so nothing is under way."""
    claim = await sending(steps)
    await steps.settle(claim, Status.REJECTED, "NO_ROUTE")

    await steps.engine.run(_resolve.send_again(steps.id, ["row-1"], NOW))

    assert ["rejected", "queued", "rejected"] == await steps.states()
    assert (claim.messages[1],) == tuple((await steps.claim()).messages)


async def test_sent_is_never_sent_again(steps):
    """Nothing is done about what was sent."""
    claim = await sending(steps)
    await steps.settle(claim)

    assert ["row-0"] == await steps.engine.run(_resolve.send_again(steps.id, ["row-0"], NOW))


async def test_withdrawn_is_what_waits(steps):
    """It is taken out of its batch, and those beside it are sent."""
    await steps.open()
    await steps.add(make_rows(3))
    await steps.register()

    left = await steps.engine.run(_resolve.withdraw(steps.id, ["row-1", "nobody"], NOW))

    assert ["nobody"] == left
    assert ["queued", "not_sent", "queued"] == await steps.states()
    assert (2, 1) == ((await steps.counts()).queued, (await steps.counts()).not_sent)
    assert 2 == len((await steps.claim()).messages)


async def test_withdrawn_to_the_last(steps):
    """A batch of nobody is not claimed."""
    await steps.open()
    await steps.add(make_rows(2))
    await steps.register()

    assert [] == await steps.engine.run(_resolve.withdraw(steps.id, ["row-0", "row-1"], NOW))
    assert (0, 2) == ((await steps.counts()).queued, (await steps.counts()).not_sent)
    assert None is await steps.claim()


async def test_what_has_begun_is_not_withdrawn(steps):
    """A worker has it."""
    await sending(steps)

    assert ["row-0"] == await steps.engine.run(_resolve.withdraw(steps.id, ["row-0"], NOW))


async def test_cancelled_are_those_that_wait(steps):
    """What is under way ends as it ends."""
    await sending(steps)
    await steps.add(make_rows(2, first=10, text="later"))
    await steps.engine.run(_campaigns.hold(steps.id, "cancelled", None))

    assert 1 == await steps.engine.run(_resolve.cancel_some(steps.id, 100))
    assert ["sending"] * 3 + ["not_sent"] * 2 == await steps.states()
    assert 2 == (await steps.counts()).not_sent


async def test_turned_away_after_a_cancellation_is_cancelled(steps):
    """It does not wait for a run that will not come."""
    claim = await sending(steps)
    await steps.engine.run(_campaigns.hold(steps.id, "cancelled", None))

    await steps.drop(claim)

    assert {("not_sent", "CANCELLED")} == {(line.status, line.code) for line in await steps.lines()}


async def test_purged_are_the_settled_but_not_the_unknown(steps):
    """Numbers and texts go, counts stay, and an unknown keeps both."""
    claim = await sending(steps)
    await steps.settle(claim)
    await steps.add(make_rows(1, first=5, text="other"))
    unknown = await steps.claim()
    await steps.fence(unknown)
    await steps.settle(unknown, Status.UNKNOWN)

    assert 1 == await steps.engine.run(_resolve.purge(NOW + 2, 100))
    assert ["", "", "", "+12120000005"] == [line.phone for line in await steps.lines()]
    assert 3 == (await steps.counts()).sent


async def test_a_worker_that_ends_in_order_counts_no_crash(steps):
    """What it did not begin goes back."""
    await steps.open()
    await steps.add(make_rows(1))
    await steps.register()
    await steps.claim()

    await steps.engine.run(_claim.end_worker(steps.id, steps.token))

    assert ["queued"] == await steps.states()


async def test_a_campaign_has_one_name(make_engine):
    """The same name is the same campaign, whoever opens it."""
    one, two = await Steps(make_engine()).open(), await Steps(make_engine()).open()
    other = await Steps(make_engine(), name="others").open()

    assert one.id == two.id != other.id


async def test_the_guards_know_crashes_and_binding(steps):
    """Two crashes with unknowns are counted, and `resume` forgets them."""
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


async def test_a_cancelled_campaign_is_not_resumed(steps):
    """It ended for good."""
    await steps.open()
    await steps.engine.run(_campaigns.hold(steps.id, "cancelled", None))

    assert not await steps.engine.run(_campaigns.resume(steps.id))


async def test_a_settlement_that_is_told_twice_counts_once(steps):
    """Where the answer of the first commit was lost, the second changes nothing."""
    claim = await sending(steps)
    back = {claim.messages[0]}
    await steps.settle(claim, back=back)

    assert 0 == await steps.settle(claim, back=back)
    assert (2, 1) == ((await steps.counts()).sent, (await steps.counts()).queued)


async def test_what_a_worker_gave_up_is_not_forgotten(steps):
    """A request whose fate nobody knows when its worker ends becomes unknown."""
    await sending(steps)

    await steps.engine.run(_claim.end_worker(steps.id, steps.token))

    assert 3 == await steps.reap()
    assert ["unknown"] * 3 == await steps.states()
