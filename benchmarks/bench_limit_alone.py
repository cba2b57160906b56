"""
Processes with the default limiter and one key, in virtual time: ``make bench-limit``.

They share nothing, and learn their shares from refusals; see `benchmarks.limit.alone`. The results
go to ``benchmarks/results/limit_alone.json`` and ``.md``.
"""

from __future__ import annotations

import functools
import sys

from benchmarks import _virtual
from benchmarks._results import Bound, Result, Row, Table, mean_and_worst, median
from benchmarks.limit.alone import beside_each_other

SEEDS = range(8)
PROCESSES = (2, 4, 8)
SPREADS = (0.0, 30.0, 60.0)


def row(processes: int, spread: float, *, asks: bool) -> Row:
    """Measure one way to start, once per seed."""
    seen = [
        _virtual.run(
            functools.partial(beside_each_other, processes, seed, spread=spread, asks=asks)
        )
        for seed in SEEDS
    ]
    return {
        "processes": processes,
        "begin within, s": spread,
        "Retry-After": "yes" if asks else "no",
        "of the budget, %": median(one.used for one in seen),
        "refused of 100": mean_and_worst(one.refused for one in seen),
        "fairness (Jain)": median(one.fairness for one in seen),
    }


def main() -> int:
    """Measure, write the results, and fail if a bound is missed."""
    rows = [
        row(processes, spread, asks=asks)
        for processes in PROCESSES
        for spread in SPREADS
        for asks in (True, False)
    ]
    bounds = []
    for one in rows:
        if one["processes"] != 4:
            continue
        what = (
            f"four, begun within {one['begin within, s']:.0f} s, Retry-After: {one['Retry-After']}"
        )
        used, refused, fairness = (
            one[name].value  # type: ignore[union-attr]  # these are spreads
            for name in ("of the budget, %", "refused of 100", "fairness (Jain)")
        )
        bounds += [
            Bound(f"{what}: unused of the budget, %", 100 - used, 10),
            Bound(f"{what}: refused of 100", refused, 4),
            Bound(f"{what}: 1 − fairness", 1 - fairness, 0.15),
        ]
    note = (
        "100 a minute, counted as a log; minutes 3 to 7. Median, lowest and highest of eight runs, "
        "and of refusals the mean and the highest."
    )
    return Result(
        name="limit_alone",
        title="One key, several processes with the default limiter",
        packages=("customersms-async",),
        tables={"alone": Table("Shares", rows, note)},
        bounds=bounds,
    ).publish()


if __name__ == "__main__":
    sys.exit(main())
