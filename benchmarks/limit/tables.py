"""The tables of the results, and the bounds that our limiter promises."""

from __future__ import annotations

import functools
import itertools
import statistics
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from attrs import frozen

from benchmarks import _virtual
from benchmarks._results import Bound, Cell, Row, Spread, Table, mean_and_worst
from benchmarks._rounds import Rounds, costs, ratio, rounds
from benchmarks.limit import cpu, lanes, peers, queue, server
from benchmarks.limit.contestants import LIMIT, Contestant, Ours, ours
from benchmarks.limit.server import SEEDS, Departure, Feedback, Network, Sight
from customersms_async import Lane
from customersms_async.sandbox._gateway.rate_rules import RULE_NAMES, RuleName

__all__ = ["Part", "Watched", "cancellation", "cost", "feedback", "priorities", "sight", "watch"]

C = TypeVar("C", bound=Contestant)
T = TypeVar("T")
Make = Callable[[], Contestant]

BULK = "LocalLimiter, bulk lane"
BURST = "LocalLimiter, bulk lane, burst=100, reserve=0"
SEND = "LocalLimiter, send lane"
OURS: dict[str, Callable[[], Ours]] = {
    BULK: ours,
    BURST: functools.partial(ours, burst=LIMIT, reserve=0),
    SEND: functools.partial(ours, lane=Lane.SEND),
}
AIOLIMITER, AIOMETER, PYRATE = (
    "aiolimiter (100, 60)",
    "aiometer, 100/60 a second",
    "pyrate-limiter, sliding log",
)
QUICK: dict[str, Make] = {
    **OURS,
    AIOLIMITER: peers.Aiolimiter,
    "aiolimiter (1, 0.6)": peers.AiolimiterPaced,
    PYRATE: peers.Pyrate,
    "limits, moving window": peers.Limits,
    AIOMETER: peers.Aiometer,
}
#: They poll several times a second, which is slow to simulate, so they are measured less.
SLOW: dict[str, Make] = {
    "throttled-py, GCRA": peers.ThrottledGcra,
    "throttled-py, token bucket": peers.ThrottledBucket,
}
ALL = QUICK | SLOW

RULES: dict[RuleName, str] = {
    "fixed-window": "fixed window",
    "sliding-log": "sliding log",
    "sliding-counter": "sliding counter",
    "token-bucket": "token bucket",
    "gcra": "GCRA, burst 10",
    "nginx": "nginx, burst 20",
}
WINDOWS: tuple[RuleName, ...] = ("fixed-window", "sliding-log", "token-bucket")

# Columns, and a row, that bounds refer to.
LOST: dict[str, queue.Canceller] = {
    "lost: cancelled at random": queue.cancelled_at_random,
    "lost: cancelled in the tick of the grant": queue.cancelled_when_woken,
}
P99, RUSH, IN_A_ROW = "beside bulk, p99", "rush: longest", "steady: passed by in a row"
IDLE = "aiolimiter"


@frozen
class Part:
    """A part of the result."""

    tables: dict[str, Table]
    bounds: list[Bound]


@frozen
class Watched:
    """
    The results of one limiter.

    Attributes:
        left: Who left when, of one run.
        sights: What the server saw, for each of the seeds.
    """

    left: Sequence[Departure]
    sights: Sequence[Sight]

    def refused(self, rule: RuleName) -> Spread:
        """Return the mean and the highest number of refusals."""
        return mean_and_worst(sight.refused[rule] for sight in self.sights)

    @property
    def busiest(self) -> int:
        """The most arrivals in any 60 s."""
        return max(sight.busiest for sight in self.sights)

    @property
    def last_left(self) -> float:
        """The second in which the last request left."""
        return max(sight.last_left for sight in self.sights)


def simulate(make: Callable[[], C], measure: Callable[[C], Awaitable[T]]) -> T:
    """Measure a new contestant in virtual time."""

    async def main() -> T:
        contestant = make()
        try:
            return await measure(contestant)
        finally:
            contestant.close()

    return _virtual.run(main, clocks=peers.CLOCKS)


def watch() -> dict[str, Watched]:
    """Let all contestants send, and record what the server sees."""
    return {name: _watch(name, make) for name, make in ALL.items()}


