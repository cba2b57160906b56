"""The input of a synchronous bulk run is read in the caller's thread, and nothing is lost."""

import itertools
import sqlite3
import threading
from collections.abc import Iterator

import pytest

from customersms_async import BulkInterrupted, Status
from customersms_async.sync import CustomerSMS

NUMBERS = [f"+1212555{n:04d}" for n in range(250)]


@pytest.fixture
def sms(sms_sandbox):
    """A client of the sandbox."""
    with CustomerSMS() as client:
        yield client


class Query:
    """A collection that runs code when it is read, like a query of an ORM."""

    def __init__(self, numbers: list[str], fails_at: int | None = None) -> None:
        self.numbers = numbers
        self.fails_at = fails_at
        self.threads: set[int] = set()

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[str]:
        for n, number in enumerate(self.numbers):
            self.threads.add(threading.get_ident())
            if n == self.fails_at:
                raise OSError("the database is away")
            yield number


class Generator:
    """A generator that records the threads in which it was read and closed."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.given = 0
        self.is_closed = False

    def read(self, numbers: list[str] = NUMBERS) -> Iterator[str]:
        try:
            for number in numbers:
                self.threads.append(threading.get_ident())
                self.given += 1
                yield number
        finally:
            self.threads.append(threading.get_ident())
            self.is_closed = True


def test_a_generator(sms):
    """A generator is read and closed in the caller's thread."""
    source = Generator()
    report = sms.send_many(source.read(), "Hello")

    assert (250, True) == (report.sent, source.is_closed)
    assert {threading.get_ident()} == set(source.threads)


def test_a_generator_of_a_stream(sms):
    """A generator is read in the thread that iterates, and closed there on a stop."""
    source = Generator()
    with sms.stream_many(source.read(), "Hello", batch_size=10, max_in_flight=1) as bulk:
        next(bulk)

    assert source.is_closed
    assert {threading.get_ident()} == set(source.threads)
    assert source.given < 250


def test_everything_read_has_a_fate(sms, sms_sandbox):
    """Each number that a stopped run has read from a generator has a fate."""
    source = Generator()
    with sms.stream_many(source.read(), "Hello", batch_size=10, max_in_flight=2) as bulk:
        for outcome in bulk:
            if outcome.index == 50:
                bulk.stop()

    assert source.given == bulk.progress.total
    assert len(sms_sandbox.messages) == bulk.progress.sent


def test_a_cursor_bound_to_its_thread(sms):
    """A cursor of SQLite, which only its own thread may use, can be the input."""
    database = sqlite3.connect(":memory:")
    database.execute("create table numbers (phone text)")
    database.executemany("insert into numbers values (?)", [(number,) for number in NUMBERS])
    rows = database.execute("select phone from numbers")
    report = sms.send_many((phone for (phone,) in rows), "Hello")
    database.close()

    assert 250 == report.sent


def test_a_collection_that_runs_code(sms):
    """The result of a query is read in the caller's thread, and reported in full."""
    query = Query(NUMBERS[:5])
    report = sms.send_many(query, "Hello", stop_after=60)

    assert ({threading.get_ident()}, 5) == (query.threads, report.total)


def test_a_collection_that_raises(sms):
    """Items before the error are sent, as with any iterable."""
    with pytest.raises(BulkInterrupted) as caught:
        sms.send_many(Query(NUMBERS, fails_at=3), "Hello")

    assert (3, "the database is away") == (
        caught.value.report.total,
        str(caught.value.__cause__),
    )


class Refuses:
    """An iterable whose `__iter__` raises."""

    def __iter__(self) -> Iterator[str]:
        raise StopIteration


def test_an_iter_that_raises_stop_iteration(sms):
    """StopIteration raised by `__iter__` is an error, and not an empty input."""
    with pytest.raises(BulkInterrupted) as caught:
        sms.send_many(Refuses(), "Hello")

    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_slow_source(sms, sms_sandbox):
    """Items are sent although the next one is not there yet."""
    sent = threading.Event()

    def numbers() -> Iterator[str]:
        yield NUMBERS[0]
        sms_sandbox.wait(phone=NUMBERS[0])
        sent.set()
        yield NUMBERS[1]
        sms_sandbox.wait(phone=NUMBERS[1])
        yield NUMBERS[2]

    assert 3 == sms.send_many(numbers(), "Hello").sent
    assert sent.is_set()


def test_an_item_read_while_the_run_stops(sms):
    """An item that is being read when the run stops has a fate."""
    begun, free = threading.Event(), threading.Event()

    def numbers() -> Iterator[str]:
        yield from NUMBERS[:20]
        begun.set()
        free.wait(10)
        yield NUMBERS[20]

    def stop() -> None:
        begun.wait(10)
        bulk.stop()
        free.set()

    stopper = threading.Thread(target=stop)
    with sms.stream_many(numbers(), "Hello", batch_size=10) as bulk:
        stopper.start()
        outcomes = list(bulk)
    stopper.join()

    assert list(range(21)) == sorted(outcome.index for outcome in outcomes)


def test_a_generator_that_raises_while_closing(sms):
    """An exception while closing is the cause of `BulkInterrupted`."""

    def numbers() -> Iterator[str]:
        try:
            for n in itertools.count():
                if n == 1:
                    bulk.stop()
                yield f"+1212{n:07d}"
        finally:
            raise OSError("cannot be closed")

    bulk = sms.stream_many(numbers(), "Hello")
    with pytest.raises(BulkInterrupted) as caught, bulk:
        bulk.finish()

    assert isinstance(caught.value.__cause__, OSError)


def test_a_run_that_stops_at_once(sms, sms_sandbox):
    """A stopped run reports every item of a collection, read in the caller's thread."""
    sms_sandbox.credits = 0
    query = Query(NUMBERS)
    report = sms.send_many(query, "Hello")

    assert (250, 0) == (report.total, report.sent)
    assert {threading.get_ident()} == query.threads


def test_plain_containers(sms, sms_sandbox):
    """Lists, tuples, sets, dicts and comma-separated strings are accepted."""
    for numbers in (NUMBERS[:1], tuple(NUMBERS[1:2]), {NUMBERS[2]}, {NUMBERS[3]: 1}, NUMBERS[4]):
        report = sms.send_many(numbers, "Hello")
        assert [Status.SENT] == [outcome.status for outcome in report]

    assert set(NUMBERS[:5]) == {message.phone for message in sms_sandbox.messages}


async def numbers_by_and_by():
    for number in NUMBERS[:3]:
        yield number


def test_an_async_iterable(sms):
    """An asynchronous iterable is read in the background loop."""
    assert 3 == sms.send_many(numbers_by_and_by(), "Hello").sent
