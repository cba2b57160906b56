"""
A million rows in an outbox, on SQLite and on PostgreSQL, beside the same work with SQLAlchemy.

    python -m benchmarks.bench_outbox [--rows 1000000] [--settle 100000] [--codes 200]

It measures inserting rows, opening a campaign again, and the work of the database for each number
that is claimed, fenced and settled. Then three workers of one campaign, one of them killed, run
beside a process that sends login codes. This takes four minutes; the results go to
``benchmarks/results``: ``outbox.json`` and ``outbox.md``. It fails if a bound is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil
from attrs import frozen

from benchmarks._results import Bound, Result, Row, Table
from benchmarks.outbox.alchemy import Peer, measure_alchemy
from customersms_async import FileLimiter, Message, Rate, Status
from customersms_async.outbox import Campaign
from customersms_async.outbox._batch_source import AT_ONCE
from customersms_async.outbox._core.campaigns import find, read_status
from customersms_async.outbox._core.claim import Claim, claim, register
from customersms_async.outbox._core.engine import Engine
from customersms_async.outbox._core.fence import Fence, Pass, fence
from customersms_async.outbox._core.job import Job, Query
from customersms_async.outbox._core.settle import Fate, Settlement, settle
from customersms_async.outbox._postgres import PostgresEngine
from customersms_async.outbox._sqlite import SqliteEngine
from customersms_async.postgres import PostgresLimiter
from tests.support.postgres import PostgresServer
from tests.support.workers_beside_codes import LATENCY, SHARE, Seen, watch

SQLITE, POSTGRES = "SQLite", "PostgreSQL"

#: The most slots that 99 of 100 codes may wait, with this share and members in processes.
MOST_SLOTS = 3.0

#: The gateway's rate.
RATE = Rate()

#: Parts in which numbers are settled, since the machine is slower at times.
PARTS = 10

#: A text like that of a real campaign.
TEXT = (
    "Dear parents, the evening is on 3 December at 19:00 in the school's hall. Please be on time."
)


@frozen
class Figures:
    """
    The results.

    Attributes:
        rows: Rows inserted per second.
        cpu_in: Microseconds of CPU per inserted row, of this process and of a server.
        memory: MB by which the process grew while the last quarter of the rows was inserted.
        resume: Seconds to open the outbox and claim the first batch again.
        cpu: Microseconds of CPU per settled number: of the database's thread, or of the server.
        cpu_all: The same of this process and of a server.
        wal: Bytes of write-ahead log per settled number; None if unknown.
    """

    rows: float
    cpu_in: float
    memory: float
    resume: float
    cpu: float
    cpu_all: float
    wal: float | None


class Host:
    """An outbox with a lease that never expires."""

    lease = 600.0
    place = "here"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine


class People:
    """People who get one text; records the memory of this process once most are read."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.memory_at_most = 0.0

    def __iter__(self) -> Iterator[Message]:
        most = self._rows * 3 // 4
        yield from self._some(0, most)
        self.memory_at_most = memory()
        yield from self._some(most, self._rows)

    def _some(self, first: int, end: int) -> Iterator[Message]:
        return (Message(f"+1{2_000_000_000 + n}", TEXT, f"row-{n}") for n in range(first, end))


def memory() -> float:
    """Return the memory of this process, in MB."""
    return psutil.Process().memory_info().rss / 1e6


async def measure(
    make_engine: Callable[[], Engine], rows: int, numbers: int, cpu: Callable[[], float]
) -> Figures:
    """Add rows, find the campaign again, and settle some numbers."""
    engine = make_engine()
    await engine.open()
    server = cpu if engine.kind == "postgresql" else float
    people, began_at, used_in = People(rows), time.perf_counter(), time.process_time() + server()
    await Campaign(Host(engine), "bench").add(people)
    used_in = time.process_time() + server() - used_in
    took, grown = time.perf_counter() - began_at, memory() - people.memory_at_most
    await engine.aclose()
    engine = make_engine()
    resume = await _resume(engine)
    wal = await _wal(engine)
    used, here, settled = await _settle(engine, numbers, cpu)
    wal_after = await _wal(engine)
    is_remote = engine.kind == "postgresql"
    await engine.aclose()
    return Figures(
        rows=rows / took,
        cpu_in=used_in / rows * 1e6,
        memory=grown,
        resume=resume,
        cpu=used,
        cpu_all=here + used * is_remote,
        wal=None if wal is None or wal_after is None else (wal_after - wal) / settled,
    )


