"""
A million rows in an outbox, on SQLite and on PostgreSQL, beside the same work on SQLAlchemy async.

    python -m benchmarks.bench_outbox [--rows 1000000] [--settle 100000]

Rows in, a campaign found again, and what the database does for each number that is claimed, fenced
and settled. The results go to ``benchmarks/results``: ``outbox.json`` and ``outbox.md``. It fails
where a bound is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from attrs import frozen

from benchmarks._results import Bound, Result, Row, Table
from benchmarks.outbox.alchemy import measure_alchemy
from customersms_async import Message, Status
from customersms_async.outbox import Campaign
from customersms_async.outbox._core.campaigns import count, find
from customersms_async.outbox._core.claim import Claim, claim, register
from customersms_async.outbox._core.engine import Engine
from customersms_async.outbox._core.fence import Fence, Pass, fence
from customersms_async.outbox._core.job import Job, Query
from customersms_async.outbox._core.settle import Fate, Settlement, settle
from customersms_async.outbox._postgres import PostgresEngine
from customersms_async.outbox._sqlite import SqliteEngine
from tests.support.postgres import PostgresServer

#: A text like that of a real campaign.
TEXT = (
    "Dear parents, the evening is on 3 December at 19:00 in the school's hall. Please be on time."
)


@frozen
class Figures:
    """
    What was measured.

    Attributes:
        rows: Rows that went in, per second.
        cpu_in: Microseconds of CPU for each of them, of this process and of a server.
        memory: MB that the process grew by meanwhile.
        resume: Seconds to open the outbox and claim the first batch again.
        cpu: Microseconds of CPU for a settled number: of the database's thread, or of the server.
        wal: Bytes of write-ahead log for a settled number; None where it is not known.
    """

    rows: float
    cpu_in: float
    memory: float
    resume: float
    cpu: float
    wal: float | None


class Host:
    """An outbox without a lease that could run out."""

    lease = 600.0
    place = "here"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine


def people(rows: int) -> Iterator[Message]:
    """Give so many people one text."""
    return (Message(f"+1{2_000_000_000 + n}", TEXT, f"row-{n}") for n in range(rows))


def memory() -> float:
    """Give the most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def measure(
    make_engine: Callable[[], Engine], rows: int, numbers: int, cpu: Callable[[], float]
) -> Figures:
    """Put rows in, find them again, and settle some numbers."""
    engine = make_engine()
    await engine.open()
    server = cpu if engine.kind == "postgresql" else float
    before, began_at, used_in = memory(), time.perf_counter(), time.process_time() + server()
    await Campaign(Host(engine), "bench").add(people(rows))
    used_in = time.process_time() + server() - used_in
    took, grown = time.perf_counter() - began_at, memory() - before
    await engine.aclose()
    engine = make_engine()
    resume = await _resume(engine)
    wal, used = await _wal(engine), cpu()
    settled = await _settle(engine, numbers)
    used, wal_after = cpu() - used, await _wal(engine)
    await engine.aclose()
    return Figures(
        rows / took,
        used_in / rows * 1e6,
        grown,
        resume,
        used / settled * 1e6,
        None if wal is None or wal_after is None else (wal_after - wal) / settled,
    )


async def _resume(engine: Engine) -> float:
    began_at = time.perf_counter()
    await engine.open()
    campaign = await engine.run(find("bench", 0.0))
    await engine.run(count(campaign))
    await engine.run(register(campaign, "first", 600.0))
    await engine.run(claim(campaign, "first", after=0, wall=time.time()))
    return time.perf_counter() - began_at


async def _settle(engine: Engine, numbers: int) -> int:
    campaign, after, settled = await engine.run(find("bench", 0.0)), 0, 0
    await engine.run(register(campaign, "second", 600.0))
    while settled < numbers:
        found = await engine.run(claim(campaign, "second", after=after, wall=time.time()))
        if found is None:
            break
        after = found.batches[0]
        await _settle_one(engine, campaign, found)
        settled += len(found.phones)
    return settled


async def _settle_one(engine: Engine, campaign: int, found: Claim) -> None:
    now, token, batches = time.time(), found.token, found.batches
    wish = Fence(
        campaign=campaign,
        token=token,
        batches=batches,
        size=len(found.phones),
        request="abc-1",
        wall=now,
        over_at=now + 60,
        credits=None,
        budget=None,
    )
    assert Pass.GO is await engine.run(fence(wish))
    fates = [
        Fate(row_id, Status.SENT, None, None, f"msg_{row_id:06}", goes_back=False)
        for row_id in found.messages
    ]
    told = Settlement(
        campaign=campaign, token=token, batches=batches, fates=fates, wall=now, credits=None
    )
    await engine.run(settle(told))


