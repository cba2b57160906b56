"""Outages: a run pauses while the gateway is unreachable, probes it, then resumes or stops."""

from __future__ import annotations

import asyncio
import itertools
import logging

import pytest

from customersms_async import LimiterUnavailable, LocalLimiter, Rate, StopRules
from tests.support.client_in_memory import (
    MemoryJournal,
    MemoryTransport,
    accepts,
    as_async,
    cannot_connect,
    loses_answer,
    now,
    phones,
    turns_away,
)

pytestmark = pytest.mark.virtual_time


def down(begins, ends, then=accepts, refused_after=0.01):
    """Accept, except between two times in seconds after the start of the test."""

    async def behave(post):
        is_down = begins <= now() - 1000 < ends
        return await (cannot_connect(refused_after) if is_down else then())(post)

    return behave


def unpaced(limit=100, per=60.0):
    clock = asyncio.get_running_loop().time
    return LocalLimiter(Rate(limit, per=per), burst=limit, clock=clock)


@pytest.mark.parametrize("refused_after", [0.01, 20])
async def test_an_outage_pauses_a_run(make_client, refused_after):
    """After an outage every number is sent once, and none was given up."""
    gateway = MemoryTransport(then=down(5, 300, refused_after=refused_after))

    report = await make_client(gateway).send_many(phones(5_000), "hi")

    assert (5_000, True, None) == (report.sent, report.ok, report.stopped)
    assert {1} == set(gateway.ledger.values())
    assert now() - 1000 < 300 + 60


async def test_one_probe_at_a_time(make_client):
    """Requests of an outage wait in line, and one probe follows the other."""
    gateway = MemoryTransport(then=down(1, 200, lambda: accepts(takes=0.9), refused_after=2))
    client = make_client(gateway, limiter=unpaced())

    report = await client.send_many(phones(400), "hi", batch_size=10)

    in_outage = [post.began_at - 1000 for post in gateway.began if 6 < post.began_at - 1000 < 200]
    assert all(later - earlier >= 2 for earlier, later in itertools.pairwise(in_outage))
    assert 20 < len(in_outage) < 100
    assert (400, 40) == (report.sent, report.requests)


async def test_nothing_is_read_during_an_outage(make_client):
    """During an outage the input is not read any further."""
    gateway = MemoryTransport(then=down(1, 60))
    read = []

    async def numbers():
        for phone in phones(100_000):
            read.append(phone)
            yield phone

    async with make_client(gateway).stream_many(numbers(), "hi", batch_size=10) as bulk:
        finishing = asyncio.create_task(bulk.finish())
        await asyncio.sleep(3)
        early = len(read)
        await asyncio.sleep(50)
        late = len(read)
        bulk.stop()
        await finishing

    assert early == late < 1_000


async def test_a_long_outage_stops_a_run(make_client):
    """After `outage` seconds the run stops; what was read has fates, the rest is unread."""
    gateway = MemoryTransport(then=down(1, 10_000))
    read = []

    async def numbers():
        for phone in phones(100_000):
            read.append(phone)
            yield phone

    report = await make_client(gateway).send_many(
        numbers(), "hi", batch_size=10, stop=StopRules(outage=5)
    )

    assert 6 <= now() - 1000 < 8
    assert len(read) == report.total < 1_000
    assert ("CONNECT_FAILED", False) == (report.stopped, report.complete)
    assert gateway.ledger.total() == report.sent
    assert report.not_sent == len(report.safe_to_resend())
    assert str(report).endswith("stopped: CONNECT_FAILED, the rest was not read")


async def test_without_patience_the_first_failure_stops_a_run(make_client):
    """With `outage=0`, the first failed connection stops the run."""
    gateway = MemoryTransport(accepts(), then=cannot_connect())

    report = await make_client(gateway).send_many(
        phones(50), "hi", batch_size=10, max_in_flight=1, stop=StopRules(outage=0)
    )

    assert (10, 40, 2) == (report.sent, report.not_sent, len(gateway.began))


async def test_each_outage_has_its_own_time(make_client):
    """Any answer of the gateway ends an outage, so the next starts from zero."""
    script = [cannot_connect()] * 3 + [loses_answer()]
    gateway = MemoryTransport(*script * 4, then=accepts())

    report = await make_client(gateway).send_many(
        phones(6), "hi", batch_size=1, stop=StopRules(outage=5, max_unknown=9)
    )

    assert (2, 4, None) == (report.sent, report.unknown, report.stopped)


