"""
Rounds in which all contestants take turns, so that a slower machine affects them equally.

The figures are the CPU time of this process and, for two contestants, the median of the ratios
within a round, in which a slow moment of the machine cancels out.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from benchmarks._results import Row, median

__all__ = ["Rounds", "Work", "costs", "cpu_rounds", "ratio", "rounds"]

#: Figures by contestant, one per round.
Rounds = Mapping[str, Sequence[float]]
#: Does some work, and returns how many units were done.
Work = Callable[[], Awaitable[int]]


def rounds(measure: Callable[[], Mapping[str, float]], count: int) -> dict[str, list[float]]:
    """Measure *count* times; *measure* returns a figure for each contestant."""
    seen = [measure() for _ in range(count)]
    return {name: [one[name] for one in seen] for name in seen[0]}


async def cpu_rounds(works: Mapping[str, Work], count: int) -> dict[str, list[float]]:
    """Return the microseconds of CPU per unit; the order changes with each round."""
    dice, order = random.Random(0), list(works)
    for name in order:  # warm up: things made at first use are made
        await works[name]()
    gc.collect()
    gc.freeze()  # imports of one contestant must not be work for another
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
    """Return the median of the rounds' ratios."""
    if len(seen[name]) != len(seen[to]):  # not measured in the same rounds
        return statistics.median(seen[name]) / statistics.median(seen[to])
    return statistics.median(a / b for a, b in zip(seen[name], seen[to], strict=True))


def costs(seen: Rounds, to: str, *, who: str) -> list[Row]:
    """Return the rows of a table: *who* is the title of its first column."""
    return [
        {who: name, "µs": median(known), f"÷ {to}": ratio(seen, name, to)}
        for name, known in seen.items()
    ]
