"""
When a run goes on, slows down or stops: one pure decision for each request that has ended.

Rules of this module:

1. `decide_action` looks at a result, the caller's rules and the counts, and changes nothing.
2. What stops a run is the first rule below that holds, in the order of the table `_RULES`.
3. Only a readable answer about the numbers themselves makes a run faster. A refusal of the whole
   request, or a request that never left, leaves the speed as it is; an unknown takes it back.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from attrs import Attribute, define, field, frozen

from .. import codes
from .._delivery.result import DeliveryResult
from .._delivery.retry import has_no_credits, is_key_refused
from .._values.status import SENT, Status, Verdict
from .._values.validation import check_count, check_seconds, is_number
from ..errors import ConfigurationError
from .credit_tracker import CreditTracker

__all__ = [
    "Action",
    "Decision",
    "RunCounts",
    "StopRules",
    "affordable",
    "check_rules",
    "decide_action",
]

#: A share of rejected numbers means nothing before this many have an answer.
_FEWEST_FOR_A_SHARE: Final = 100

#: A refusal of a request for one number that names the number says nothing about the next one.
_ABOUT_THE_NUMBER = re.compile(r"PHONE|NUMBER|RECIPIENT|DESTINATION|MSISDN")

#: Why nothing was sent, where waiting for an end of it has been given up by then.
_GIVEN_UP: Final = frozenset({codes.CONNECT_FAILED, codes.LIMITER_UNAVAILABLE, codes.RATE_LIMITED})


def _count(_: object, attribute: Attribute[Any], value: object) -> None:
    check_count(attribute.name, value, 0 if attribute.name == "min_credits" else 1)


def _count_or_none(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None:
        check_count(attribute.name, value, 1)


def _share_or_none(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None and not (is_number(value) and 0 < value <= 1):
        msg = f"{attribute.name} must be a share above 0 and up to 1, or None, not {value!r}"
        raise ConfigurationError(msg)


def _seconds(_: object, attribute: Attribute[Any], value: object) -> None:
    check_seconds(attribute.name, value, or_zero=True)


@frozen(kw_only=True)
class StopRules:
    """
    What ends a bulk run early, and leaves the rest not sent.

    A refused key, or a refusal for want of credits, always ends it, at the first answer.

    Attributes:
        max_unknown: Requests in a row without a readable answer, at least 1.
        max_refused: Requests in a row that were refused as a whole with the same word, at least 1.
        max_rejected: A share of rejected numbers, above 0 and up to 1, among those that have an
            answer; it counts from 100 numbers on. None for no such end.
        outage: Seconds for which a run waits while the gateway, or the store of a shared limiter,
            cannot be reached, at least 0. It sends one probe at a time and reads nothing.
        min_credits: A floor, at least 0: a balance at or below it ends the run. Above 0, what is
            in flight counts as spent, at the dearest price seen.
        max_credits: A budget for the run, at least 1; what is in flight counts as spent, at the
            dearest price seen and at least 1 credit a number. None for no budget.

    Raises:
        ConfigurationError: One is out of its range.
    """

    max_unknown: int = field(default=3, validator=_count)
    max_refused: int = field(default=3, validator=_count)
    max_rejected: float | None = field(default=None, validator=_share_or_none)
    outage: float = field(default=600.0, validator=_seconds)
    min_credits: int = field(default=0, validator=_count)
    max_credits: int | None = field(default=None, validator=_count_or_none)


def check_rules(value: object, name: str = "stop") -> StopRules:
    """
    Check what ends a run early, and return it.

    Raises:
        ConfigurationError: It is no `StopRules`.
    """
    if isinstance(value, StopRules):
        return value
    msg = f"{name} must be StopRules(...), not {type(value).__name__}"
    raise ConfigurationError(msg)


class Action(enum.Enum):
    """What a run does after a request has ended."""

    SPEED_UP = "speed up"
    KEEP_ON = "keep on"
    SLOW_DOWN = "slow down"
    STOP = "stop"


@frozen
class Decision:
    """
    What follows from a result.

    Attributes:
        action: What to do.
        word: The code of what stops the run; None unless it stops.
    """

    action: Action
    word: str | None = None


@define(eq=False)
class RunCounts:
    """
    What the rules look at, of the requests that have ended.

    Attributes:
        unknown_in_a_row: Requests without a readable answer, one after another.
        refused_in_a_row: Requests refused as a whole with the same word, one after another.
        refusal: That word.
        answered: Numbers that have an answer.
        rejected: How many of them were rejected.
        tracker: The credits.
    """

    unknown_in_a_row: int = 0
    refused_in_a_row: int = 0
    refusal: str | None = None
    answered: int = 0
    rejected: int = 0
    tracker: CreditTracker = field(factory=CreditTracker)

    def add(self, result: DeliveryResult, numbers: int, in_flight: int = 0) -> None:
        """
        Enter a request that has ended.

        Args:
            result: Its fates.

            numbers: How many numbers it had.

            in_flight: Numbers of the requests that are still under way.
        """
        sent, rejected, unknown = _count_fates(result, numbers)
        self.answered += sent + rejected
        self.rejected += rejected
        self.tracker.add(result.credits, sent, unknown, in_flight)
        if result.is_unknown:
            self.unknown_in_a_row += 1
        elif result.first.status is not Status.NOT_SENT:
            self.unknown_in_a_row = 0
            self._add_refusal(result.whole, numbers)

    def _add_refusal(self, whole: Verdict | None, numbers: int) -> None:
        """Enter what an answer said of the whole request, which an acceptance is as well."""
        if whole is None or whole.status is not Status.REJECTED:
            self.refused_in_a_row, self.refusal = 0, None
            return
        if numbers == 1 and _ABOUT_THE_NUMBER.search(whole.code or ""):
            return
        is_same = whole.code == self.refusal
        self.refused_in_a_row = self.refused_in_a_row + 1 if is_same else 1
        self.refusal = whole.code


def decide_action(result: DeliveryResult, rules: StopRules, counts: RunCounts) -> Decision:
    """
    Say what a run does after *result*.

    Args:
        result: The request that has ended.

        rules: What the caller allows.

        counts: What is known of all requests that have ended, this one included.
    """
    for rule in _RULES:
        if word := rule(result, rules, counts):
            return Decision(Action.STOP, word)
    return _GO_ON[_speed(result)]


def affordable(rules: StopRules, tracker: CreditTracker, in_flight: int) -> float:
    """
    Say how many numbers the next request may have, by floor and budget.

    Args:
        rules: What the caller allows.

        tracker: The credits.

        in_flight: Numbers that are under way.

    Returns:
        A whole number from 0 on, or infinity where there is neither floor nor budget.
    """
    room = math.inf
    if rules.min_credits:
        room = tracker.room_for(tracker.left - rules.min_credits, in_flight)
    if rules.max_credits is not None:
        room = min(room, tracker.room_for(rules.max_credits - tracker.spent, in_flight))
    return room


def _speed(result: DeliveryResult) -> Action:
    if result.is_unknown:
        return Action.SLOW_DOWN
    whole = result.whole
    is_about_numbers = whole is None or whole.status is Status.SENT
    return Action.SPEED_UP if is_about_numbers else Action.KEEP_ON


def _count_fates(result: DeliveryResult, numbers: int) -> tuple[int, int, int]:
    """Count the sent, the rejected and the unknown."""
    if result.whole is SENT:  # nearly always; a `Counter` costs more than all the rest of it
        return numbers, 0, 0
    fates = result.fates(numbers)
    return fates[Status.SENT], fates[Status.REJECTED], fates[Status.UNKNOWN]


def _distinct(result: DeliveryResult) -> Iterable[Verdict]:
    verdicts = result.verdicts
    return (verdicts,) if isinstance(verdicts, Verdict) else set(verdicts)


def _key_refused(result: DeliveryResult, _: StopRules, __: RunCounts) -> str | None:
    refused = next(filter(is_key_refused, _distinct(result)), None)
    return None if refused is None else refused.code


def _no_credits(result: DeliveryResult, rules: StopRules, counts: RunCounts) -> str | None:
    is_refused = any(map(has_no_credits, _distinct(result)))
    is_empty = result.credits is not None and counts.tracker.left <= rules.min_credits
    return codes.NO_CREDITS if is_refused or is_empty else None


def _budget_spent(_: DeliveryResult, rules: StopRules, counts: RunCounts) -> str | None:
    is_spent = rules.max_credits is not None and counts.tracker.spent >= rules.max_credits
    return codes.BUDGET_SPENT if is_spent else None


def _too_many_unknown(result: DeliveryResult, rules: StopRules, counts: RunCounts) -> str | None:
    is_over = result.is_unknown and counts.unknown_in_a_row >= rules.max_unknown
    return codes.TOO_MANY_UNKNOWN if is_over else None


def _too_many_refused(_: DeliveryResult, rules: StopRules, counts: RunCounts) -> str | None:
    return counts.refusal if counts.refused_in_a_row >= rules.max_refused else None


def _too_many_rejected(_: DeliveryResult, rules: StopRules, counts: RunCounts) -> str | None:
    if rules.max_rejected is None or counts.answered < _FEWEST_FOR_A_SHARE:
        return None
    is_over = counts.rejected >= rules.max_rejected * counts.answered
    return codes.TOO_MANY_REJECTED if is_over else None


def _given_up(result: DeliveryResult, _: StopRules, __: RunCounts) -> str | None:
    first = result.first
    return first.code if first.status is Status.NOT_SENT and first.code in _GIVEN_UP else None


_GO_ON: Final = {action: Decision(action) for action in Action}

_Rule = Callable[[DeliveryResult, StopRules, RunCounts], str | None]

_RULES: Final[tuple[_Rule, ...]] = (
    _key_refused,
    _no_credits,
    _budget_spent,
    _too_many_unknown,
    _too_many_refused,
    _too_many_rejected,
    _given_up,
)
