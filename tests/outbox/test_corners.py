"""Rare cases: long lists, lost tokens, late answers, missing extras."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import sys
import threading
import time
from functools import partial
from pathlib import Path

import attrs
import psutil
import pytest

from customersms_async import ConfigurationError, Message, Outcome, Progress, Status
from customersms_async._ports.journal import Batch
from customersms_async.outbox import CampaignHeld, Outbox, OutboxError, OutboxUnavailable
from customersms_async.outbox._campaign_run import CampaignRun, end_of
from customersms_async.outbox._connections import carry_out, carry_out_async, find_owner
from customersms_async.outbox._core import campaigns as _campaigns
from customersms_async.outbox._core import claim as _claim
from customersms_async.outbox._core import decisions as _decisions
from customersms_async.outbox._core import settle as _settle
from customersms_async.outbox._core.add import OpenBatches
from customersms_async.outbox._core.engine import Engine
from customersms_async.outbox._core.job import Change, Query
from customersms_async.outbox._core.message_states import State
from customersms_async.outbox._journal import OutboxJournal
from customersms_async.outbox._postgres import PostgresEngine
from customersms_async.outbox._run_target import RunTarget
from customersms_async.outbox._sender import Sender
from tests.support.outbox_jobs import Steps, make_rows


def make_run(steps: Steps) -> CampaignRun:
    sender = Sender(
        account="acct",
        endpoint="http://127.0.0.1/api.php",
        credits=lambda: None,
        longest=lambda _: 30.0,
        numbers=lambda: (0, 0),
    )
    target = RunTarget(
        engine=steps.engine,
        campaign=steps.id,
        name="tonight",
        identity="here",
        lease=30.0,
        patience=1.0,
        sender=sender,
    )
    return CampaignRun(target)


def retarget(run: CampaignRun, **options) -> None:
    run.target = attrs.evolve(run.target, **options)


async def claimed(steps: Steps, rows=2):
    """Claim rows for a run with a journal."""
    await steps.open()
    await steps.add(make_rows(rows))
    run = make_run(steps)
    await steps.engine.run(_claim.register(steps.id, run.token, -1.0))
    job = _claim.claim(steps.id, run.token, after=0, wall=time.time())
    (claim,) = await steps.engine.run(job)
    run.claims.take(claim)
    batch = Batch(range(rows), claim.phones, claim.text, claim.messages, request="a-1")
    return run, OutboxJournal(run, None), batch


async def fenced(steps: Steps):
    """Bring a claim past the fence of a journal."""
    run, journal, batch = await claimed(steps)
    assert None is await journal.claim(batch)
    return run, journal, batch


def sent(batch):
    return [
        Outcome(index, phone, Status.SENT, ref=ref)
        for index, phone, ref in zip(batch.indexes, batch.phones, batch.refs, strict=True)
    ]


async def test_a_long_list_without_refs(tmp_path):
    """A list longer than a chunk is added; adding it again changes nothing."""
    rows = [Message(f"+1212{n:07}", "hi") for n in range(5_500)]
    async with Outbox(tmp_path / "a.db") as outbox:
        campaign = outbox.campaign("tonight")
        first, again = await campaign.add(rows), await campaign.add(iter(rows))
        count = await campaign.export(tmp_path / "a.csv")
        lines = [line.to_dict()["status"] async for line in campaign.lines()]

    assert (5_500, 5_500, 5_500) == (first.queued, again.known, count)
    assert {"queued"} == set(lines)


def test_open_batches_are_bounded():
    """With very many texts, the batch that waited longest is closed."""
    batches = OpenBatches()
    for number in range(50_001):
        batches.put(str(number), number, 1)

    assert (None, (50_000, 1)) == (batches.get("0"), batches.get("50000"))


async def test_a_worker_that_was_declared_dead_takes_a_new_token(engine, caplog):
    """The next heartbeat of a worker that was declared dead takes a new token."""
    steps = await Steps(engine).open()
    run = make_run(steps)
    await engine.run(_claim.register(steps.id, run.token, -1.0))
    token = run.token
    await steps.reap()

    await run.beat()

    assert token != run.token
    assert "outbox.reborn" in [getattr(record, "event", "") for record in caplog.records]
    await run.beat()
    assert "open" == run.state


async def test_a_stopped_worker_is_held_by_another_account(engine):
    """A worker is held if a run with another key started while it was stopped."""
    steps = await Steps(engine).open()
    run = make_run(steps)
    await engine.run(_claim.register(steps.id, run.token, -1.0))
    await steps.reap()
    await engine.run(_campaigns.bind(steps.id, "other", run.target.sender.endpoint))
    await steps.register()

    with pytest.raises(CampaignHeld, match="OTHER_ACCOUNT"):
        await run.beat()


async def test_a_late_answer_that_contradicts_a_decision_is_logged(engine, caplog):
    """The decision is kept, and the contradiction is logged as ERROR."""
    steps = Steps(engine)
    _, journal, batch = await fenced(steps)
    await steps.reap()
    await engine.run(_decisions.send_again(steps.id, ["row-0"], time.time()))

    await journal.settle(sent(batch))

    assert ["queued", "sent"] == await steps.states()
    (told,) = [r for r in caplog.records if getattr(r, "event", "") == "outbox.conflict"]
    assert logging.ERROR == told.levelno


async def test_a_claim_that_was_lost_sends_nothing(engine):
    """A batch that was released, or a part of another worker's, is not sent."""
    steps = Steps(engine)
    run, journal, batch = await fenced(steps)
    await engine.run(_take_away())
    part = Batch([0], batch.phones[:1], batch.text, batch.refs[:1])

    assert () == await journal.claim(part)
    run.forget(run.claims[batch.refs[0]])
    assert () == await journal.claim(batch)
    assert not journal.may_start(batch)
    await journal.release(batch)


