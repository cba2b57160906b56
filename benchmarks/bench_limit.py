"""
The rate limiter beside its peers, in one run: see `benchmarks.limit` for what is measured and how.

Writes ``benchmarks/results/limit.json``, ``limit.md`` and ``limit.png``; fails where a bound is
missed. Run it by ``make bench-limit``.
"""

from __future__ import annotations

import sys

from benchmarks._results import Result
from benchmarks.limit import peers, tables


def main() -> int:
    """Measure, write the results, and fail where a bound is not kept."""
    watched = tables.watch()
    parts = [
        tables.sight(watched),
        tables.feedback(),
        tables.cancellation(watched),
        tables.priorities(),
        tables.cost(),
    ]
    result = Result(
        name="limit",
        title="The rate limiter beside its peers: 100 per minute",
        packages=("customersms-async", *peers.PACKAGES),
        tables={name: table for part in parts for name, table in part.tables.items()},
        bounds=[bound for part in parts for bound in part.bounds],
    )
    return result.publish()


if __name__ == "__main__":
    sys.exit(main())
