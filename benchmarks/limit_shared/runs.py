"""
Runs of several processes that share a key: real time, real sockets and real servers.

Each process is a bulk run, with clocks that are wrong by up to ten seconds; ten seconds after the
start, something happens. The gateway counts the requests.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import redis
from attrs import define, field

from benchmarks._results import Row
from benchmarks.limit_shared.gateway import Arrival, gateway
from benchmarks.limit_shared.worker import LIMIT, Task, Worker, worker_of
from tests.support.limiter_stores import without_info
from tests.support.postgres import PostgresServer
from tests.support.redis_server import RedisServer

__all__ = ["PROCESSES", "Place", "Seen", "Worker", "nothing", "place", "run"]

PROCESSES = 8
SECONDS = 30.0

#: Seconds after which the event happens.
_HAPPENS_AFTER = 10.0

#: Seconds after a loss within which the limiter must open again.
_LOOKS_FOR = 12.0


@define
class Place:
    """
    The store that the members of one run share.

    Attributes:
        kind: Of the store.
        address: The address for the limiter.
        server: The server, which can be killed and started again, or None.
    """

    kind: str
    address: str
    server: Any = None

    @property
    def microseconds(self) -> float:
        """The time that Redis has spent on calls of its script."""
        with redis.Redis.from_url(self.address) as client:
            return float(client.info("commandstats")["cmdstat_evalsha"]["usec"])


@contextmanager
def place(kind: str) -> Iterator[Place]:
    """Yield a new store of *kind*; nothing for "local", whose processes share none."""
    if kind == "local":
        yield Place(kind, "")
        return
    if kind == "file":
        with tempfile.TemporaryDirectory() as folder:
            yield Place(kind, str(Path(folder) / "sms.limit"))
        return
    here = Place(kind, "", PostgresServer() if kind == "postgres" else RedisServer())
    here.server.start()
    here.address = without_info(here.server.url) if kind == "redis-plain" else here.server.url
    try:
        yield here
    finally:
        here.server.close()


@define
class Seen:
    """
    The results of one run.

    Attributes:
        name: What happened in it.
        kind: Of the store.
        processes: How many there were.
        per: The period in seconds, which holds 100 requests at most.
        began_at: When they were started.
        arrivals: The requests, as the gateway counted them.
        workers: The results of each process; none of one that was killed.
        killed: The number of the process that was killed, or None.
        back_at: When the server was available again, or None.
        microseconds: The time that Redis has spent, or 0.
    """

    name: str
    kind: str
    processes: int
    per: float
    began_at: float = 0.0
    arrivals: Sequence[Arrival] = ()
    workers: Sequence[dict[str, Any]] = ()
    killed: int | None = None
    back_at: float | None = None
    microseconds: float = 0.0
    _instants: list[float] = field(init=False, factory=list)

    def close(self, arrivals: Sequence[Arrival]) -> None:
        """Add what the gateway recorded."""
        self.arrivals = arrivals
        self._instants = sorted(arrival.at for arrival in arrivals)

    @property
    def busiest(self) -> int:
        """The most arrivals in any half-open period."""
        return max(
            sum(at <= other < at + self.per for other in self._instants) for at in self._instants
        )

    @property
    def used(self) -> float:
        """The percentage used of whole periods from the first request on."""
        began_at = self._instants[0]
        seconds = (self._instants[-1] - began_at) // self.per * self.per
        used = sum(at < began_at + seconds for at in self._instants)
        return 100 * used / (seconds / self.per * LIMIT)

    @property
    def trips(self) -> float:
        """Calls of the store per request, for processes that were not killed."""
        total = Counter[str]()
        for seen in self.workers:
            total.update({word: seen[word] for word in ("calls", "requests") if seen})
        return total["calls"] / total["requests"]

    @property
    def fairness(self) -> float:
        """Jain's index of the processes that were not killed: 1 if all are equal."""
        counts = Counter(worker_of(one.phones[0]) for one in self.arrivals)
        shares = [counts[worker] for worker in range(self.processes) if worker != self.killed]
        return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))

    @property
    def closed_for(self) -> float:
        """Seconds from the store's return to the end of the longest pause that follows."""
        if self.back_at is None:
            return 0.0
        until = self.back_at + _LOOKS_FOR
        after = [at for at in self._instants if self.back_at <= at < until]
        rests = pairwise([self.back_at, *after, *([] if after else [until])])
        return max(rests, key=lambda rest: rest[1] - rest[0])[1] - self.back_at

    @property
    def first_after(self) -> float:
        """Seconds from the start to the first request."""
        return self._instants[0] - self.began_at

    @property
    def row(self) -> Row:
        """Return the row of the table."""
        return {
            "store": self.kind,
            "what happened": self.name,
            "processes": self.processes,
            "per, s": self.per,
            "most in any period": self.busiest,
            "of the budget, %": self.used,
            "store calls a grant": self.trips,
            "server time a grant, µs": self.microseconds / len(self.arrivals) or None,
            "fairness (Jain)": self.fairness,
            "first request after, s": self.first_after,
        }


Happens = Callable[[Seen, Place, list[Worker]], None]


def run(
    name: str,
    kind: str,
    happens: Happens,
    *,
    processes: int = PROCESSES,
    per: float = 5.0,
    seconds: float = SECONDS,
) -> Seen:
    """Let all processes send, and let the event happen meanwhile."""
    seen = Seen(name, kind, processes, per)
    with place(kind) as here:
        with gateway() as log:
            tasks = [
                Task(
                    number, kind, here.address, log.url, seconds, 20 * number / processes - 10, per
                )
                for number in range(processes)
            ]
            workers = Worker.start(*tasks)
            seen.began_at = time.monotonic()
            for worker in workers:
                worker.begin()
            time.sleep(min(_HAPPENS_AFTER, seconds / 3))
            happens(seen, here, workers)
            seen.workers = [worker.end() for worker in workers]
        seen.close(log.arrivals)
        if kind == "redis":
            seen.microseconds = here.microseconds
    print(kind, name, seen.busiest, round(seen.used, 1), round(seen.closed_for, 2), flush=True)
    return seen


def nothing(_seen: Seen, _place: Place, _workers: list[Worker]) -> None:
    """Let the processes send undisturbed."""
