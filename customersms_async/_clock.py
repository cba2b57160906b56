"""
Monotonic time and randomness of the system, and the clock that all processes of a machine share.

The shared clock goes on while the machine sleeps, if the system has such a clock: after an hour's
sleep, leases have expired and the whole limit is free. It starts again at each boot.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Final

__all__ = ["SystemClock", "boot_id", "boot_time"]

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

#: Linux has the first; on macOS the second goes on during sleep, unlike `time.monotonic`.
_SINCE_BOOT: Final[int | None] = getattr(
    time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None)
)


def boot_time(clock: int | None = _SINCE_BOOT) -> float:
    """Return the seconds since boot, the same in all processes of the machine."""
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def boot_id(file: Path = _BOOT_ID) -> str:
    """
    Return the id of this boot; empty if the system has none.

    Source: random(4), "boot_id": a random string generated once, when the system starts.
    """
    try:
        return file.read_text("ascii").strip()
    except OSError:
        return ""


class SystemClock:
    """A `Clock` over `time.monotonic`, `random.random` and `asyncio.sleep`."""

    #: Returns the current time, in monotonic seconds.
    now = staticmethod(time.monotonic)

    def jitter(self) -> float:
        """Return a random number, 0 ≤ jitter < 1, uniform."""
        return random.random()  # noqa: S311  # spreads retries, keeps no secret

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 lets other tasks run."""
        await asyncio.sleep(seconds)