def _take_away():
    yield Change("UPDATE sms_batch SET token = 'w9'")


class Robbed:
    """An engine on which another worker takes all claims before a claim is split."""

    def __init__(self, engine):
        self._engine = engine

    async def run(self, job):
        if job.__name__ == "split":
            await self._engine.run(_take_away())
        return await self._engine.run(job)


async def test_a_part_within_the_budget_that_was_lost_sends_nothing(engine):
    """Between the answer that a part can be paid and its claim, the lease may end."""
    steps = Steps(engine)
    run, _, batch = await claimed(steps, rows=3)
    retarget(run, engine=Robbed(engine))

    assert () == await OutboxJournal(run, budget=2).claim(batch)


class Overtaken:
    """An engine where another worker spends part of the budget before a split."""

    kind, prefix = "sqlite", "sms_"

    def __init__(self, engine, steps):
        self._engine = engine
        self._steps = steps

    async def run(self, job):
        if job.__name__ == "split" and self._steps is not None:
            steps, self._steps = self._steps, None
            await steps.engine.run(
                _settle.change_counts(steps.id, {State.SENT: 1}),
            )
        return await self._engine.run(job)


async def test_a_part_of_a_part_within_the_budget_is_sent(engine):
    """Others may spend between the answer that a part can be paid and its claim."""
    steps = Steps(engine)
    run, _, batch = await claimed(steps, rows=5)
    retarget(run, engine=Overtaken(engine, steps))

    allowed = await OutboxJournal(run, budget=3).claim(batch)

    assert [0, 1] == list(allowed)
    assert ["sending"] * 2 + ["queued"] * 3 == await steps.states()


class Away:
    """An engine whose database is unavailable."""

    kind, prefix = "sqlite", "sms_"

    async def run(self, job):
        job.close()
        raise OutboxUnavailable("away")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (None, "the campaign had ended by then: 3 sent, 0 rejected, 0 unknown, 0 not sent"),
        (LookupError("lost"), "the campaign had failed by then: lost"),
    ],
)
async def test_a_cancelled_call_says_how_its_run_had_ended(failure, said):
    """A run may end or fail in the moment of the cancellation, which is raised in any case."""

    async def end_in_any_case():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if failure is not None:
                raise failure from None
        return Progress(sent=3, complete=True)

    waiting = asyncio.create_task(end_of(asyncio.create_task(end_in_any_case())))
    await asyncio.sleep(0.01)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError) as caught:
        await waiting

    assert [said] == caught.value.__notes__


async def test_a_database_that_is_away_is_logged_once(engine, caplog):
    """A run asks it four times a second, and says so at the first failure only."""

    class AwayThrice(Away):
        left = 3

        async def run(self, job):
            self.left -= 1
            return await (super().run(job) if self.left >= 0 else engine.run(job))

    steps = await Steps(engine).open()
    run = make_run(steps)
    retarget(run, engine=AwayThrice(), patience=30.0)

    await run.ask(lambda: _campaigns.read_status(steps.id))

    assert ["outbox.away"] == [record.event for record in caplog.records]


