"""Streamed runs: outcomes as they become known, and ways to end early."""

from __future__ import annotations

import asyncio
import threading

import pytest

from customersms_async import (
    LocalLimiter,
    Rate,
    Status,
)
from tests.support.client_in_memory import (
    MemoryTransport,
    accepts,
    cannot_connect,
    hangs,
    now,
    phones,
)
from tests.support.limiter_callers import usage_now

pytestmark = pytest.mark.virtual_time


def unpaced(limit=100, per=60.0):
    clock = asyncio.get_running_loop().time
    return LocalLimiter(Rate(limit, per=per), burst=limit, clock=clock)


async def test_streamed_outcomes_come_as_they_are_known(make_client):
    """Each outcome is handed over once, with its index, as soon as its request has ended."""
    gateway = MemoryTransport(accepts(3), accepts(1), accepts(9), accepts(1))
    arrived = []

    async with make_client(gateway).stream_many(phones(4), "hi", batch_size=1) as bulk:
        async for outcome in bulk:
            arrived += [(outcome.index, round(now() - 1000))]

    assert [(0, 3), (1, 4), (3, 5), (2, 12)] == arrived
    assert (4, True) == (bulk.progress.sent, bulk.progress.complete)


async def test_progress_counts_while_it_runs(make_client):
    """Progress is available at any time, and its counts add up."""
    gateway = MemoryTransport(then=accepts(takes=2), credits=100)

    async with make_client(gateway).stream_many(iter(phones(30)), "hi", batch_size=10) as bulk:
        await asyncio.sleep(1)
        first = bulk.progress
        last = await bulk.finish()

    assert (0, 20, 1, False) == (first.total, first.waiting, first.in_flight, first.complete)
    assert (30, 0, 0, 3, 70) == (
        last.sent,
        last.waiting,
        last.in_flight,
        last.requests,
        last.remaining_credits,
    )


async def test_a_slow_consumer_slows_down_sending(make_client):
    """A run reads and sends no more than a few batches ahead of its consumer."""
    gateway = MemoryTransport(then=accepts(takes=0.01))
    client = make_client(gateway, limiter=unpaced(1000))

    async with client.stream_many(iter(phones(5000)), "hi", batch_size=10, max_in_flight=4) as bulk:
        for _ in range(5):
            await anext(bulk)
            await asyncio.sleep(10)
        sent = gateway.ledger.total()

    assert sent <= 60


async def test_finish_after_partial_iteration(make_client):
    """`finish` runs to the end, and no further outcomes are handed over."""
    gateway = MemoryTransport()

    async with make_client(gateway).stream_many(phones(40), "hi", batch_size=2) as bulk:
        first = await anext(bulk)
        progress = await bulk.finish()
        rest = [outcome async for outcome in bulk]

    assert (0, 40, []) == (first.index, progress.sent, rest)


async def test_the_end_of_the_block_stops_a_run(make_client):
    """Leaving the block stops the run and waits for requests in flight."""
    gateway = MemoryTransport(then=accepts(takes=2))

    async with make_client(gateway).stream_many(phones(40), "hi", batch_size=1) as bulk:
        async for _ in bulk:
            break
    sent = gateway.ledger.total()
    await asyncio.sleep(100)

    assert sent == gateway.ledger.total() == bulk.progress.sent
    assert ("STOPPED", 40, 0) == (
        bulk.progress.stopped,
        bulk.progress.total,
        bulk.progress.waiting,
    )


async def test_an_exception_in_the_block_stops_a_run(make_client):
    """An exception of the block is passed on unchanged, after at most `drain` seconds."""
    gateway = MemoryTransport(then=hangs())
    client = make_client(gateway)
    began_at = now()

    async def fail():
        async with client.stream_many(phones(40), "hi", batch_size=1, drain=3):
            await asyncio.sleep(1)
            raise LookupError("of the caller")

    with pytest.raises(LookupError):
        await fail()

    assert 4 == pytest.approx(now() - began_at)
    assert 0 == usage_now(client.limiter, client.account).in_flight


async def test_a_return_from_the_block_stops_a_run(make_client):
    """`return` inside the block stops the run."""
    gateway = MemoryTransport()

    async def first():
        async with make_client(gateway).stream_many(phones(40), "hi", batch_size=1) as bulk:
            async for outcome in bulk:
                return outcome
        raise AssertionError

    assert 0 == (await first()).index
    assert gateway.ledger.total() <= 3


async def test_nothing_happens_outside_the_block(make_client):
    """A run that was not entered reads and sends nothing; using it outside is an error."""
    gateway = MemoryTransport()
    read = []
    bulk = make_client(gateway).stream_many((read.append(p) or p for p in phones(3)), "hi")
    await asyncio.sleep(10)

    with pytest.raises(RuntimeError, match="inside its block"):
        await anext(bulk)
    with pytest.raises(RuntimeError, match="inside its block"):
        await bulk.finish()
    async with bulk:
        await bulk.finish()
    with pytest.raises(RuntimeError, match="inside its block"):
        aiter(bulk)
    with pytest.raises(RuntimeError, match="entered only once"):
        await bulk.__aenter__()
    assert (3, 3) == (len(read), gateway.ledger.total())


