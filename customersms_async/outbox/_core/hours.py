"""
When a campaign may send: daily hours and a deadline. Pure; the wall clock is an argument.

Rule of this module: hours are local time where the recipients live, so they are computed in that
time zone, including its daylight saving time.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo

from attrs import frozen

from ...errors import ConfigurationError

__all__ = ["Hours", "Schedule", "check_deadline", "read_hours"]

_DAY = dt.timedelta(days=1)


@frozen
class Hours:
    """
    Daily hours, from *opens* until *closes*; past midnight if *closes* is before *opens*.

    Attributes:
        opens: Local time at which sending may begin.
        closes: Local time from which no new request is sent.
        zone: The time zone.
    """

    opens: dt.time
    closes: dt.time
    zone: zoneinfo.ZoneInfo

    def wait(self, now: dt.datetime) -> float:
        """Return the seconds until sending may begin; 0 while it may."""
        local = now.astimezone(self.zone)
        time = local.time()
        if self._is_open(time):
            return 0.0
        opens = dt.datetime.combine(local.date(), self.opens, self.zone)
        if time >= self.opens:
            opens = dt.datetime.combine(local.date() + _DAY, self.opens, self.zone)
        return max((opens.astimezone(dt.UTC) - now).total_seconds(), 0.0)

    def _is_open(self, time: dt.time) -> bool:
        if self.opens < self.closes:
            return self.opens <= time < self.closes
        return time >= self.opens or time < self.closes


@frozen
class Schedule:
    """
    When a run may send.

    Attributes:
        hours: Daily hours, or None for any time of the day.
        deadline: When the run ends, or None.
    """

    hours: Hours | None = None
    deadline: dt.datetime | None = None

    def left(self, now: dt.datetime) -> float | None:
        """Return the seconds until the deadline, at least 0; None if there is none."""
        return None if self.deadline is None else max((self.deadline - now).total_seconds(), 0.0)

    def wait(self, now: dt.datetime) -> float:
        """Return the seconds until the hours begin; 0 while they last."""
        return 0.0 if self.hours is None else self.hours.wait(now)

    def allows(self, now: dt.datetime) -> bool:
        """Whether a request may be sent now."""
        return self.left(now) != 0 and not self.wait(now)


def read_hours(value: object) -> Hours | None:
    """
    Read ``("08:00", "21:00", "Europe/Rome")``; None stays None.

    Raises:
        ConfigurationError: It is something else, or the system does not know the zone.
    """
    if value is None:
        return None
    match value:
        case (str(opens), str(closes), str(zone)):
            return Hours(_read_time(opens), _read_time(closes), _read_zone(zone))
        case _:
            msg = f"hours must be like ('08:00', '21:00', 'Europe/Rome'), not {value!r}"
            raise ConfigurationError(msg)


def check_deadline(value: object) -> dt.datetime | None:
    """
    Check an aware datetime, or None, and return it.

    Raises:
        ConfigurationError: It is not a datetime, or has no time zone.
    """
    if value is None or (isinstance(value, dt.datetime) and value.utcoffset() is not None):
        return value
    msg = f"deadline must be a datetime with a time zone, not {value!r}"
    raise ConfigurationError(msg)


def _read_time(text: str) -> dt.time:
    try:
        return dt.time.fromisoformat(text)
    except ValueError as exc:
        msg = f"hours must be times like '08:00', not {text!r}"
        raise ConfigurationError(msg) from exc


def _read_zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as exc:
        msg = f"hours name an unknown time zone, {name!r}; write it like 'Europe/Rome'"
        raise ConfigurationError(msg) from exc
