"""The contract of an engine: what a transaction is, on every database."""

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
from tests.support.outbox import Steps, make_rows


def write_then(what):
    yield from write_meta("tried", "yes")
    if isinstance(what, BaseException):
        raise what
    return what


async def test_a_job_gives_its_result(engine):
    """What the generator returns is the answer."""
    await engine.open()

    assert "done" == await engine.run(write_then("done"))
    assert "yes" == await engine.run(read_meta("tried"))


@pytest.mark.parametrize("exc", [RuntimeError("bug"), Undo("taken back")])
async def test_what_raises_is_taken_back(engine, exc):
    """Neither a fault nor an `Undo` leaves anything behind."""
    await engine.open()

    try:
        answer = await engine.run(write_then(exc))
    except RuntimeError:
        answer = "taken back"

    assert ("taken back", None) == (answer, await engine.run(read_meta("tried")))


async def test_two_engines_see_what_was_committed(make_engine):
    """The second process finds the tables and what is in them."""
    first, second = make_engine(), make_engine()
    await first.open()
    await first.run(write_then(None))

    await second.open()

    assert "yes" == await second.run(read_meta("tried"))


async def test_opened_at_the_same_time(make_engine):
    """The migrations are carried out once."""
    engines = [make_engine() for _ in range(3)]

    await asyncio.gather(*(engine.open() for engine in engines))

    assert ["2"] * 3 == [await engine.run(read_meta("schema")) for engine in engines]


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_a_new_file_that_another_is_making(engine, database):
    """It is waited for, though SQLite itself says at once that it is busy."""
    other = sqlite3.connect(database[0], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    opening = asyncio.create_task(engine.open())
    await asyncio.wait([opening], timeout=0.1)
    other.execute("COMMIT")
    other.close()
    await opening

    assert "2" == await engine.run(read_meta("schema"))


async def test_a_newer_schema_is_refused(make_engine):
    """An old release does not touch what it does not know."""
    first, second = make_engine(), make_engine()
    await first.open()
    await first.run(write_meta("schema", "99"))

    with pytest.raises(OutboxError, match=r"has schema 99.*update customersms-async"):
        await second.open()


async def test_closed_it_refuses_by_name(engine):
    """Outside the block nothing is asked."""
    await engine.open()
    await engine.aclose()
    await engine.aclose()

    with pytest.raises(RuntimeError, match="async with"):
        await engine.run(read_meta("schema"))


async def test_ids_are_new_and_ascending(engine):
    """Reserved ids belong to one job."""
    await engine.open()

    def reserve():
        ids = yield NewIds("sms_batch", 3)
        columns = ("id", "campaign", "state", "size", "text")
        yield Insert("sms_batch", columns, [(new, 1, "queued", 1, "x") for new in ids])
        return list(ids)

    first, second = await engine.run(reserve()), await engine.run(reserve())

    assert sorted({*first, *second}) == first + second


async def test_a_list_is_an_argument(engine):
    """`= ANY(?)` takes numbers and texts, and an empty list."""
    campaign = (await Steps(engine).open()).id

    def ask(column, values):
        return (
            yield Query(f"SELECT count(*) FROM sms_campaign WHERE {column} = ANY(?)", (values,))
        )

    assert [1, 1, 0] == [
        (await engine.run(ask(column, values)))[0][0]
        for column, values in (("id", [campaign, 99]), ("name", ["parents"]), ("id", []))
    ]


async def test_a_change_says_how_many_rows_it_touched(engine):
    """The fence rests on it."""
    await engine.open()

    def change():
        yield Change("INSERT INTO sms_meta (name, value) VALUES (?, ?), (?, ?)", ("a", "", "b", ""))
        none = yield Change("UPDATE sms_meta SET value = ? WHERE name = ?", ("x", "nobody"))
        two = yield Change("UPDATE sms_meta SET value = ? WHERE value = ?", ("x", ""))
        return none, two

    assert (0, 2) == await engine.run(change())


async def test_a_cancelled_job_is_whole_or_not_at_all(engine):
    """Whenever its task is cancelled, the counts agree with the rows."""
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


async def test_two_workers_never_claim_the_same(make_engine):
    """Whatever the order of their transactions, each message is claimed once."""
    one = await Steps(make_engine(), token="w1").open()
    two = await Steps(make_engine(), token="w2").open()
    await one.add(make_rows(40, personal=True))

    async def take_all(steps):
        taken, after, empty = [], 0, 0
        while empty < 3:  # what another transaction holds is passed by, and may come back
            claim = await steps.claim(after)
            empty = 0 if claim else empty + 1
            taken += claim.messages if claim else ()
        return taken

    first, second = await asyncio.gather(take_all(one), take_all(two))

    assert sorted(first + second) == [line.id for line in await one.lines()]


async def test_the_place_of_the_data_has_a_name(make_engine):
    """Two connections to one database give the same."""
    first, second = make_engine(), make_engine()
    await first.open()
    await second.open()

    assert await first.identity() == await second.identity()


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_ids_that_are_not_in_one_piece(engine):
    """Where others take ids from between, each is asked for."""

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
    """Carry steps out, and give the answer of the last one."""
    answer = None
    for step in steps:
        answer = yield step
    return answer


def add_messages(count):
    """Write so many messages into batches of three."""
    columns = ("id", "campaign", "batch", "phone")
    yield Insert("sms_message", columns, [(n, 1, n // 3, f"+1{n}") for n in range(1, count + 1)])


@pytest.mark.parametrize("count", [1, 99, 100, 2345])
async def test_any_number_of_rows_is_written(engine, count):
    """Rows go in, in as many statements as it takes, each of them once and as it was given."""
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
async def test_messages_are_written_each_with_its_own(engine, rows):
    """Whether the rows are alike or not, each message gets what stands in its row, no other one."""
    await engine.open()
    await engine.run(add_messages(4))

    await engine.run(each(Update(("status", "message_id"), rows)))
    told = await engine.run(
        each(Query("SELECT status, message_id, id FROM sms_message WHERE status IS NOT NULL"))
    )

    assert rows == sorted((tuple(row) for row in told), key=lambda row: row[-1])


async def test_rows_are_read_as_lists(engine):
    """A list for each column of each key, in one order; nothing of a key that has no rows."""
    await engine.open()
    columns = ("id", "campaign", "batch", "phone")
    rows = [(1, 1, 7, "+1,2"), (2, 1, 8, 'ü"'), (3, 1, 7, "+3"), (4, 1, 9, "+4")]
    await engine.run(each(Insert("sms_message", columns, rows)))

    told = await engine.run(each(Gather("sms_message", "batch", [7, 8, 99], ("id", "phone"))))

    found = {batch: sorted(zip(ids, phones, strict=True)) for batch, ids, phones in told}
    assert {7: [(1, "+1,2"), (3, "+3")], 8: [(2, 'ü"')]} == found


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_only_a_light_job_does_not_wait_for_the_disk(engine):
    """A claim's commit waits for no disk (1), that of every job after it does (2)."""
    await engine.open()

    light = await engine.run(each(Light(), Query("PRAGMA synchronous")))
    after = await engine.run(each(Query("PRAGMA synchronous")))

    assert ([(1,)], [(2,)]) == (light, after)


class Looking:
    """An engine that looks, at the end of each job, how its commit will wait for the disk."""

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
async def test_of_a_request_the_fence_alone_waits_for_the_disk(engine):
    """A power cut may make a settled message unknown, and never lets one be sent again."""
    steps = await Steps(engine).open()
    await steps.add(make_rows(2))
    steps.engine = looking = Looking(engine)

    claim = await steps.claim()
    await steps.fence(claim)
    await steps.settle(claim)

    assert {"register": 2, "claim": 1, "fence": 2, "settle": 1} == looking.seen


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_the_log_is_long_only_while_rows_are_added(engine):
    """So that it is written over and over, and does not grow."""
    await engine.open()

    added = await engine.run(each(Many(), Query("PRAGMA wal_autocheckpoint")))
    after = await engine.run(each(Query("PRAGMA wal_autocheckpoint")))

    assert ([(16384,)], [(1000,)]) == (added, after)


async def test_a_light_job_is_committed(make_engine):
    """What a light job has written is there for others at once, and what it takes back is not."""
    first, second = make_engine(), make_engine()
    await first.open()
    await second.open()

    await first.run(each(Light(), Insert("sms_meta", ("name", "value"), [("light", "yes")])))
    with pytest.raises(OutboxError):
        await first.run(each(Light(), Change("UPDATE sms_meta SET value = NULL")))

    assert "yes" == await second.run(read_meta("light"))
