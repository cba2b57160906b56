"""The sandbox's clock: wall time, which a test can move forward."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, cast

from attrs import define

__all__ = ["LAST", "MovableClock", "iso_time", "read_seconds", "time_of_day"]

# Seconds since 1970 when the monotonic clock was at 0. Wall time itself may run backwards.
_ORIGIN: Final = time.time() - time.monotonic()

#: Seconds, a century: the most by which a clock can be moved in total.
_FURTHEST: Final = 3.2e9

#: The last date that can be written: the end of the year 9999.
LAST: Final = 253_402_300_799.0


def time_of_day() -> float:
    """Return the seconds since 1970, UTC, never running backwards."""
    return _ORIGIN + time.monotonic()


def iso_time(instant: float) -> str:
    """Write an instant in ISO 8601, UTC, with milliseconds; the first or last year at most."""
    instant = min(max(instant, 0.0), LAST)
    return (
        datetime.fromtimestamp(instant, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


@define(eq=False)
class MovableClock:
    """
    A clock that can be moved forward.

    Attributes:
        base: Returns seconds, never running backwards.
        ahead: Seconds by which it has been moved.
    """

    base: Callable[[], float] = time_of_day
    ahead: float = 0.0

    def now(self) -> float:
        """Return the current time."""
        return self.base() + self.ahead

    def advance(self, seconds: object) -> float:
        """
        Move forward, and return the new time.

        Raises:
            ValueError: *seconds* is not a number of at least 0; time does not run backwards.
        """
        self.ahead += read_seconds("advance", seconds, _FURTHEST - self.ahead)
        return self.now()


def read_seconds(name: str, value: object, most: float) -> float:
    """
    Read a number of seconds from 0 to *most*.

    Raises:
        ValueError: It is not.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    seconds = float(cast("float", value)) if is_number else math.nan
    if 0 <= seconds <= most:  # NaN is neither
        return seconds
    msg = f"{name} must be a number of seconds from 0 to {most:g}, not {value!r}"
    raise ValueError(msg)
