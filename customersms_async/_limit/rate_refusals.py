"""
What follows a refusal for the rate: a pause, caution, and a smaller share of the key.

Rules of this module:

1. The *pause* holds every request on the key. Only requests granted since it began lengthen it.
2. *Caution* follows: requests leave one by one and a little slower, and slowly regain burst and
   pace.
3. Refusals below our own count mean that others use the key. The *share* of bulk runs becomes 90 %
   of what was used in the last period, at most once a period and only for requests granted since
   the last cut. It grows by 2 % of the limit a period. It does not bind single messages.
"""

from __future__ import annotations

from typing import Final

from .._ports.limiter import LONGEST_PAUSE
from .account_state import PACE, AccountState, Rules

__all__ = ["FIRST_PAUSE", "LONGEST_OWN_PAUSE", "Refusals"]

#: Seconds of the first and of the longest pause, if the refusal specifies none.
FIRST_PAUSE: Final = 1.0
LONGEST_OWN_PAUSE: Final = 60.0

#: The part of the limit that is used right after a refusal.
_CAUTIOUS_PACE: Final = 0.95

_CUT: Final = 0.9
_LEFT: Final = 0.3  # least part of the share after one cut: a new process has used little
_GROWTH: Final = 0.02  # of the limit, per period
_LEAST: Final = 0.05  # of the limit


class Refusals:
    """Pause, caution and share of an account with these rules."""

    def __init__(self, rules: Rules) -> None:
        self._limit = rules.limit
        self._per = rules.per
        self._burst = rules.burst
        self._growth = _GROWTH * rules.limit / rules.per  # requests per second
        self._least = max(1.0, _LEAST * rules.limit)
        self._to_regain = max(rules.burst - 1, 1)

    def refused(
        self,
        state: AccountState,
        now: float,
        granted_at: float,
        retry_after: float | None,
        used: int | None,
    ) -> None:
        """
        Record a refusal.

        Args:
            state: The account.

            now: When it was heard.

            granted_at: When the refused request was granted.

            retry_after: Seconds that the gateway asked for, or None.

            used: Our requests in the last period; None if that is the limit.
        """
        if granted_at >= state.pause_began_at:
            state.pause_began_at = now
            state.pause_step = min(max(2 * state.pause_step, FIRST_PAUSE), LONGEST_OWN_PAUSE)
        seconds = state.pause_step if retry_after is None else min(retry_after, LONGEST_PAUSE)
        state.paused_until = max(state.paused_until, now + seconds)
        interval = self._per / (_CAUTIOUS_PACE * self._limit)
        state.due = max(state.due, now + interval)  # drop what an idle time has saved
        state.send_due = now + interval
        state.refused_at = now
        if used is not None:
            state.refused_by_others += 1
            if granted_at > state.share_at and now >= state.share_at + self._per:
                share = self.share(state, now)
                state.share = max(self._least, min(_CUT * share, max(_CUT * used, _LEFT * share)))
                state.share_at = now

    def share(self, state: AccountState, now: float) -> float:
        """Return the requests per period that bulk runs may use."""
        grown = self._growth * (now - state.share_at)
        return self._limit if grown >= self._limit else min(self._limit, state.share + grown)

    def are_forgotten(self, state: AccountState, now: float) -> bool:
        """Whether the last refusal no longer has any effect."""
        return self._growth * (now - state.refused_at) >= self._limit

    def is_cautious(self, state: AccountState, now: float) -> bool:
        """Whether single messages are paced too."""
        return self._regained(state, now) < self._to_regain

    def pace(self, state: AccountState, now: float) -> tuple[float, int]:
        """Return the seconds between two paced requests, and how many may leave at once."""
        regained = min(self._regained(state, now), self._to_regain)
        part = _CAUTIOUS_PACE + (PACE - _CAUTIOUS_PACE) * regained / self._to_regain
        burst = min(self._burst, 1 + int(regained))
        return self._per / (part * self._limit), burst

    def charge(self, state: AccountState, now: float, at: float) -> None:
        """Record that a request leaves at *at*."""
        interval, burst = self.pace(state, now)
        full = at - (burst - 1) * interval
        state.send_due = min(max(state.send_due, full) + interval, now + self._per)

    def _regained(self, state: AccountState, now: float) -> float:
        """Return how many requests beyond one may leave at once by now."""
        return self._growth * (now - state.refused_at)
