"""Databases that fail before or after a commit, are full, slow or restarted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import time

import pytest

from customersms_async import CustomerSMS, Message, StopRules
from customersms_async.outbox import Campaign, CampaignHeld, OutboxUnavailable
from customersms_async.outbox._core.campaigns import QUEUE
from customersms_async.outbox._core.job import Change, Query
from customersms_async.outbox._postgres import PostgresEngine
from customersms_async.outbox._sqlite import SqliteEngine
from customersms_async.outbox._worker import Worker
from tests.support.outbox_gateway import BATCH, KEY, LEASE, Ledger, context_of, in_a_child, work
from tests.support.postgres import PostgresServer

NUMBERS = 40

pytestmark = pytest.mark.slow


class Failing:
    """
    An engine that fails in some jobs, before or after their commit.

    Args:
        engine: The engine.

        when: ``before`` or ``after``.

        job: The name of the job.

        turns: Which of these jobs fail, from 1.

    Attributes:
        runs: The number of these jobs so far.
    """

    def __init__(self, engine, when, job, turns=(2, 3)):
        self._engine = engine
        self._when, self._job, self._turns = when, job, turns
        self.runs = 0
        self.kind, self.prefix = engine.kind, engine.prefix

    async def open(self):
        await self._engine.open()

    async def aclose(self):
        await self._engine.aclose()

    async def run(self, job):
        is_it = job.__name__ == self._job
        self.runs += is_it
        fails = is_it and self.runs in self._turns
        if fails and self._when == "before":
            job.close()
            raise OutboxUnavailable("away")
        result = await self._engine.run(job)
        if fails:
            raise OutboxUnavailable("the answer was lost")
        return result


class Late(Failing):
    """An engine that takes long to commit some jobs; if *is_cut*, their answers are lost."""

    def __init__(self, engine, job, turns, *, is_cut):
        super().__init__(engine, "", job, turns)
        self._is_cut = is_cut
        self._tasks = []

    async def run(self, job):
        self.runs += job.__name__ == self._job
        if job.__name__ != self._job or self.runs not in self._turns:
            return await self._engine.run(job)
        self._tasks.append(asyncio.create_task(self._engine.run(self._slowly(job))))
        if not self._is_cut:
            return await asyncio.shield(self._tasks[-1])
        await asyncio.sleep(0.2)
        raise OutboxUnavailable("the connection was cut")

    def _slowly(self, job):
        result = yield from job
        if self.kind == "postgresql":
            yield Query("SELECT 1 FROM pg_sleep(0.5)")
        else:
            time.sleep(0.5)  # in the thread of the database
        return result


class Slow(Failing):
    """An engine that is slow in some jobs."""

    async def run(self, job):
        self.runs += job.__name__ == self._job
        if job.__name__ == self._job and self.runs in self._turns:
            await asyncio.sleep(0.6 * LEASE)
        return await self._engine.run(job)


async def fill(engine, batch_size=BATCH):
    await engine.open()
    campaign = Campaign(context_of(engine), "tonight")
    messages = [Message(f"+1212{n:07}", "hi", f"row-{n}") for n in range(NUMBERS)]
    await campaign.add(messages, batch_size=batch_size)
    await engine.aclose()


#: Which runs of a job fail; the third count is the one that the caller asked for.
TURNS = {"claim": (2, 3), "fence": (2, 3), "settle": (2, 3), "read_status": (1, 2)}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("job", TURNS)
async def test_a_job_that_fails(make_engine, when, job):
    """After a failed job, a live process sends to everyone once, and no fate is unknown."""
    await fill(make_engine())
    async with Ledger(takes=0.02) as ledger:
        engine = Failing(make_engine(), when, job, TURNS[job])
        progress = await work(engine, ledger.endpoint, max_in_flight=2)

    assert (NUMBERS, 0, True) == (progress.sent, progress.unknown, progress.complete)
    assert {1} == set(ledger.sent.values())


@pytest.mark.parametrize("job", TURNS)
async def test_a_job_that_is_committed_late(make_engine, job):
    """A connection that is cut during a commit: nothing stays in flight, and nothing is unknown."""
    await fill(make_engine())
    async with Ledger(takes=0.02) as ledger, asyncio.timeout(20):
        engine = Late(make_engine(), job, TURNS[job], is_cut=True)
        progress = await work(engine, ledger.endpoint, lease=3.0, max_in_flight=2)

    assert (NUMBERS, 0, True) == (progress.sent, progress.unknown, progress.complete)
    assert {1} == set(ledger.sent.values())


async def test_a_fence_that_nobody_waits_for_any_more(make_engine):
    """Who gives up during the fence has sent nothing, and the next run sends it."""
    await fill(make_engine())
    async with Ledger() as ledger:
        engine = Late(make_engine(), "fence", [2], is_cut=False)
        run = asyncio.create_task(work(engine, ledger.endpoint, max_in_flight=1, drain=0.01))
        while engine.runs < 2:  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        run.cancel()
        await asyncio.wait([run])
        progress = await work(make_engine(), ledger.endpoint)

    assert (NUMBERS, 0, {1}) == (progress.sent, progress.unknown, set(ledger.sent.values()))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_heartbeat_that_fails(make_engine, when):
    """A worker goes on after a failed heartbeat, and its lease does not expire."""
    await fill(make_engine())
    async with Ledger(takes=0.3) as ledger:
        engine = Failing(make_engine(), when, "beat", (1, 3))
        progress = await work(engine, ledger.endpoint, lease=1.5, max_in_flight=1)

    assert (NUMBERS, 0, True) == (progress.sent, progress.unknown, progress.complete)
    assert engine.runs > 3


async def test_a_settlement_is_written_before_anything_is_sent(make_engine, caplog):
    """Nothing passes the fence while a settlement cannot be written."""
    await fill(make_engine())
    async with Ledger() as ledger:
        engine = Failing(make_engine(), "before", "settle", range(1, 4))
        progress = await work(engine, ledger.endpoint, max_in_flight=1)

    assert (NUMBERS, 0) == (progress.sent, progress.unknown)
    assert "outbox.owed" in [getattr(record, "event", "") for record in caplog.records]


async def test_a_late_fence_sends_nothing_and_two_in_a_row_pause(make_engine):
    """A claim that is older than half its lease is given back."""
    await fill(make_engine())
    async with Ledger() as ledger:
        once = await work(Slow(make_engine(), "", "fence", [2]), ledger.endpoint, max_in_flight=1)
        first = ledger.sent.total()
        await fill_more(make_engine())
        twice = await work(
            Slow(make_engine(), "", "fence", [1, 2]), ledger.endpoint, max_in_flight=1
        )

    assert (NUMBERS, NUMBERS) == (once.sent, first)
    assert ("PAUSED", NUMBERS) == (twice.stopped, ledger.sent.total())


async def test_a_worker_keeps_the_reason_of_the_pause(make_engine):
    """What paused the queue is what a person reads, not that the run found it paused."""
    engine = Slow(make_engine(), "", "fence", [1, 2])
    await engine.open()
    host = context_of(engine)
    queue = Campaign(host, QUEUE)
    await queue.add([Message("+12125550001", "hi", "a")])
    async with Ledger() as ledger, CustomerSMS(KEY, endpoint=ledger.endpoint) as sms:
        async with Worker(host, sms, StopRules(), 1):
            while (await queue.status()).state == "open":  # noqa: ASYNC110  # there is no event
                await asyncio.sleep(0.01)
        with pytest.raises(CampaignHeld, match="took too long to record a request"):
            await queue.send(sms)
    await engine.aclose()

    assert 0 == ledger.requests


async def fill_more(engine):
    await engine.open()
    campaign = Campaign(context_of(engine), "tonight")
    await campaign.add([Message(f"+1213{n:07}", "hi", f"more-{n}") for n in range(NUMBERS)])
    await engine.aclose()


async def test_results_are_listed_while_nothing_can_be_written(make_engine):
    """On a full disk, what a dead process was sending is not made unknown, and rows are read."""
    await fill(make_engine())
    engine = Failing(make_engine(), "before", "reap", [1])
    await engine.open()

    assert NUMBERS == len([line async for line in Campaign(context_of(engine), "tonight").lines()])
    assert 1 == engine.runs
    await engine.aclose()


async def test_a_database_unavailable_for_longer_than_allowed(make_engine):
    """The call ends, and the next one continues."""
    await fill(make_engine())
    async with Ledger() as ledger:
        engine = Failing(make_engine(), "before", "claim", range(2, 10_000))
        with pytest.raises(OutboxUnavailable):
            await work(engine, ledger.endpoint, stop=StopRules(outage=0.5))
        progress = await work(make_engine(), ledger.endpoint)

    assert (NUMBERS, 0) == (progress.sent, progress.unknown)


async def test_stopped_for_longer_than_its_lease(make_engine):
    """A worker that was blocked takes a new token, and still reads its answers."""
    await fill(make_engine())
    stood = []

    async def block(point, number):
        if (point, number) == ("received", 2):
            engine = make_engine()
            await engine.open()
            await engine.run(_forget_workers())
            await engine.aclose()
            stood.append(number)

    async with Ledger(block, takes=LEASE) as ledger:
        progress = await work(make_engine(), ledger.endpoint, max_in_flight=2)

    assert [2] == stood
    assert (NUMBERS, {1}) == (progress.sent + progress.unknown, set(ledger.sent.values()))


def _forget_workers():
    """Let every lease expire at once."""
    yield Change("UPDATE sms_worker SET until = 0")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
async def test_a_full_disk(tmp_path):
    """Settlements wait until there is room on the disk, and nothing is sent until then."""
    path = str(tmp_path / "outbox.db")
    await fill(SqliteEngine(path, "sms_"))
    ledger = Ledger(takes=0.02)
    pid = in_a_child(lambda: _on_a_full_disk(path, ledger.endpoint))
    async with ledger:
        ended = await asyncio.to_thread(os.waitpid, pid, 0)

        progress = await work(SqliteEngine(path, "sms_"), ledger.endpoint)

    assert (pid, 0) == ended
    assert (NUMBERS, 0, {1}) == (progress.sent, progress.unknown, set(ledger.sent.values()))


async def _on_a_full_disk(path, endpoint):
    """Send, while no file may grow for half a second."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    loop = asyncio.get_running_loop()
    loop.call_later(0.1, resource.setrlimit, resource.RLIMIT_FSIZE, (1, most))
    loop.call_later(0.6, resource.setrlimit, resource.RLIMIT_FSIZE, (most, most))
    await work(SqliteEngine(path, "sms_"), endpoint, max_in_flight=1)


