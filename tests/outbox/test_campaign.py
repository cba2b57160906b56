"""A campaign from its list to its export, against a gateway on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import re
import shutil
import sqlite3
import stat
import time
from pathlib import Path

import anyio
import asyncpg
import pytest

from customersms_async import (
    ConfigurationError,
    CustomerSMS,
    LocalLimiter,
    Message,
    Rate,
    Status,
    StopRules,
)
from customersms_async._ports.limiter import Lane
from customersms_async.outbox import Added, CampaignHeld, Outbox, OutboxError, OutboxUnavailable
from customersms_async.outbox._core.campaigns import IDENTITY, cancel
from customersms_async.outbox._core.fence import Pass
from customersms_async.outbox._core.job import Query
from customersms_async.outbox._core.migrate import read_meta, write_meta
from customersms_async.plan import Refusal
from customersms_async.sandbox import Sandbox
from tests.support.outbox_gateway import KEY, Ledger
from tests.support.outbox_jobs import Steps


def people(count, text="hi"):
    return [Message(f"+1212{n:07}", text, f"row-{n}") for n in range(count)]


def client(ledger, key=KEY, endpoint=None, **options):
    endpoint = endpoint or ledger.endpoint
    limiter = LocalLimiter(Rate(10_000, per=1.0))
    return CustomerSMS(key, endpoint=endpoint, limiter=limiter, **options)


@pytest.fixture
def make_outbox(database):
    """Make outboxes on one database."""
    url, prefix = database
    return lambda **options: Outbox(url, prefix=prefix, lease=5.0, **options)


async def test_a_list_is_sent_once(make_outbox):
    """A list that was added twice is sent once, and every row has a fate."""
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")

        first = await campaign.add(people(250))
        again = await campaign.add(people(250))
        progress = await campaign.send(sms)
        more = await campaign.send(sms)

    assert (Added(queued=250), Added(known=250)) == (first, again)
    assert (250, True, None) == (progress.sent, progress.complete, progress.stopped)
    assert (250, 3) == (ledger.sent.total(), more.requests)
    assert {1} == set(ledger.sent.values())


async def test_an_async_source_and_bad_rows(make_outbox):
    """Bad rows, refusals and items that are not messages are kept, each with its reason."""

    async def rows():
        yield Message("+12125550001", "hi", "a")
        yield Message("12", "hi", "b")
        yield Message("+12125550002", "", "c")
        yield Message(None, None, "d")
        yield Refusal(7, "BAD_QUOTES", "has a quotation mark that is not closed")
        yield Refusal(8, "SKIPPED", "is on the list", "+12125550003")
        yield "+12125550004"

    async with make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        first, again = await campaign.add(rows()), await campaign.add(rows())
        found = [(o.ref, o.code) async for o in campaign.outcomes(Status.NOT_SENT)]

    assert Added(queued=1, bad=5, skipped=1) == first
    assert Added(known=7) == again
    assert [
        ("b", "INVALID_PHONE"),
        ("c", "INVALID_MESSAGE"),
        ("d", "INVALID_PHONE"),
        ("row-7", "BAD_QUOTES"),
        ("row-8", "SKIPPED"),
        (None, "INVALID_PHONE"),
    ] == found


async def test_an_outcome_names_the_row_that_it_duplicates(make_outbox):
    """`Outcome.duplicate_of` is the index of the original row, as in `lines` and in a bulk run."""
    rows = [Message("+12125550001", "hi", ref) for ref in ("a", "b")]
    async with make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        await campaign.add(rows)
        original, double = [line async for line in campaign.lines()]
        outcomes = [one async for one in campaign.outcomes(Status.NOT_SENT)]

    assert [(double.id, "DUPLICATE")] == [(one.index, one.code) for one in outcomes]
    assert [original.id] == [one.duplicate_of for one in outcomes]


async def test_a_text_that_cannot_be_stored_is_a_bad_row(make_outbox):
    """A NUL character, which PostgreSQL refuses, spoils its own row and no other."""
    rows = [
        Message("+12125550001", "a\0b", "a"),
        Message("+12125550002", "hi", "b"),
        Refusal(7, "SKIPPED", "is on the list", "+1212\0555"),
    ]
    async with make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        added = await campaign.add(rows)
        found = [(o.code, o.detail) async for o in campaign.outcomes(Status.NOT_SENT)]

    assert Added(queued=1, bad=1, skipped=1) == added
    said = "text has a NUL character at position 1, which a database cannot store; remove it"
    assert ("INVALID_MESSAGE", said) == found[0]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ([Message("+12125550001", "hi", 17)], TypeError),
        ([Message("+12125550001", "hi", "")], ValueError),
        ([Message("+12125550001", "hi", "a\ud800")], ValueError),
        (17, TypeError),
    ],
)
async def test_invalid_refs_and_lists_are_errors(make_outbox, given, error):
    """A ref must be a non-empty string, and messages must be iterable."""
    async with make_outbox() as outbox:
        with pytest.raises(error, match="must be"):
            await outbox.campaign("tonight").add(given)


async def test_the_plan_of_a_campaign(make_outbox):
    """The plan counts queued messages, their requests, bad rows and duplicates."""
    rows = [*people(150), Message("12", "hi", "bad"), Message("+12120000000", "hi", "again")]
    async with make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        await campaign.add(rows)

        plan = await campaign.plan()

    assert (150, 2, 1, 1) == (plan.recipients, plan.requests, plan.bad, plan.doubles)
    assert "150 messages, 2 requests, 1 min, 150 segments, 1 bad, 1 double" == str(plan)


async def test_the_export_has_every_row(make_outbox, tmp_path):
    """Each row is exported with its fate, and no cell is taken for a formula."""
    rows = [*people(1), Message("=cmd()", "hi", "=bad"), Message("+12120000000", "hi", "again")]
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(rows)
        await campaign.send(sms)

        count = await campaign.export(tmp_path / "result.csv")

    raw = (tmp_path / "result.csv").read_bytes().decode()
    header, sent, bad, double = raw.removesuffix("\r\n").split("\r\n")
    assert 3 == count
    assert raw.startswith("\ufeffref,phone,row,status")
    assert "row-0,'+12120000000,1,sent,,,,m+12120000000" in sent
    assert sent.endswith(",999999")
    assert "'=bad,'=cmd(),2,not_sent,INVALID_PHONE" in bad
    assert "again,'+12120000000,3,not_sent,DUPLICATE" in double
    assert header.endswith("credits_before,credits_after")


async def test_a_lost_answer_is_unknown_until_it_is_resolved(make_outbox):
    """An unknown message is not sent again until someone calls `mark_sent` or `send_again`."""

    async def lose(point, number):
        if number == 1 and point == "done":
            raise ConnectionResetError

    async with Ledger(lose) as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(3))
        first = await campaign.send(sms)
        again = await campaign.send(sms)

        left = await campaign.mark_sent(["row-0", "row-9"])
        not_done = await campaign.send_again(["row-1", "row-0"])
        status = await campaign.status()

    assert (3, 3) == (first.unknown, again.unknown)
    assert (["row-9"], ["row-0"]) == (left, not_done)
    assert (1, 1, 1) == (status.sent, status.unknown, status.queued)
    assert 1 == ledger.requests


async def test_sent_again_after_the_longest_request(make_outbox):
    """`send_again` waits as long as a request of the client may still be in flight."""

    async def lose(point, number):
        if point == "done":
            raise ConnectionResetError

    async with (
        Ledger(lose) as ledger,
        make_outbox() as outbox,
        client(ledger, request_timeout=600) as sms,
    ):
        campaign = outbox.campaign("tonight")
        await campaign.add(people(1))
        began_at = time.time()
        await campaign.send(sms)
        await campaign.send_again(["row-0"])
        rows = await outbox._context.engine.run(_openings())

    assert 600 + outbox._context.lease < rows[0] - began_at < 700 + outbox._context.lease


def _openings():
    return [opens for (opens,) in (yield Query("SELECT max(opens_at) FROM sms_batch"))]


async def test_refs_must_be_a_list(make_outbox):
    """A single string in place of refs is refused, as it would be read letter by letter."""
    async with make_outbox() as outbox:
        with pytest.raises(TypeError, match="row-17"):
            await outbox.campaign("tonight").mark_sent("row-17")


def pausing(make_outbox, turn, *reason):
    """Return a hook that pauses the campaign during a request, and the event it sets."""
    paused = asyncio.Event()

    async def pause(point, number):
        if number == turn and point == "received":
            async with make_outbox() as other:
                await other.campaign("tonight").pause(*reason)
            paused.set()

    return pause, paused


async def test_pause_and_resume(make_outbox):
    """Another outbox on the same database can pause and resume a run."""
    pause, paused = pausing(make_outbox, 2, "lunch")
    async with Ledger(pause) as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(50), batch_size=5)
        run = asyncio.create_task(campaign.send(sms, max_in_flight=1, batch_size=5))
        await paused.wait()
        await asyncio.sleep(0.3)
        held = await campaign.status()
        with pytest.raises(CampaignHeld, match="lunch"):
            await campaign.send(sms)
        await campaign.resume()
        progress = await run

    assert ("paused", 10) == (held.state, held.sent)
    assert (50, True) == (progress.sent, progress.complete)
    assert {1} == set(ledger.sent.values())


async def test_a_pause_releases_claims(make_outbox):
    """While a run is paused, its claimed messages are queued again."""
    pause, paused = pausing(make_outbox, 1)
    async with Ledger(pause) as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(100), batch_size=5)
        run = asyncio.create_task(campaign.send(sms, max_in_flight=4, batch_size=5))
        await paused.wait()
        await asyncio.sleep(0.3)
        held = await campaign.status()
        await campaign.resume()
        progress = await run

    assert (0, 100) == (held.claimed, held.queued + held.sent)
    assert 0 < held.queued
    assert (100, True) == (progress.sent, progress.complete)
    assert {1} == set(ledger.sent.values())


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("stop", 5, "stop must be StopRules"),
        ("stop", {}, "stop must be StopRules"),
        ("sms", None, "sms must be a customersms_async.CustomerSMS, not builtins.NoneType"),
    ],
)
async def test_invalid_arguments_of_send(make_outbox, option, value, said):
    """The error names the invalid argument, and the campaign is not started."""
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        with pytest.raises((TypeError, ValueError), match=said):
            await outbox.campaign("tonight").send(**{"sms": sms, option: value})
        with pytest.raises((TypeError, ValueError), match=said):
            async with outbox.worker(**{"sms": sms, option: value}):
                pass


@pytest.mark.parametrize("call", ["check", "adopt"])
async def test_a_client_of_another_kind(make_outbox, call):
    """Calls that only ask for the account of a client name what is wrong with another object."""
    async with make_outbox() as outbox:
        campaign = outbox.campaign("tonight")

        with pytest.raises(TypeError, match=r"customersms_async\.CustomerSMS, not builtins\.str"):
            await getattr(campaign, call)("cspro_test")


async def test_outcomes_by_status(make_outbox):
    """`outcomes` accepts a status by its name, and refuses other names."""
    async with make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        await campaign.add([Message("none", "hi", "a")])

        assert ["a"] == [outcome.ref async for outcome in campaign.outcomes("not_sent")]
        assert [] == [outcome.ref async for outcome in campaign.outcomes("unknown")]
        with pytest.raises(ValueError, match="'lost' is not a valid Status"):
            await anext(campaign.outcomes("lost"))


async def test_cancel(make_outbox):
    """Queued messages of a cancelled campaign are not sent, with the reason."""
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(120))

        assert 120 == await campaign.cancel()
        assert 0 == await campaign.cancel()
        with pytest.raises(CampaignHeld, match="another name"):
            await campaign.send(sms)
        with pytest.raises(CampaignHeld, match="another name"):
            await campaign.resume()
        codes = {outcome.code async for outcome in campaign.outcomes()}

    assert {"CANCELLED"} == codes
    assert 0 == ledger.requests


async def test_unknown_is_not_sent_again_once_cancelled(make_outbox):
    """In a cancelled campaign `send_again` is refused, and unknown stays unknown."""

    async def lose(point, number):
        raise ConnectionResetError

    async with Ledger(lose) as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(1))
        await campaign.send(sms)
        await campaign.cancel()

        with pytest.raises(CampaignHeld, match="another name"):
            await campaign.send_again(["row-0"])
        status = await campaign.status()

    assert (0, 1) == (status.queued, status.unknown)


async def test_cancel_includes_claims_of_a_dead_worker(make_outbox, engine):
    """Claims of a dead worker are cancelled without waiting for its lease."""
    async with make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(3))
        died = await Steps(engine, "tonight", "died").open()
        claim = await died.claim()

        cancelled = await campaign.cancel()
        status = await campaign.status()
        passed = await died.fence(claim)

    assert (3, 0, 3) == (cancelled, status.claimed, status.not_sent)
    assert Pass.HELD is passed


async def test_an_interrupted_cancel_is_completed(make_outbox, engine):
    """The next attempt to send a cancelled campaign cancels what is still queued."""
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(3))
        interrupted = await Steps(engine, "tonight").open()
        await engine.run(cancel(interrupted.id))

        with pytest.raises(CampaignHeld, match="another name"):
            await campaign.send(sms)
        status = await campaign.status()

    assert (0, 3) == (status.queued, status.not_sent)


async def test_the_queue_cannot_be_cancelled(make_outbox):
    """The queue of `enqueue` cannot be cancelled, as there is no other one."""
    async with make_outbox() as outbox:
        with pytest.raises(OutboxError, match="withdraw"):
            await outbox.queue.cancel()

        assert "open" == (await outbox.queue.status()).state


async def test_nothing_is_added_to_a_cancelled_campaign(make_outbox):
    """`add` to a cancelled campaign is refused, like `send`."""
    async with make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        await campaign.cancel()
        with pytest.raises(CampaignHeld, match="another name"):
            await campaign.add(people(2))

        assert 0 == (await campaign.status()).queued


@pytest.mark.parametrize("max_in_flight", [1, 4])
async def test_cancelled_during_a_run(make_outbox, max_in_flight):
    """A run ends when its campaign is cancelled; what was only claimed is not sent."""
    is_cancelled = asyncio.Event()

    async def cancel(point, number):
        if number == 2 and point == "received":
            async with make_outbox() as other:
                await other.campaign("tonight").cancel()
            is_cancelled.set()
        if number > 2:
            await is_cancelled.wait()

    async with Ledger(cancel) as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(50), batch_size=5)
        progress = await campaign.send(sms, max_in_flight=max_in_flight, batch_size=5)

    assert 50 == progress.sent + progress.not_sent
    assert progress.sent == ledger.sent.total() <= 5 * (1 + max_in_flight)


async def test_outside_its_hours_until_the_deadline(make_outbox):
    """Outside its hours a run sends nothing, and it ends at the deadline."""
    now = dt.datetime.now(dt.UTC)
    closed = ((now + dt.timedelta(hours=2)).strftime("%H:%M"),)
    closed += ((now + dt.timedelta(hours=3)).strftime("%H:%M"), "UTC")
    deadline = now + dt.timedelta(seconds=0.3)
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(5))
        async with asyncio.timeout(5):
            progress = await campaign.send(sms, hours=closed, deadline=deadline)

    assert ("TIME_IS_UP", 0, 5) == (progress.stopped, ledger.requests, progress.waiting)


@pytest.mark.parametrize(("closes_in", "ends_in", "pause"), [(1, 3, 2), (60, 1, 10)])
async def test_a_rate_limited_request_is_not_sent_late(make_outbox, closes_in, ends_in, pause):
    """A request rate-limited beyond the hours or the deadline is not tried again."""
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        ledger.turns_away, ledger.pause = {1}, pause
        campaign = outbox.campaign("tonight")
        await campaign.add(people(10), batch_size=5)
        now, second = dt.datetime.now(dt.UTC), dt.timedelta(seconds=1)
        closes = (now + closes_in * second).time().isoformat()
        async with asyncio.timeout(8):
            progress = await campaign.send(
                sms,
                batch_size=5,
                hours=((now - 60 * second).strftime("%H:%M"), closes, "UTC"),
                deadline=now + ends_in * second,
            )

    assert ("TIME_IS_UP", 1, 10) == (progress.stopped, ledger.requests, progress.waiting)


async def test_a_budget_applies_to_all_runs(make_outbox):
    """`max_credits` counts what all runs of the campaign have spent."""
    rules = StopRules(max_credits=20)
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(50), batch_size=5)
        first = await campaign.send(sms, stop=rules, batch_size=5)
        again = await campaign.send(sms, stop=rules, batch_size=5)

    assert ("BUDGET_SPENT", 20) == (first.stopped, first.sent)
    assert ("BUDGET_SPENT", 20) == (again.stopped, again.sent)


async def test_an_id_that_cannot_be_stored(make_outbox):
    """A message id with a NUL, which PostgreSQL refuses, does not keep a request from its fate."""
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        ledger.prefix = "m\0"
        campaign = outbox.campaign("tonight")
        await campaign.add(people(2))
        progress = await campaign.send(sms)
        outcomes = [outcome async for outcome in campaign.outcomes()]

    assert (2, 0) == (progress.sent, progress.unknown)
    assert f"m{outcomes[0].phone}" == outcomes[0].message_id


async def test_a_budget_waits_for_the_price(make_outbox):
    """Two answers show what a message costs; until then requests go one at a time."""
    async with Ledger(takes=0.05) as ledger, make_outbox() as outbox, client(ledger) as sms:
        ledger.price = 3
        campaign = outbox.campaign("tonight")
        await campaign.add(people(50), batch_size=5)
        progress = await campaign.send(sms, batch_size=5, stop=StopRules(max_credits=25))

    assert ("BUDGET_SPENT", 10) == (progress.stopped, progress.sent)


async def test_workers_that_begin_at_once_wait_for_the_price(make_outbox):
    """Until two answers have shown it, one request is in flight, of whichever worker."""
    rules = StopRules(max_credits=25)

    async def send():
        async with make_outbox() as outbox, client(ledger) as sms:
            return await outbox.campaign("tonight").send(sms, batch_size=5, stop=rules)

    async with Ledger(takes=0.05) as ledger, make_outbox() as outbox:
        ledger.price = 3
        await outbox.campaign("tonight").add(people(50), batch_size=5)
        ends = await asyncio.gather(*(send() for _ in range(3)))

    assert 10 == ledger.sent.total()
    assert ["BUDGET_SPENT"] * 3 == [end.stopped for end in ends]


async def test_what_others_spend_between_two_runs_uses_up_no_budget(make_outbox):
    """A new process does not take a balance that is much lower for the price of its messages."""
    rules = StopRules(max_credits=50)
    async with Ledger() as ledger, make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        for more in (20, 80):
            await campaign.add(people(more + 20)[-more:], batch_size=5)
            async with client(ledger) as sms:
                progress = await campaign.send(sms, batch_size=5, stop=rules)
            ledger.credits -= 5000

    assert ("BUDGET_SPENT", 50) == (progress.stopped, progress.sent)


async def test_a_larger_budget_corrects_a_price_that_is_too_high(make_outbox):
    """After a run of one request, what others spent meanwhile looks like the price."""
    ends = []
    async with Ledger() as ledger, make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        for count, budget in ((5, 50), (100, 50), (100, 5000)):
            await campaign.add(people(count), batch_size=5)
            async with client(ledger) as sms:
                rules = StopRules(max_credits=budget)
                progress = await campaign.send(sms, batch_size=5, stop=rules)
            ends.append((progress.stopped, progress.sent, (await campaign.status()).price))
            ledger.credits -= 995

    assert [(None, 5, 1.0), ("BUDGET_SPENT", 10, 200.0), (None, 100, 1.0)] == ends


async def test_a_budget_is_spent_to_its_last_credit(make_outbox):
    """The last request has as many messages as are left to be paid for."""
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(50), batch_size=5)
        progress = await campaign.send(sms, batch_size=5, stop=StopRules(max_credits=12))

    assert ("BUDGET_SPENT", 12, 38) == (progress.stopped, progress.sent, progress.waiting)


async def test_a_budget_cuts_a_request_of_several_batches(make_outbox):
    """What it does not allow stays queued, for a run with a larger one."""
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        for more in range(2, 12, 2):
            await campaign.add(people(more)[-2:], batch_size=2)
        first = await campaign.send(sms, stop=StopRules(max_credits=5))
        second = await campaign.send(sms, stop=StopRules(max_credits=50))

    assert ("BUDGET_SPENT", 5, 5) == (first.stopped, first.sent, first.waiting)
    assert (10, True) == (second.sent, second.complete)
    assert {1} == set(ledger.sent.values())


class CodesBetween(LocalLimiter):
    """A limiter that sends a code before each request of a campaign."""

    sms: CustomerSMS

    async def acquire(self, account, lane, **options):
        if lane is Lane.BULK:
            await self.sms.send("+12125550199", "Your code is 4711")
        return await super().acquire(account, lane, **options)


async def test_codes_use_up_no_budget(make_outbox):
    """What the same client spends between the requests of a campaign is not the campaign's."""
    limiter, rules = CodesBetween(Rate(10_000, per=1.0)), StopRules(max_credits=27)
    async with (
        Ledger() as ledger,
        make_outbox() as outbox,
        CustomerSMS(KEY, endpoint=ledger.endpoint, limiter=limiter) as limiter.sms,
    ):
        campaign = outbox.campaign("tonight")
        await campaign.add(people(50), batch_size=5)
        progress = await campaign.send(limiter.sms, batch_size=5, max_in_flight=1, stop=rules)

    assert ("BUDGET_SPENT", 27) == (progress.stopped, progress.sent)


