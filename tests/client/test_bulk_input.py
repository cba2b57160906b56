"""The input of a bulk run: types, laziness, duplicates, invalid items, inputs that raise."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from customersms_async import BulkInterrupted, Message, Outcome, Status
from tests.support.client_in_memory import MemoryTransport, accepts, as_async, now, phones

pytestmark = pytest.mark.virtual_time

A, B, C = "+12125551234", "+13235554567", "+442071838750"


@pytest.mark.parametrize(
    "make_input",
    [
        list,
        tuple,
        iter,
        lambda items: (item for item in items),
        as_async,
        ",".join,
        lambda items: f" {', '.join(items)},",
        lambda items: dict.fromkeys(items, "values do not count"),
        lambda items: [Outcome(0, item, Status.NOT_SENT) for item in items],
    ],
    ids=[
        "list",
        "tuple",
        "iterator",
        "generator",
        "async",
        "commas",
        "commas-and-blanks",
        "dict",
        "outcomes",
    ],
)
async def test_types_of_input(make_client, make_input):
    """Every type of input gives the same report, in input order."""
    gateway = MemoryTransport()

    report = await make_client(gateway).send_many(make_input([A, B, C]), "hello")

    assert [(0, A), (1, B), (2, C)] == [(o.index, o.phone) for o in report]
    assert ([[A, B, C]], True, True) == (gateway.batches, report.complete, report.ok)


async def test_a_set_is_an_input(make_client):
    """A set can be the input, in its own order."""
    report = await make_client(MemoryTransport()).send_many({A, B}, "hello")

    assert {A, B} == {outcome.phone for outcome in report}


async def test_one_number_is_an_input(make_client):
    """A single string is one number."""
    report = await make_client(MemoryTransport()).send_many(A, "hello")

    assert [(A, Status.SENT)] == [(o.phone, o.status) for o in report]


@pytest.mark.parametrize("empty", [[], (), "", ","])
async def test_an_empty_input_sends_nothing(make_client, empty):
    """Without numbers nothing is sent; an empty string is one bad number."""
    gateway = MemoryTransport()

    report = await make_client(gateway).send_many(empty, "hello")

    assert ([], 0, True) == (gateway.began, report.sent, report.complete)
    assert (1 if isinstance(empty, str) else 0) == report.total


@pytest.mark.parametrize("phones_given", [None, 5, b"+12125551234", object()])
async def test_an_invalid_input_is_a_type_error(make_client, phones_given):
    """An argument that cannot be iterated over raises TypeError before any I/O."""
    gateway = MemoryTransport()
    client = make_client(gateway)

    with pytest.raises(TypeError, match="phones must be an iterable"):
        await client.send_many(phones_given, "hello")
    with pytest.raises(TypeError, match="messages must be an iterable"):
        await client.send_messages(phones_given)
    assert [] == gateway.began


async def test_the_report_has_the_fates_in_input_order(make_client):
    """Sent, rejected, bad and duplicate inputs are reported at their index in the input."""
    gateway = MemoryTransport(accepts(refuse=[B]))

    report = await make_client(gateway).send_many([A, "0", B, A, None, C], "hello")

    assert [
        (A, Status.SENT, None),
        ("0", Status.NOT_SENT, "INVALID_PHONE"),
        (B, Status.REJECTED, "NO_ROUTE"),
        (A, Status.NOT_SENT, "DUPLICATE"),
        ("None", Status.NOT_SENT, "INVALID_PHONE"),
        (C, Status.SENT, None),
    ] == [(o.phone, o.status, o.code) for o in report]
    assert (2, 1, 3, 0, 6) == (
        report.sent,
        report.rejected,
        report.not_sent,
        report.unknown,
        report.total,
    )
    assert (1, 1, False) == (report.duplicates, report.requests, report.ok)


async def test_duplicates_are_found_in_any_spelling(make_client):
    """A number is sent to once per run, and duplicates leave the run ok."""
    gateway = MemoryTransport()

    report = await make_client(gateway).send_many([A, "+1 (212) 555-1234", "0012125551234"], "hi")

    assert ([[A]], 2, True) == (gateway.batches, report.duplicates, report.ok)


async def test_duplicates_are_found_across_batches(make_client):
    """A number of an earlier batch is not sent to again."""
    gateway = MemoryTransport()

    report = await make_client(gateway).send_many([*phones(5), *phones(7)], "hi", batch_size=3)

    assert {1} == set(gateway.ledger.values())
    assert (7, 5) == (report.sent, report.duplicates)


async def test_without_dedupe_duplicates_are_sent(make_client):
    """`dedupe=False` sends to each number of the input."""
    gateway = MemoryTransport()

    await make_client(gateway).send_many([A, A], "hi", dedupe=False)
    await make_client(gateway).send_many([A, "001" + A[2:]], "hi", dedupe=False)

    assert 4 == gateway.ledger[A]


@pytest.mark.parametrize("item", [None, 5, 1.5, b"+1", ["+1"], object(), Message(A, "text")])
async def test_a_wrong_typed_item_is_an_outcome(make_client, item):
    """An item that is not a string is an outcome that shows only its type."""
    report = await make_client(MemoryTransport()).send_many([A, item, B], "hello")

    assert ["SENT", "NOT_SENT", "SENT"] == [outcome.status.name for outcome in report]
    assert "INVALID_PHONE" == report[1].code


async def test_batches_have_the_size_that_was_asked_for(make_client):
    """Every batch but the last is full, and bad inputs take no place in it."""
    gateway = MemoryTransport()
    given = phones(10)
    given[4:4] = ["bad", given[0]]

    await make_client(gateway).send_many(given, "hello", batch_size=4)

    assert [4, 4, 2] == [len(batch) for batch in gateway.batches]
    assert phones(10) == [phone for batch in gateway.batches for phone in batch]


async def test_input_is_read_only_a_little_ahead(make_client):
    """Before the first answer, only the current and the next batch are read."""
    gateway = MemoryTransport(then=accepts(takes=10))
    read = []

    def numbers():
        for phone in phones(10_000):
            read.append(phone)
            yield phone

    run = asyncio.create_task(make_client(gateway).send_many(numbers(), "hi", batch_size=50))
    await asyncio.sleep(9)

    assert (100, 1) == (len(read), len(gateway.began))
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_the_loop_stays_responsive_over_duplicates(make_client):
    """The event loop runs at least once per thousand duplicates."""
    count, turns = 20_000, 0

    async with make_client(MemoryTransport()).stream_many([A] * count, "hello") as bulk:
        finishing = asyncio.create_task(bulk.finish())
        while bulk.progress.duplicates < count - 1:
            turns += 1
            await asyncio.sleep(0)
        progress = await finishing

    assert 1 == progress.sent
    assert turns >= 0.9 * count / 1_000


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("position", [0, 1, 2, 3, 4, 5, 7])
async def test_an_input_that_raises_loses_nothing(make_client, position, is_async):
    """`BulkInterrupted.report` has everything read and sent; its cause is the input's error."""
    gateway = MemoryTransport()

    def numbers():
        yield from phones(position)
        raise LookupError("of the caller")

    source = as_async(numbers()) if is_async else numbers()
    with pytest.raises(BulkInterrupted) as caught:
        await make_client(gateway).send_many(source, "hello", batch_size=2)

    report = caught.value.report
    assert isinstance(caught.value.__cause__, LookupError)
    assert position == report.total == len(report)
    assert not report.complete
    for outcome in report:
        assert gateway.ledger[outcome.phone] == (outcome.status is Status.SENT)
    assert {"INPUT_FAILED"} >= {o.code for o in report if o.status is Status.NOT_SENT}


