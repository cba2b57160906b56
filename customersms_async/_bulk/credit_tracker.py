"""
The credits of a run: what is left, what was spent, and what the next request may cost.

Theory of operation
===================

The gateway reports a balance in its answers but documents no price. Answers to concurrent requests
arrive in any order, so a balance may be older than one that arrived before it. Balances only fall
while a run spends; hence:

1. The lowest balance so far is the newest. A higher one is an older answer, unless it is higher
   than the requests in flight can explain: then the account was topped up.
2. The amount spent is the sum of the drops. A drop divided by all numbers that may have caused it
   is a lower bound of the price; the highest bound counts. It is never below 1 credit.
3. Numbers that are in flight, or whose answer was lost, count as spent until a balance includes
   them.
"""

from __future__ import annotations

import math

from attrs import define

__all__ = ["CreditTracker"]

#: Answers after which the price is known, or never will be since no balance is reported.
_ENOUGH_ANSWERS = 2


@define(eq=False)
class CreditTracker:
    """
    The credits of one run.

    Attributes:
        balance: The last reported balance, or None.
        price: The highest price of one number seen so far, in credits; at least 1.
    """

    balance: int | None = None
    price: float = 1.0
    _lowest: int | None = None
    _slack: float = 0.0  # how much older than the lowest a balance can be, in credits
    _fallen: int = 0
    _unpriced: int = 0  # numbers accepted up to and including the first balance
    _unheard: int = 0  # numbers that may have been charged since the lowest balance
    _answers: int = 0

    @property
    def left(self) -> float:
        """The newest balance minus possible charges since; infinite before the first balance."""
        if self._lowest is None:
            return math.inf
        return self._lowest - self.price * self._unheard

    @property
    def spent(self) -> float:
        """Credits that the run has spent, as far as known."""
        return self._fallen + self.price * (self._unpriced + self._unheard)

    @property
    def knows_price(self) -> bool:
        """Whether there were enough answers for the price to be known."""
        return self._answers >= _ENOUGH_ANSWERS

    def add(self, balance: int | None, accepted: int, unknown: int, in_flight: int) -> None:
        """
        Record an answer, or the loss of one.

        Args:
            balance: The balance that it reports, or None.

            accepted: Its numbers that were accepted.

            unknown: Its numbers that may have been accepted.

            in_flight: Numbers that are still in flight.
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
        else:  # an older answer: the lowest balance includes its cost
            self._unheard -= accepted

    def room_for(self, credits_left: float, in_flight: int) -> float:
        """
        Return how many more numbers can be paid for.

        Args:
            credits_left: Credits that may still be spent, according to the answers so far.

            in_flight: Numbers that are in flight.
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
