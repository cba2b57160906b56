"""What ended a run early, and what the user can do about it."""

from __future__ import annotations

from typing import Final

from .. import codes
from .._values.refusal_words import NO_API, Family, family_of

__all__ = ["stop_line"]

_SAME: Final = "then run the same command again"

_CURES: Final = {
    codes.BUDGET_SPENT: "the budget is spent; run the same command with a higher --max-credits",
    codes.CONNECT_FAILED: "the gateway cannot be reached; run the same command later",
    codes.RATE_LIMITED: "the gateway refuses requests for the rate; run the same command later",
    codes.NO_CREDITS: f"the account has too few credits; top it up, {_SAME}",
    codes.TIME_IS_UP: "the time of --until is over; run the same command with a later one",
    codes.TOO_MANY_UNKNOWN: (
        "requests in a row had no readable answer; check the unknown, then run the same command"
    ),
}
_OF_THE_KEY: Final = "the gateway refused the key; set the right one, "
_NO_GATEWAY: Final = (
    f"there is no gateway at this address; correct CUSTOMERSMS_ENDPOINT (or --endpoint), {_SAME}"
)
_REFUSED: Final = f"the gateway refused requests in a row; fix what it reports, {_SAME}"


def stop_line(code: str, other_key: str | None = None) -> str:
    """
    Say what stopped a run, the code first, and what to do.

    Args:
        code: The code.

        other_key: The command that binds the campaign to another key; None if it needs none.
    """
    if family_of(code) is Family.KEY:
        then = _SAME if other_key is None else f"type {other_key}, {_SAME}"
        return f"stopped: {code}: {_OF_THE_KEY}{then}"
    return f"stopped: {code}: {_NO_GATEWAY if code in NO_API else _CURES.get(code, _REFUSED)}"
