"""Leftovers of a run, waiting for the requests in flight, and progress."""

from __future__ import annotations

import asyncio
import logging

import anyio
import pytest

from customersms_async import LocalLimiter, Message, Rate, Status
from tests.support.client_in_memory import (
    MemoryTransport,
    accepts,
    as_async,
    hangs,
    loses_answer,
    now,
    phones,
)

pytestmark = pytest.mark.virtual_time


def unpaced(limit=1_000, per=60.0):
    clock = asyncio.get_running_loop().time
    return LocalLimiter(Rate(limit, per=per), burst=limit, clock=clock)


async def write(bulk, written, slowly=0.0):
    """Collect outcomes as a caller that writes each of them would."""
    async with bulk:
        async for outcome in bulk:
            written.append(outcome)
            await asyncio.sleep(slowly)


@pytest.mark.parametrize("slowly", [0.0, 0.01])
@pytest.mark.parametrize("after", [0.5, 1.7, 4.2, 9.9, 12.3, 20.1])
async def test_written_outcomes_and_leftovers_are_complete(make_client, after, slowly):
    """Outcomes taken plus leftovers have every number that was sent to, once."""
    gateway = MemoryTransport(*[accepts(3), loses_answer(2)] * 2, then=accepts(takes=3))
    client = make_client(gateway, limiter=unpaced())
    bulk = client.stream_many(phones(2_000), "hi", batch_size=10, max_in_flight=8)
    written = []
    task = asyncio.create_task(write(bulk, written, slowly))
    await asyncio.sleep(after)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    known = [outcome for outcome in [*written, *bulk.leftovers] if outcome.status != "not_sent"]
    assert gateway.ledger == {outcome.phone: 1 for outcome in known}
    assert len(known) == len({outcome.index for outcome in known})
    assert bulk.progress.waiting == 0


async def test_leftovers_are_what_may_have_been_sent(make_client):
    """Leftovers have no unsent numbers, so they are bounded for any input."""
    gateway = MemoryTransport(accepts(refuse=phones(1)), then=loses_answer())
    client = make_client(gateway)

    async with client.stream_many(["bad", *phones(5_000)], "hi", batch_size=2) as bulk:
        assert ["bad", phones(1)[0]] == [(await anext(bulk)).phone, (await anext(bulk)).phone]
        await asyncio.sleep(0.02)

    assert {Status.SENT, Status.UNKNOWN} == {o.status for o in bulk.leftovers}
    assert 20 > len(bulk.leftovers)


async def test_finish_leaves_no_leftovers(make_client):
    """After `finish` there are no leftovers, since only counts were asked for."""
    gateway = MemoryTransport(then=accepts(takes=1))

    async with make_client(gateway).stream_many(phones(40), "hi", batch_size=10) as bulk:
        await bulk.finish()

    assert [] == bulk.leftovers