async def test_codes_in_flight_do_not_raise_the_price(make_outbox):
    """A code that leaves during a request of one message does not make that look twice as dear."""

    async def send_a_code(moment, number):
        if moment == "received" and number > 4 and number % 2:
            await sms.send("+12125550199", "Your code is 4711")

    async with Ledger(send_a_code) as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(50), batch_size=1)
        progress = await campaign.send(
            sms, batch_size=1, max_in_flight=1, stop=StopRules(max_credits=40)
        )
        price = (await campaign.status()).price

    assert ("BUDGET_SPENT", 40, 1.0) == (progress.stopped, progress.sent, price)


async def test_a_floor_cuts_a_request(make_outbox):
    """Near the floor, the last request is cut to what can be paid for."""
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        ledger.credits = 100
        campaign = outbox.campaign("tonight")
        await campaign.add(people(100), batch_size=30)
        progress = await campaign.send(
            sms, stop=StopRules(min_credits=20), batch_size=30, max_in_flight=1
        )
        left = await campaign.status()

    assert "NO_CREDITS" == progress.stopped
    assert 80 >= ledger.sent.total() == progress.sent
    assert 100 == progress.sent + left.queued


async def test_a_top_up_between_two_runs(make_outbox):
    """The balance is that of the newest answer, even if an earlier one was lower."""
    async with Ledger() as ledger, make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(30), batch_size=5)
        ledger.credits = 10
        async with client(ledger) as sms:
            await campaign.send(sms, stop=StopRules(min_credits=5), batch_size=5, max_in_flight=1)
        ledger.credits = 1_000
        async with client(ledger) as sms:
            progress = await campaign.send(sms, batch_size=5)
        price = (await campaign.status()).price

    assert (30, ledger.credits) == (progress.sent, progress.remaining_credits)
    assert 1.0 == price