async def test_stop_sends_nothing_new(make_client):
    """`stop` may be repeated; requests in flight are answered, the rest is `STOPPED`."""
    gateway = MemoryTransport(then=accepts(takes=2))

    async with make_client(gateway).stream_many(phones(20), "hi", batch_size=1) as bulk:
        await asyncio.sleep(1)
        bulk.stop()
        bulk.stop()
        outcomes = [outcome async for outcome in bulk]
        bulk.stop()

    assert [Status.SENT] == [o.status for o in outcomes if o.index == 0]
    assert ["STOPPED"] * 19 == [o.code for o in outcomes if o.index > 0]


async def test_stop_before_the_block(make_client):
    """A run that was stopped before it started sends nothing and reports everything."""
    gateway = MemoryTransport()
    bulk = make_client(gateway).stream_many(phones(20), "hi")

    bulk.stop()
    async with bulk:
        progress = await bulk.finish()

    assert ([], 20, "STOPPED") == (gateway.began, progress.not_sent, progress.stopped)


async def test_stop_from_another_thread(make_client):
    """`stop` may be called from any thread."""
    gateway = MemoryTransport(then=accepts(takes=2))

    async with make_client(gateway).stream_many(phones(20), "hi", batch_size=1) as bulk:
        await asyncio.sleep(1)
        thread = threading.Thread(target=bulk.stop)
        thread.start()
        thread.join()
        progress = await bulk.finish()

    assert (1, 19, "STOPPED") == (progress.sent, progress.not_sent, progress.stopped)


@pytest.mark.parametrize("steps", range(12))
async def test_nothing_leaves_after_a_stop_from_another_thread(make_client, steps):
    """Once `stop` has returned in another thread, not even a request that was ready leaves."""
    gateway = MemoryTransport(then=accepts())

    async with make_client(gateway).stream_many(phones(20), "hi", batch_size=1) as bulk:
        for _ in range(steps):
            await asyncio.sleep(0)
        thread = threading.Thread(target=bulk.stop)
        thread.start()
        thread.join()
        left = len(gateway.started)
        outcomes = [outcome async for outcome in bulk]

    assert left == len(gateway.started)
    assert ["STOPPED"] * (20 - left) == [o.code for o in outcomes if o.status is Status.NOT_SENT]
    assert (20 - left, "STOPPED") == (bulk.progress.not_sent, bulk.progress.stopped)


async def test_a_hook_may_stop_a_run(make_client):
    """`on_request` may call `stop` after any attempt without losing a number."""
    runs = []
    gateway = MemoryTransport(cannot_connect(), then=accepts())
    client = make_client(gateway, on_request=lambda _: runs[0].stop())
    runs.append(client.stream_many(phones(4), "hi", batch_size=2))

    async with runs[0] as bulk:
        progress = await bulk.finish()

    assert (0, 4, 0) == (progress.sent, progress.not_sent, len(gateway.started))


async def test_closing_the_client_stops_its_runs(make_client):
    """`aclose` stops every run and waits for requests in flight; the client can be used again."""
    gateway = MemoryTransport(then=accepts(takes=2))
    client = make_client(gateway)
    run = asyncio.create_task(client.send_many(phones(20), "hi", batch_size=1))
    await asyncio.sleep(1)

    await client.aclose()
    report = await run

    assert (1, 19, "STOPPED") == (report.sent, report.not_sent, report.stopped)
    assert gateway.is_closed
    assert (await client.send_many(phones(2), "hi")).ok


async def test_closing_waits_no_longer_than_drain(make_client):
    """A request without an answer after `drain` seconds is unknown."""
    gateway = MemoryTransport(then=hangs())
    client = make_client(gateway)
    run = asyncio.create_task(client.send_many(phones(20), "hi", batch_size=10))
    await asyncio.sleep(1)
    began_at = now()

    await client.aclose(drain=2)
    report = await run

    assert 2 == pytest.approx(now() - began_at)
    assert (10, 10) == (report.unknown, report.not_sent)
    assert 0 == usage_now(client.limiter, client.account).in_flight


async def test_a_closed_client_ends_with_its_block(make_client):
    """`async with` closes the client."""
    gateway = MemoryTransport()
    client = make_client(gateway)

    async with client as same:
        assert same is client

    assert gateway.is_closed


async def test_reprs_show_state_and_counts(make_client):
    """The repr of a run shows whether it is closed, open or done, and its counts."""
    bulk = make_client(MemoryTransport()).stream_many(phones(2), "hi")
    before = repr(bulk)
    async with bulk:
        within = repr(bulk)
        await bulk.finish()

    counts = "0 sent, 0 rejected, 0 unknown, 0 not sent"
    assert [f"<Bulk closed: {counts}>", f"<Bulk open: {counts}>"] == [before, within]
    assert "<Bulk done: 2 sent, 0 rejected, 0 unknown, 0 not sent>" == repr(bulk)
