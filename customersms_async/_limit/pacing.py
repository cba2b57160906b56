"""
The second gate: how fast bulk runs leave, whatever the window would allow.

Rules of this module:

1. Just under the limit, with a small burst: servers that dislike bursts are content too.
2. Once the gateway has refused an account for its rate, everything of it is paced, one by one and
   a little slower.
3. The pace belongs to the account, not to an event loop. Each loop has a token bucket of its own,
   since aiolimiter's belongs to one loop; only the one that gave the last token is up to date.
   Any other is made anew when its loop asks: empty at the instant of that token, and filling from
   then on. So loops that take turns leave no faster together than one alone.
4. Tokens that gather while bulk runs wait for the window are of no use but for one: spent at once,
   they would leave a gap behind in which no slot opens, for single messages either.
5. Nobody ever waits in a bucket: it is asked whether it has a token, and asked again later. So
   whoever is cancelled cannot take one along, and the order is the queue's own.
"""

from __future__ import annotations

import math
from typing import Final

from aiolimiter import AsyncLimiter

from .._ports.limiter import Lane
from .config import Rate

__all__ = ["Pace", "Pacer", "interval"]

#: Of the limit, how much bulk runs use; how much once the gateway has refused for the rate.
_PACE: Final = 0.98
_PACE_ONCE_REFUSED: Final = 0.95

#: Seconds until a bucket is asked again that has no token though one was due: its loop's clock may
#: stand still for a millisecond (uvloop's does).
_ASK_AGAIN: Final = 0.001
#: A token is asked for later by this part of its interval, so that sums of floats cannot miss it.
_LATER: Final = 1 + 1e-6

_BULK: Final = Lane.BULK


def interval(rate: Rate, *, was_refused: bool = False) -> float:
    """Give the seconds between two requests that are paced, beyond the burst."""
    part = _PACE_ONCE_REFUSED if was_refused else _PACE
    return rate.per / (part * rate.limit)


class Pace:
    """
    The pace of one account, which all event loops share; the process's lock guards it.

    Attributes:
        burst: Requests of bulk runs that may leave at once.
        interval: Seconds in which one token comes in.
        is_for_bulk: Whether bulk runs need a token.
        was_refused: Whether the gateway has refused for the rate; then all need one.
        has_token: Whether a token was drawn that nobody has used yet; there is never a second.
        drawn_at: When the last token was drawn; monotonic seconds.
        held_until: Until when the window held up bulk runs; monotonic seconds.
        turn: Changes with each token; the bucket that gave the last one knows the number.
    """

    __slots__ = (
        "_rate",
        "burst",
        "drawn_at",
        "has_token",
        "held_until",
        "interval",
        "is_for_bulk",
        "turn",
        "was_refused",
    )

    def __init__(self, rate: Rate, burst: int) -> None:
        self._rate = rate
        self.burst = burst
        self.interval = interval(rate)
        self.is_for_bulk = burst < rate.limit
        self.was_refused = False
        self.has_token = False
        self.drawn_at = -math.inf
        self.held_until = -math.inf
        self.turn = 0

    def is_for(self, lane: Lane) -> bool:
        """Whether *lane* needs a token of the bucket."""
        return self.was_refused or (self.is_for_bulk and lane is _BULK)

    def refused(self, now: float) -> None:
        """The gateway has refused for the rate: from the first time on, go one by one."""
        if not self.was_refused:
            self.was_refused = True
            self.burst = 1
            self.interval = interval(self._rate, was_refused=True)
            self.has_token = False
            self.drawn_at = now
            self.turn += 1

    def drawn(self, now: float) -> int:
        """Take in that a token was drawn; give the new turn."""
        self.has_token = True
        self.drawn_at = now
        self.turn += 1
        return self.turn

    def spent(self, now: float) -> None:
        """The token is used. One that was kept for another loop must not bring the next nearer."""
        self.has_token = False
        if now > self.drawn_at:
            self.drawn_at = now
            self.turn += 1


class Pacer:
    """The token bucket of one event loop; used in that loop alone, with the account's lock held."""

    __slots__ = ("_bucket", "_pace", "_turn")

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._bucket = _bucket(pace)
        self._turn = -1

    def draw(self, now: float) -> float:
        """Have a token drawn, if there is one; give *now*, or else the instant to ask again."""
        pace = self._pace
        if pace.has_token:
            return now
        if self._turn != pace.turn:
            self._renew(now)
        if not self._bucket.has_capacity():
            return max(pace.drawn_at + pace.interval * _LATER, now + _ASK_AGAIN)
        if pace.held_until + pace.interval >= now:
            self._bucket = _bucket(pace)
            _take_out(self._bucket, pace.burst - 1)
        _take_out(self._bucket, 1)
        self._turn = pace.drawn(now)
        return now

    def _renew(self, now: float) -> None:
        """Fill a bucket with what has come in since the last token."""
        pace = self._pace
        self._bucket = _bucket(pace)
        self._turn = pace.turn
        missing = pace.burst - (now - pace.drawn_at) / pace.interval
        if missing > 0:
            _take_out(self._bucket, min(missing, pace.burst))


def _bucket(pace: Pace) -> AsyncLimiter:
    return AsyncLimiter(pace.burst, pace.burst * pace.interval)


def _take_out(bucket: AsyncLimiter, tokens: float) -> None:
    """Take out what is there: then the coroutine ends at its first step, and needs no task."""
    try:
        bucket.acquire(tokens).send(None)
    except StopIteration:
        return