async def test_a_campaign_is_bound_to_its_account_and_endpoint(make_outbox):
    """A campaign that was started with one key or gateway is held for another."""
    async with Ledger() as ledger, make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(1))
        async with client(ledger) as sms:
            await campaign.send(sms)
        await campaign.add(people(2))
        async with client(ledger, "cspro_other_key_1") as other:
            with pytest.raises(CampaignHeld, match=r"campaign\.adopt"):
                await campaign.send(other)
            await campaign.adopt(other)
            progress = await campaign.send(other)
        async with client(ledger, endpoint=ledger.endpoint + "?other") as elsewhere:
            with pytest.raises(CampaignHeld, match="another name"):
                await campaign.send(elsewhere)

    assert 2 == progress.sent


async def test_a_campaign_without_requests_can_change_key_and_endpoint(make_outbox):
    """If nothing was sent so far, another key or endpoint is accepted."""
    over = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    async with Ledger() as ledger, make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(1))
        async with client(ledger, "cspro_other_key_1", "http://127.0.0.1:9/api.php") as wrong:
            await campaign.send(wrong, deadline=over)
            async with client(ledger) as sms:
                await campaign.check(sms)
                progress = await campaign.send(sms)
            with pytest.raises(CampaignHeld, match="OTHER_ENDPOINT"):
                await campaign.check(wrong)
        await campaign.check()

    assert 1 == progress.sent


