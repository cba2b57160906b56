"""
What goes wrong with the requests of one key, or of all, and how that is set.

Rules of this module:

1. A setting is read before any is applied: an error changes nothing.
2. The same seed and the same requests give the same faults and latencies.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, TypedDict, cast

from attrs import define, field

from .fault_script import FaultScript, FaultStep, read_script, read_step
from .faults import Fault, read_fault
from .latency import Latency, in_range, read_latency

__all__ = ["FaultSettings", "KeyFaults", "read_settings"]


class FaultSettings(TypedDict, total=False):
    """
    The settings; those that are not given stay as they are.

    Attributes:
        script: What happens to the next requests, as in `read_script`; replaces the rest of an
            earlier script.
        standing: What happens to every request until it is switched off with None.
        probabilities: The probability of each fault, by name; together at most 1.
        seed: Random seed; the same seed and the same requests give the same run.
        latency: Seconds before each answer, as in `read_latency`; None for that of all keys.
    """

    script: FaultScript
    standing: str | Fault | None
    probabilities: Mapping[str, float] | None
    seed: int
    latency: float | str | Callable[[], float] | None


_Latency = Latency | Callable[[], float] | None


@define(eq=False)
class KeyFaults:
    """
    The faults of one key, or those of all keys.

    Attributes:
        script: What happens to the next requests.
        standing: What happens to every request.
        probabilities: The probability of each fault, in the order of drawing.
        seed: Random seed.
        latency: Seconds before each answer; None if not set.
    """

    script: deque[FaultStep] = field(factory=deque[FaultStep])
    standing: FaultStep | None = None
    probabilities: Mapping[Fault, float] = field(factory=dict[Fault, float])
    seed: int = 0
    latency: _Latency = None
    _fault_rng: random.Random = field(init=False, factory=random.Random)
    _latency_rng: random.Random = field(init=False, factory=random.Random)

    def change(self, settings: Mapping[str, object]) -> None:
        """
        Apply *settings*; see `FaultSettings`.

        Raises:
            ValueError: A name is unknown or a value is not valid; then nothing has changed.
        """
        values = read_settings(settings)
        for name, value in values.items():
            setattr(self, name, value)
        if values.keys() & {"probabilities", "seed"}:
            self._fault_rng = _seeded(self.seed, "faults")
        if values.keys() & {"latency", "seed"}:
            self._latency_rng = _seeded(self.seed, "latency")

    def draw(self) -> FaultStep | None:
        """Draw the random fault of a request."""
        if not self.probabilities:
            return None
        mark = self._fault_rng.random()
        for fault, probability in self.probabilities.items():
            mark -= probability
            if mark < 0:
                return FaultStep(fault)
        return None

    def delay(self) -> float | None:
        """
        Draw the seconds before an answer; None if not set.

        Raises:
            ValueError: The function ``latency`` did not return a number.
        """
        if isinstance(self.latency, Latency):
            return self.latency.draw(self._latency_rng)
        return self.latency and in_range(self.latency())


def read_settings(settings: Mapping[str, object]) -> dict[str, object]:
    """
    Read settings without applying them.

    Raises:
        ValueError: A name is unknown or a value is not valid.
    """
    for name in settings:
        if name not in _READERS:
            msg = f"a setting of faults must be one of {', '.join(_READERS)}, not {name!r}"
            raise ValueError(msg)
    return {name: _READERS[name](value) for name, value in settings.items()}


def _read_script(value: object) -> deque[FaultStep]:
    return deque([] if value is None else read_script(value))


def _read_probabilities(value: object) -> dict[Fault, float]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        msg = f"probabilities must be an object like {{'answer-lost': 0.05}}, not {value!r}"
        raise ValueError(msg)  # noqa: TRY004  # every bad option is a ValueError
    given = cast("Mapping[object, object]", value)
    read = {_real_fault(name): _probability(name, number) for name, number in given.items()}
    if sum(read.values()) > 1:
        msg = f"probabilities must be at most 1 together, not {sum(read.values()):g}"
        raise ValueError(msg)
    return {fault: read[fault] for fault in Fault if fault in read}


def _real_fault(name: object) -> Fault:
    fault = read_fault(name)
    if fault is None:
        msg = "probabilities are for faults only; the rest up to 1 is that of ok"
        raise ValueError(msg)
    return fault


def _probability(name: object, number: object) -> float:
    if isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= 1:
        return float(number)
    msg = f"the probability of {name} must be a number from 0 to 1, not {number!r}"
    raise ValueError(msg)


def _read_seed(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    msg = f"seed must be a whole number, not {value!r}"
    raise ValueError(msg)


def _read_latency(value: object) -> _Latency:
    if value is None or callable(value):
        return cast("_Latency", value)
    return read_latency(value)


_READERS: Final[Mapping[str, Callable[[object], object]]] = {
    "script": _read_script,
    "standing": read_step,
    "probabilities": _read_probabilities,
    "seed": _read_seed,
    "latency": _read_latency,
}


def _seeded(seed: int, purpose: str) -> random.Random:
    return random.Random(f"{seed} {purpose}")  # noqa: S311  # reproducible, not secret
