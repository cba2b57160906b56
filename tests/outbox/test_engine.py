"""The contract of an engine: transactions, on every database."""

import asyncio
import sqlite3

import pytest

from customersms_async.outbox._core.errors import OutboxError
from customersms_async.outbox._core.job import (
    Change,
    Gather,
    Insert,
    Light,
    Many,
    NewIds,
    Query,
    Undo,
    Update,
)
from customersms_async.outbox._core.migrate import read_meta, write_meta
from customersms_async.outbox._core.schema import MIGRATIONS
from tests.support.outbox_jobs import Steps, make_rows


def write_then(what):
    yield from write_meta("tried", "yes")
    if isinstance(what, BaseException):
        raise what
    return what


async def test_a_job_returns_its_result(engine):
    """The return value of the generator is the result of the job."""
    await engine.open()

    assert "done" == await engine.run(write_then("done"))
    assert "yes" == await engine.run(read_meta("tried"))


@pytest.mark.parametrize("exc", [RuntimeError("bug"), Undo("taken back")])
async def test_an_exception_rolls_back(engine, exc):
    """After an exception or an `Undo`, nothing was written."""
    await engine.open()

    try:
        answer = await engine.run(write_then(exc))
    except RuntimeError:
        answer = "taken back"

    assert ("taken back", None) == (answer, await engine.run(read_meta("tried")))


async def test_two_engines_see_committed_rows(make_engine):
    """A second process finds the tables and their rows."""
    first, second = make_engine(), make_engine()
    await first.open()
    await first.run(write_then(None))

    await second.open()

    assert "yes" == await second.run(read_meta("tried"))