async def test_messages_of_a_dead_worker_are_counted_as_abandoned(make_outbox, engine):
    """Until the next run makes them unknown, `status` counts them as abandoned."""
    async with make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(3))
        steps = await Steps(engine, "tonight", "died").open()
        await steps.register(lease=-1.0)
        await steps.fence(await steps.claim())
        await campaign.add(people(5))
        mine = Steps(engine, "tonight", "lives")
        mine.id = steps.id
        claimed = await mine.claim()
        await mine.fence(claimed)
        now = await campaign.status()

        async with Ledger() as ledger, client(ledger) as sms:
            await mine.drop(claimed)
            await campaign.send(sms)
        unknown = [line async for line in campaign.lines() if line.status == Status.UNKNOWN]

    assert (5, 3, 0, 0) == (now.sending, now.abandoned, now.unknown, now.queued)
    assert 3 == len(unknown)
    said = ("WORKER_DIED", "its process ended or hung while the request was in progress")
    assert {said} == {(line.code, line.detail) for line in unknown}


async def _die_sending(engine, count):
    """Leave some messages in flight, as a killed process does."""
    steps = await Steps(engine, "tonight", "died").open()
    await steps.register(lease=-1.0)
    claim = await steps.claim(most=count)
    await steps.fence(claim)


@pytest.mark.parametrize(("call", "now"), [("mark_sent", "sent"), ("send_again", "queued")])
async def test_what_a_dead_worker_was_sending_can_be_resolved(make_outbox, engine, call, now):
    """No run has to come first."""
    async with make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(3))
        await _die_sending(engine, 3)

        assert [] == await getattr(campaign, call)(["row-0"])
        assert [now, "unknown", "unknown"] == [line.status async for line in campaign.lines()]


