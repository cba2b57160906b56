"""
The rate limit of a key, and how much of it is used.

Rules of this module:

1. Every key has a separate budget.
2. Without a limit, requests of the last period are still counted, for display beside the documented
   limit.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, Final, TypedDict, cast

from attrs import asdict, define, field, frozen

from . import validation
from .clock import LAST
from .faults import Fault, FaultPlan
from .rate_rules import Rule, RuleName, SlidingLog, make_rule

__all__ = ["Budget", "KeyLimit", "LimitSettings", "SandboxUsage"]


_COUNT: Final = [validation.is_count_or_none, validation.is_not_too_large]


@frozen(kw_only=True)
class KeyLimit:
    """
    How the requests of a key are limited.

    Attributes:
        limit: Requests per period; None for no limit.
        per: The period in seconds, from 0.001 to a year.
        rule: How they are counted.
        burst: As in `make_rule`.
        rate_refusal: How a request above the limit is refused: one of `RATE_REFUSALS`.
        retry_after: The header ``Retry-After`` of the refusal: the ``seconds`` to wait, rounded up,
            the ``date`` when they are over, ``none``, or any other text, sent unchanged.
    """

    limit: int | None = field(default=None, validator=_COUNT)
    per: float = field(default=60.0, validator=validation.is_period)
    rule: RuleName = field(default="sliding-log", validator=validation.is_rule)
    burst: int | None = field(default=None, validator=_COUNT)
    rate_refusal: str = field(default=Fault.RATE_LIMITED, validator=validation.is_rate_refusal)
    retry_after: str = field(default="seconds", validator=validation.is_header)

    def changed(self, settings: Mapping[str, object]) -> KeyLimit:
        """
        Return this limit with *settings* applied.

        Raises:
            ValueError: A name is unknown or a value is not valid.
        """
        values = asdict(self)
        for name in settings:
            if name not in values:
                msg = f"a limit takes {', '.join(values)}, not {name!r}"
                raise ValueError(msg)
        return KeyLimit(**{**values, **cast("dict[str, Any]", settings)})

    def make_rule(self) -> Rule:
        """Make a rule that has counted nothing yet."""
        if self.limit is None:
            return SlidingLog(sys.maxsize, self.per)
        return make_rule(self.rule, self.limit, per=self.per, burst=self.burst)

    def header(self, wait: float, now: float) -> str | None:
        """Return the header ``Retry-After`` for a request that is *wait* seconds too early."""
        if self.retry_after == "seconds":
            return str(math.ceil(wait))
        if self.retry_after == "date":
            return formatdate(min(math.ceil(now + wait), LAST), usegmt=True)
        return None if self.retry_after == "none" else self.retry_after


class LimitSettings(TypedDict, total=False):
    """The options of a `KeyLimit` besides the number; omitted ones stay as they are."""

    per: float
    rule: RuleName
    burst: int | None
    rate_refusal: str
    retry_after: str


@frozen(kw_only=True)
class SandboxUsage:
    """
    The use of a key's limit.

    Attributes:
        limit: Requests per period; None for no limit.
        per: The period in seconds.
        rule: How they are counted.
        used: Requests that count now; fractional with rules that count shares.
        capacity: How many may count at once; None for no limit.
        free: Requests that would be admitted at once; None for no limit.
        retry_after: Seconds until the next one is admitted, rounded up to a millisecond; 0 if that
            is now.
        requests: Requests that arrived in total, refused ones included.
        refused: Those that were refused for the rate.
    """

    limit: int | None
    per: float
    rule: str
    used: float
    capacity: int | None
    free: int | None
    retry_after: float
    requests: int
    refused: int


@define(eq=False)
class Budget:
    """
    The limit of one key, and the requests that count against it.

    Attributes:
        limit: The limit.
        requests: Requests that were counted or refused.
        refused: Those that were refused.
    """

    limit: KeyLimit
    requests: int = 0
    refused: int = 0
    _rule: Rule = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._rule = self.limit.make_rule()

    def refusal(self, now: float) -> FaultPlan | None:
        """Count a request at *now*, or return how it is refused."""
        self.requests += 1
        if self._rule.admit(now):
            return None
        self.refused += 1
        header = self.limit.header(self._rule.retry_after(now), now)
        return FaultPlan(Fault(self.limit.rate_refusal), retry_after=header)

    def usage(self, now: float) -> SandboxUsage:
        """Return how much is used at *now*."""
        used = self._rule.used(now)
        capacity = None if self.limit.limit is None else self._rule.capacity
        return SandboxUsage(
            limit=self.limit.limit,
            per=self.limit.per,
            rule=self.limit.rule,
            used=round(used, 3),
            capacity=capacity,
            free=None if capacity is None else max(0, math.floor(capacity - used + 1e-9)),
            retry_after=_rounded_up(self._rule.retry_after(now), now),
            requests=self.requests,
            refused=self.refused,
        )


def _rounded_up(seconds: float, now: float) -> float:
    """Round up to a millisecond, ignoring the rounding error of timestamps."""
    return math.ceil((seconds - 2 * math.ulp(now)) * 1000) / 1000