async def test_an_iterator_that_cannot_be_made_interrupts(make_client):
    """An exception of `iter()` or `aiter()` interrupts the run when the run starts to read."""

    class Broken:
        def __iter__(self):
            raise LookupError("of the caller")

    class BrokenLater:
        def __aiter__(self):
            raise LookupError("of the caller")

    for source in (Broken(), BrokenLater()):
        bulk = make_client(MemoryTransport()).stream_many(source, "hello")
        async with bulk:
            with pytest.raises(BulkInterrupted) as caught:
                await bulk.finish()

        assert isinstance(caught.value.__cause__, LookupError)
        assert 0 == caught.value.report.total


async def test_the_source_is_read_and_closed_by_one_task(make_client):
    """An async generator is started, read and closed in the same task, even when stopped."""
    seen = []

    async def numbers():
        try:
            for phone in phones(1000):
                seen.append(asyncio.current_task())
                yield phone
        finally:
            seen.append(asyncio.current_task())
            seen.append("closed")

    async with make_client(MemoryTransport()).stream_many(numbers(), "hi", batch_size=1) as bulk:
        async for _ in bulk:
            break

    assert "closed" == seen.pop()
    assert 1 == len(set(seen))


async def test_a_generator_is_closed_within_the_block(make_client):
    """A generator's `finally` runs before the block ends."""
    ended = []

    def numbers():
        try:
            yield from phones(1000)
        finally:
            ended.append(True)

    async with make_client(MemoryTransport()).stream_many(numbers(), "hi", batch_size=1) as bulk:
        await anext(bulk)

    assert [True] == ended


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_source_that_fails_to_close_interrupts(make_client, is_async):
    """An exception of a generator that is being closed interrupts the run."""

    def numbers():
        try:
            yield from phones(1000)
        finally:
            raise LookupError("while closing")

    async def async_numbers():
        try:
            for phone in phones(1000):
                yield phone
        finally:
            raise LookupError("while closing")

    source = async_numbers() if is_async else numbers()
    client = make_client(MemoryTransport())
    with pytest.raises(BulkInterrupted) as caught:
        await client.send_many(source, "hello", batch_size=1, stop_after=1)

    assert isinstance(caught.value.__cause__, LookupError)