async def test_what_a_dead_worker_was_sending_is_listed_as_unknown(make_outbox, engine):
    """The list of unknown messages is as long as the count of a run that was killed."""
    async with make_outbox() as outbox:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(3))
        await _die_sending(engine, 3)

        assert 3 == len([outcome async for outcome in campaign.outcomes(Status.UNKNOWN)])


async def test_a_copied_database_is_held(tmp_path):
    """A restored copy sends nothing until `adopt` is called."""
    async with Outbox(tmp_path / "a.db") as outbox:
        await outbox.campaign("tonight").add(people(1))
    shutil.copy(tmp_path / "a.db", tmp_path / "b.db")

    async with Ledger() as ledger, Outbox(tmp_path / "b.db") as copy, client(ledger) as sms:
        with pytest.raises(CampaignHeld, match=r"outbox\.adopt"):
            await copy.campaign("tonight").send(sms)
        await copy.adopt()
        progress = await copy.campaign("tonight").send(sms)

    assert 1 == progress.sent


async def test_what_the_client_sends_beside_a_campaign_does_not_raise_its_price(make_outbox):
    """Requests of another campaign, or of a run without an outbox, may have caused a drop too."""
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign, other = outbox.campaign("tonight"), outbox.campaign("other")
        await campaign.add(people(60), batch_size=2)
        await other.add(people(4000, "hello"), batch_size=100)
        phones = (f"+1213{n:07}" for n in range(20_000))
        beside = [
            asyncio.create_task(other.send(sms)),
            asyncio.create_task(sms.send_many(phones, "hi")),
        ]
        progress = await campaign.send(sms, batch_size=2, stop=StopRules(max_credits=50))
        price = (await campaign.status()).price
        await asyncio.gather(*beside)

    assert ("BUDGET_SPENT", 50, 1.0) == (progress.stopped, progress.sent, price)


