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

from collections.abc import Mapping, Sequence

from attrs import define, field

from .fault_script import FaultStep
from .fault_settings import KeyFaults
from .faults import MAGIC_NUMBERS, REJECTIONS, Fault, FaultPlan

__all__ = ["FaultEngine"]


@define(eq=False)
class FaultEngine:
    """
    Decides what goes wrong with each request.

    Attributes:
        has_magic: Whether magic numbers have an effect.
        common: The settings of all keys.
        own: The settings of single keys, by key.
    """

    has_magic: bool = True
    common: KeyFaults = field(factory=KeyFaults)
    own: dict[str, KeyFaults] = field(factory=dict[str, KeyFaults], repr=False)

    def of(self, key: str | None) -> KeyFaults:
        """Return the faults of a key, or those of all keys, to read or change."""
        return self.common if key is None else self.own.setdefault(key, KeyFaults())

    def clear(self, key: str | None = None) -> None:
        """Switch everything off, for one key, or for all keys and each single one."""
        if key is None:
            self.common = KeyFaults()
            self.own.clear()
        else:
            self.own.pop(key, None)

    def clear_scripts(self, key: str | None = None) -> None:
        """Drop the scripts, of one key, or of all keys and each single one."""
        own = self.own.values() if key is None else [self.own.get(key, KeyFaults())]
        for settings in [*own, *([self.common] if key is None else [])]:
            settings.script.clear()

    def plan(self, phones: Sequence[str], key: str | None = None) -> FaultPlan:
        """Decide what goes wrong with a request of *key* to *phones*, and use up a step."""
        concerned = self._concerning(key)
        drawn = [settings.draw() for settings in concerned]
        meanings = self._meanings(phones)
        rejected = {phone: fault for phone, fault in meanings.items() if fault in REJECTIONS}
        step = _next_step(concerned)
        if step is None and meanings:
            return _by_numbers(meanings, rejected)
        return _by_step(step or next(filter(None, drawn), FaultStep()), phones, rejected)

    def delay(self, key: str | None = None) -> float:
        """Draw the seconds before the answer to a request of *key*."""
        delays = [settings.delay() for settings in self._concerning(key)]
        return next((delay for delay in delays if delay is not None), 0.0)

    def _concerning(self, key: str | None) -> list[KeyFaults]:
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


def _next_step(concerned: Sequence[KeyFaults]) -> FaultStep | None:
    for settings in concerned:
        if settings.script:
            return settings.script.popleft()
    return next((settings.standing for settings in concerned if settings.standing), None)


def _by_step(step: FaultStep, phones: Sequence[str], rejected: Mapping[str, Fault]) -> FaultPlan:
    if step.fault is not None and step.fault in REJECTIONS:
        rejected = dict.fromkeys(phones, step.fault)
    return FaultPlan(step.fault, rejected=rejected, retry_after=step.retry_after)


def _by_numbers(meanings: Mapping[str, Fault], rejected: Mapping[str, Fault]) -> FaultPlan:
    """Let the first number that asks for more than its own rejection decide."""
    asking = [phone for phone in meanings if phone not in rejected] or list(meanings)
    return FaultPlan(meanings[asking[0]], aimed_at=asking[0], rejected=rejected)
