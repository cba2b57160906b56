"""How fast a run goes, and whether it goes on: its rules, its counts, its credits."""

from __future__ import annotations

import math

from .. import codes
from .._delivery.result import DeliveryResult
from .concurrency import AdaptiveConcurrency
from .stop_rules import Action, RunCounts, StopRules, affordable, decide_action

__all__ = ["FlowController"]


class FlowController:
    """
    Decides for one run; it waits for nothing and sends nothing.

    Args:
        rules: What ends the run early.

        max_in_flight: Requests under way at once, at most.
    """

    def __init__(self, rules: StopRules, max_in_flight: int) -> None:
        self._rules = rules
        self._counts = RunCounts()
        self._concurrency = AdaptiveConcurrency(max_in_flight)

    @property
    def balance(self) -> int | None:
        """The balance that was heard last, or None."""
        return self._counts.tracker.balance

    def may_start(self, numbers: int, requests: int, under_way: int) -> bool:
        """
        Say whether the next request may be started, or at least cut.

        Args:
            numbers: How many numbers it has.

            requests: How many requests are under way.

            under_way: How many numbers they have.
        """
        if not requests:
            return True
        return requests < self._concurrency.allowed and numbers <= self.room(under_way)

    def room(self, under_way: int) -> float:
        """Say how many numbers floor and budget allow beside those *under_way*."""
        rules, tracker = self._rules, self._counts.tracker
        is_guarded = rules.min_credits > 0 or rules.max_credits is not None
        if is_guarded and under_way and not tracker.knows_price:
            return 0
        return affordable(rules, tracker, under_way) if is_guarded else math.inf

    def word_for_shortage(self) -> str:
        """Name what does not allow one number more: the floor, or the budget."""
        rules, tracker = self._rules, self._counts.tracker
        is_spent = rules.max_credits is not None and not tracker.room_for(
            rules.max_credits - tracker.spent, 0
        )
        return codes.BUDGET_SPENT if is_spent else codes.NO_CREDITS

    def learn(self, result: DeliveryResult, numbers: int, under_way: int) -> str | None:
        """
        Enter a request that has ended; give the word that stops the run, or None.

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
        return advice.word
