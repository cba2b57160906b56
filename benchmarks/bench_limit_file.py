"""
The limiter in a file: processes killed, and processes one after another: ``make bench-limit``.

Eight processes send through one file; all of them are killed at a random time and started again,
twenty times. Then a process sends sixty requests and ends, and ten seconds later the next one sends
as much as it can, at 100 a minute. The results go to ``benchmarks/results/limit_file.json`` and
``.md``.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._results import Bound, Result, Table
from benchmarks.limit_shared.gateway import gateway
from benchmarks.limit_shared.runs import PROCESSES, Seen
from benchmarks.limit_shared.worker import LIMIT, Task, Worker

KILLS = 20


def killed_again_and_again(seed: int = 1) -> Seen:
    """Kill all processes and start them again, twenty times."""
    seen, dice = Seen("all killed, twenty times", "file", PROCESSES, 5.0), random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, gateway() as log:
        path = str(Path(folder) / "sms.limit")
        seen.began_at = time.monotonic()
        for life in range(KILLS + 1):
            tasks = [Task(number, "file", path, log.url, 10.0, 0.0) for number in range(PROCESSES)]
            workers = Worker.start(*tasks)
            for worker in workers:
                worker.begin()
            if life < KILLS:
                time.sleep(dice.uniform(0.5, 6))
                for worker in workers:
                    worker.process.kill()
            seen.workers = [worker.end() for worker in workers]
    seen.close(log.arrivals)
    return seen


def one_after_another() -> tuple[Seen, int]:
    """Start a process ten seconds after another has sent sixty requests; count the failures."""
    seen = Seen("sixty, and the next process", "file", 2, 60.0)
    with tempfile.TemporaryDirectory() as folder, gateway() as log:
        path = str(Path(folder) / "sms.limit")
        seen.began_at = time.monotonic()
        (one,) = Worker.start(Task(0, "file", path, log.url, 60.0, 0.0, 60.0, burst=LIMIT, most=60))
        one.begin()
        first = one.end()
        time.sleep(10)
        (other,) = Worker.start(Task(1, "file", path, log.url, 75.0, 0.0, 60.0, burst=LIMIT))
        other.begin()
        seen.workers = [first, other.end()]
    seen.close(log.arrivals)
    sent = sum(len(worker["sent"]) for worker in seen.workers)
    return seen, len(log.arrivals) - sent


def main() -> int:
    """Measure, write the results, and fail if a bound is missed."""
    killed = killed_again_and_again()
    after, failed = one_after_another()
    lived = sum(bool(worker.get("sent")) for worker in killed.workers)
    note = (
        "Killed at random times, 0.5 to 6 s after the start; 100 requests in any 5 s. The last "
        "eight survive, and send through the same file."
    )
    rows = [
        {
            "what happened": seen.name,
            "per, s": seen.per,
            "requests": len(seen.arrivals),
            "most in any period": seen.busiest,
        }
        for seen in (killed, after)
    ]
    return Result(
        name="limit_file",
        title="The limit in a file, under processes that end",
        packages=("customersms-async",),
        tables={"file": Table("What the gateway saw", rows, note)},
        bounds=[
            Bound("all killed: most in any period", killed.busiest, LIMIT),
            Bound("all killed: processes that could not go on", PROCESSES - lived, 0),
            Bound("sixty, and the next: most in any 60 s", after.busiest, LIMIT),
            Bound("sixty, and the next: not sent", failed, 0),
        ],
    ).publish()


if __name__ == "__main__":
    sys.exit(main())