async def test_opening_concurrently(make_engine):
    """The migrations run once even if several engines open the database."""
    engines = [make_engine() for _ in range(3)]

    await asyncio.gather(*(engine.open() for engine in engines))

    newest = str(len(MIGRATIONS))
    assert [newest] * 3 == [await engine.run(read_meta("schema")) for engine in engines]


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_a_new_file_that_is_being_created(engine, database):
    """Opening waits, although SQLite itself reports at once that the file is busy."""
    other = sqlite3.connect(database[0], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    opening = asyncio.create_task(engine.open())
    await asyncio.wait([opening], timeout=0.1)
    other.execute("COMMIT")
    other.close()
    await opening

    assert str(len(MIGRATIONS)) == await engine.run(read_meta("schema"))


async def test_a_newer_schema_is_refused(make_engine):
    """A schema of a later version is refused and not changed."""
    first, second = make_engine(), make_engine()
    await first.open()
    await first.run(write_meta("schema", "99"))

    with pytest.raises(OutboxError, match=r"has schema 99.*update customersms-async"):
        await second.open()


async def test_a_closed_engine_refuses_jobs(engine):
    """Outside its block an engine raises an error that says so."""
    await engine.open()
    await engine.aclose()
    await engine.aclose()

    with pytest.raises(RuntimeError, match="async with"):
        await engine.run(read_meta("schema"))


async def test_new_ids_are_unique_and_ascending(engine):
    """Reserved ids belong to one job."""
    await engine.open()

    def reserve():
        ids = yield NewIds("sms_batch", 3)
        columns = ("id", "campaign", "state", "size", "text")
        yield Insert("sms_batch", columns, [(new, 1, "queued", 1, "x") for new in ids])
        return list(ids)

    first, second = await engine.run(reserve()), await engine.run(reserve())

    assert sorted({*first, *second}) == first + second


async def test_a_list_as_a_parameter(engine):
    """`= ANY(?)` accepts numbers, texts and an empty list."""
    campaign = (await Steps(engine).open()).id

    def ask(column, values):
        return (
            yield Query(f"SELECT count(*) FROM sms_campaign WHERE {column} = ANY(?)", (values,))
        )

    assert [1, 1, 0] == [
        (await engine.run(ask(column, values)))[0][0]
        for column, values in (("id", [campaign, 99]), ("name", ["parents"]), ("id", []))
    ]


async def test_a_change_returns_the_number_of_rows(engine):
    """`Change` returns how many rows it changed, which the fence relies on."""
    await engine.open()

    def change():
        yield Change("INSERT INTO sms_meta (name, value) VALUES (?, ?), (?, ?)", ("a", "", "b", ""))
        none = yield Change("UPDATE sms_meta SET value = ? WHERE name = ?", ("x", "nobody"))
        two = yield Change("UPDATE sms_meta SET value = ? WHERE value = ?", ("x", ""))
        return none, two

    assert (0, 2) == await engine.run(change())


async def test_a_cancelled_job_is_atomic(engine):
    """Whenever a job is cancelled, the counts agree with the rows."""
    steps = await Steps(engine).open()
    for turn in range(5):
        task = asyncio.create_task(steps.add(make_rows(50, first=50 * turn)))
        for _ in range(turn):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    counts = await steps.counts()

    assert counts.queued == len(await steps.lines())
    assert 0 == counts.queued % 50


async def test_two_workers_never_claim_the_same_message(make_engine):
    """Each message is claimed once, in any order of transactions."""
    one = await Steps(make_engine(), token="w1").open()
    two = await Steps(make_engine(), token="w2").open()
    await one.add(make_rows(40, personal=True))

    async def take_all(steps):
        taken, after, empty = [], 0, 0
        while empty < 3:  # rows locked by another transaction are skipped, and may be released
            claim = await steps.claim(after)
            empty = 0 if claim else empty + 1
            taken += claim.messages if claim else ()
        return taken

    first, second = await asyncio.gather(take_all(one), take_all(two))

    assert sorted(first + second) == [line.id for line in await one.lines()]


async def test_the_identity_of_a_database(make_engine):
    """Two connections to one database have the same identity."""
    first, second = make_engine(), make_engine()
    await first.open()
    await second.open()

    assert await first.identity() == await second.identity()


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_ids_that_are_not_contiguous(engine):
    """Each id is fetched if others take ids in between."""

    def reserve():
        yield Change("ALTER TABLE sms_batch ALTER COLUMN id SET INCREMENT BY 2")
        ids = yield NewIds("sms_batch", 3)
        none = yield NewIds("sms_batch", 0)
        return list(ids), list(none)

    await engine.open()
    ids, none = await engine.run(reserve())

    assert [0, 2, 4] == [one - ids[0] for one in ids]
    assert [] == none


def each(*steps):
    """Run the steps, and return the answer of the last one."""
    answer = None
    for step in steps:
        answer = yield step
    return answer


def add_messages(count):
    """Add messages in batches of three."""
    columns = ("id", "campaign", "batch", "phone")
    yield Insert("sms_message", columns, [(n, 1, n // 3, f"+1{n}") for n in range(1, count + 1)])


@pytest.mark.parametrize("count", [1, 99, 100, 2345])
async def test_any_number_of_rows_is_written(engine, count):
    """Any number of rows is inserted completely and unchanged."""
    await engine.open()
    await engine.run(add_messages(count))

    query = "SELECT count(*), min(id), max(id), sum(batch), min(phone) FROM sms_message"
    ((*seen, batches, phone),) = await engine.run(each(Query(query)))

    assert [count, 1, count] == seen
    assert (sum(n // 3 for n in range(1, count + 1)), "+11") == (batches, phone)


@pytest.mark.parametrize(
    "rows",
    [
        [("sent", "m-1", 1), ("sent", "m-2", 2), ("sent", None, 3)],
        [("sent", "m-1", 1), ("rejected", "m-2", 2), ("sent", "ü'\"", 3)],
        [("sent", "m-2", 2)],
    ],
    ids=["alike", "different", "one"],
)
async def test_each_message_gets_its_own_values(engine, rows):
    """Each message is updated with the values of its own row, equal or not."""
    await engine.open()
    await engine.run(add_messages(4))

    await engine.run(each(Update(("status", "message_id"), rows)))
    told = await engine.run(
        each(Query("SELECT status, message_id, id FROM sms_message WHERE status IS NOT NULL"))
    )

    assert rows == sorted((tuple(row) for row in told), key=lambda row: row[-1])


async def test_rows_are_read_as_lists(engine):
    """`Gather` returns a list per column and key, in one order, and nothing for a missing key."""
    await engine.open()
    columns = ("id", "campaign", "batch", "phone")
    rows = [(1, 1, 7, "+1,2"), (2, 1, 8, 'ü"'), (3, 1, 7, "+3"), (4, 1, 9, "+4")]
    await engine.run(each(Insert("sms_message", columns, rows)))

    told = await engine.run(each(Gather("sms_message", "batch", [7, 8, 99], ("id", "phone"))))

    found = {batch: sorted(zip(ids, phones, strict=True)) for batch, ids, phones in told}
    assert {7: [(1, "+1,2"), (3, "+3")], 8: [(2, 'ü"')]} == found


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_only_a_light_job_skips_the_sync(engine):
    """A light job's commit does not sync (1); that of any other job does (2)."""
    await engine.open()

    light = await engine.run(each(Light(), Query("PRAGMA synchronous")))
    after = await engine.run(each(Query("PRAGMA synchronous")))

    assert ([(1,)], [(2,)]) == (light, after)


class Looking:
    """An engine that records, at the end of each job, how its commit will sync."""

    def __init__(self, engine):
        self.engine = engine
        self.seen = {}

    async def run(self, job):
        return await self.engine.run(self._followed(job))

    def _followed(self, job):
        result = yield from job
        ((self.seen[job.__name__],),) = yield Query("PRAGMA synchronous")
        return result


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_only_the_fence_of_a_request_is_synced(engine):
    """A power cut may make a settled message unknown, but never unsend one."""
    steps = await Steps(engine).open()
    await steps.add(make_rows(2))
    steps.engine = looking = Looking(engine)

    claim = await steps.claim()
    await steps.fence(claim)
    await steps.settle(claim)

    assert {"register": 2, "claim": 1, "fence": 2, "settle": 1} == looking.seen


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_the_log_is_long_only_while_rows_are_added(engine):
    """The write-ahead log grows while rows are added, and is kept short otherwise."""
    await engine.open()

    added = await engine.run(each(Many(), Query("PRAGMA wal_autocheckpoint")))
    after = await engine.run(each(Query("PRAGMA wal_autocheckpoint")))

    assert ([(16384,)], [(1000,)]) == (added, after)


async def test_a_light_job_is_committed(make_engine):
    """What a light job writes is visible to others at once, and can be rolled back."""
    first, second = make_engine(), make_engine()
    await first.open()
    await second.open()

    await first.run(each(Light(), Insert("sms_meta", ("name", "value"), [("light", "yes")])))
    with pytest.raises(OutboxError):
        await first.run(each(Light(), Change("UPDATE sms_meta SET value = NULL")))

    assert "yes" == await second.run(read_meta("light"))


def test_an_engine_serves_one_loop_after_another(make_engine):
    """An outbox that is made at import time works from one `asyncio.run` to the next."""
    engine = make_engine()

    async def main():
        await engine.open()
        await engine.wait_for_change(0.1)
        await engine.aclose()

    for _ in range(2):
        asyncio.run(main())
