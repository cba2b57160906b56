"""
A campaign that tests interrupt: ``stream ENDPOINT FILE`` or ``journal ENDPOINT DATABASE``.

``stream`` writes each outcome to a file, and the leftovers at the end. ``journal`` keeps its state
in SQLite, and repeating the command continues where the last one ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from customersms_async import Batch, CustomerSMS, LocalLimiter, Outcome, Rate

KEY = "cspro_campaign"
COUNT = 2_000
BATCH_SIZE = 10


def numbers() -> list[str]:
    return [f"+1212{n:07}" for n in range(COUNT)]


def say_begun() -> None:
    """Tell the test that the run has started."""
    sys.stdout.write("begun\n")
    sys.stdout.flush()


def unpaced() -> LocalLimiter:
    return LocalLimiter(Rate(10_000, per=1), burst=10_000)


async def stream(endpoint: str, file: TextIO) -> None:
    """Write each outcome as it arrives, and the leftovers at the end."""
    this = asyncio.current_task()
    assert this is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)

    def write(outcome: Outcome) -> None:
        file.write(f"{outcome.phone} {outcome.status}\n")

    async with CustomerSMS(KEY, endpoint=endpoint, limiter=unpaced()) as sms:
        bulk = sms.stream_many(iter(numbers()), "hi", batch_size=BATCH_SIZE, max_in_flight=8)
        try:
            async with bulk:
                say_begun()
                async for outcome in bulk:
                    write(outcome)
        finally:
            for outcome in bulk.leftovers:
                write(outcome)


class SqliteJournal:
    """One row per number: queued, claimed, or its fate."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("CREATE TABLE IF NOT EXISTS row (phone TEXT PRIMARY KEY, state TEXT)")
        with self._transaction():
            self.db.executemany(
                "INSERT OR IGNORE INTO row VALUES (?, 'queued')", [(n,) for n in numbers()]
            )

    def queued(self) -> list[str]:
        rows = self.db.execute("SELECT phone FROM row WHERE state = 'queued' ORDER BY phone")
        return [phone for (phone,) in rows]

    async def claim(self, batch: Batch) -> Collection[int] | None:
        self._set("claimed", batch.phones)
        return None

    async def release(self, batch: Batch) -> None:
        self._set("queued", batch.phones)

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        with self._transaction():
            self.db.executemany(
                "UPDATE row SET state = ? WHERE phone = ?", [(o.status, o.phone) for o in outcomes]
            )

    async def refuse(self, outcomes: Sequence[Outcome]) -> None:
        raise AssertionError(outcomes)

    def _set(self, state: str, phones: Sequence[str]) -> None:
        with self._transaction():
            self.db.executemany(
                "UPDATE row SET state = ? WHERE phone = ?", [(state, phone) for phone in phones]
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            self.db.execute("COMMIT")


async def journal(endpoint: str, path: str, limit: int) -> None:
    """Send queued numbers at *limit* requests per minute; 0 means unpaced."""
    books = SqliteJournal(path)
    limiter = LocalLimiter(Rate(limit, per=60)) if limit else unpaced()
    async with CustomerSMS(KEY, endpoint=endpoint, limiter=limiter) as sms:
        bulk = sms.stream_many(books.queued(), "hi", batch_size=BATCH_SIZE, journal=books)
        async with bulk:
            say_begun()
            await bulk.finish()


def states(path: Path) -> dict[str, str]:
    """Return the state of each number in a journal; empty if there is no journal yet."""
    if not path.exists():
        return {}
    with contextlib.closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT phone, state FROM row"))


if __name__ == "__main__":
    what, endpoint, path = sys.argv[1:4]
    if what == "stream":
        with Path(path).open("a", buffering=1) as output:
            asyncio.run(stream(endpoint, output))
    else:
        asyncio.run(journal(endpoint, path, int(sys.argv[4])))
