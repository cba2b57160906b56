"""
The clock of the leases, and how long they last.

Rules of this module:

1. Time goes on while the machine sleeps: a lease that ran out in suspend has run out.
2. After a restart of the machine the clock has another name, and every lease of before is over.
3. A process of this machine that is gone is not waited for: it is named by what no other shares,
   start of the machine, namespace, number and instant of its start.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["LEASE", "boot_time", "is_gone", "machine_clock", "this_process"]

#: Seconds for which a worker owns what it has claimed, without a sign of life.
LEASE: Final = 30.0

#: Where the kernel tells of processes; there is nothing of the kind on other systems.
_PROC: Final = Path("/proc")

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

#: The clock that goes on in suspend; where there is none, the monotonic one.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def boot_time() -> float:
    """Give the seconds since the machine was started, suspend included."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


def machine_clock() -> tuple[str, float]:
    """Give the name of this start of the machine, and the seconds since."""
    return _boot_name(), boot_time()


def this_process() -> str:
    """Name this process; empty where the system tells too little to know whether it is gone."""
    try:
        return f"{_home()} {os.getpid()} {_started_at(os.getpid())}"
    except OSError:
        return ""


def is_gone(process: str) -> bool:
    """Tell whether a process that has such a name is known to be gone."""
    if not process:
        return False
    home, pid, started_at = process.rsplit(" ", 2)
    try:
        if home != _home():
            return False  # of another machine, or in another container
        return _started_at(int(pid)) != started_at
    except OSError:
        return True


def _home() -> str:
    return f"{_boot_name()} {(_PROC / 'self/ns/pid').readlink()}"


def _started_at(pid: int) -> str:
    """Give when it started, in ticks of the machine; nothing where it only waits to be buried."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


@cache
def _boot_name() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        # No name of the start: its instant, coarse enough to bear a clock that is adjusted.
        return f"about {round((time.time() - boot_time()) / 600)}"
