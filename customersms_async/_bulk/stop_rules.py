"""
When a run continues, slows down or stops: one pure decision for each request that has ended.

Rules of this module:

1. `decide_action` uses a result, the caller's rules and the counts, and changes nothing.
2. The first rule that applies, in the order of the table `_RULES`, stops a run.
3. Only a readable answer about the numbers themselves makes a run faster. A refusal of the whole
   request, or a request that never left, does not change the speed; an unknown resets it.
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

#: A share of rejected numbers is meaningless before this many have an answer.
_FEWEST_FOR_A_SHARE: Final = 100

#: Codes about the number: in a request for one number, they say nothing about the next request.
_ABOUT_THE_NUMBER = re.compile(r"PHONE|NUMBER|RECIPIENT|DESTINATION|MSISDN")

#: Codes of what was not sent after waiting for their cause to end was given up.
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
    When to end a bulk run early; the rest is then not sent.

    A refused key, or a refusal for lack of credits, always ends it, at the first answer.

    Attributes:
        max_unknown: Consecutive requests without a readable answer, at least 1.
        max_refused: Consecutive requests refused entirely with the same code, at least 1.
        max_rejected: The share of rejected numbers, above 0 and up to 1, among those that have an
            answer; it counts from 100 numbers on. None for no limit.
        outage: Seconds for which a run waits while the gateway cannot be reached, or a limiter of
            your own raises `LimiterUnavailable`; at least 0. It sends one probe at a time and reads
            nothing. The limiters of this package wait for their store as long as it takes.
        min_credits: The minimum balance, at least 0: a balance at or below it ends the run. Above
            0, requests in flight count as spent, at the highest price seen.
        max_credits: A budget for the run, at least 1; requests in flight count as spent, at the
            highest price seen and at least 1 credit per number. None for no budget.

    Raises:
        ConfigurationError: One is out of range.
    """

    max_unknown: int = field(default=3, validator=_count)
    max_refused: int = field(default=3, validator=_count)
    max_rejected: float | None = field(default=None, validator=_share_or_none)
    outage: float = field(default=600.0, validator=_seconds)
    min_credits: int = field(default=0, validator=_count)
    max_credits: int | None = field(default=None, validator=_count_or_none)


def check_rules(value: object, name: str = "stop") -> StopRules:
    """
    Check stop rules, and return them.

    Raises:
        ConfigurationError: It is not a `StopRules`.
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
    The consequence of a result.

    Attributes:
        action: What to do.
        code: The code of what stops the run; None unless it stops.
    """

    action: Action
    code: str | None = None


@define(eq=False)
class RunCounts:
    """
    The counts that the rules use, over all requests that have ended.

    Attributes:
        unknown_in_a_row: Consecutive requests without a readable answer.
        refused_in_a_row: Consecutive requests refused entirely with the same code.
        refusal: That code.
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
        Record a request that has ended.

        Args:
            result: Its fates.

            numbers: How many numbers it had.

            in_flight: Numbers of the requests that are still in flight.
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
        """Record what an answer says about the whole request, including an acceptance."""
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
    Return what a run does after *result*.

    Args:
        result: The request that has ended.

        rules: The caller's rules.

        counts: The counts of all requests that have ended, including this one.
    """
    for rule in _RULES:
        if code := rule(result, rules, counts):
            return Decision(Action.STOP, code)
    return _GO_ON[_speed(result)]


def affordable(rules: StopRules, tracker: CreditTracker, in_flight: int) -> float:
    """
    Return how many numbers the next request may have, by minimum balance and budget.

    Args:
        rules: The caller's rules.

        tracker: The credits.

        in_flight: Numbers that are in flight.

    Returns:
        A whole number from 0 on, or infinity if there is neither a minimum nor a budget.
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
