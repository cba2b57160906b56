"""A database that is unavailable for ten seconds, in several ways."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time

import pytest

from customersms_async import Message
from customersms_async.outbox import Campaign
from customersms_async.outbox._postgres import PostgresEngine
from customersms_async.outbox._sqlite import SqliteEngine
from tests.support.crash_notes import note
from tests.support.outbox_gateway import BATCH, Ledger, context_of, work
from tests.support.postgres import PostgresServer

NUMBERS, SECONDS = 60, 10.0

pytestmark = pytest.mark.slow


async def fill(engine):
    """Add the numbers to the campaign."""
    await engine.open()
    messages = [Message(f"+1212{n:07}", "hi", f"row-{n}") for n in range(NUMBERS)]
    await Campaign(context_of(engine), "tonight").add(messages, batch_size=BATCH)
    await engine.aclose()


async def run(make_engine, leave, come_back):
    """Send while the database is unavailable from the third request on; return the results."""
    returns = []

    async def strike(point, number):
        if (point, number) == ("received", 3):
            await asyncio.to_thread(leave)
            asyncio.get_running_loop().call_later(SECONDS, come_back)
            returns.append(time.monotonic() + SECONDS)

    async with Ledger(strike, takes=0.05) as ledger:
        progress = await work(make_engine(), ledger.endpoint, max_in_flight=2)
    assert time.monotonic() > returns[0]
    return progress, ledger


def judge(progress, ledger):
    """Every number was sent to once, and no fate is unknown."""
    doubled = sum(count > 1 for count in ledger.sent.values())
    lost = NUMBERS - len(ledger.sent)
    note(sent=progress.sent, unknown=progress.unknown, doubled=doubled, lost=lost)
    assert (NUMBERS, 0, True) == (progress.sent, progress.unknown, progress.complete)
    assert (NUMBERS, {1}) == (len(ledger.sent), set(ledger.sent.values()))


async def test_a_file_that_another_process_has_locked(tmp_path):
    """SQLite waits for the lock, gives up after ten seconds, and is asked again."""
    path = str(tmp_path / "outbox.db")
    await fill(SqliteEngine(path, "sms_"))
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    with contextlib.closing(other):
        judge(*await run(lambda: SqliteEngine(path, "sms_"), lambda: _lock(other), other.rollback))


def _lock(connection):
    connection.execute("PRAGMA busy_timeout = 10000")
    connection.execute("BEGIN IMMEDIATE")


@pytest.mark.parametrize(("leave", "come_back"), [("kill", "start"), ("freeze", "thaw")])
async def test_a_server_that_is_unavailable(leave, come_back):
    """A run continues after a server refused connections or was stopped."""
    server = PostgresServer()
    server.start()
    threads = []

    def back():
        threads.append(asyncio.create_task(asyncio.to_thread(getattr(server, come_back))))

    try:
        await fill(PostgresEngine(server.url, "sms_"))
        judge(*await run(lambda: PostgresEngine(server.url, "sms_"), getattr(server, leave), back))
        await threads[0]
    finally:
        server.close()