async def test_a_server_that_is_restarted():
    """A run waits while the server is restarted, and continues."""
    server = PostgresServer()
    server.start()
    restarts = []

    async def restart(point, number):
        if (point, number) == ("received", 3):
            await asyncio.to_thread(server.kill)
            restarts.append(asyncio.create_task(asyncio.to_thread(server.start)))

    try:
        await fill(PostgresEngine(server.url, "sms_"))
        async with Ledger(restart) as ledger:
            progress = await work(PostgresEngine(server.url, "sms_"), ledger.endpoint)
        await restarts[0]
    finally:
        server.close()

    assert (NUMBERS, 0, {1}) == (progress.sent, progress.unknown, set(ledger.sent.values()))


async def test_a_server_that_does_not_exist():
    """The error names its host and port, and shows no password."""
    engine = PostgresEngine("postgresql://postgres:pass-4711@127.0.0.1:9/x", "sms_")

    with pytest.raises(OutboxUnavailable, match=r", at 127\.0\.0\.1:9\)") as caught:
        await engine.open()

    assert "pass-4711" not in str(caught.value)


async def test_refused_for_credits_waits_for_a_top_up(make_engine):
    """Numbers refused for lack of credits are sent to by the next run."""
    await fill(make_engine())
    engine = make_engine()
    async with Ledger() as ledger:
        ledger.refuses_from = 3
        first = await work(make_engine(), ledger.endpoint, max_in_flight=1)
        ledger.refuses_from = None
        second = await work(engine, ledger.endpoint)

    assert ("NO_CREDITS", 2 * BATCH) == (first.stopped, first.sent)
    assert (NUMBERS, 0, 0) == (second.sent, second.rejected, second.unknown)


