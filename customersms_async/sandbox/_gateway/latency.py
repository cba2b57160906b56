"""
How long an answer takes: one number, or a distribution to draw from.

Written as ``0.2``, ``uniform(0.1, 0.5)``, ``normal(0.2, 0.05)`` (mean and standard deviation) or
``exponential(0.3)`` (mean). All are seconds; no draw is below 0 or above an hour.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping
from typing import Final, cast

from attrs import frozen

__all__ = ["Latency", "in_range", "read_latency"]

#: The longest latency, in seconds.
_MOST: Final = 3600.0

_WRITTEN: Final = re.compile(r"\s*([a-z]+)\s*\(([^()]*)\)\s*")

_Draw = Callable[[random.Random, tuple[float, ...]], float]

# How many parameters a distribution takes, and how a value is drawn.
_KINDS: Final[Mapping[str, tuple[int, _Draw]]] = {
    "fixed": (1, lambda _rng, numbers: numbers[0]),
    "uniform": (2, lambda rng, numbers: rng.uniform(*numbers)),
    "normal": (2, lambda rng, numbers: rng.gauss(*numbers)),
    "exponential": (1, lambda rng, numbers: -numbers[0] * math.log(1.0 - rng.random())),
}


@frozen
class Latency:
    """
    A distribution of seconds.

    Attributes:
        kind: ``fixed``, ``uniform``, ``normal`` or ``exponential``.
        numbers: Its parameters, in seconds: one value; lowest and highest; mean and standard
            deviation; mean.
    """

    kind: str
    numbers: tuple[float, ...]

    def draw(self, rng: random.Random) -> float:
        """Draw the seconds of one answer; the same random state gives the same seconds."""
        _, draw = _KINDS[self.kind]
        return min(_MOST, max(0.0, draw(rng, self.numbers)))

    def __str__(self) -> str:
        numbers = ", ".join(f"{number:g}" for number in self.numbers)
        return numbers if self.kind == "fixed" else f"{self.kind}({numbers})"


def in_range(seconds: object) -> float:
    """
    Clamp the result of a function to the range of a latency.

    Raises:
        ValueError: It is not a number.
    """
    is_whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if is_whole or (isinstance(seconds, float) and not math.isnan(seconds)):
        return min(_MOST, max(0.0, cast("float", seconds)))
    msg = f"the function latency must return a number of seconds, not {seconds!r}"
    raise ValueError(msg)


def read_latency(value: object) -> Latency:
    """
    Read a latency.

    Args:
        value: Seconds ≥ 0, or a distribution as text.

    Raises:
        ValueError: It is neither; the text says how to write one.
    """
    if isinstance(value, Latency):
        return value
    latency = _read_text(value) if isinstance(value, str) else _fixed(value)
    if latency is None:
        msg = (
            "latency must be a number of seconds of at least 0 and at most 3600, or one of "
            "uniform(low, high), normal(mean, deviation), exponential(mean), "
            f"not {value!r}"
        )
        raise ValueError(msg)
    return latency


def _fixed(value: object) -> Latency | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return Latency("fixed", (float(value),)) if 0 <= value <= _MOST else None


def _read_text(text: str) -> Latency | None:
    found = _WRITTEN.fullmatch(text)
    kind, inside = found.groups() if found else ("fixed", text)
    try:
        numbers = tuple(map(float, inside.split(",")))
    except ValueError:
        return None
    return Latency(kind, numbers) if _makes_sense(kind, numbers) else None


def _makes_sense(kind: str, numbers: tuple[float, ...]) -> bool:
    if kind not in _KINDS or len(numbers) != _KINDS[kind][0]:
        return False
    in_range = all(0 <= number <= _MOST for number in numbers)
    return in_range and (kind != "uniform" or numbers[0] <= numbers[1])