async def _wal(engine: Engine) -> int | None:
    return None if engine.kind == "sqlite" else await engine.run(_wal_position())


def _wal_position() -> Job[int]:
    rows = yield Query("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
    return int(rows[0][0])


def own_thread() -> float:
    """Give the CPU seconds of the database's thread of this process."""
    (thread,) = (t for t in threading.enumerate() if t.name == "customersms-outbox")
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))


def this_process() -> float:
    """Give the CPU seconds of this process, with all that SQLAlchemy does in it."""
    return time.process_time()


def server_cpu(data: Path) -> Callable[[], float]:
    """Give what counts the CPU seconds of a server and of its connections."""

    def used() -> float:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        server = psutil.Process(pid)
        times = [p.cpu_times() for p in (server, *server.children(recursive=True))]
        return sum(t.user + t.system for t in times) + times[0].children_user

    return used


async def on_sqlite(rows: int, numbers: int) -> tuple[Figures, tuple[float, float]]:
    """Measure ours, and the peer, each in a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "outbox.db"))
        ours = await measure(lambda: SqliteEngine(path, "sms_"), rows, numbers, own_thread)
        url = f"sqlite+aiosqlite:///{folder}/peer.db"
        return ours, await measure_alchemy(url, numbers, this_process)


async def on_postgres(rows: int, numbers: int) -> tuple[Figures, tuple[float, float]]:
    """Measure ours, and the peer, on one server."""
    server = PostgresServer()
    server.start()
    try:
        cpu = server_cpu(server.data)
        ours = await measure(lambda: PostgresEngine(server.url, "sms_"), rows, numbers, cpu)
        url = server.url.replace("postgresql://", "postgresql+asyncpg://")
        return ours, await measure_alchemy(url, numbers, cpu)
    finally:
        server.close()


def _row(name: str, figures: Figures) -> Row:
    return {
        "database": name,
        "rows in per s": figures.rows,
        "CPU a row in, us": figures.cpu_in,
        "memory grown, MB": figures.memory,
        "found again, s": figures.resume,
        "CPU a number, us": figures.cpu,
        "WAL a number, B": figures.wal,
    }


def _peer_row(name: str, figures: tuple[float, float]) -> Row:
    rows, cpu = figures
    return {
        "database": name,
        "rows in per s": rows,
        "CPU a row in, us": None,
        "memory grown, MB": None,
        "found again, s": None,
        "CPU a number, us": cpu,
        "WAL a number, B": None,
    }


def _bounds(sqlite: Figures, postgres: Figures) -> list[Bound]:
    return [
        Bound("SQLite: us to put a row in", 1e6 / sqlite.rows, 20),
        Bound("PostgreSQL: us to put a row in", 1e6 / postgres.rows, 1e6 / 30_000),
        Bound("SQLite: s until found again", sqlite.resume, 1),
        Bound("PostgreSQL: s until found again", postgres.resume, 1),
        Bound("SQLite: us of its thread for a settled number", sqlite.cpu, 11),
        Bound("PostgreSQL: us of the server for a settled number", postgres.cpu, 31),
        Bound("PostgreSQL: bytes of WAL for a settled number", postgres.wal or 0, 260),
    ]


def main() -> int:
    """Measure, write the results, and fail where a bound is not kept."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--settle", type=int, default=100_000)
    chosen = options.parse_args()
    sqlite, peer_sqlite = asyncio.run(on_sqlite(chosen.rows, chosen.settle))
    postgres, peer_postgres = asyncio.run(on_postgres(chosen.rows, chosen.settle))
    note = (
        f"{chosen.rows:,} rows of one text go in, {chosen.settle:,} are claimed, fenced, settled "
        "by hundreds, without a gateway. CPU of a row in: all of this process, and of a "
        "server. CPU of a number: of the database's own thread (SQLite) or of the "
        "server (PostgreSQL); for SQLAlchemy on SQLite, of the whole process. SQLAlchemy writes "
        "the same rows with no check for doubles."
    )
    rows = [
        _row("SQLite", sqlite),
        _peer_row("SQLAlchemy async on aiosqlite", peer_sqlite),
        _row("PostgreSQL", postgres),
        _peer_row("SQLAlchemy async on asyncpg", peer_postgres),
    ]
    return Result(
        name="outbox",
        title="A million rows in an outbox",
        packages=("customersms-async", "asyncpg", "sqlalchemy"),
        tables={"outbox": Table("In, found again, settled", rows, note)},
        bounds=_bounds(sqlite, postgres),
    ).publish()


if __name__ == "__main__":
    sys.exit(main())
