"""
Killed at every named point, and stopped beyond its lease: no duplicates, no losses.

In each case a process is killed (or stopped) at one point of a campaign, and another process
finishes it. Then the outbox is compared with the ledger of the gateway.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter

import pytest

from customersms_async import Message, Status, StopRules
from customersms_async.outbox import Campaign
from customersms_async.outbox._core.migrate import read_meta, write_meta
from customersms_async.sandbox import Sandbox
from tests.support.crash_notes import note
from tests.support.outbox_gateway import (
    BATCH,
    KEY,
    LEASE,
    Ledger,
    Striking,
    StrikingLimiter,
    context_of,
    in_a_child,
    work,
)

NUMBERS, AT_ONCE = 60, 2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]


async def fill(engine):
    """Add the numbers to the campaign."""
    await engine.open()
    campaign = Campaign(context_of(engine), "tonight")
    messages = [Message(f"+1212{n:07}", "hi", f"row-{n}") for n in range(NUMBERS)]
    await campaign.add(messages, batch_size=BATCH)
    await engine.aclose()


async def fates(engine):
    """Return the status of each number."""
    await engine.open()
    campaign = Campaign(context_of(engine), "tonight")
    found = {outcome.phone: outcome.status async for outcome in campaign.outcomes()}
    await engine.aclose()
    return found


async def ended(pid, flags=0):
    """Wait until a process has ended or is stopped; return its wait status."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found, how = os.waitpid(pid, os.WNOHANG | flags)  # noqa: ASYNC222  # WNOHANG does not block
        if found:
            return how
        await asyncio.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the process was not struck")


def compare(ledger, found):
    """Check fates against the gateway; no more are unknown than were in flight. Return how many."""
    unknown = judge(ledger.sent, found)
    assert AT_ONCE * BATCH >= unknown
    return unknown


def judge(got, found):
    """Check that nobody got two messages or was lost; return how many are unknown."""
    doubled = [phone for phone, count in got.items() if count > 1]
    by_fate = Counter(found.values())
    lost = NUMBERS - by_fate[Status.SENT] - by_fate[Status.UNKNOWN]
    lost += sum(status is Status.SENT and not got[phone] for phone, status in found.items())
    unknown = by_fate[Status.UNKNOWN]
    note(sent=by_fate[Status.SENT], unknown=unknown, doubled=len(doubled), lost=lost)
    assert (NUMBERS, [], 0) == (len(found), doubled, lost)
    return unknown


#: Jobs of a run before the fence, where nothing was sent, or after settling, where all is known.
POINTS = [f"{when} {job}" for job in ("claim", "fence", "settle") for when in ("before", "after")]


#: Before these, nothing was sent or everything is known.
QUIET = [("before claim", 1), ("after claim", 1), ("after _start", 1), ("before end_worker", 1)]


@pytest.mark.parametrize(("point", "turn"), [*((point, 3) for point in POINTS), *QUIET])
async def test_killed_at_a_commit(make_engine, database, kind, point, turn):
    """After a process was killed at any commit, the next run sends the rest."""
    await fill(make_engine())
    ledger = Ledger()
    struck = Striking(make_engine(), point, turn)
    pid = in_a_child(lambda: work(struck, ledger.endpoint, max_in_flight=AT_ONCE))
    async with ledger:
        assert signal.SIGKILL == await ended(pid)

        progress = await work(make_engine(), ledger.endpoint)

    assert progress.complete
    unknown = compare(ledger, await fates(make_engine()))
    if (point, turn) in QUIET:
        assert 0 == unknown


@pytest.mark.parametrize("turn", [1, 3])
async def test_killed_at_a_grant(make_engine, turn):
    """A process that is killed after a grant leaves nothing unknown."""
    await fill(make_engine())
    ledger = Ledger()
    limiter = StrikingLimiter(turn)
    engine = make_engine()
    pid = in_a_child(lambda: work(engine, ledger.endpoint, limiter, max_in_flight=1))
    async with ledger:
        assert signal.SIGKILL == await ended(pid)

        await work(make_engine(), ledger.endpoint)

    assert 0 == compare(ledger, await fates(make_engine()))


@pytest.mark.parametrize("when", ["received", "done"])
async def test_killed_while_the_gateway_has_the_request(make_engine, when):
    """Killed between first byte and answer, only requests in flight are unknown."""
    await fill(make_engine())
    children = []

    async def strike(point, number):
        if (point, number) == (when, 3):
            os.kill(children[0], signal.SIGKILL)

    ledger = Ledger(strike)
    engine = make_engine()
    children.append(in_a_child(lambda: work(engine, ledger.endpoint, max_in_flight=AT_ONCE)))
    async with ledger:
        assert signal.SIGKILL == await ended(children[0])

        await work(make_engine(), ledger.endpoint)

    assert BATCH <= compare(ledger, await fates(make_engine()))