def _watch(name: str, make: Make) -> Watched:
    networks = [Network(seed) for seed in SEEDS]
    # The grants of a peer do not depend on the network, so one run serves all seeds.
    met = networks if name in OURS else networks[:1]
    runs = [simulate(make, functools.partial(server.departures, network=one)) for one in met]
    lefts = runs if name in OURS else runs * len(networks)
    sights = [server.look(left, one) for left, one in zip(lefts, networks, strict=True)]
    return Watched(runs[0], sights)


def sight(watched: Mapping[str, Watched]) -> Part:
    """Tabulate what the server saw."""
    rows: list[Row] = [
        {
            "limiter": name,
            "most in any 60 s": seen.busiest,
            **{title: seen.refused(rule) for rule, title in RULES.items()},
            "1,000th leaves, s": seen.last_left,
        }
        for name, seen in watched.items()
    ]
    title = "What the server sees: arrivals, and refusals per 1,000 by its rule"
    note = (
        "1,000 requests wait at once, and travel with 10 to 500 ms of one-way jitter. "
        f"{len(SEEDS)} seeds, which differ in the jitter and in the second of the server's minute "
        "at which all begins. Refusals: the mean, and in brackets the worst seed where it differs; "
        "arrivals and the 1,000th: the worst seed. A refused request is counted, not repeated."
    )
    return Part({"server": Table(title, rows, note)}, _bounds_of_sight(watched))


def _bounds_of_sight(watched: Mapping[str, Watched]) -> list[Bound]:
    bulk, burst = watched[BULK], watched[BURST]
    others = [rule for rule in RULE_NAMES if rule != "sliding-counter"]
    return [
        *(Bound(f"{name}: arrivals in any 60 s", watched[name].busiest, LIMIT) for name in OURS),
        Bound(f"{BULK}: refusals at five rules", _worst(bulk, others), 0),
        Bound(
            f"{BULK}: refusals per 1,000 at a sliding counter",
            _worst(bulk, ["sliding-counter"]),
            3,
        ),
        # In whole seconds, as the bound is: 98 a minute are 612.2 s.
        Bound(f"{BULK}: second in which the 1,000th leaves", round(bulk.last_left), 612),
        Bound(f"{BURST}: refusals at window, log and token bucket", _worst(burst, WINDOWS), 0),
        Bound(f"{BURST}: second in which the 1,000th leaves", burst.last_left, 550),
    ]


def _worst(seen: Watched, rules: Iterable[RuleName]) -> float:
    return max(seen.refused(rule).high for rule in rules)


def feedback() -> Part:
    """Tabulate our refusals if they are reported and repeated with the ticket."""
    rows = [row for name in (BULK, BURST) for row in _feedback_rows(name)]
    title = "With feedback: refusals are reported, and the requests sent again until accepted"
    note = (
        "Refusals per 1,000 that were accepted, and the second in which the last of these left: "
        "the mean of 10 seeds, and in brackets the worst. The server asks for whole seconds."
    )
    return Part({"feedback": Table(title, rows, note)}, [])


def _feedback_rows(name: str) -> list[Row]:
    runs = {title: _repeated(OURS[name], rule) for rule, title in RULES.items()}
    refused = {title: mean_and_worst(one.refused for one in seen) for title, seen in runs.items()}
    last = {title: mean_and_worst(one.last_left for one in seen) for title, seen in runs.items()}
    return [
        {"limiter": f"{name}: refusals per 1,000", **refused},
        {"limiter": f"{name}: second of the 1,000th", **last},
    ]


def _repeated(make: Callable[[], Ours], rule: RuleName) -> list[Feedback]:
    def repeat(seed: int) -> Feedback:
        network = Network(seed)
        return simulate(
            make, functools.partial(server.repeated_until_accepted, name=rule, network=network)
        )

    return [repeat(seed) for seed in SEEDS[::2]]


def cancellation(watched: Mapping[str, Watched]) -> Part:
    """Tabulate order and lost grants."""
    rows: list[Row] = [
        {"limiter": name, "out of order, %": queue.overtaking(seen.left), **_lost(name)}
        for name, seen in watched.items()
    ]
    title = "Order and cancellation: grants out of order, and grants lost, while 1,000 wait"
    note = (
        "Out of order: somebody who began to wait earlier still waits. Lost: how many fewer grants "
        f"callers got within {queue.UNTIL:.0f} s while half of them were cancelled than while "
        "nobody was, which is 299 to 433; the worst of 5 seeds, for throttled-py of one. "
        "aiometer starts the jobs itself, so that there is no caller to cancel. limits and "
        "throttled-py have no queue: a caller is woken to ask again, and cancelled before it does."
    )
    ours_too = [row for row in rows if row["limiter"] in OURS]
    bounds = [
        Bound(f"{row['limiter']}: {what}", _figure(figure), 0)
        for row in ours_too
        for what, figure in row.items()
        if what != "limiter"
    ]
    return Part({"queue": Table(title, rows, note)}, bounds)


