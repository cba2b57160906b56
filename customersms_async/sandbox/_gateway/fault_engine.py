"""
Which fault happens to which request, and how long its answer takes.

Rules of this module:

1. One engine serves the constructor, HTTP, the page and the command line.
2. Precedence: script, standing fault, magic numbers, probabilities. Settings of a key come before
   those of all keys.
3. Everything is deterministic: the same requests in the same order get the same faults and
   latencies. A random number is drawn for every request, even if it does not decide, so that a
   script shifts nothing.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypedDict, cast

from attrs import define, field

from .fault_script import FaultScript, FaultStep, read_script, read_step
from .faults import MAGIC_NUMBERS, REJECTIONS, Fault, FaultPlan, read_fault
from .latency import Latency, in_range, read_latency

__all__ = ["FaultSettings", "Faults", "Switches", "read_settings"]


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
class Switches:
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
    _dice: random.Random = field(init=False, factory=random.Random)
    _latency_dice: random.Random = field(init=False, factory=random.Random)

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
            self._dice = _dice(self.seed, "faults")
        if values.keys() & {"latency", "seed"}:
            self._latency_dice = _dice(self.seed, "latency")

    def throw(self) -> FaultStep | None:
        """Draw the random fault of a request."""
        if not self.probabilities:
            return None
        mark = self._dice.random()
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
            return self.latency.draw(self._latency_dice)
        return self.latency and in_range(self.latency())


@define(eq=False)
class Faults:
    """
    The engine.

    Attributes:
        has_magic: Whether magic numbers have an effect.
        common: The settings of all keys.
        own: The settings of single keys, by key.
    """

    has_magic: bool = True
    common: Switches = field(factory=Switches)
    own: dict[str, Switches] = field(factory=dict[str, Switches], repr=False)

    def of(self, key: str | None) -> Switches:
        """Return the switches of a key, or those of all keys, to read or change."""
        return self.common if key is None else self.own.setdefault(key, Switches())

    def clear(self, key: str | None = None) -> None:
        """Switch everything off, for one key, or for all keys and each single one."""
        if key is None:
            self.common = Switches()
            self.own.clear()
        else:
            self.own.pop(key, None)

    def clear_scripts(self, key: str | None = None) -> None:
        """Drop the scripts, of one key, or of all keys and each single one."""
        own = self.own.values() if key is None else [self.own.get(key, Switches())]
        for switches in [*own, *([self.common] if key is None else [])]:
            switches.script.clear()

    def plan(self, phones: Sequence[str], key: str | None = None) -> FaultPlan:
        """Decide what goes wrong with a request of *key* to *phones*, and use up a step."""
        concerned = self._concerning(key)
        thrown = [switches.throw() for switches in concerned]
        meanings = self._meanings(phones)
        rejected = {phone: fault for phone, fault in meanings.items() if fault in REJECTIONS}
        step = _asked_for(concerned)
        if step is None and meanings:
            return _by_numbers(meanings, rejected)
        return _by_step(step or next(filter(None, thrown), FaultStep()), phones, rejected)

    def delay(self, key: str | None = None) -> float:
        """Draw the seconds before the answer to a request of *key*."""
        delays = [switches.delay() for switches in self._concerning(key)]
        return next((delay for delay in delays if delay is not None), 0.0)

    def _concerning(self, key: str | None) -> list[Switches]:
        own = None if key is None else self.own.get(key)
        return [self.common] if own is None else [own, self.common]

    def _meanings(self, phones: Sequence[str]) -> dict[str, Fault]:
        if not self.has_magic:
            return {}
        return {
            phone: MAGIC_NUMBERS[ending]
            for phone in phones
            if (ending := phone[-7:]) in MAGIC_NUMBERS
        }


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


def _dice(seed: int, purpose: str) -> random.Random:
    return random.Random(f"{seed} {purpose}")  # noqa: S311  # reproducible, not secret


def _asked_for(concerned: Sequence[Switches]) -> FaultStep | None:
    for switches in concerned:
        if switches.script:
            return switches.script.popleft()
    return next((switches.standing for switches in concerned if switches.standing), None)


def _by_step(step: FaultStep, phones: Sequence[str], rejected: Mapping[str, Fault]) -> FaultPlan:
    if step.fault is not None and step.fault in REJECTIONS:
        rejected = dict.fromkeys(phones, step.fault)
    return FaultPlan(step.fault, rejected=rejected, retry_after=step.retry_after)


def _by_numbers(meanings: Mapping[str, Fault], rejected: Mapping[str, Fault]) -> FaultPlan:
    """Let the first number that asks for more than its own rejection decide."""
    asking = [phone for phone in meanings if phone not in rejected] or list(meanings)
    return FaultPlan(meanings[asking[0]], aimed_at=asking[0], rejected=rejected)