@pytest.mark.parametrize("point", POINTS)
async def test_killed_while_answers_are_lost(make_engine, point):
    """Killed while the gateway drops some answers, only requests in flight are unknown."""
    await fill(make_engine())
    async with Sandbox(
        keys={KEY: 1_000_000}, probabilities={"answer-lost": 0.25}, seed=7, latency=0.01
    ) as sandbox:
        struck = Striking(make_engine(), point, 3)
        pid = in_a_child(lambda: work(struck, sandbox.endpoint, max_in_flight=AT_ONCE))
        assert signal.SIGKILL == await ended(pid)

        progress = await work(make_engine(), sandbox.endpoint)

    found = await fates(make_engine())
    got = Counter(message.phone for message in sandbox.messages)
    lost = sum(request.fault == "answer-lost" for request in sandbox.requests)
    assert progress.complete
    assert (lost + AT_ONCE) * BATCH >= judge(got, found)


@pytest.mark.parametrize("point", ["before fence", "after fence", "before settle"])
async def test_stopped_beyond_its_lease(make_engine, point):
    """A process that was stopped posts nothing late, and still settles what it knows."""
    await fill(make_engine())
    ledger = Ledger()
    struck = Striking(make_engine(), point, 2, signal.SIGSTOP)
    pid = in_a_child(lambda: work(struck, ledger.endpoint, max_in_flight=1))
    async with ledger:
        assert os.WIFSTOPPED(await ended(pid, os.WUNTRACED))
        await asyncio.sleep(LEASE + 0.2)
        await work(make_engine(), ledger.endpoint)

        os.kill(pid, signal.SIGCONT)
        await ended(pid)

    unknown = compare(ledger, await fates(make_engine()))
    if point == "before settle":
        assert 0 == unknown  # settled late


async def test_stopped_while_the_answer_comes(make_engine):
    """An answer that is read after the process was stopped turns unknown into sent."""
    await fill(make_engine())
    children = []

    async def strike(point, number):
        if (point, number) == ("received", 2):
            await asyncio.sleep(0.1)  # if stopped within a transaction, it locks the others out
            os.kill(children[0], signal.SIGSTOP)

    ledger = Ledger(strike)
    engine = make_engine()
    children.append(in_a_child(lambda: work(engine, ledger.endpoint, max_in_flight=1)))
    async with ledger:
        assert os.WIFSTOPPED(await ended(children[0], os.WUNTRACED))
        await asyncio.sleep(LEASE + 0.2)
        await work(make_engine(), ledger.endpoint)
        assert Status.UNKNOWN in (await fates(make_engine())).values()

        os.kill(children[0], signal.SIGCONT)
        await ended(children[0])

    assert 0 == compare(ledger, await fates(make_engine()))


def stand_still():
    """Write a row, and stop before the commit."""
    yield from write_meta("tried", "by one that stands still")
    os.kill(os.getpid(), signal.SIGSTOP)


@pytest.mark.parametrize("kind", ["postgresql"])
async def test_stopped_within_a_transaction(make_engine):
    """PostgreSQL ends the transaction of a stopped process, so that other processes continue."""

    async def stop():
        await frozen.open()
        await frozen.run(stand_still())

    frozen, other = make_engine(), make_engine()
    await fill(make_engine())
    pid = in_a_child(stop)
    assert os.WIFSTOPPED(await ended(pid, os.WUNTRACED))

    try:
        await other.open()
        await other.run(write_meta("tried", "by another"))
    finally:
        os.kill(pid, signal.SIGKILL)
        await ended(pid)

    assert "by another" == await other.run(read_meta("tried"))


async def test_three_processes_share_one_campaign(make_engine):
    """Three processes share the work; the claims of a killed one are taken over after its lease."""
    await fill(make_engine())
    children = []

    async def strike(point, number):
        if (point, number) == ("received", 4):
            os.kill(children[0], signal.SIGKILL)

    ledger = Ledger(strike, takes=0.05)
    for _ in range(3):
        engine = make_engine()
        run = lambda engine=engine: work(engine, ledger.endpoint, max_in_flight=1)  # noqa: E731
        children.append(in_a_child(run))
    async with ledger:
        for pid in children:
            await ended(pid)

    compare(ledger, await fates(make_engine()))


async def test_a_budget_holds_across_crashes(make_engine):
    """Credits spent by a killed run count for the next."""
    await fill(make_engine())
    ledger = Ledger()
    struck = Striking(make_engine(), "after settle", 4)
    rules = StopRules(max_credits=30)
    pid = in_a_child(lambda: work(struck, ledger.endpoint, stop=rules, max_in_flight=1))
    async with ledger:
        await ended(pid)
        progress = await work(make_engine(), ledger.endpoint, stop=rules)

    assert ("BUDGET_SPENT", 30) == (progress.stopped, progress.sent)
    assert 30 == ledger.sent.total()