async def test_by_default_a_cancelled_run_waits_as_long_as_a_request_may_take(make_client, caplog):
    """Answers that take a minute are awaited; a log says how many and for how long."""
    gateway = MemoryTransport(then=accepts(takes=60))
    run = asyncio.create_task(make_client(gateway).send_many(phones(500), "hi"))
    await asyncio.sleep(1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await run

    assert 1060 == pytest.approx(now())
    assert "100 sent" in caught.value.__notes__[0]
    (said,) = [r.getMessage() for r in caplog.records if r.event == "bulk.draining"]
    assert "waits for 1 answers, up to 84 s (CANCELLED)" in said


async def test_an_answer_that_never_comes_ends_with_its_request(make_client):
    """The wait for a hanging request ends with the request's own timeout."""
    gateway = MemoryTransport(then=hangs())
    run = asyncio.create_task(make_client(gateway).send_many(phones(500), "hi"))
    await asyncio.sleep(1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await run

    assert 1079.5 == pytest.approx(now())
    assert "100 unknown" in caught.value.__notes__[0]


async def test_a_second_cancellation_adds_to_leftovers(make_client):
    """The wait ends, and the fate of the request becomes a leftover once it is known."""
    gateway = MemoryTransport(then=accepts(takes=20))
    bulk = make_client(gateway).stream_many(phones(50), "hi", batch_size=10)
    task = asyncio.create_task(write(bulk, []))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task

    at_once = bulk.leftovers
    await asyncio.sleep(30)

    assert "without a fate yet" in caught.value.__notes__[0]
    assert ([], 10) == (at_once, len(bulk.leftovers))


async def test_a_cancelled_anyio_scope(make_client):
    """Anyio cancels repeatedly, which ends the wait; later fates become leftovers."""
    gateway = MemoryTransport(then=accepts(takes=4))
    written = []
    bulk = make_client(gateway).stream_many(phones(500), "hi", batch_size=10)

    with anyio.move_on_after(6):
        await write(bulk, written)
    await asyncio.sleep(30)

    known = [*written, *bulk.leftovers]
    assert gateway.ledger == {o.phone: 1 for o in known if o.status is not Status.NOT_SENT}


# --- Slow sources --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["numbers", "messages", "texts"])
async def test_a_slow_source_is_not_delayed(make_client, kind):
    """From a source of one message per second, each is sent within 1.5 seconds."""
    gateway = MemoryTransport()
    client = make_client(gateway)
    texts = (lambda n: "hi") if kind != "texts" else (lambda n: f"hi {n}")
    read = {}

    async def source():
        for n, phone in enumerate(phones(60)):
            await asyncio.sleep(1)
            read[phone] = now()
            yield phone if kind == "numbers" else Message(phone, texts(n))

    if kind == "numbers":
        await client.send_many(source(), "hi")
    else:
        await client.send_messages(source())

    left = {phone: post.started_at for post in gateway.started for phone in post.phones}
    assert 60 == len(left)
    assert 1.5 > max(left[phone] - read[phone] for phone in read)


async def test_bad_numbers_of_a_slow_source(make_client):
    """Outcomes of bad numbers arrive while the source is still running."""
    async with make_client(MemoryTransport()).stream_many(
        as_async(["bad"] * 5, pause=1), "hi"
    ) as bulk:
        arrived = [now() - 1000 async for _ in bulk]

    assert [2, 3, 4, 5, 5] == pytest.approx(arrived)


async def test_a_fast_source_is_still_batched(make_client):
    """A source of a hundred items per second fills its batches."""
    gateway = MemoryTransport()

    await make_client(gateway).send_many(as_async(phones(1_000), pause=0.001), "hi")

    assert [100] * 10 == [len(batch) for batch in gateway.batches]


# --- Progress -------------------------------------------------------------------------------------


async def test_progress_of_a_list(make_client):
    """Progress has the expected total, the speed and the remaining time of a list."""
    gateway = MemoryTransport(then=accepts(takes=1))
    client = make_client(gateway, limiter=unpaced(100))

    async with client.stream_many(phones(1_000), "hi", batch_size=10, max_in_flight=1) as bulk:
        first = bulk.progress
        finishing = asyncio.create_task(bulk.finish())
        await asyncio.sleep(50.5)
        half = bulk.progress
        last = await finishing

    assert (1_000, None, None) == (first.expected, first.numbers_per_minute, first.eta)
    assert half.numbers_per_minute == pytest.approx(600, rel=0.02)
    assert half.eta == pytest.approx(50, rel=0.05)
    assert (1_000, 0) == (last.expected, last.eta)


async def test_progress_of_a_stream(make_client):
    """Progress of a generator or iterator has a speed but no total."""
    async with make_client(MemoryTransport()).stream_many(iter(phones(30)), "hi") as bulk:
        await asyncio.sleep(1)
        progress = bulk.progress
        await bulk.finish()

    assert (None, None) == (progress.expected, progress.eta)
    assert progress.numbers_per_minute > 0


async def test_a_line_of_log_per_minute(make_client, caplog):
    """A long run logs its progress at level INFO once a minute."""
    caplog.set_level(logging.INFO, "customersms_async")
    gateway = MemoryTransport(then=accepts(takes=1))

    await make_client(gateway).send_many(phones(3_000), "hi", batch_size=10, max_in_flight=1)

    said = [r.getMessage() for r in caplog.records if r.event == "bulk.progress"]
    assert int((now() - 1000) // 60) == len(said)
    assert "of 3,000" in said[0]
    assert "a minute" in said[0]
    assert said[0].endswith("s to go")


async def test_a_duplicate_names_the_first(make_client):
    """A duplicate has the index of the first, in runs of numbers and of messages."""
    given = phones(3)
    client = make_client(MemoryTransport())

    report = await client.send_many([*given, given[1], "00" + given[0][1:], given[1]], "hi")
    messages = [Message(phone, "hi") for phone in [*given, given[2]]]
    async with client.stream_messages(messages) as bulk:
        streamed = [outcome async for outcome in bulk if outcome.code == "DUPLICATE"]

    assert [None, None, None, 1, 0, 1] == [outcome.duplicate_of for outcome in report]
    assert [(3, 2)] == [(outcome.index, outcome.duplicate_of) for outcome in streamed]
