"""
What a million numbers keep: peak memory of a streamed run, and bytes per number of a report.

Each count runs in a process of its own, whose peak the operating system reports. Bounds: a
streamed run of a million with ``dedupe=False`` peaks no higher than one of 300,000 (5 % is the
allocator's); a report keeps at most 24 bytes a number beside the message ids.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator

from benchmarks._gateway import gateway
from customersms_async import CustomerSMS, LocalLimiter, Rate

COUNTS = (100_000, 300_000, 1_000_000)
TEXT = "We open at nine"
ID_BYTES = len("msg_") + 9  # what the gateway of the benchmark gives each number


def numbers(count: int) -> Iterator[str]:
    """Give *count* numbers that nobody has."""
    return (f"+1212{i:07d}" for i in range(count))


def client(url: str) -> CustomerSMS:
    """Make a client that no limit holds back."""
    limiter = LocalLimiter(Rate(1_000_000, per=1), burst=1_000_000)
    return CustomerSMS("cspro_bench", endpoint=url, limiter=limiter)


async def stream(url: str, count: int) -> None:
    """Stream a run and print the peak of the process, in MB."""
    async with client(url) as sms:
        seen = 0
        run = sms.stream_many(numbers(count), TEXT, batch_size=1_000, dedupe=False)
        async with run as bulk:
            async for _ in bulk:
                seen += 1
        assert seen == bulk.progress.sent == count
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


async def report(url: str, count: int) -> None:
    """Run to a report and print what it keeps, in bytes a number, ids included."""
    async with client(url) as sms:
        tracemalloc.start()
        kept = await sms.send_many(numbers(count), TEXT, batch_size=1_000, dedupe=False)
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert kept.sent == count
    print(size / count)


def measure(kind: str, url: str, count: int) -> float:
    """Run one measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.bench_memory", kind, url, str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Measure, print a table, and fail where a bound is not kept."""
    with gateway() as url:
        peaks = [measure("stream", url, count) for count in COUNTS]
        print("streamed, dedupe=False: peak of the process")
        for count, peak in zip(COUNTS, peaks, strict=True):
            print(f"  {count:>9,} numbers {peak:7.1f} MB")
        kept = measure("report", url, COUNTS[-1])
    beside = kept - ID_BYTES
    print(
        f"report of {COUNTS[-1]:,}: {kept:.2f} bytes a number, {beside:.2f} beside the message ids"
    )
    return int(peaks[-1] > 1.05 * peaks[1] or beside > 24)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(
            {"stream": stream, "report": report}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
        )
    else:
        sys.exit(main())
