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
_OF_THE_KEY: Final = "the gateway refused the key; set the right one, "
_REFUSED: Final = f"the gateway refused requests in a row; mend what it says, {_SAME}"


def stop_line(word: str, other_key: str | None = None) -> str:
    """
    Say what a run was stopped by, the word first, and what to do.

    Args:
        word: The word.

        other_key: The command that lets the campaign take another key; None where it needs none.
    """
    if family_of(word) is Family.KEY:
        then = _SAME if other_key is None else f"type {other_key}, {_SAME}"
        return f"stopped: {word}: {_OF_THE_KEY}{then}"
    return f"stopped: {word}: {_CURES.get(word, _REFUSED)}"
