"""The options of every limiter, checked."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from .._values.validation import check_count, check_seconds
from ..errors import ConfigurationError
from .account_state import Rules

__all__ = ["GRACE", "Rate", "read_rules"]

#: Seconds after a lost answer in which the server may still count the request.
GRACE: Final = 5.0

#: 9 at once for a limit of 100: a server that allows ten, counted under jitter, does not refuse.
_BURST_PERCENT: Final = 9


def read_rules(rate: object, burst: object, reserve: object, grace: object) -> Rules:
    """
    Check the options of a limiter; None means the default rate or burst.

    Raises:
        ConfigurationError: *rate* is not a `Rate`, *burst* or *reserve* does not fit it, or *grace*
            is not a duration.
    """
    if rate is None:
        rate = Rate()
    if not isinstance(rate, Rate):
        msg = f"rate must be a Rate like Rate(100, per=60), not {type(rate).__name__}"
        raise ConfigurationError(msg)
    if burst is None:
        burst = max(1, rate.limit * _BURST_PERCENT // 100)
    if reserve == 1 == rate.limit:
        reserve = 0  # the default does not fit a limit of one
    return Rules(
        rate.limit,
        float(rate.per),
        check_count("burst", burst, 1, rate.limit),
        check_count("reserve", reserve, 0, rate.limit - 1),
        float(check_seconds("grace", grace, or_zero=True)),
    )


@frozen
class Rate:
    """
    A limit as its server states it: requests per period.

    Attributes:
        limit: Requests, at least 1.
        per: The period in seconds, above 0.

    Raises:
        ConfigurationError: One of them is out of range.
    """

    limit: int = field(default=100, validator=lambda _, __, value: check_count("limit", value, 1))
    per: float = field(
        default=60.0, kw_only=True, validator=lambda _, __, value: check_seconds("per", value)
    )

    def split(self, parts: int) -> Rate:
        """
        Return an equal part of the rate, for each of *parts* processes that share no limiter.

        Raises:
            ConfigurationError: *parts* is below 1, or there are fewer requests than parts.
        """
        check_count("parts", parts, 1)
        if parts > self.limit:
            msg = f"parts must be at most the limit, {self.limit}, not {parts}"
            raise ConfigurationError(msg)
        return Rate(self.limit // parts, per=self.per)
