"""What ended a run early, and what to do about it, for a person."""

from __future__ import annotations

from typing import Final

from .. import codes
from .._values.refusal_words import Family, family_of

__all__ = ["stop_line"]

_SAME: Final = "then the same command goes on"

_CURES: Final = {
    codes.BUDGET_SPENT: "the budget is spent; the same command with a higher --max-credits goes on",
    codes.CONNECT_FAILED: "the gateway cannot be reached; the same command goes on later",
    codes.RATE_LIMITED: "the gateway turns requests away; the same command goes on later",
    codes.NO_CREDITS: f"the account has too few credits; top it up, {_SAME}",
    codes.TIME_IS_UP: "--until is over; the same command with a later one goes on",
    codes.TOO_MANY_UNKNOWN: (
        "requests in a row had no readable answer; look at the unknown before the same command"
    ),
}
_OF_THE_KEY: Final = f"the gateway refused the key; set the right one, {_SAME}"
_REFUSED: Final = f"the gateway refused requests in a row; mend what it says, {_SAME}"


def stop_line(word: str) -> str:
    """Say what a run was stopped by, the word first, and what to do."""
    cure = _OF_THE_KEY if family_of(word) is Family.KEY else _CURES.get(word, _REFUSED)
    return f"stopped: {word}: {cure}"