RESTORED = """
CREATE TABLE {prefix}restored AS SELECT * FROM {prefix}meta;
DROP TABLE {prefix}meta;
ALTER TABLE {prefix}restored RENAME TO {prefix}meta
"""


def restore(path, backup):
    Path(path).unlink()
    shutil.copy(backup, path)


async def test_a_restored_backup_is_held(make_outbox, database, tmp_path):
    """A backup in the place of the original may lack what was sent since."""
    url, prefix = database
    async with make_outbox() as outbox:
        await outbox.campaign("tonight").add(people(1))
    if "://" in url:
        await run_script(url, RESTORED.format(prefix=prefix))
    else:  # the new file may get the inode of the old one
        restore(url, shutil.copy(url, tmp_path / "backup.db"))

    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        with pytest.raises(CampaignHeld, match=r"outbox\.adopt"):
            await outbox.campaign("tonight").send(sms)


async def test_a_place_that_an_older_release_recorded_is_no_copy(make_outbox, make_engine):
    """It lacks the last part, which is added."""
    async with make_outbox() as outbox:
        await outbox.campaign("tonight").add(people(1))
    engine = make_engine()
    await engine.open()
    whole = await engine.run(read_meta(IDENTITY))
    await engine.run(write_meta(IDENTITY, whole.rpartition(", ")[0]))

    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        progress = await outbox.campaign("tonight").send(sms)

    assert (1, whole) == (progress.sent, await engine.run(read_meta(IDENTITY)))


async def test_a_renamed_file_is_not_a_copy(tmp_path):
    """It is the same file, so a campaign in it goes on."""
    async with Outbox(tmp_path / "a.db") as outbox:
        await outbox.campaign("tonight").add(people(1))
    (tmp_path / "a.db").rename(tmp_path / "b.db")

    async with Ledger() as ledger, Outbox(tmp_path / "b.db") as outbox, client(ledger) as sms:
        progress = await outbox.campaign("tonight").send(sms)

    assert 1 == progress.sent


async def test_the_limit_is_shared_through_the_outbox(make_outbox):
    """Slots used by one process count in the limiter of another."""
    async with (
        Ledger() as ledger,
        make_outbox() as outbox,
        make_outbox() as other,
        CustomerSMS(KEY, endpoint=ledger.endpoint, limiter=outbox.limiter) as sms,
    ):
        campaign = outbox.campaign("tonight")
        await campaign.add(people(3))
        progress = await campaign.send(sms)
        usage = await other.limiter.usage(sms.account)

    assert (3, 1, 100) == (progress.sent, usage.busy, usage.limit)
    assert outbox.limiter is outbox.limiter


async def test_a_cancelled_run_waits_for_requests_in_flight(make_outbox):
    """After a cancellation nothing is unknown, and the next run continues."""
    is_there = asyncio.Event()

    async def arrive(point, number):
        if point == "received":
            is_there.set()

    async with Ledger(arrive, takes=0.3) as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(20), batch_size=5)
        run = asyncio.create_task(campaign.send(sms, batch_size=5, max_in_flight=1))
        await is_there.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        status = await campaign.status()
        progress = await campaign.send(sms, batch_size=5)

    assert (5, 15, 0, 0) == (status.sent, status.queued, status.claimed, status.unknown)
    assert 20 == progress.sent == ledger.sent.total()


async def test_an_anyio_scope_leaves_nothing_claimed(tmp_path):
    """After a cancellation at every await, the next call need not wait for the lease."""
    ledger, outbox = Ledger(takes=0.2), Outbox(tmp_path / "a.db")
    async with ledger, outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(100), batch_size=5)
        with anyio.move_on_after(0.5):
            await campaign.send(sms, batch_size=5)
        async with asyncio.timeout(10):
            progress = await campaign.send(sms, batch_size=5)

    assert (100, {1}) == (progress.sent, set(ledger.sent.values()))


async def test_closing_an_outbox_stops_its_runs(tmp_path):
    """A campaign that waits for the morning keeps no program from ending."""
    now, hour = dt.datetime.now(dt.UTC), dt.timedelta(hours=1)
    closed = ((now + 2 * hour).strftime("%H:%M"), (now + 3 * hour).strftime("%H:%M"), "UTC")
    async with Ledger() as ledger, client(ledger) as sms, asyncio.timeout(5):
        async with Outbox(tmp_path / "a.db") as outbox:
            campaign = outbox.campaign("tonight")
            await campaign.add(people(3))
            run = asyncio.create_task(campaign.send(sms, hours=closed))
            await asyncio.sleep(0.1)
        progress = await run

    assert ("STOPPED", 3) == (progress.stopped, progress.waiting)


