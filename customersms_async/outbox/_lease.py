"""
The clock of the leases, and how long they last.

Rules of this module:

1. Time goes on while the machine is suspended: leases expire meanwhile.
2. After a reboot the clock has another name, and every earlier lease has expired.
3. The lease of a process on this machine that is gone is not waited for: a process is named by the
   boot, its PID namespace, its PID and its start time, which no other process shares.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from typing import Final

from .._clock import boot_id, boot_time

__all__ = ["LEASE", "check_process", "is_gone", "machine_clock", "this_process"]

#: Seconds for which a worker owns what it has claimed, without a heartbeat.
LEASE: Final = 30.0

#: Where Linux describes processes; other systems have no such folder.
_PROC: Final = Path("/proc")


def machine_clock() -> tuple[str, float]:
    """Return the name of this boot, and the seconds since."""
    return _boot_name(), boot_time()


def this_process() -> str:
    """Name this process; empty if the system gives too little to tell whether it is gone."""
    try:
        return f"{_home()} {os.getpid()} {_started_at(os.getpid())}"
    except OSError:
        return ""


def check_process(opened_by: int) -> None:
    """
    Refuse to use what the process with another PID has opened: its connections are not ours.

    Raises:
        RuntimeError: This process was forked from that one.
    """
    if os.getpid() != opened_by:
        msg = "the outbox was opened before this process was forked; open one in the child"
        raise RuntimeError(msg)


def is_gone(process: str) -> bool:
    """Whether the process of this name is known to be gone."""
    if not process:
        return False
    home, pid, started_at = process.rsplit(" ", 2)
    try:
        if home != _home():
            return False  # on another machine, or in another container
        return _started_at(int(pid)) != started_at
    except OSError:
        return True


def _home() -> str:
    return f"{_boot_name()} {(_PROC / 'self/ns/pid').readlink()}"


def _started_at(pid: int) -> str:
    """Return when it started, in ticks since boot; empty for a zombie."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


@cache
def _boot_name() -> str:
    # A boot without an id is named by its time, coarse enough to tolerate clock adjustments.
    return boot_id() or f"about {round((time.time() - boot_time()) / 600)}"
