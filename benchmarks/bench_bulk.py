"""
The cost of a million numbers: CPU, peak memory, and memory kept, compared with the usual code.

In requests of 100 and of 1,000 numbers, to a fast gateway in a separate process. CPU is measured
with 20,000 numbers, since all take turns in each round; memory with a million. The results go to
``benchmarks/results``: ``bulk.json`` and ``bulk.md``. It fails if a bound is missed.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from collections.abc import Mapping

from benchmarks._gateway import gateway
from benchmarks._results import Bound, Result, Row, Table, median
from benchmarks._rounds import Rounds, cpu_rounds, ratio
from benchmarks.bulk import memory
from benchmarks.bulk.contestants import (
    CONTESTANTS,
    COUNTED,
    KEEPERS,
    OURS,
    STREAMED,
    Contestant,
    numbers,
)

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "21"))
MANY = int(os.environ.get("BENCH_NUMBERS", "1000000"))
SIZES = (100, 1_000)
NUMBERS = 20_000
PACKAGES = ("customersms-async", "aiohttp", "msgspec", "orjson", "requests")

#: CPU relative to a loop that only counts, by numbers in a request.
MOST_CPU = {100: 1.40, 1_000: 1.34}
#: Bytes per number; growth from a third of the numbers.
MOST_KEPT, MOST_GROWTH = 24, 2


async def _work(contestant: Contestant, base: str, size: int) -> int:
    await contestant(base, numbers(NUMBERS), size)
    return NUMBERS


def measure_cpu(base: str, size: int) -> Rounds:
    """Return the microseconds per number, by contestant, one figure per round."""
    works = {
        name: functools.partial(_work, contestant, base, size)
        for name, contestant in CONTESTANTS.items()
    }
    return asyncio.run(cpu_rounds(works, ROUNDS))


def _cpu_row(name: str, seen: Mapping[int, Rounds]) -> Row:
    row: dict[str, object] = {"what": name}
    for size, rounds in seen.items():
        row[f"{size:,} a request, µs"] = median(rounds[name])
    for size, rounds in seen.items():
        row[f"{size:,}: ÷ two counts"] = ratio(rounds, name, COUNTED)
    return row  # type: ignore[return-value]  # every value is a cell


def measure_memory(base: str) -> list[Row]:
    """Return the rows of the memory table."""
    return [
        {
            "what": name,
            **{f"{size:,} a request, MB": memory.peak(name, base, MANY, size) for size in SIZES},
            "kept, bytes a number": (
                memory.bytes_kept(name, base, MANY, SIZES[-1]) if name in KEEPERS else None
            ),
        }
        for name in CONTESTANTS
    ]


def _bounds(cpu: Mapping[int, Rounds], kept: float, growth: float) -> list[Bound]:
    return [
        *(
            Bound(
                f"{OURS}, {size:,} a request: CPU ÷ that of {COUNTED}",
                ratio(rounds, OURS, COUNTED),
                MOST_CPU[size],
            )
            for size, rounds in cpu.items()
        ),
        Bound("a Report: bytes a number beside the ids", kept, MOST_KEPT),
        Bound(f"{STREAMED}: MB more for {MANY:,} than for a third of them", growth, MOST_GROWTH),
    ]


def main() -> int:
    """Measure, write the results, and fail if a bound is missed."""
    with gateway() as base:
        cpu = {size: measure_cpu(base, size) for size in SIZES}
        rows = measure_memory(base)
        stream = [memory.peak(STREAMED, base, count, SIZES[-1]) for count in (MANY // 3, MANY)]
    cpu_note = (
        f"CPU time of the client's process: median (lowest–highest) of {ROUNDS} rounds of "
        f"{NUMBERS:,} numbers in which all take turns, and the median of the rounds' ratios. "
        "One request at a time. Unless stated otherwise, ours drops duplicates, which the others "
        "do not."
    )
    memory_note = (
        f"{MANY:,} numbers. Peak: of the process, above its memory before the run; the numbers are "
        "generated one by one. Kept: per number beside its message id, at the end of the run."
    )
    kept = next(row["kept, bytes a number"] for row in rows if row["what"] == KEEPERS[0])
    assert isinstance(kept, float)
    return Result(
        name="bulk",
        title="What a million numbers cost",
        packages=PACKAGES,
        tables={
            "cpu": Table("CPU of one number", [_cpu_row(n, cpu) for n in CONTESTANTS], cpu_note),
            "memory": Table("Memory", rows, memory_note),
        },
        bounds=_bounds(cpu, kept, stream[1] - stream[0]),
    ).publish()


if __name__ == "__main__":
    sys.exit(main())
