"""
The cost of telemetry: microseconds of CPU per attempt, with and without an SDK.

The results go to ``benchmarks/results``: ``telemetry.json`` and ``telemetry.md``. It fails if an
attempt without an SDK costs more than 5 µs.
"""

from __future__ import annotations

import asyncio
import statistics
import sys

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from benchmarks._results import Bound, Result, Row, Table, median
from benchmarks._rounds import Work, cpu_rounds
from customersms_async import RequestRecord, Status
from customersms_async.opentelemetry import Telemetry

ATTEMPTS = 50_000  # per round
ROUNDS = 11
MOST = 5.0  # microseconds without an SDK

RECORD = RequestRecord(
    account="3f8a1b2c",
    request="3f8a-1",
    kind="send",
    numbers=1,
    fates={Status.SENT: 1},
    code=None,
    is_final=True,
    waited=0.01,
    took=0.2,
    credits=500,
)


def reporting(telemetry: Telemetry) -> Work:
    """Return a function that reports attempts."""

    async def work() -> int:
        for _ in range(ATTEMPTS):
            telemetry(RECORD)
        return ATTEMPTS

    return work


def with_sdk(sampled: float) -> Telemetry:
    """Return telemetry that is kept in memory: a share of the traces, and all metrics."""
    return Telemetry(
        tracer_provider=TracerProvider(sampler=TraceIdRatioBased(sampled)),
        meter_provider=MeterProvider([InMemoryMetricReader()]),
    )


def main() -> int:
    """Measure, write the results, and fail if the bound is missed."""
    works = {
        "no SDK": reporting(Telemetry()),
        "SDK, 1 trace in 100": reporting(with_sdk(0.01)),
        "SDK, every trace": reporting(with_sdk(1.0)),
    }
    seen = asyncio.run(cpu_rounds(works, ROUNDS))
    rows: list[Row] = [{"telemetry": name, "µs": median(known)} for name, known in seen.items()]
    note = "One attempt: a span, and what it adds to six metrics; without an exporter."
    return Result(
        name="telemetry",
        title="What telemetry costs",
        packages=("customersms-async", "opentelemetry-api", "opentelemetry-sdk"),
        tables={"cpu": Table("CPU of one attempt", rows, note)},
        bounds=[Bound("µs an attempt without an SDK", statistics.median(seen["no SDK"]), MOST)],
    ).publish()


if __name__ == "__main__":
    sys.exit(main())
