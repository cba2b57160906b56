"""What becomes known after a block was left, how a run waits for it, and how far it says it is."""

from __future__ import annotations

import asyncio
import logging

import anyio
import pytest

from customersms_async import LocalLimiter, Message, Rate, Status
from tests.support.memory import (
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
    """Take outcomes as a caller does that writes each of them."""
    async with bulk:
        async for outcome in bulk:
            written.append(outcome)
            await asyncio.sleep(slowly)


@pytest.mark.parametrize("slowly", [0.0, 0.01])
@pytest.mark.parametrize("after", [0.5, 1.7, 4.2, 9.9, 12.3, 20.1])
async def test_what_was_written_and_what_is_left_over_is_the_ledger(make_client, after, slowly):
    """A cancelled caller has every number that the gateway took, and each of them once."""
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
    """What was not sent is not among them, so they are bounded whatever the input."""
    gateway = MemoryTransport(accepts(refuse=phones(1)), then=loses_answer())
    client = make_client(gateway)

    async with client.stream_many(["bad", *phones(5_000)], "hi", batch_size=2) as bulk:
        assert ["bad", phones(1)[0]] == [(await anext(bulk)).phone, (await anext(bulk)).phone]
        await asyncio.sleep(0.02)

    assert {Status.SENT, Status.UNKNOWN} == {o.status for o in bulk.leftovers}
    assert 20 > len(bulk.leftovers)


async def test_nothing_is_left_over_where_nothing_was_asked_for(make_client):
    """`finish` asks for counts; only what ends after the block is kept."""
    gateway = MemoryTransport(then=accepts(takes=1))

    async with make_client(gateway).stream_many(phones(40), "hi", batch_size=10) as bulk:
        await bulk.finish()

    assert [] == bulk.leftovers


async def test_by_default_a_cancelled_run_waits_as_long_as_a_request_may_take(make_client, caplog):
    """Answers of a minute are waited for, and a line says for how many and for how long."""
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
    """Nobody waits longer than the request's own time."""
    gateway = MemoryTransport(then=hangs())
    run = asyncio.create_task(make_client(gateway).send_many(phones(500), "hi"))
    await asyncio.sleep(1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await run

    assert 1079.5 == pytest.approx(now())
    assert "100 unknown" in caught.value.__notes__[0]


async def test_a_second_cancellation_leaves_the_rest_to_leftovers(make_client):
    """The wait ends, the request goes on, and its fate is there once it is known."""
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


async def test_a_cancelled_scope_of_anyio(make_client):
    """Anyio cancels again and again, so the wait ends early; what ends later is not lost."""
    gateway = MemoryTransport(then=accepts(takes=4))
    written = []
    bulk = make_client(gateway).stream_many(phones(500), "hi", batch_size=10)

    with anyio.move_on_after(6):
        await write(bulk, written)
    await asyncio.sleep(30)

    known = [*written, *bulk.leftovers]
    assert gateway.ledger == {o.phone: 1 for o in known if o.status is not Status.NOT_SENT}


# --- Nothing is held back -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["numbers", "messages", "texts"])
async def test_a_source_that_trickles_is_not_held_back(make_client, kind):
    """Of a source of one message a second, each leaves within a second and a half."""
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


async def test_bad_numbers_of_a_source_that_trickles_are_told(make_client):
    """A source of nothing but bad numbers does not look as if it stood still."""
    async with make_client(MemoryTransport()).stream_many(
        as_async(["bad"] * 5, pause=1), "hi"
    ) as bulk:
        arrived = [now() - 1000 async for _ in bulk]

    assert [2, 3, 4, 5, 5] == pytest.approx(arrived)


async def test_a_fast_source_is_still_batched(make_client):
    """A source that gives a hundred in a second fills its requests."""
    gateway = MemoryTransport()

    await make_client(gateway).send_many(as_async(phones(1_000), pause=0.001), "hi")

    assert [100] * 10 == [len(batch) for batch in gateway.batches]


# --- How far a run is -----------------------------------------------------------------------------


async def test_progress_says_how_far_and_how_fast(make_client):
    """Of a list the end is known, so there is a speed and a time to go."""
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


async def test_of_a_stream_the_end_is_not_known(make_client):
    """A generator, or an iterator that claims a length, has none that could be trusted."""
    async with make_client(MemoryTransport()).stream_many(iter(phones(30)), "hi") as bulk:
        await asyncio.sleep(1)
        progress = bulk.progress
        await bulk.finish()

    assert (None, None) == (progress.expected, progress.eta)
    assert progress.numbers_per_minute > 0


async def test_a_run_says_a_line_a_minute(make_client, caplog):
    """A log at level INFO shows how far a long run is, and no more often."""
    caplog.set_level(logging.INFO, "customersms_async")
    gateway = MemoryTransport(then=accepts(takes=1))

    await make_client(gateway).send_many(phones(3_000), "hi", batch_size=10, max_in_flight=1)

    said = [r.getMessage() for r in caplog.records if r.event == "bulk.progress"]
    assert int((now() - 1000) // 60) == len(said)
    assert "of 3,000" in said[0]
    assert "a minute" in said[0]
    assert said[0].endswith("s to go")


async def test_a_duplicate_says_of_whom(make_client):
    """The first of two equal numbers, or messages, is named by its index, in both kinds of runs."""
    given = phones(3)
    client = make_client(MemoryTransport())

    report = await client.send_many([*given, given[1], "00" + given[0][1:], given[1]], "hi")
    messages = [Message(phone, "hi") for phone in [*given, given[2]]]
    async with client.stream_messages(messages) as bulk:
        streamed = [outcome async for outcome in bulk if outcome.code == "DUPLICATE"]

    assert [None, None, None, 1, 0, 1] == [outcome.duplicate_of for outcome in report]
    assert [(3, 2)] == [(outcome.index, outcome.duplicate_of) for outcome in streamed]
