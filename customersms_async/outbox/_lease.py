"""
The clock of the leases, and how long they last.

Rules of this module:

1. Time goes on while the machine sleeps: a lease that ran out in suspend has run out.
2. After a restart of the machine the clock has another name, and every lease of before is over.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["LEASE", "boot_time", "machine_clock"]

#: Seconds for which a worker owns what it has claimed, without a sign of life.
LEASE: Final = 30.0

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

#: The clock that goes on in suspend; where there is none, the monotonic one.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def boot_time() -> float:
    """Give the seconds since the machine was started, suspend included."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


def machine_clock() -> tuple[str, float]:
    """Give the name of this start of the machine, and the seconds since."""
    return _boot_name(), boot_time()


@cache
def _boot_name() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        # No name of the start: its instant, coarse enough to bear a clock that is adjusted.
        return f"about {round((time.time() - boot_time()) / 600)}"
