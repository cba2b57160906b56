"""The clock that all processes of one machine share, and what tells boots and files apart."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

__all__ = ["boot", "file_id", "now"]

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

#: Runs on while the machine sleeps, where the system has such a clock: a laptop that wakes up after
#: an hour has its whole window free.
_CLOCK: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


def now(clock: int | None = _CLOCK) -> float:
    """Return the seconds since the machine was started, the same in all of its processes."""
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def boot(boot_id: Path = _BOOT_ID) -> str:
    """
    Name this boot of the machine; "" where the system does not.

    Source: random(4), "boot_id": a random string generated once, when the system starts.
    """
    try:
        return boot_id.read_text("ascii").strip()
    except OSError:
        return ""


def file_id(path: Path) -> str:
    """Name the file that is there now; "" where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_dev}-{found.st_ino}"
