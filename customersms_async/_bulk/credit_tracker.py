"""
The credits of a run: what is left, what was spent, and what the next request may cost.

Theory of operation
===================

The gateway names a balance in its answers and documents no price. Answers of requests that are
under way together arrive in any order, so a balance may be older than one that was heard before
it. Balances only fall while a run spends; hence:

1. The lowest balance heard is the newest. A higher one is an older answer, unless it is higher
   than what was under way can explain: then the account was topped up.
2. What was spent is the sum of the falls. A fall divided by all numbers that can have caused it is
   a price that was paid at least; the dearest of these counts. It is never below 1 credit.
3. Numbers that are in flight, or whose answer was lost, count as spent until a balance tells.
"""

from __future__ import annotations

import math

from attrs import define

__all__ = ["CreditTracker"]

#: Answers after which a price is known, or never will be since no balance is named.
_ENOUGH_ANSWERS = 2


@define(eq=False)
class CreditTracker:
    """
    The credits of one run.

    Attributes:
        balance: The balance that was heard last, or None.
        price: The dearest price of one number that was seen, in credits; at least 1.
    """

    balance: int | None = None
    price: float = 1.0
    _lowest: int | None = None
    _slack: float = 0.0  # how much older than the lowest a balance can be, in credits
    _fallen: int = 0
    _unpriced: int = 0  # numbers that were accepted before the first balance, that answer's own too
    _unheard: int = 0  # numbers that may have been charged since the lowest balance
    _answers: int = 0

    @property
    def left(self) -> float:
        """The newest balance, less what may have been charged since; infinite before the first."""
        if self._lowest is None:
            return math.inf
        return self._lowest - self.price * self._unheard

    @property
    def spent(self) -> float:
        """Credits that the run has spent, as far as is known."""
        return self._fallen + self.price * (self._unpriced + self._unheard)

    @property
    def knows_price(self) -> bool:
        """Whether enough answers were heard for a price to be known."""
        return self._answers >= _ENOUGH_ANSWERS

    def add(self, balance: int | None, accepted: int, unknown: int, in_flight: int) -> None:
        """
        Enter an answer, or the loss of one.

        Args:
            balance: The balance that it names, or None.

            accepted: Numbers of it that were accepted.

            unknown: Numbers of it that may have been.

            in_flight: Numbers that are still under way.
        """
        self._answers += bool(accepted)
        self._unheard += accepted + unknown
        if balance is None:
            return
        self.balance = balance
        if self._lowest is None:
            self._unpriced, self._unheard = self._unheard, 0
            self._lower(balance, accepted, in_flight)
        elif balance <= self._lowest:
            self._fall(self._lowest - balance, in_flight)
            self._lower(balance, accepted, in_flight)
        elif balance > self._lowest + self._slack:  # topped up
            self._lower(balance, accepted, in_flight)
        else:  # an older answer: the lowest balance has told what it cost
            self._unheard -= accepted

    def room_for(self, credits_left: float, in_flight: int) -> float:
        """
        Say how many numbers more can be paid for.

        Args:
            credits_left: Credits that may still be spent, as far as answers have told.

            in_flight: Numbers that are under way.
        """
        room = (credits_left - self.price * in_flight) / self.price
        return room if room == math.inf else max(0, math.floor(room))

    def _fall(self, credits_spent: int, in_flight: int) -> None:
        self._fallen += credits_spent
        causes = self._unheard + in_flight
        if causes:
            self.price = max(self.price, credits_spent / causes)
        self._unheard = 0

    def _lower(self, balance: int, accepted: int, in_flight: int) -> None:
        self._lowest = balance
        self._slack = self.price * (accepted + in_flight)