async def test_an_outbox_is_closed_after_its_runs(tmp_path):
    """A run whose caller was cancelled twice still records answers before the outbox closes."""
    async with Ledger(takes=0.5) as ledger, client(ledger) as sms:
        async with Outbox(tmp_path / "a.db") as outbox:
            campaign = outbox.campaign("tonight")
            await campaign.add(people(3))
            run = asyncio.create_task(campaign.send(sms))
            await asyncio.sleep(0.2)
            for _ in range(2):
                run.cancel()
                await asyncio.sleep(0.05)
            assert run.cancelled()
        async with Outbox(tmp_path / "a.db") as outbox:
            status = await outbox.campaign("tonight").status()

    assert (3, 0) == (status.sent, status.sending)


async def test_purge(make_outbox):
    """Texts and numbers of settled messages are removed, and counts are kept."""
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(3))
        await campaign.send(sms)

        assert 0 == await outbox.purge(older_than=dt.timedelta(hours=1))
        assert 1 == await outbox.purge(older_than=dt.timedelta(seconds=-1))
        assert [""] * 3 == [outcome.phone async for outcome in campaign.outcomes()]
        assert 3 == (await campaign.status()).sent


@pytest.mark.parametrize("age", [90, None, "90 days"])
async def test_purge_needs_a_timedelta(make_outbox, age):
    """Anything else is refused by name; a number alone could be days or seconds."""
    async with make_outbox() as outbox:
        with pytest.raises(ConfigurationError, match="older_than must be a timedelta"):
            await outbox.purge(older_than=age)


async def test_purge_leaves_no_number(make_outbox):
    """Numbers that were never sent to go as well: bad, duplicate, withdrawn and cancelled ones."""
    double = Message("+12120000000", "hi", "double")
    async with Ledger() as ledger, make_outbox() as outbox, client(ledger) as sms:
        for name in ("sent", "cancelled"):
            campaign = outbox.campaign(name)
            await campaign.add([*people(3), double, Message("12", "hi", "bad")])
            await campaign.withdraw(["row-1"])
        await campaign.cancel()
        await outbox.campaign("waits").add([*people(1), double])
        await outbox.campaign("sent").send(sms)

        await outbox.purge(older_than=dt.timedelta(seconds=-1))
        left = {
            name: [line.phone async for line in outbox.campaign(name).lines()]
            for name in ("sent", "cancelled", "waits")
        }

    assert {"sent": [""] * 5, "cancelled": [""] * 5, "waits": ["+12120000000"] * 2} == left


async def test_purge_beside_an_unknown_message(make_outbox):
    """An unknown message keeps its number, but not the numbers of all others of its request."""
    rows = [*people(3), Message("+12126660006", "hi", "unknown")]  # it is not in the answer
    sandbox = Sandbox(keys={KEY: 100})
    async with sandbox, make_outbox() as outbox, client(sandbox) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(rows)
        await campaign.send(sms)

        await outbox.purge(older_than=dt.timedelta(hours=1))
        before = [line.phone async for line in campaign.lines()]
        await outbox.purge(older_than=dt.timedelta(seconds=-1))
        after = [line.phone async for line in campaign.lines()]
        await campaign.mark_sent(["unknown"])
        assert 1 == await outbox.purge(older_than=dt.timedelta(seconds=-1))
        last = [line.phone async for line in campaign.lines()]

    assert [row.phone for row in rows] == before
    assert ["", "", "", "+12126660006"] == after
    assert [""] * 4 == last


async def test_an_unavailable_database_pauses_a_run(tmp_path):
    """Nothing is sent while the fence cannot be written; then the run continues."""
    path = tmp_path / "a.db"
    locked = []

    async def lock(point, number):
        if number == 1 and point == "received":
            connection = sqlite3.connect(path, isolation_level=None)
            connection.execute("BEGIN IMMEDIATE")
            locked.append(connection)
            asyncio.get_running_loop().call_later(0.5, connection.execute, "ROLLBACK")

    async with Ledger(lock) as ledger, Outbox(path) as outbox, client(ledger) as sms:
        campaign = outbox.campaign("tonight")
        await campaign.add(people(20), batch_size=5)
        progress = await campaign.send(sms, batch_size=5)

    locked[0].close()
    assert (20, {1}) == (progress.sent, set(ledger.sent.values()))


async def test_a_file_is_readable_by_its_owner_only(tmp_path):
    """The database file has mode 0600."""
    async with Outbox(tmp_path / "a.db"):
        modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

    assert {0o600} == modes


async def test_a_link_to_a_missing_file(tmp_path):
    """The file that a link names is created for its owner only, too."""
    (tmp_path / "a.db").symlink_to(tmp_path / "elsewhere.db")

    async with Outbox(tmp_path / "a.db"):
        mode = stat.S_IMODE((tmp_path / "elsewhere.db").stat().st_mode)

    assert 0o600 == mode


async def test_a_link_to_itself(tmp_path):
    """A link that leads nowhere is a file that cannot be opened."""
    (tmp_path / "a.db").symlink_to(tmp_path / "a.db")

    with pytest.raises(OutboxUnavailable, match=r"unable to open .*a\.db"):
        async with Outbox(tmp_path / "a.db"):
            pass


async def send_in(path, ledger):
    """Add a list to a file and send it, as a program that is run again does."""
    async with Outbox(path, lease=1.0) as outbox, client(ledger) as sms:
        campaign = outbox.campaign("parents")
        await campaign.add(people(40), batch_size=2)
        return await campaign.send(sms, batch_size=2, max_in_flight=1)


