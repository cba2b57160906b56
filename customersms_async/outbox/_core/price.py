"""
The price of a message, estimated from balances over all runs and workers of a campaign. Pure.

The gateway reports a balance in its answers but documents no price. Answers arrive in any order,
and a worker may die before it reads its own. Hence:

1. The lowest balance is the newest, unless a higher one exceeds the balance that was known when its
   own request left: then the account was topped up.
2. A drop divided by all messages that may have caused it is a lower bound of the price; the highest
   such bound counts. Messages in flight when a worker died or lost their answer may have caused the
   drop too, or the next answer would look expensive. What the account had already spent by the time
   a request left, for login codes or another campaign, is no part of its drop.
3. Others may have used the account since a balance that was heard long ago, by an earlier run or
   before a pause. A drop since then gives a rough price, which counts only until a request alone in
   flight has shown one since a balance that its own client had just heard. From then on the price
   is *sure*, and only drops since a recent balance can raise it.
"""

from __future__ import annotations

from attrs import evolve, frozen

__all__ = ["Answer", "Purse"]


@frozen
class Answer:
    """
    A balance, and what is known about the request whose answer reported it.

    Attributes:
        balance: The balance, or a newer one.
        before: The balance that was known when the request left, or None.
        left_at: When it left.
        charged: Its messages that were accepted, or may have been.
        in_flight: Messages of other requests that have not ended, or may have been charged since
            *before*.
        is_recent: Whether its client had heard *before* just before it left.
        is_alone: Whether no other request of the campaign could be in flight with it unless the
            price was sure.
    """

    balance: int
    before: int | None
    left_at: float
    charged: int
    in_flight: int
    is_recent: bool
    is_alone: bool


@frozen
class Purse:
    """
    What is known about an account.

    Attributes:
        balance: The newest balance, or None before the first.
        price: The highest price of one message seen so far, in credits.
        unheard: Messages without an answer that may have been charged since that balance.
        lost_at: When the last of these was given up.
        is_sure: 1 if a request has shown the price by itself, else 0; of a database's integers.
    """

    balance: int | None
    price: float
    unheard: int
    lost_at: float
    is_sure: int

    def lose(self, count: int, wall: float) -> Purse:
        """Record messages that were, or may have been, accepted, without a balance."""
        return evolve(self, unheard=self.unheard + count, lost_at=wall)

    def hear(self, answer: Answer) -> Purse:
        """Record an answer; lost messages count until a later request's answer includes them."""
        balance = answer.balance
        unheard = 0 if answer.left_at > self.lost_at else self.unheard
        if self.balance is None or (answer.before is not None and balance > answer.before):
            return evolve(self, balance=balance, unheard=unheard)  # the first, or it was topped up
        causes = self.unheard + answer.charged + answer.in_flight
        is_exact = answer.is_recent and answer.is_alone and causes == answer.charged
        is_free = is_exact and balance == self.balance == answer.before
        if balance >= self.balance and not is_free:
            return self  # an older answer: the newest balance includes its messages
        known = self.balance if answer.before is None else min(self.balance, answer.before)
        shown = max(1.0, (known - balance) / causes)
        heard = evolve(self, balance=balance, unheard=unheard)
        if self.is_sure and not answer.is_recent:
            return heard
        if is_exact and not self.is_sure:
            return evolve(heard, price=shown, is_sure=1)
        return evolve(heard, price=max(self.price, shown))
