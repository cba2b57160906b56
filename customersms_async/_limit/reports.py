"""What callers are told: errors, a warning, and the state of an account."""

from __future__ import annotations

import logging

from .. import codes
from .._ports.limiter import Usage
from ..errors import LimiterUnavailable, WaitTooLong
from .account_state import AccountState
from .law import Law

__all__ = [
    "out_of_patience",
    "too_late",
    "unavailable",
    "usage_of",
    "warn_of_others",
]

_logger = logging.getLogger("customersms_async")


def out_of_patience(patience: float) -> WaitTooLong:
    """Return the error of a caller whose patience has ended."""
    detail = f"its turn did not come within {patience:.1f} s"
    return WaitTooLong(codes.WAIT_TOO_LONG, (), detail)


def unavailable(why: str = "the limiter was closed") -> LimiterUnavailable:
    """Return the error of a caller that cannot be served, and why."""
    return LimiterUnavailable(codes.LIMITER_UNAVAILABLE, (), why)


def too_late(state: AccountState, now: float, at: float, patience: float) -> WaitTooLong:
    """Return the error of a caller that cannot have a slot in time, by the queue as it stands."""
    wait, code = at - now, codes.WAIT_TOO_LONG
    if state.opens_at - now >= patience:
        code = codes.LIMITER_OPENING
    elif state.paused_until - now >= patience:
        code = codes.PAUSED
    detail = f"its turn comes in {wait:.1f} s at the earliest, and {patience:.1f} s are left"
    return WaitTooLong(code, (), detail, wait - patience)


def warn_of_others(account: str, share: float) -> None:
    """Warn that somebody else uses the key, and say how to fix that."""
    _logger.warning(
        "account %s: the gateway refused for the rate below our own count, so somebody else uses "
        "the key, or the gateway counts more strictly; bulk runs now use %.0f requests a period. "
        "Give all clients of the key one shared limiter (a FileLimiter on one machine, a "
        "RedisLimiter or PostgresLimiter on several), or a part of the rate each: rate.split(n)",
        account,
        share,
        extra={"event": "limit.shared", "account": account},
    )


def usage_of(law: Law, state: AccountState, now: float, waiting: int, shift: float = 0.0) -> Usage:
    """Return the state of an account, on a clock *shift* seconds ahead of the account's."""
    free_at = law.next_free_at(state, now)
    return Usage(
        limit=law.rules.limit,
        busy=len(state.leases) + len(state.ended),
        in_flight=len(state.leases),
        waiting=waiting,
        next_free_at=None if free_at is None else free_at + shift,
        paused_until=state.paused_until + shift if state.paused_until > now else None,
        opens_at=state.opens_at + shift if state.opens_at > now else None,
        refused_by_others=state.refused_by_others,
        share=law.refusals.share(state, now),
    )
