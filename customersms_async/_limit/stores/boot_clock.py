"""
The clock that all processes of one machine share, and how long a file's memory can be trusted.

The clock runs on while the machine sleeps and starts again when it boots, so the boot is part of a
run. So is the file's inode: a file that was deleted or replaced is another store. A power cut may
take the last commits; so after a boot, a run begins when what was sent before counts no more.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from attrs import frozen

__all__ = ["Run", "boot", "file_id", "now", "run_at"]

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


@frozen
class Run:
    """
    One life of a file's memory.

    Attributes:
        boot: The boot of the machine.
        inode: The file.
        began: When the run began, in seconds of the machine's clock.
        since: From when on nothing matters that was forgotten before.
    """

    boot: str
    inode: str
    began: float
    since: float

    @property
    def name(self) -> str:
        return f"{self.boot} {self.inode} {self.began!r}"


def run_at(at: float, stored: Run | None, this_boot: str, inode: str, settled: float) -> Run:
    """
    Return the run of this instant: the one that is *stored*, or the next where that has ended.

    Args:
        at: The machine's clock.

        stored: What the file holds.

        this_boot: The boot of the machine.

        inode: The file.

        settled: Seconds after the boot until requests from before count no more.
    """
    if stored is None:
        return Run(this_boot, inode, at, since=at)
    # A clock that is behind the beginning of the run was started again with the machine.
    if stored.boot != this_boot or stored.began > at:
        return Run(this_boot, inode, at, since=max(at, settled))
    return stored if stored.inode == inode else Run(this_boot, inode, at, since=at)