async def _resume(engine: Engine) -> float:
    began_at = time.perf_counter()
    await engine.open()
    campaign = await engine.run(find("bench", 0.0))
    await engine.run(read_status(campaign))
    await engine.run(register(campaign, "first", 600.0))
    await engine.run(claim(campaign, "first", after=0, wall=time.time()))
    return time.perf_counter() - began_at


async def _settle(
    engine: Engine, numbers: int, cpu: Callable[[], float]
) -> tuple[float, float, int]:
    """
    Settle numbers.

    Returns:
        Microseconds of CPU for each, by *cpu* and of this process, as medians of all parts; and how
        many there were.
    """
    campaign, after, settled = await engine.run(find("bench", 0.0)), 0, 0
    await engine.run(register(campaign, "second", 600.0))
    used, here = list[float](), list[float]()
    while settled < numbers:
        used_before, here_before, first = cpu(), time.process_time(), settled
        while settled < first + numbers / PARTS:
            job = claim(campaign, "second", after=after, wall=time.time(), requests=AT_ONCE)
            for found in await engine.run(job):
                after = found.batches[0]
                await _settle_one(engine, campaign, found)
                settled += len(found.phones)
        used.append((cpu() - used_before) / (settled - first) * 1e6)
        here.append((time.process_time() - here_before) / (settled - first) * 1e6)
    return statistics.median(used), statistics.median(here), settled


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
    """Return the CPU seconds of the database's thread in this process."""
    (thread,) = (t for t in threading.enumerate() if t.name == "customersms-outbox")
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))


def server_cpu(data: Path) -> Callable[[], float]:
    """Return a function that counts the CPU seconds of a server and its connections."""

    def used() -> float:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        server = psutil.Process(pid)
        times = [p.cpu_times() for p in (server, *server.children(recursive=True))]
        return sum(t.user + t.system for t in times) + times[0].children_user

    return used


def on_sqlite(rows: int, numbers: int) -> tuple[Figures, Peer]:
    """Measure the outbox and the peer, each in its own file."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "outbox.db"))
        ours = measure(lambda: SqliteEngine(path, "sms_"), rows, numbers, own_thread)
        peer = measure_alchemy(f"sqlite+aiosqlite:///{folder}/peer.db", numbers, float)
        return asyncio.run(ours), asyncio.run(peer)


def on_postgres(server: PostgresServer, rows: int, numbers: int) -> tuple[Figures, Peer]:
    """Measure the outbox and the peer, on one server."""
    cpu = server_cpu(server.data)
    ours = measure(lambda: PostgresEngine(server.url, "sms_"), rows, numbers, cpu)
    url = server.url.replace("postgresql://", "postgresql+asyncpg://")
    return asyncio.run(ours), asyncio.run(measure_alchemy(url, numbers, cpu))


async def beside_codes(server: PostgresServer, codes: int) -> Mapping[str, Seen]:
    """Run workers beside login codes on both databases at once, as they mostly wait."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        path, limit = str(Path(one, "outbox.db")), str(Path(one, "limit"))
        seen = await asyncio.gather(
            watch(
                lambda: SqliteEngine(path, "sms_"),
                lambda: FileLimiter(limit, RATE),
                codes,
                Path(one),
                RATE,
            ),
            watch(
                lambda: PostgresEngine(server.url, "codes_"),
                lambda: PostgresLimiter(server.url, RATE, table="codes_limit"),
                codes,
                Path(other),
                RATE,
            ),
        )
    return dict(zip((SQLITE, POSTGRES), seen, strict=True))


def _row(name: str, figures: Figures) -> Row:
    return {
        "database": name,
        "rows in per s": figures.rows,
        "CPU a row in, us": figures.cpu_in,
        "memory grown, MB": figures.memory,
        "found again, s": figures.resume,
        "CPU a number, us": figures.cpu,
        "WAL a number, B": figures.wal,
        "all CPU a number, us": figures.cpu_all,
        "÷ ours": 1.0,
    }


def _peer_row(name: str, peer: Peer, ours: Figures) -> Row:
    return {
        "database": name,
        "rows in per s": peer.rows,
        "CPU a row in, us": None,
        "memory grown, MB": None,
        "found again, s": None,
        "CPU a number, us": peer.cpu,
        "WAL a number, B": None,
        "all CPU a number, us": peer.cpu_all,
        "÷ ours": peer.cpu_all / ours.cpu_all,
    }