async def test_a_rate_limit_ends_an_outage(make_client):
    """A rate limit ends an outage, since the gateway was reached."""
    script = [cannot_connect()] * 3 + [turns_away("100")] + [cannot_connect()] * 3
    gateway = MemoryTransport(accepts(), *script, then=accepts())

    report = await make_client(gateway).send_many(
        phones(80), "hi", batch_size=10, stop=StopRules(outage=60)
    )

    assert (80, None) == (report.sent, report.stopped)
    assert 100 < now() - 1000 < 120


async def test_stopping_during_an_outage(make_client):
    """`stop` ends the waits of all requests at once."""
    gateway = MemoryTransport(then=down(1, 10_000))

    async with make_client(gateway).stream_many(phones(500), "hi", batch_size=10) as bulk:
        finishing = asyncio.create_task(bulk.finish())
        await asyncio.sleep(30)
        bulk.stop()
        progress = await finishing

    assert 1030 == pytest.approx(now())
    assert ("STOPPED", 0, 500) == (progress.stopped, progress.unknown, progress.total)


async def test_no_claim_is_open_during_an_outage(make_client):
    """Each probe makes its own claim and releases it."""
    gateway = MemoryTransport(then=down(1, 100))
    journal = MemoryJournal()
    run = asyncio.create_task(
        make_client(gateway).send_many(phones(300), "hi", batch_size=10, journal=journal)
    )
    await asyncio.sleep(60.005)

    assert journal.is_balanced
    assert (await run).ok
    assert journal.is_balanced


async def test_an_unavailable_limiter_pauses_a_run(make_client):
    """No number is given up while a shared limiter is unavailable."""
    limiter, gateway = unpaced(), MemoryTransport()

    class Away:
        async def acquire(self, *given, **options):
            if 1 <= now() - 1000 < 100:
                raise LimiterUnavailable("LIMITER_UNAVAILABLE")
            return await limiter.acquire(*given, **options)

    client = make_client(gateway, limiter=Away())
    report = await client.send_many(
        as_async(phones(100), pause=0.1), "hi", batch_size=1, stop=StopRules(outage=200)
    )

    assert (100, None) == (report.sent, report.stopped)
    assert now() - 1000 >= 100


async def test_a_pause_is_logged(make_client, caplog):
    """The log says why and how long a run was paused; progress says since when."""
    caplog.set_level(logging.INFO, "customersms_async")
    gateway = MemoryTransport(then=down(5, 100))
    paused = []

    async with make_client(gateway).stream_many(phones(2_000), "hi") as bulk:
        finishing = asyncio.create_task(bulk.finish())
        for _ in range(12):
            await asyncio.sleep(10)
            paused.append(bulk.progress.paused_for)
        await finishing

    events = [r for r in caplog.records if r.event in ("bulk.paused", "bulk.resumed")]
    assert ["bulk.paused", "bulk.resumed"] == [record.event for record in events]
    assert "the gateway cannot be reached" in events[0].getMessage()
    assert [logging.WARNING, logging.INFO] == [record.levelno for record in events]
    assert paused[0] == pytest.approx(5, abs=1)
    assert paused[7] == pytest.approx(75, abs=1)
    assert paused[-1] is None


async def test_a_rate_limit_is_a_pause(make_client, caplog):
    """A rate limit is logged like an outage, with the seconds that the gateway asked for."""
    caplog.set_level(logging.INFO, "customersms_async")
    gateway = MemoryTransport(accepts(), turns_away("30"))

    async with make_client(gateway).stream_many(phones(30), "hi", batch_size=10) as bulk:
        finishing = asyncio.create_task(bulk.finish())
        await asyncio.sleep(20)
        paused_for = bulk.progress.paused_for
        await finishing

    said = [r.getMessage() for r in caplog.records if r.event.startswith("bulk.")]
    assert "is held for up to 30 s, since the gateway refused for the rate" in said[0]
    assert "continues after 30 s" in said[1]
    assert paused_for == pytest.approx(20, abs=1)
