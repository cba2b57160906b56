"""
What an attempt proves, and whether to retry.

Rules of this module:

1. The body's mark decides. If no byte of it was written, nothing was sent, whatever exception was
   raised; if one was, the fate is unknown unless there is a readable answer.
2. Only what was not sent is retried.

Measured in ``tests/integration/test_failures.py``: the mark is right in every case, the class of
an exception in none that matters.
"""

from __future__ import annotations

from typing import Final

from .. import codes
from .._values.refusal_words import Family, family_of
from .._values.status import Status, Verdict
from .._wire.codec import Refused, TurnedAway, Unreadable

__all__ = [
    "PATIENCE_WITH_REFUSALS",
    "backoff",
    "backoff_for_rate",
    "has_no_credits",
    "is_key_refused",
    "of_failure",
    "of_refusal",
]

_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 8.0


#: Seconds after the last acceptance for which refusals for the rate are waited out.
PATIENCE_WITH_REFUSALS: Final = 600.0


def of_failure(detail: str, *, is_started: bool) -> Verdict:
    """Return what an attempt without an answer proves."""
    if is_started:
        return Verdict(Status.UNKNOWN, codes.ANSWER_LOST, detail)
    return Verdict(Status.NOT_SENT, codes.CONNECT_FAILED, detail)


def of_refusal(answer: Refused | TurnedAway | Unreadable, detail: str | None) -> Verdict:
    """Return what an answer about the whole request proves; *detail* is its cleaned text."""
    if isinstance(answer, Refused):
        return Verdict(Status.REJECTED, answer.code, detail)
    if isinstance(answer, TurnedAway):
        return Verdict(Status.NOT_SENT, codes.RATE_LIMITED, detail)
    return Verdict(Status.UNKNOWN, codes.ANSWER_UNREADABLE, detail)


def is_key_refused(verdict: Verdict) -> bool:
    """Whether the gateway does not accept the key."""
    return verdict.status is Status.REJECTED and family_of(verdict.code) is Family.KEY


def has_no_credits(verdict: Verdict) -> bool:
    """Whether the gateway refused for lack of credits."""
    return verdict.status is Status.REJECTED and family_of(verdict.code) is Family.CREDIT


def backoff_for_rate(refusals: int) -> float:
    """Return a limiter's own pause after *refusals* in a row: 1, 2, 4 ... 60 s."""
    return min(60.0, 2.0 ** min(refusals, 6))


def backoff(tries: int, jitter: float) -> float:
    """
    Return how long to wait before the next try.

    Args:
        tries: Failed tries, from 1.

        jitter: A random number, 0 ≤ jitter < 1.

    Returns:
        Seconds: a random part ("full jitter") of 0.5, 1, 2, 4, then always 8.

    Source: "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """
    return jitter * min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(tries - 1, 10))
