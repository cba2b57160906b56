"""What every limiter is told: the limit, and how much of it may be used at once and by whom."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from .._validation import check_count, check_seconds
from ..errors import ConfigurationError
from .window import Rate

__all__ = ["Terms"]

#: Bulk runs may leave so many of a hundred at once: nine pleases a server that allows ten.
_BURST_PERCENT: Final = 9


@frozen
class Terms:
    """
    The terms of a limiter.

    Attributes:
        rate: The limit.
        burst: Requests of bulk runs that may leave at once.
        reserve: Slots that bulk runs leave to single messages.
        grace: Seconds after the end of a request whose answer was lost, in which the server may
            still count it.
    """

    rate: Rate
    burst: int
    reserve: int
    grace: float

    @classmethod
    def read(cls, rate: object, burst: object, reserve: object, grace: object) -> Terms:
        """
        Check what a caller gave; None stands for the default of the rate and of the burst.

        Raises:
            ConfigurationError: *rate* is no `Rate`, *burst* or *reserve* does not fit it, or
                *grace* is no duration.
        """
        if rate is None:
            rate = Rate()
        if not isinstance(rate, Rate):
            msg = f"rate must be a Rate like Rate(100, per=60), not {type(rate).__name__}"
            raise ConfigurationError(msg)
        if burst is None:
            burst = max(1, rate.limit * _BURST_PERCENT // 100)
        return cls(
            rate,
            check_count("burst", burst, 1, rate.limit),
            check_count("reserve", reserve, 0, rate.limit - 1),
            check_seconds("grace", grace, or_zero=True),
        )