async def test_rate_limited_is_sent_again(make_engine):
    """A rate-limited claim is kept, and sent by the same run."""
    await fill(make_engine())
    async with Ledger() as ledger:
        ledger.turns_away = {2}
        progress = await work(make_engine(), ledger.endpoint, max_in_flight=1)

    assert (NUMBERS, {1}) == (progress.sent, set(ledger.sent.values()))


async def test_lost_answers_make_unknowns_and_no_duplicates(make_engine):
    """If a gateway loses some answers, nobody gets a message twice."""

    async def lose(point, number):
        if point == "done" and number % 3 == 0:
            raise ConnectionResetError

    await fill(make_engine())
    async with Ledger(lose) as ledger:
        progress = await work(make_engine(), ledger.endpoint)

    assert NUMBERS == progress.sent + progress.unknown
    assert 0 < progress.unknown == 2 * BATCH
    assert {1} == set(ledger.sent.values())


async def test_cancelled_twice_gives_up(make_engine):
    """A second cancellation ends the wait; the next run continues, and nobody gets two messages."""
    await fill(make_engine())
    async with Ledger(takes=1) as ledger:
        run = asyncio.create_task(work(make_engine(), ledger.endpoint, max_in_flight=1))
        await asyncio.sleep(0.5)
        run.cancel()
        await asyncio.sleep(0.1)
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run
        ledger._takes = 0
        progress = await work(make_engine(), ledger.endpoint)

    assert (NUMBERS, True) == (progress.sent + progress.unknown, progress.complete)
    assert {1} == set(ledger.sent.values())
