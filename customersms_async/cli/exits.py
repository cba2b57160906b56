"""The exit status of the command."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

__all__ = ["Exit", "UsageError", "worst"]


class UsageError(Exception):
    """The command line is not valid; the text says what would be right."""


class Exit(enum.IntEnum):
    """
    The exit status.

    Attributes:
        OK: Everything was sent, or nothing is wrong.
        ERROR: Something failed before anything was sent.
        USAGE: The command line is not valid.
        PARTIAL: Some were rejected, could not be sent, or were not sent.
        KEY: The gateway refused the key.
        UNKNOWN: Whether some were sent cannot be determined.
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


#: If several apply, the first of these is returned.
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
    """Choose the exit status if several apply."""
    found = set(exits)
    return next((one for one in _ORDER if one in found), Exit.OK)
