"""Errors of the database: which are temporary, and what the others say."""

import asyncio
import traceback

import pytest

from customersms_async import Message, StopRules
from customersms_async.outbox import Campaign, Outbox, OutboxError, OutboxUnavailable
from customersms_async.outbox._core.faults import from_postgres, from_sqlite
from customersms_async.outbox._core.job import Change, Insert
from customersms_async.outbox._postgres import PostgresEngine
from tests.support.outbox_gateway import BATCH, Ledger, context_of, work


@pytest.mark.parametrize(
    "code", ["", "08006", "40001", "53100", "57P01", "57P03", "58030", "25006", "55P03", "0A000"]
)
def test_temporary_errors_of_postgresql(code):
    """Connections, shutdowns, full disks, conflicts and locks are retried."""
    assert isinstance(from_postgres("SomeError", code, "words"), OutboxUnavailable)


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        ("28P01", "check user, password"),
        ("3D000", "name of the database"),
        ("57P04", "name of the database"),
        ("42501", "grant the user"),
        ("42P01", r"outbox\.schema\(\)"),
        ("26000", "pools by session"),
        ("42P05", "pools by session"),
        ("23505", "report it"),
        ("XX001", "report it"),
    ],
)
def test_permanent_errors_of_postgresql(code, cure):
    """Each error says what a person can do about it."""
    error = from_postgres("SomeError", code, "words")

    assert not isinstance(error, OutboxUnavailable)
    with pytest.raises(OutboxError, match=cure):
        raise error


@pytest.mark.parametrize("code", ["22P02", "23505", "XX000"])
def test_messages_that_may_quote_a_row_are_left_out(code):
    """An error message that may contain a number or a text is not passed on."""
    assert "+12125550101" not in str(from_postgres("SomeError", code, "bad +12125550101"))


@pytest.mark.parametrize("code", [5, 6, 10, 13, 14, 10 | 4 << 8])
def test_temporary_errors_of_sqlite(code):
    """A lock, a full disk and a file that cannot be reached are retried."""
    assert isinstance(from_sqlite("OperationalError", code, "words"), OutboxUnavailable)


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (1, r"outbox\.schema\(\)"),
        (8 | 3 << 8, "write to the file"),
        (11, "put a backup"),
        (26, "another path"),
        (19, "report it"),
        (None, "report it"),
    ],
)
def test_permanent_errors_of_sqlite(code, cure):
    """Each error says what a person can do about it."""
    error = from_sqlite("DatabaseError", code, "words")

    assert not isinstance(error, OutboxUnavailable)
    with pytest.raises(OutboxError, match=cure):
        raise error


async def fill(engine, count=4 * BATCH):
    """Add some numbers."""
    await engine.open()
    campaign = Campaign(context_of(engine), "tonight")
    messages = [Message(f"+1212{n:07}", "hi", f"row-{n}") for n in range(count)]
    await campaign.add(messages, batch_size=BATCH)
    return campaign


def drop(table):
    """Drop a table."""
    yield Change(f"DROP TABLE {table}")


@pytest.mark.parametrize("call", ["status", "withdraw"])
async def test_a_missing_table(engine, call):
    """The error names campaign, table and remedy."""
    campaign = await fill(engine)
    await engine.run(drop("sms_batch"))
    calls = {"status": campaign.status, "withdraw": lambda: campaign.withdraw(["row-0"])}

    with pytest.raises(OutboxError) as caught:
        await calls[call]()

    said = str(caught.value)
    assert not isinstance(caught.value, OutboxUnavailable)
    assert "tonight" == caught.value.campaign
    assert said.startswith("campaign 'tonight': ")
    assert "_batch" in said
    assert "outbox.schema()" in said


@pytest.mark.parametrize("table", ["sms_worker", "sms_message"])
async def test_a_table_dropped_during_a_run(make_engine, table):
    """The run ends at once, although its rules allow an hour of outage."""
    engine = make_engine()
    await fill(engine)

    async def strike(point, number):
        if (point, number) == ("received", 2):
            await engine.run(drop(table))

    async with Ledger(strike, takes=0.05) as ledger, asyncio.timeout(20):
        with pytest.raises(OutboxError, match="refused a statement") as caught:
            await work(make_engine(), ledger.endpoint, stop=StopRules(outage=3600), max_in_flight=1)

    assert not isinstance(caught.value, OutboxUnavailable)
    assert {1} >= set(ledger.sent.values())


@pytest.mark.parametrize("kind", ["postgresql"])
@pytest.mark.parametrize(
    ("setting", "said"),
    [("sslmode=safe", "must be one of"), ("connect_timeout=10", "connect_timeout")],
)
async def test_a_setting_that_is_unknown(database, setting, said):
    """The error says what is wrong behind the question mark of the URL."""
    engine = PostgresEngine(f"{database[0]}?{setting}", "sms_")

    with pytest.raises(OutboxError, match=f"{said}.*check what stands behind"):
        await engine.open()

    await engine.aclose()


async def test_a_violation_quotes_no_row(engine):
    """Neither the error nor its cause contains the row."""
    await fill(engine, 1)

    with pytest.raises(OutboxError) as caught:
        await engine.run(_same_ref())

    assert "4711" not in "".join(traceback.format_exception(caught.value))


def _same_ref():
    row = (1, "row-0", "+12125554711")
    yield Insert("sms_message", ("campaign", "ref", "phone"), [row, row])


async def test_a_file_that_is_not_a_database(tmp_path):
    """The error names it and says to choose another path, and the file is not changed."""
    path = tmp_path / "a.db"
    path.write_text("a letter, not a database " * 100)

    with pytest.raises(OutboxError, match=r"a\.db.*choose another path"):
        async with Outbox(path):
            pass

    assert path.read_text().startswith("a letter")