def _lost(name: str) -> Row:
    if name == AIOMETER:
        return dict.fromkeys(LOST)
    seeds = range(1 if name in SLOW else 5)

    def granted(cancel: queue.Canceller, seed: int) -> int:
        measure = functools.partial(queue.granted, cancel=cancel, seed=seed)
        return simulate(ALL[name], measure)

    budget = granted(queue.not_cancelled, 0)
    return {
        what: max(0, budget - min(granted(cancel, seed) for seed in seeds))
        for what, cancel in LOST.items()
    }


def priorities() -> Part:
    """Tabulate single messages beside bulk runs."""
    who: dict[str, Make] = {
        "LocalLimiter": ours,
        "LocalLimiter(reserve=0)": functools.partial(ours, reserve=0),
        AIOLIMITER: peers.Aiolimiter,
        PYRATE: peers.Pyrate,
    }
    rows: list[Row] = [{"limiter": name, **_priorities(make)} for name, make in who.items()]
    title = "Priorities: how long a message waits, in seconds, and what is left to a bulk run"
    note = (
        "Beside a bulk run that saturates the key, a message every 5 to 20 s for an hour, 5 seeds: "
        "p50, p99, max. A rush: 30 messages within a second on an idle key. Steady: as many "
        "messages as the limit allows, for half an hour, beside a bulk run: its share of the "
        "grants, and the most grants in a row that passed it by. The peers have one queue for all."
    )
    bounds = [
        Bound(f"LocalLimiter: {what}", _figure(rows[0][what]), most)
        for what, most in ((P99, 1.3), (RUSH, 0.1), (IN_A_ROW, 10))
    ]
    return Part({"priorities": Table(title, rows, note)}, bounds)


def _priorities(make: Make) -> Row:
    def each(measure: Callable[..., Awaitable[T]]) -> list[T]:
        return [simulate(make, functools.partial(measure, seed=seed)) for seed in range(5)]

    waits = list(itertools.chain.from_iterable(each(lanes.waits_beside_bulk)))
    percentiles = statistics.quantiles(waits, n=100, method="inclusive")
    turns = each(lanes.grants_in_turns)
    return {
        "beside bulk, p50": percentiles[49],
        P99: percentiles[98],
        "max": max(waits),
        RUSH: max(map(max, each(lanes.waits_of_a_rush))),
        "steady: bulk's share, %": min(share for share, _ in turns),
        IN_A_ROW: max(in_a_row for _, in_a_row in turns),
    }


def cost() -> Part:
    """Tabulate the CPU time of a grant."""
    contended = rounds(lambda: {name: cpu.contended(make) for name, make in QUICK.items()}, 15)
    polled = rounds(lambda: {name: cpu.contended(make) for name, make in SLOW.items()}, 2)
    idle = rounds(cpu.uncontended, 31)
    note = (
        "Microseconds: median (lowest–highest) of 15 rounds in which all take turns, and the "
        "median of the rounds' ratios; throttled-py in 2 rounds of its own. From the first task to "
        "the last, in virtual time; ours is answered at once."
    )
    idle_note = "Of 31 rounds, as above. Ours: acquire and answered; aiolimiter: acquire."
    tables = {
        "contended": Table(
            "CPU of one grant while 1,000 wait",
            costs(contended | polled, AIOLIMITER, who="limiter"),
            note,
        ),
        "uncontended": Table(
            "CPU of one grant on an idle key", costs(idle, IDLE, who="limiter"), idle_note
        ),
    }
    bounds = [
        *(_bound(contended, name, AIOLIMITER, 1, "while 1,000 wait") for name in OURS),
        *(_bound(idle, name, IDLE, 3, "on an idle key") for name in (SEND, BULK)),
    ]
    return Part(tables, bounds)


def _bound(seen: Rounds, name: str, to: str, most: float, case: str) -> Bound:
    return Bound(f"{name}: CPU of one grant {case} ÷ {to}'s", ratio(seen, name, to), most)


def _figure(cell: Cell) -> float:
    assert isinstance(cell, int | float)
    return cell
