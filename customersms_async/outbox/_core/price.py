"""
What a message costs, as far as balances tell, over all runs and workers of a campaign. Pure.

The gateway names a balance in its answers and documents no price. Answers arrive in any order, and
a worker may die before it has heard its own. Hence:

1. The lowest balance is the newest, and a higher one is older; unless it is higher than what was
   known when its own request left: then the account was topped up.
2. A fall divided by all messages that can have caused it is a price that was paid at least; the
   dearest of these counts. What was on its way when a worker died, or lost its answer, can have
   caused it too, or the next answer would look dear.
"""

from __future__ import annotations

from attrs import evolve, frozen

__all__ = ["Answer", "Purse"]


@frozen
class Answer:
    """
    A balance, and what is known of the request whose answer named it.

    Attributes:
        balance: The balance, or a newer one.
        before: The balance that was known when the request left, or None.
        left_at: When it left.
        charged: Its messages that were accepted, or may have been.
        in_flight: Messages of other requests that have not ended.
    """

    balance: int
    before: int | None
    left_at: float
    charged: int
    in_flight: int


@frozen
class Purse:
    """
    What is known of an account.

    Attributes:
        balance: The newest balance, or None before the first.
        price: The dearest price of one message that was seen, in credits.
        unheard: Messages without an answer that may have been charged since that balance.
        lost_at: When the last of these was given up.
    """

    balance: int | None
    price: float
    unheard: int
    lost_at: float

    def lose(self, count: int, wall: float) -> Purse:
        """Enter messages that may have been accepted, or were, and no balance."""
        return evolve(self, unheard=self.unheard + count, lost_at=wall)

    def hear(self, answer: Answer) -> Purse:
        """Enter an answer; what was lost counts until one to a later request has told of it."""
        balance = answer.balance
        unheard = 0 if answer.left_at > self.lost_at else self.unheard
        if self.balance is None or (answer.before is not None and balance > answer.before):
            return evolve(self, balance=balance, unheard=unheard)  # the first, or it was topped up
        if balance >= self.balance:
            return self  # an older answer: the newest balance has told of its messages
        causes = self.unheard + answer.charged + answer.in_flight
        price = max(self.price, (self.balance - balance) / causes)
        return evolve(self, balance=balance, price=price, unheard=unheard)
