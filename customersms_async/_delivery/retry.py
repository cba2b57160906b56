"""
What an attempt proves, and what may follow.

Rules of this module:

1. The body's own mark decides: where no byte of it was written, nothing was sent, whatever was
   raised; where one was, only a readable answer tells more than "unknown".
2. Only what was not sent is tried again.
3. Doubt makes slow: a bulk run speeds up by answers, and starts over after an unknown.

Measured in ``tests/integration/test_failures.py``: the mark is right in every case, the class of
an exception in none that matters.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define

from .. import codes
from .._columns import Verdict
from .._wire.codec import LONGEST_PAUSE, Refused, TurnedAway, Unreadable
from ..errors import Status

__all__ = [
    "FIRST_PAUSE",
    "LONGEST_OWN_PAUSE",
    "REFUSED_BELOW_OUR_COUNT",
    "Caution",
    "Pause",
    "backoff",
    "has_no_credits",
    "is_key_refused",
    "of_failure",
    "of_refusal",
]

_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 8.0

#: Seconds of the first pause after a refusal for the rate that names none, and of the longest.
FIRST_PAUSE: Final = 1.0
LONGEST_OWN_PAUSE: Final = 60.0

#: What such a refusal means.
REFUSED_BELOW_OUR_COUNT: Final = (
    "the gateway refused for the rate below our own count: somebody else uses the key, "
    "or the gateway counts more strictly"
)

#: Refusals for the rate are waited out this long after the last acceptance, then given up.
PATIENCE_WITH_REFUSALS: Final = 600.0

_KEY_WORDS = re.compile(
    r"API_?KEY|(^|_)(KEY|TOKEN|UNAUTHORI[SZ]ED|UNAUTHENTICATED|AUTHENTICATION)(_|$)|^HTTP_401$"
)
_CREDIT_WORDS = re.compile(r"(^|_)(CREDITS?|BALANCE|FUNDS)(_|$)|^HTTP_402$")


def of_failure(detail: str, *, is_started: bool) -> Verdict:
    """Say what an attempt proves that ended without an answer."""
    if is_started:
        return Verdict(Status.UNKNOWN, codes.ANSWER_LOST, detail)
    return Verdict(Status.NOT_SENT, codes.CONNECT_FAILED, detail)


def of_refusal(answer: Refused | TurnedAway | Unreadable, detail: str | None) -> Verdict:
    """Say what an answer proves that is about the whole request; *detail* is its cleaned text."""
    if isinstance(answer, Refused):
        return Verdict(Status.REJECTED, answer.code, detail)
    if isinstance(answer, TurnedAway):
        return Verdict(Status.NOT_SENT, codes.RATE_LIMITED, detail)
    return Verdict(Status.UNKNOWN, codes.ANSWER_UNREADABLE, detail)


def is_key_refused(verdict: Verdict) -> bool:
    """Whether the gateway does not accept the key."""
    return verdict.status is Status.REJECTED and bool(_KEY_WORDS.search(verdict.code or ""))


def has_no_credits(verdict: Verdict) -> bool:
    """Whether the gateway refused for want of credits."""
    return verdict.status is Status.REJECTED and bool(_CREDIT_WORDS.search(verdict.code or ""))


def backoff(tries: int, jitter: float) -> float:
    """
    Say how long to wait before the next try.

    Args:
        tries: Tries that failed, from 1.

        jitter: A roll of the dice, 0 ≤ jitter < 1.

    Returns:
        Seconds: a random part ("full jitter") of 0.5, 1, 2, 4, and 8 from then on.

    Source: "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """
    return jitter * min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(tries - 1, 10))


@define(eq=False)
class Pause:
    """
    Until when refusals for the rate hold everyone on a key.

    Attributes:
        until: Before this instant nothing leaves; monotonic seconds.
    """

    until: float = float("-inf")
    _began_at: float = float("-inf")
    _step: float = 0.0

    def refused(self, now: float, granted_at: float, retry_after: float | None) -> None:
        """
        Take in a refusal.

        Args:
            now: When it was read, monotonic seconds.

            granted_at: When the refused request was let go. One that was let go before the
                current pause began tells nothing new and does not make the pause grow.

            retry_after: Seconds that the gateway asked for, or None.
        """
        if granted_at >= self._began_at:
            self._began_at = now
            self._step = min(max(2 * self._step, FIRST_PAUSE), LONGEST_OWN_PAUSE)
        seconds = self._step if retry_after is None else min(retry_after, LONGEST_PAUSE)
        self.until = max(self.until, now + seconds)

    def accepted(self) -> None:
        """Take in that a request was let through: the next pause is a short one again."""
        self._step = 0.0


@define(eq=False)
class Caution:
    """
    How many requests a bulk run dares to have in flight.

    Attributes:
        most: The most that the caller allows.
        max_unknown: So many unknown requests in a row end the run.
        allowed: The most at this moment.
    """

    most: int
    max_unknown: int
    allowed: int = 1
    _unknown_in_a_row: int = 0

    def answered(self) -> None:
        """A request ended with a readable answer."""
        self._unknown_in_a_row = 0
        self.allowed = min(2 * self.allowed, self.most)

    def unknown(self) -> bool:
        """A request ended without one; tell whether that is too many in a row."""
        self._unknown_in_a_row += 1
        self.allowed = 1
        return self._unknown_in_a_row >= self.max_unknown
