"""
Compares the rate limiter with others, in one run: ``make bench-limit``.

The modules of `benchmarks.limit` describe what is measured and how. The results go to
``benchmarks/results``: ``limit.json``, ``limit.md`` and ``limit.png``. It fails if a bound is
missed.
"""

from __future__ import annotations

import sys

from benchmarks._results import RESULTS, Result
from benchmarks.limit import peers, plot, tables


def main() -> int:
    """Measure, write the results, and fail if a bound is missed."""
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
        title="The rate limiter beside its peers, at 100 per minute",
        packages=("customersms-async", *peers.PACKAGES),
        tables={name: table for part in parts for name, table in part.tables.items()},
        bounds=[bound for part in parts for bound in part.bounds],
    )
    code = result.publish()
    drawn = {name: seen for name, seen in watched.items() if name != tables.SEND}
    plot.draw(drawn, result.circumstances, RESULTS / "limit.png")
    return code


if __name__ == "__main__":
    sys.exit(main())
