"""
How long a login code waits: beside a bulk run that saturates the key, and among thirty at once.

In virtual time, at 100 a minute. The results go to ``benchmarks/results``: ``login_codes.json``,
``login_codes.md`` and ``login_codes.png``. It fails if one of a hundred codes waits longer than two
slots of the pace with our limiter.
"""

from __future__ import annotations

import functools
import itertools
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from benchmarks import _plot
from benchmarks._results import RESULTS, Bound, Result, Row, Table
from benchmarks.limit import lanes, peers
from benchmarks.limit.contestants import LIMIT, PER, Contestant, ours
from benchmarks.limit.tables import simulate

OURS = "LocalLimiter"
WHO: Mapping[str, Callable[[], Contestant]] = {
    OURS: ours,
    "LocalLimiter(reserve=0)": functools.partial(ours, reserve=0),
    "AsyncLimiter(100, 60)": peers.Aiolimiter,
    "AsyncLimiter(1, 0.6)": peers.AiolimiterPaced,
    "pyrate-limiter, 100 a minute": peers.Pyrate,
}
SEEDS = range(5)
#: The time of two requests of a bulk run at 98 % of the limit.
TWO_SLOTS = 2 * PER / (0.98 * LIMIT)


@frozen
class Waits:
    """Sorted waits of the codes, in seconds."""

    beside_bulk: Sequence[float]
    at_once: Sequence[float]


def measure(make: Callable[[], Contestant]) -> Waits:
    """Let codes wait, with each seed."""
    beside = [
        simulate(make, functools.partial(lanes.waits_beside_bulk, seed=seed)) for seed in SEEDS
    ]
    at_once = simulate(make, functools.partial(lanes.waits_of_a_rush, seed=0, seconds=0.0))
    return Waits(sorted(itertools.chain.from_iterable(beside)), at_once)


def _part(waits: Sequence[float], percent: int) -> float:
    return statistics.quantiles(waits, n=100, method="inclusive")[percent - 1]


def _row(name: str, waits: Waits) -> Row:
    row: dict[str, str | float] = {"limiter": name}
    for what, known in (("beside bulk", waits.beside_bulk), ("30 at once", waits.at_once)):
        row[f"{what}: p50"] = _part(known, 50)
        row[f"{what}: p99"] = _part(known, 99)
        row[f"{what}: max"] = max(known)
    return row


#: The lines to draw, with the positions of their labels and their colours.
_DRAWN = {
    OURS: (0.03, 88, _plot.BLUE),
    "AsyncLimiter(100, 60)": (9.0, 60, "#c98a1b"),
    "pyrate-limiter, 100 a minute": (20, 30, _plot.RED),
}
_TICKS = {0: "0", 0.5: "0.5", 1: "1", 2: "2", 5: "5", 10: "10", 30: "30", 60: "60 s"}


def draw(seen: Mapping[str, Waits], circumstances: str) -> None:
    """Draw which share of the codes has left after how many seconds."""
    height = 3.7
    with _plot.sheet(height, RESULTS / "login_codes.png") as (figure, axes):
        _plot.headline(
            axes,
            "How long a login code waits beside a bulk run that saturates the key",
            "A code every 5 to 20 s for an hour, 5 seeds; 100 requests a minute for all. "
            "To the left is better.",
        )
        box = (0.6 / _plot.WIDTH, 0.78 / height, (_plot.WIDTH - 0.8) / _plot.WIDTH, 2.1 / height)
        lines = figure.add_axes(box, xlim=(0, 90), ylim=(0, 102))
        lines.set_xscale("symlog", linthresh=1, linscale=0.6)
        _plot.plain(lines)
        for name, (left, up, color) in _DRAWN.items():
            known = seen[name].beside_bulk
            percents = [100 * (number + 1) / len(known) for number in range(len(known))]
            lines.step(
                [0, *known], [0, *percents], where="post", color=color, lw=1.6, clip_on=False
            )
            side = "right" if name.startswith("Async") else "left"
            weight = "bold" if name == OURS else "normal"
            lines.text(left, up, name, color=color, ha=side, weight=weight, size=8.5)
        lines.set_xticks(list(_TICKS), list(_TICKS.values()))
        lines.minorticks_off()
        lines.set_yticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100 %"])
        axes.text(
            _plot.NAMES,
            0.74,
            "share of the codes that have left",
            size=7,
            color=_plot.PALE,
        )
        _plot.foot(axes, height, circumstances)


def main() -> int:
    """Measure, write the results, and fail if a bound is missed."""
    seen = {name: measure(make) for name, make in WHO.items()}
    note = (
        "Seconds between asking and leaving. Beside a bulk run with 16 requests in flight, "
        f"answered after 0.02 to 1 s: a code every 5 to 20 s for an hour, {len(SEEDS)} "
        "seeds. 30 at once: on an idle key. A peer has one queue for all; those that let 100 "
        "leave at once are also those that let 199 and 115 through in a minute (`limit.md`)."
    )
    result = Result(
        name="login_codes",
        title="How long a login code waits, at 100 a minute",
        packages=("customersms-async", "aiolimiter", "pyrate-limiter"),
        tables={"waits": Table("Waits, in seconds", [_row(*item) for item in seen.items()], note)},
        bounds=[
            Bound(f"{OURS}, beside bulk: p99, s", _part(seen[OURS].beside_bulk, 99), TWO_SLOTS),
            Bound(f"{OURS}, 30 at once: p99, s", _part(seen[OURS].at_once, 99), TWO_SLOTS),
        ],
    )
    code = result.publish()
    draw(seen, result.circumstances)
    return code


if __name__ == "__main__":
    sys.exit(main())
