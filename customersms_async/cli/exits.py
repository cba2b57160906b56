"""What the exit status of the command says."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

__all__ = ["Exit", "UsageError", "worst"]


class UsageError(Exception):
    """The command line makes no sense; the text says what would."""


class Exit(enum.IntEnum):
    """
    The exit status.

    Attributes:
        OK: All was sent, or nothing is wrong.
        ERROR: Something failed before anything was sent.
        USAGE: The command line makes no sense.
        PARTIAL: Some were rejected, could not be sent, or were not sent.
        KEY: The gateway refused the key.
        UNKNOWN: Of some, nobody knows whether they were sent.
        STOPPED: A guard ended it: credits, a budget, a deadline, refusals.
        CHANGED: The plan is no longer the one that was confirmed.
        INTERRUPTED: Ctrl-C; what was done is kept.
    """

    OK = 0
    ERROR = 1
    USAGE = 2
    PARTIAL = 3
    KEY = 4
    UNKNOWN = 5
    STOPPED = 6
    CHANGED = 7
    INTERRUPTED = 130


#: Where several hold, the first of these is told.
_ORDER: Final = (
    Exit.CHANGED,
    Exit.KEY,
    Exit.STOPPED,
    Exit.INTERRUPTED,
    Exit.UNKNOWN,
    Exit.PARTIAL,
    Exit.ERROR,
)


def worst(exits: Iterable[Exit]) -> Exit:
    """Choose what is told where several hold."""
    found = set(exits)
    return next((one for one in _ORDER if one in found), Exit.OK)