def _part(waits: Sequence[float], percent: int) -> float:
    return waits[len(waits) * percent // 100]


def _codes_row(name: str, seen: Seen) -> Row:
    return {
        "database": name,
        "codes": len(seen.waits),
        "p50, slots": _part(seen.waits, 50),
        "p99, slots": _part(seen.waits, 99),
        "longest, slots": seen.waits[-1],
        "campaign": seen.numbers,
        "sent": seen.status.sent,
        "unknown": seen.status.unknown,
        "sent twice": seen.doubled,
        "refused": seen.refused,
    }


def _bounds(sqlite: Figures, postgres: Figures, codes: Mapping[str, Seen]) -> list[Bound]:
    return [
        Bound("SQLite: us to put a row in", 1e6 / sqlite.rows, 20),
        Bound("PostgreSQL: us to put a row in", 1e6 / postgres.rows, 1e6 / 30_000),
        Bound("SQLite: MB grown by the last quarter of the rows", sqlite.memory, 8),
        Bound("PostgreSQL: MB grown by the last quarter of the rows", postgres.memory, 8),
        Bound("SQLite: s until found again", sqlite.resume, 1),
        Bound("PostgreSQL: s until found again", postgres.resume, 1),
        Bound("SQLite: us of its thread for a settled number", sqlite.cpu, 11),
        Bound("PostgreSQL: us of the server for a settled number", postgres.cpu, 31),
        Bound("PostgreSQL: bytes of WAL for a settled number", postgres.wal or 0, 260),
        *(
            Bound(f"{name}: slots that 99 of 100 codes wait", _part(seen.waits, 99), MOST_SLOTS)
            for name, seen in codes.items()
        ),
        *(
            Bound(f"{name}: refused, sent twice or lost beside codes", _wrong(seen), 0)
            for name, seen in codes.items()
        ),
    ]


def _wrong(seen: Seen) -> int:
    lost = seen.numbers - seen.status.sent - seen.status.unknown
    return seen.refused + seen.doubled + lost


NOTE = (
    "{rows:,} rows with one text are inserted; {numbers:,} of them are claimed, four requests at a "
    "time, and fenced and settled in hundreds, one after another, without a gateway, on this disk. "
    "Memory: of this process, while the last quarter of the rows is inserted. CPU of a row in, and "
    "all CPU of a number: this process and the server. CPU of a number: the database's own thread "
    "(SQLite) or the server (PostgreSQL), the median of ten parts. "
    "SQLAlchemy writes {numbers:,} rows of the same kind, without a check for duplicates."
)
NOTE_ON_CODES = (
    "Three workers of one campaign in three processes, the first of them killed after a quarter; a "
    "fourth process sends login codes at random times, at {share:.0%} of the rate. All share "
    "one limit of {limit} requests in {per:.0f} s. Waits in slots of its pace, from asking to the "
    "answer, less the {latency:.0f} ms that the gateway takes."
)


def main() -> int:
    """Measure, write the results, and fail if a bound is missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--settle", type=int, default=100_000)
    options.add_argument("--codes", type=int, default=200)
    options.add_argument("--dry", action="store_true", help="print, and write no results")
    chosen = options.parse_args()
    server = PostgresServer()
    server.start()
    try:
        sqlite, peer_sqlite = on_sqlite(chosen.rows, chosen.settle)
        postgres, peer_postgres = on_postgres(server, chosen.rows, chosen.settle)
        codes = asyncio.run(beside_codes(server, chosen.codes))
    finally:
        server.close()
    rows = [
        _row(SQLITE, sqlite),
        _peer_row("SQLAlchemy async on aiosqlite", peer_sqlite, sqlite),
        _row(POSTGRES, postgres),
        _peer_row("SQLAlchemy async on asyncpg", peer_postgres, postgres),
    ]
    note = NOTE.format(rows=chosen.rows, numbers=chosen.settle)
    on_codes = NOTE_ON_CODES.format(
        share=SHARE, limit=RATE.limit, per=RATE.per, latency=LATENCY * 1000
    )
    result = Result(
        name="outbox",
        title="A million rows in an outbox",
        packages=("customersms-async", "asyncpg", "sqlalchemy", "aiosqlite"),
        tables={
            "outbox": Table("In, found again, settled", rows, note),
            "codes": Table(
                "Three workers beside login codes",
                [_codes_row(name, seen) for name, seen in codes.items()],
                on_codes,
            ),
        },
        bounds=_bounds(sqlite, postgres, codes),
    )
    if chosen.dry:
        print(result.to_markdown())
        return 0
    return result.publish()


if __name__ == "__main__":
    sys.exit(main())