async def test_a_part_of_a_claim_without_a_database(engine):
    """No part of a batch is sent while the database is unavailable."""
    steps = Steps(engine)
    run, journal, batch = await fenced(steps)
    retarget(run, engine=Away())
    part = Batch([0], batch.phones[:1], batch.text, batch.refs[:1])

    assert () == await journal.claim(part)


async def test_a_run_that_was_ended_before_it_began(engine):
    """A bulk run that begins after its campaign's run was ended is stopped at once."""
    steps = await Steps(engine).open()
    run, stopped = make_run(steps), []
    run.stop.request("STOPPED")

    run.stop.connect(lambda: stopped.append(True))

    assert [True] == stopped
    await run.close()


@pytest.mark.parametrize(
    ("hold", "then"),
    [(_campaigns.cancel, "not_sent"), (partial(_campaigns.pause, reason=None), "queued")],
)
async def test_claims_at_the_end_of_a_run(engine, hold, then):
    """Claims are queued again at the end of a run, or not sent if the campaign was cancelled."""
    steps = await Steps(engine).open()
    await steps.add(make_rows(2))
    run = make_run(steps)
    await engine.run(_claim.register(steps.id, run.token, 30.0))
    await engine.run(_claim.claim(steps.id, run.token, after=0, wall=time.time()))
    await engine.run(hold(steps.id))

    await run.close()

    assert [then] * 2 == await steps.states()


async def test_a_database_that_lacks_a_table(tmp_path):
    """Opening fails, and the error names the missing table and how to create it."""
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE sms_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
    connection.execute("INSERT INTO sms_meta VALUES ('schema', '2')")
    connection.commit()
    connection.close()

    with pytest.raises(OutboxError, match=r"no such table.*outbox\.schema\(\)"):
        async with Outbox(path):
            pass


def test_without_the_extra(monkeypatch):
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)

    with pytest.raises(ConfigurationError, match=r"customersms-async\[postgres\]"):
        Outbox("postgresql://localhost/x")


async def test_waiting_for_a_change_without_a_server():
    """A wait for a notification ends in time even if the server is unavailable."""
    engine = PostgresEngine("postgresql://postgres@127.0.0.1:9/x", "sms_")

    async with asyncio.timeout(5):
        await engine.wait_for_change(0.05)


async def test_a_closed_file_has_no_changes(tmp_path):
    """Waiting for a change of an outbox that is not open just returns."""
    outbox = Outbox(tmp_path / "a.db")

    await outbox._context.engine.wait_for_change(0.1)


async def test_closing_waits_for_a_running_job(make_engine):
    """A job whose caller was cancelled is finished before the connections are closed."""
    engine: Engine = make_engine()
    steps = await Steps(engine).open()
    task = asyncio.create_task(steps.add(make_rows(50)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await engine.aclose()

    other = await Steps(make_engine()).open()
    assert (await other.counts()).queued in (0, 50)


async def test_an_unsupported_step_in_a_callers_transaction():
    """In a caller's transaction only the steps of `enqueue` are allowed."""

    def job():
        yield Query("SELECT 1")
        return True

    connection = sqlite3.connect(":memory:")
    owner = find_owner(connection)
    with pytest.raises(TypeError, match="Query cannot be part of"):
        carry_out(owner, job(), "sms_")
    with pytest.raises(TypeError, match="Query cannot be part of"):
        await carry_out_async(owner, job(), "sms_")
    connection.close()


@pytest.mark.parametrize("content", [b"no database" * 500, None], ids=["another file", "newer"])
async def test_a_failed_open_releases_everything(tmp_path, content):
    """A file that is refused is closed again, and its thread ends."""
    path = tmp_path / "a.db"
    if content is None:
        async with Outbox(path):
            pass
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE sms_meta SET value = '1000' WHERE name = 'schema'")
    else:
        path.write_bytes(content)

    with pytest.raises(OutboxError):
        await Outbox(path).__aenter__()

    assert "customersms-outbox" not in {thread.name for thread in threading.enumerate()}
    assert path not in {Path(file.path) for file in psutil.Process().open_files()}
