"""
Six ways in which servers count "100 requests a minute".

Rules of this module:

1. No clock: ``now`` comes in, in seconds of any clock that does not run backwards.
2. One object counts for one key.
3. A refused request leaves no trace: it does not count against later ones.
4. A sender that waits for `Rule.retry_after` is admitted: `Rule.admit` uses the same function, and
   a wait shorter than the rounding error of timestamps counts as 0.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Final, Literal, Protocol, get_args

from attrs import define, field

__all__ = ["RULE_NAMES", "Rule", "RuleName", "make_rule"]

#: The rules by name.
RuleName = Literal[
    "fixed-window", "sliding-log", "sliding-counter", "token-bucket", "gcra", "nginx"
]
RULE_NAMES: Final[tuple[RuleName, ...]] = get_args(RuleName)

#: Default of *burst*.
_BURSTS: Final[Mapping[str, int]] = {"gcra": 10, "nginx": 20}

#: A wait below this share of the period, or this many ulps of the clock, is a rounding error.
_SHARE, _STEPS = 1e-9, 4


class Rule(Protocol):
    """A counting rule for one key."""

    @property
    def capacity(self) -> int:
        """How many requests may count at once."""
        ...

    def admit(self, now: float) -> bool:
        """Count a request at *now* if there is room for it, and return whether there was."""
        ...

    def retry_after(self, now: float) -> float:
        """Return the seconds from *now* until there is room for a request; 0 if there is now."""
        ...

    def used(self, now: float) -> float:
        """Return how many requests count at *now*, from 0 to the capacity."""
        ...


def make_rule(name: RuleName, limit: int, *, per: float, burst: int | None = None) -> Rule:
    """
    Make the rule with that name.

    Args:
        name: One of `RULE_NAMES`.

        limit: Requests per period, ≥ 1.

        per: The period in seconds, > 0.

        burst: Requests at once, ≥ 1, for rules with a burst. Defaults: 10 for ``gcra``, 20 for
            ``nginx`` (on top of the first request).

    Returns:
        A rule that has counted nothing yet.
    """
    at_once = _BURSTS.get(name, 1) if burst is None else burst
    rules: dict[RuleName, Rule] = {
        "fixed-window": FixedWindow(limit, per),
        "sliding-log": SlidingLog(limit, per),
        "sliding-counter": SlidingCounter(limit, per),
        "token-bucket": TokenBucket(limit, per),
        "gcra": Gcra(limit, per, at_once),
        "nginx": Nginx(limit, per, at_once),
    }
    return rules[name]


def _rounding(now: float, per: float) -> float:
    return max(per * _SHARE, _STEPS * math.ulp(now))


def _unless_rounding(wait: float, now: float, per: float) -> float:
    return 0.0 if wait <= _rounding(now, per) else wait


def _window_of(now: float, per: float) -> int:
    return math.floor((now + _rounding(now, per)) / per)


@define(eq=False)
class _Counted:
    """A rule whose capacity is the limit."""

    limit: int
    per: float

    @property
    def capacity(self) -> int:
        """The limit."""
        return self.limit


@define(eq=False)
class FixedWindow(_Counted):
    """At most *limit* between two multiples of the period."""

    _window: int = 0
    _count: int = 0

    def admit(self, now: float) -> bool:
        """Count a request at *now* if its window has room."""
        has_room = self.retry_after(now) <= 0
        self._count += has_room
        return has_room

    def retry_after(self, now: float) -> float:
        """Return the seconds until the next window, or 0."""
        self._turn(now)
        return 0.0 if self._count < self.limit else (self._window + 1) * self.per - now

    def used(self, now: float) -> float:
        """Return the count of the window of *now*."""
        self._turn(now)
        return self._count

    def _turn(self, now: float) -> None:
        window = _window_of(now, self.per)
        if window != self._window:
            self._window, self._count = window, 0


@define(eq=False)
class SlidingLog(_Counted):
    """At most *limit* in the period that ends now; one timestamp is kept for each."""

    _log: deque[float] = field(factory=deque[float])

    def admit(self, now: float) -> bool:
        """Count a request at *now* if the period that ends there has room."""
        has_room = self.retry_after(now) <= 0
        if has_room:
            self._log.append(now)
        return has_room

    def retry_after(self, now: float) -> float:
        """Return the seconds until the oldest request leaves the period, or 0."""
        self._forget(now)
        return 0.0 if len(self._log) < self.limit else self._log[0] + self.per - now

    def used(self, now: float) -> float:
        """Return the size of the log."""
        self._forget(now)
        return len(self._log)

    def _forget(self, now: float) -> None:
        until = now + _rounding(now, self.per)
        while self._log and self._log[0] + self.per <= until:
            self._log.popleft()


@define(eq=False)
class SlidingCounter(_Counted):
    """
    Two fixed windows; the older one is weighted by the share that the period still covers.

    Source: https://blog.cloudflare.com/counting-things-a-lot-of-different-things/
    """

    _window: int = 0
    _count: int = 0
    _before: int = 0

    def admit(self, now: float) -> bool:
        """Count a request at *now* if the estimate leaves room for it."""
        has_room = self.retry_after(now) <= 0
        self._count += has_room
        return has_room

    def retry_after(self, now: float) -> float:
        """Return the seconds until the estimate has dropped far enough, or 0."""
        self._turn(now)
        if self._count < self.limit:
            room_at = self._sunk_at(self._window, self._before, self.limit - 1 - self._count)
        else:
            room_at = self._sunk_at(self._window + 1, self._count, self.limit - 1)
        return _unless_rounding(room_at - now, now, self.per)

    def used(self, now: float) -> float:
        """Return the estimate."""
        self._turn(now)
        share = min(1.0, self._window + 1 - now / self.per)
        return self._before * share + self._count

    def _sunk_at(self, window: int, before: int, room: int) -> float:
        """Return the time in *window* at which *before* counts for no more than *room*."""
        share = min(1.0, room / before) if before else 1.0
        return (window + 1 - share) * self.per

    def _turn(self, now: float) -> None:
        window = _window_of(now, self.per)
        if window != self._window:
            self._before = self._count if window == self._window + 1 else 0
            self._window, self._count = window, 0


@define(eq=False)
class TokenBucket(_Counted):
    """*limit* tokens, refilled evenly over the period; a full bucket may be used at once."""

    _tokens: float = math.inf
    _at: float = 0.0

    def admit(self, now: float) -> bool:
        """Take a token at *now* if there is a whole one."""
        has_room = self.retry_after(now) <= 0
        self._tokens -= has_room
        return has_room

    def retry_after(self, now: float) -> float:
        """Return the seconds until there is a whole token, or 0."""
        self._fill(now)
        wait = (1 - self._tokens) * self.per / self.limit
        return _unless_rounding(wait, now, self.per)

    def used(self, now: float) -> float:
        """Return the tokens in use."""
        self._fill(now)
        return self.limit - self._tokens

    def _fill(self, now: float) -> None:
        refill = (now - self._at) * self.limit / self.per
        self._tokens = min(self.limit, self._tokens + refill)
        self._at = now


@define(eq=False)
class Gcra:
    """
    Evenly spaced requests, with a burst of *burst*.

    Source: Generic Cell Rate Algorithm, ITU-T I.371, virtual scheduling.
    """

    limit: int
    per: float
    burst: int
    _due: float = -math.inf

    def admit(self, now: float) -> bool:
        """Count a request at *now* unless it is too early."""
        has_room = self.retry_after(now) <= 0
        if has_room:
            self._due = max(now, self._due) + self.per / self.limit
        return has_room

    def retry_after(self, now: float) -> float:
        """Return the seconds until a request is not too early, or 0."""
        tolerance = (self.burst - 1) * self.per / self.limit
        return _unless_rounding(self._due - tolerance - now, now, self.per)

    @property
    def capacity(self) -> int:
        """The burst."""
        return self.burst

    def used(self, now: float) -> float:
        """Return how many requests came early."""
        return max(0.0, (self._due - now) * self.limit / self.per)


@define(eq=False)
class Nginx:
    """
    ``limit_req`` with ``burst`` and ``nodelay``: a leaky bucket of *burst* on top of one request.

    Source: https://nginx.org/en/docs/http/ngx_http_limit_req_module.html
    """

    limit: int
    per: float
    burst: int
    _excess: float = -math.inf
    _at: float = 0.0

    def admit(self, now: float) -> bool:
        """Count a request at *now* if the bucket does not overflow."""
        has_room = self.retry_after(now) <= 0
        if has_room:
            self._excess, self._at = self._excess_at(now), now
        return has_room

    def retry_after(self, now: float) -> float:
        """Return the seconds until the bucket has leaked enough, or 0."""
        wait = (self._excess_at(now) - self.burst) * self.per / self.limit
        return _unless_rounding(wait, now, self.per)

    @property
    def capacity(self) -> int:
        """The burst and one request."""
        return self.burst + 1

    def used(self, now: float) -> float:
        """Return the level of the bucket."""
        return self._excess_at(now)

    def _excess_at(self, now: float) -> float:
        leaked = (now - self._at) * self.limit / self.per
        return max(0.0, self._excess - leaked + 1)
