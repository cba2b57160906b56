"""
Rounds in which all take turns, so that a machine that gets slower gets slower for all.

What counts is the CPU time of this process, and of two contestants the median of the ratios within
a round, in which a slow moment of the machine cancels out.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from benchmarks._results import Row, median

__all__ = ["Rounds", "Work", "costs", "cpu_rounds", "ratio", "rounds"]

#: Figures by contestant, one a round.
Rounds = Mapping[str, Sequence[float]]
#: Does something, and gives how many were done.
Work = Callable[[], Awaitable[int]]


def rounds(measure: Callable[[], Mapping[str, float]], count: int) -> dict[str, list[float]]:
    """Measure so many times; *measure* gives a figure of each contestant."""
    seen = [measure() for _ in range(count)]
    return {name: [one[name] for one in seen] for name in seen[0]}


async def cpu_rounds(works: Mapping[str, Work], count: int) -> dict[str, list[float]]:
    """Give the microseconds of CPU for each that was done; the order changes with each round."""
    dice, order = random.Random(0), list(works)
    for name in order:  # whatever is made at first use is made
        await works[name]()
    gc.collect()
    gc.freeze()  # what one contestant has imported is no work of another's
    seen: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(count):
        dice.shuffle(order)
        for name in order:
            seen[name].append(await _cpu(works[name]))
    gc.unfreeze()
    return seen


async def _cpu(work: Work) -> float:
    gc.collect()
    began_at = time.process_time()
    done = await work()
    return 1e6 * (time.process_time() - began_at) / done


def ratio(seen: Rounds, name: str, to: str) -> float:
    """Give the median of the rounds' ratios."""
    if len(seen[name]) != len(seen[to]):  # not measured in the same rounds
        return statistics.median(seen[name]) / statistics.median(seen[to])
    return statistics.median(a / b for a, b in zip(seen[name], seen[to], strict=True))


def costs(seen: Rounds, to: str, *, who: str) -> list[Row]:
    """Give the rows of a table: *who* is the title of its first column."""
    return [
        {who: name, "µs": median(known), f"÷ {to}": ratio(seen, name, to)}
        for name, known in seen.items()
    ]
