"""How fast a run is, and whether it continues: its rules, its counts, its credits."""

from __future__ import annotations

import math

from .. import codes
from .._delivery.result import DeliveryResult
from .concurrency import AdaptiveConcurrency
from .stop_rules import Action, RunCounts, StopRules, affordable, decide_action

__all__ = ["FlowController"]


class FlowController:
    """
    Makes the decisions of one run; it waits for nothing and sends nothing.

    Args:
        rules: When to end the run early.

        max_in_flight: The most requests in flight at once.
    """

    def __init__(self, rules: StopRules, max_in_flight: int) -> None:
        self._rules = rules
        self._counts = RunCounts()
        self._concurrency = AdaptiveConcurrency(max_in_flight)

    @property
    def balance(self) -> int | None:
        """The last reported balance, or None."""
        return self._counts.tracker.balance

    def may_start(self, numbers: int, requests: int, under_way: int) -> bool:
        """
        Return whether the next request, or part of it, may be started.

        Args:
            numbers: How many numbers it has.

            requests: How many requests are in flight.

            under_way: How many numbers they have.
        """
        if not requests:
            return True
        return requests < self._concurrency.allowed and numbers <= self.affordable(under_way)

    def affordable(self, under_way: int) -> float:
        """Return how many numbers minimum and budget allow besides those *under_way*."""
        rules, tracker = self._rules, self._counts.tracker
        is_guarded = rules.min_credits > 0 or rules.max_credits is not None
        if is_guarded and under_way and not tracker.knows_price:
            return 0
        return affordable(rules, tracker, under_way) if is_guarded else math.inf

    def code_for_shortage(self) -> str:
        """Return the code of what does not allow one more number: the minimum, or the budget."""
        rules, tracker = self._rules, self._counts.tracker
        is_spent = rules.max_credits is not None and not tracker.room_for(
            rules.max_credits - tracker.spent, 0
        )
        return codes.BUDGET_SPENT if is_spent else codes.NO_CREDITS

    def learn(self, result: DeliveryResult, numbers: int, under_way: int) -> str | None:
        """
        Record a request that has ended; return the code that stops the run, or None.

        Args:
            result: Its fates.

            numbers: How many numbers it had.

            under_way: How many numbers the other requests have.
        """
        self._counts.add(result, numbers, under_way)
        advice = decide_action(result, self._rules, self._counts)
        if advice.action is Action.SPEED_UP:
            self._concurrency.speed_up()
        elif advice.action is Action.SLOW_DOWN:
            self._concurrency.start_over()
        return advice.code