@pytest.mark.parametrize("how", ["moved", "replaced"])
async def test_a_file_that_is_moved_during_a_run(tmp_path, how):
    """Nothing is sent without it; once it is put back, the campaign continues from there."""
    path, elsewhere = tmp_path / "a.db", tmp_path / "b.db"

    async def move(moment, number):
        if (moment, number) == ("received", 3):
            path.rename(elsewhere)
            if how == "replaced":
                path.write_bytes(b"")

    async with Ledger(move) as ledger:
        with pytest.raises(OutboxError, match=r"a\.db was moved, deleted or replaced"):
            await send_in(path, ledger)
        sent = len(ledger.sent)
        elsewhere.rename(path)
        progress = await send_in(path, ledger)

    assert 6 == sent
    assert (40, 0, {1}) == (progress.sent, progress.unknown, set(ledger.sent.values()))


async def test_a_file_that_cannot_be_opened(tmp_path):
    """The error says that it is about the database file."""
    with pytest.raises(OutboxUnavailable, match="database file"):
        async with Outbox(tmp_path / "no" / "a.db"):
            pass


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (17, "not int"),
        ("mysql://user:secret@host/x", "not mysql://"),
        ("", "not ''"),
        (":memory:", "not ':memory:'"),
        ("sqlite://", "not sqlite://"),
        ("sqlite:///:memory:", "not sqlite://"),
        ("postgresql://user:secret#x@host/x", "write # as %23"),
        ("postgresql://user:47?secret@host/x", r"\? as %3F"),
    ],
)
def test_an_invalid_url_is_refused(given, said):
    """The error does not quote credentials in the URL."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        Outbox(given)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "x" * 201, 17, "a\0", "a\ud800"])
def test_an_invalid_name(name, tmp_path):
    """The name of a campaign is a non-empty string; the empty name is the queue's."""
    with pytest.raises(ValueError, match="name must be"):
        Outbox(tmp_path / "a.db").campaign(name)


@pytest.mark.parametrize("prefix", ["", "Sms", "a b", "x" * 31])
def test_an_invalid_prefix(prefix, tmp_path):
    """A prefix must be valid in SQL statements."""
    with pytest.raises(ConfigurationError, match="prefix must be"):
        Outbox(tmp_path / "a.db", prefix=prefix)


async def run_script(url, script):
    """Run SQL as the owner of the database does."""
    if "://" in url:
        connection = await asyncpg.connect(url)
        await connection.execute(script)
        await connection.close()
    else:
        with contextlib.closing(sqlite3.connect(url)) as connection:
            connection.executescript(script)


GRANT = """
CREATE ROLE {prefix}clerk LOGIN;
GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {prefix}clerk;
GRANT USAGE ON SEQUENCE {sequences} TO {prefix}clerk
"""


def as_clerk(url, prefix):
    """Return the URL of a user who may read and write tables, but not create them."""
    return url.replace("postgres:pass", f"{prefix}clerk:pass", 1)


async def test_tables_made_by_hand(make_outbox, database):
    """A user who may not create tables sends with those that the script of `schema` made."""
    url, prefix = database
    await run_script(url, make_outbox().schema())
    if "://" in url:
        tables = re.findall(r"CREATE TABLE (\w+)", make_outbox().schema())
        sequences = [f"{prefix}{one}_id_seq" for one in ("campaign", "batch", "message", "event")]
        words = {"tables": ", ".join(tables), "sequences": ", ".join(sequences)}
        await run_script(url, GRANT.format(prefix=prefix, **words))

    outbox = Outbox(as_clerk(url, prefix), prefix=prefix)
    async with Ledger() as ledger, outbox, client(ledger) as sms:
        campaign = outbox.campaign("parents")
        await campaign.add(people(5))
        progress = await campaign.send(sms)

    assert 5 == progress.sent


def test_the_schema_has_the_prefix(tmp_path):
    """Each name in the script of `schema` begins with the prefix of the outbox."""
    outbox = Outbox(tmp_path / "a.db", prefix="mine_")

    assert not re.findall(r"\bsms_\w+", outbox.schema())
    assert "CREATE TABLE mine_message" in outbox.schema()
    assert "<Outbox on sqlite>" == repr(outbox)
    assert "<Campaign 'x'>" == repr(outbox.campaign("x"))
    assert "x" == outbox.campaign("x").name


async def test_processes_begin_at_once_whatever_the_isolation(make_outbox, database):
    """A database whose default isolation is stricter is used like any other."""
    url, prefix = database
    if "://" in url:
        role = f"{prefix}strict"
        strict = f"CREATE ROLE {role} LOGIN SUPERUSER"
        await run_script(
            url, f"{strict}; ALTER ROLE {role} SET default_transaction_isolation = serializable"
        )
        url = url.replace("postgres:pass", f"{role}:pass", 1)
    outboxes = [Outbox(url, prefix=prefix) for _ in range(4)]

    async def send(outbox):
        async with outbox, client(ledger) as sms:
            campaign = outbox.campaign("parents")
            await campaign.add(people(40))
            return await campaign.send(sms, batch_size=2, max_in_flight=2)

    async with Ledger() as ledger:
        ends = await asyncio.gather(*map(send, outboxes))

    assert [None] * 4 == [end.stopped for end in ends]
    assert [1] * 40 == list(ledger.sent.values())


def test_sqlite_urls_are_paths():
    """Three slashes begin a relative path, four an absolute one."""
    assert "<Outbox on sqlite>" == repr(Outbox("sqlite:///a.db"))
    assert "<Outbox on postgresql>" == repr(Outbox("postgresql://localhost/x"))
