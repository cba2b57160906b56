"""Hours and times as people type them."""

from __future__ import annotations

import datetime as dt
import os
import re
from typing import Final

from .exits import UsageError

__all__ = ["read_hours", "read_until"]

_HOURS: Final = re.compile(r"(\d\d?:\d\d)\s*-\s*(\d\d?:\d\d)(?:\s+(\S+))?")


def read_hours(written: str | None) -> tuple[str, str, str] | None:
    """
    Parse ``08:00-21:00`` or ``08:00-21:00 Europe/Rome``; by default in this machine's time zone.

    Raises:
        UsageError: It is something else, or this machine's zone is not known.
    """
    if written is None:
        return None
    found = _HOURS.fullmatch(written.strip())
    if found is None:
        msg = f"--hours must be like 08:00-21:00, not {written!r}"
        raise UsageError(msg)
    zone = found[3] or _local_zone()
    if zone is None:
        msg = f'the time zone here is not known; name it: --hours "{written} Europe/Rome"'
        raise UsageError(msg)
    return found[1].zfill(5), found[2].zfill(5), zone


def read_until(written: str | None) -> dt.datetime | None:
    """
    Parse a date and time; without an offset, in this machine's local time.

    Raises:
        UsageError: It is not one.
    """
    if written is None:
        return None
    try:
        return dt.datetime.fromisoformat(written).astimezone()
    except ValueError:
        msg = f"--until must be like 2026-12-24T20:00, not {written!r}"
        raise UsageError(msg) from None


def _local_zone() -> str | None:
    if zone := os.environ.get("TZ", "").removeprefix(":"):
        return zone
    path = os.path.realpath("/etc/localtime")
    _, found, zone = path.partition("zoneinfo/")
    return zone if found else None