async def test_an_input_may_stop_its_run(make_client):
    """An input that calls `stop` and ends loses no answer in flight."""
    gateway = MemoryTransport(then=accepts(takes=3))
    runs = []

    def numbers():
        yield from phones(2)
        runs[0].stop()

    bulk = make_client(gateway).stream_many(numbers(), "hello", batch_size=2)
    runs.append(bulk)
    async with bulk:
        outcomes = [outcome async for outcome in bulk]

    assert [Status.SENT] * 2 == [outcome.status for outcome in outcomes]


async def test_an_async_input_may_stop_its_run(make_client):
    """An async input that calls `stop` is interrupted at its next await."""
    gateway = MemoryTransport(then=accepts(takes=3))
    runs = []

    async def numbers():
        for phone in phones(2):
            yield phone
        runs[0].stop()
        await asyncio.sleep(1000)

    bulk = make_client(gateway).stream_many(numbers(), "hello", batch_size=2)
    runs.append(bulk)
    began_at = now()
    async with bulk:
        progress = await bulk.finish()

    assert (2, "STOPPED", False) == (progress.sent, progress.stopped, progress.complete)
    assert 3 == pytest.approx(now() - began_at)


async def test_a_custom_parser_may_raise(make_client):
    """Whatever `parse_phone` raises or returns, the item has an outcome."""

    def parse(phone):
        return {"a": A, "b": "nonsense"}[phone]

    client = make_client(MemoryTransport(), parse_phone=parse)
    report = await client.send_many(["a", "b", "c", None], "hello")

    assert [None, "INVALID_PHONE", "INVALID_PHONE", "INVALID_PHONE"] == [o.code for o in report]


class WatchedPhone(str):
    """A number of which a test can see whether it is still in memory."""

    __slots__ = ("__weakref__",)


@pytest.fixture
def no_collector():
    """Switch the collector of cycles off, so that only reference counts free memory."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("dedupe", [True, False])
async def test_a_request_frees_its_numbers_as_soon_as_it_has_ended(make_client, dedupe):
    """Memory holds the numbers in flight, not those that wait for a garbage collection."""
    gateway, alive, most = MemoryTransport(), weakref.WeakSet(), 0

    def watched():
        nonlocal most
        for number in range(50):
            gateway.began.clear()
            gateway.started.clear()
            alive.add(phone := WatchedPhone(f"+12125550{number:03}"))
            most = max(most, len(alive))
            yield phone
            del phone

    client = make_client(gateway)

    report = await client.send_many(watched(), "hi", batch_size=1, max_in_flight=1, dedupe=dedupe)

    assert report.sent == 50
    assert 4 >= most
