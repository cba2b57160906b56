"""
The guards: what forbids sending a campaign. Pure: facts in, an error or nothing out.

Rules of this module:

1. A guard is checked before anything is claimed, and if its answer can change during a run, again
   in the fence's transaction.
2. Each refusal names the campaign, what happened, and the call that continues.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from .campaign_states import CampaignState
from .errors import CampaignHeld, Hold

__all__ = [
    "CURES",
    "CampaignFacts",
    "affordable",
    "cancelled",
    "check_binding",
    "check_start",
]

#: The call that continues a campaign, by the code of what holds it.
CURES: Final[dict[Hold, str]] = {
    Hold.PAUSED: "call campaign.resume()",
    Hold.CRASHED: "look at campaign.outcomes(Status.UNKNOWN), then call campaign.resume()",
    Hold.STALE: "if they are still right, call campaign.resume()",
    Hold.CANCELLED: "start a campaign with another name",
    Hold.COPIED: "if this is the one to continue with, call outbox.adopt()",
    Hold.OTHER_ACCOUNT: "if the key was changed, call campaign.adopt(sms)",
    Hold.OTHER_ENDPOINT: "use the same endpoint, or start a campaign with another name",
}

_WAS_CANCELLED: Final = "it was cancelled"

#: Consecutive crashes with unknowns after which someone must look.
_MOST_CRASHES: Final = 2

#: Seconds since the last heartbeat after which someone must look: a day.
_STALE_AFTER: Final = 86_400.0


@frozen(kw_only=True)
class CampaignFacts:
    """
    What the guards know of a campaign.

    Attributes:
        name: Its name.
        state: Its state.
        reason: Why it was paused, or None.
        account: The account that it is bound to; None before the first send.
        endpoint: The endpoint that it is bound to; None before the first send.
        crashes: Consecutive runs that died and left unknowns.
        seen_at: The last heartbeat of a run, in seconds of the wall clock; None before the first
            send and after `resume`.
        is_copied: Whether the database is not where it was created.
        is_untouched: Whether nothing was handed over and no run is alive: then nothing can be sent
            twice, and any account and endpoint will do.
    """

    name: str
    state: CampaignState = field(converter=CampaignState)
    reason: str | None
    account: str | None
    endpoint: str | None
    crashes: int
    seen_at: float | None
    is_copied: bool
    is_untouched: bool = False


def check_start(
    facts: CampaignFacts, account: str | None, endpoint: str | None, now: float
) -> None:
    """
    Refuse to begin a run that someone should look at first.

    Args:
        facts: The campaign.

        account: The account of the client that would send it; None if not known.

        endpoint: The endpoint of that client; None if not known.

        now: Seconds of the wall clock.

    Raises:
        CampaignHeld: It must not be sent; ``.code`` says why.
    """
    found = (
        _copied(facts)
        or _binding(facts, account, endpoint)
        or _state(facts)
        or _history(facts, now)
    )
    if found is not None:
        raise _held(facts.name, *found)


def check_binding(facts: CampaignFacts, account: str, endpoint: str) -> None:
    """
    Refuse a client whose account or endpoint differs from the campaign's.

    Raises:
        CampaignHeld: The campaign was started with another one.
    """
    if (found := _binding(facts, account, endpoint)) is not None:
        raise _held(facts.name, *found)


def _copied(facts: CampaignFacts) -> tuple[Hold, str] | None:
    if not facts.is_copied:
        return None
    return Hold.COPIED, (
        "this database is a copy or a backup, or was moved to another disk, and the original may "
        "have sent what is queued here"
    )


def _binding(
    facts: CampaignFacts, account: str | None, endpoint: str | None
) -> tuple[Hold, str] | None:
    if facts.is_untouched:
        return None
    if None not in (facts.endpoint, endpoint) and facts.endpoint != endpoint:
        return Hold.OTHER_ENDPOINT, (
            f"it was started at {facts.endpoint}, and now it would go to {endpoint}"
        )
    if None not in (facts.account, account) and facts.account != account:
        return Hold.OTHER_ACCOUNT, (
            f"it was started with the key of account {facts.account}, and this client has that of "
            f"{account}"
        )
    return None


def _state(facts: CampaignFacts) -> tuple[Hold, str] | None:
    if facts.state is CampaignState.CANCELLED:
        return Hold.CANCELLED, _WAS_CANCELLED
    if facts.state is CampaignState.PAUSED:
        why = f" ({facts.reason})" if facts.reason else ""
        return Hold.PAUSED, f"it was paused{why}"
    return None


def _history(facts: CampaignFacts, now: float) -> tuple[Hold, str] | None:
    if facts.crashes >= _MOST_CRASHES:
        return Hold.CRASHED, f"{facts.crashes} runs in a row died with requests in flight"
    if facts.seen_at is not None and now - facts.seen_at > _STALE_AFTER:
        hours = int((now - facts.seen_at) / 3600)
        return Hold.STALE, f"its last run ended {hours} hours ago, and the texts may be out of date"
    return None


def cancelled(campaign: str) -> CampaignHeld:
    """Return the error of a cancelled campaign."""
    return _held(campaign, Hold.CANCELLED, _WAS_CANCELLED)


def _held(campaign: str, code: Hold, why: str) -> CampaignHeld:
    return CampaignHeld(campaign, code.value, why, CURES[code])


def affordable(most: int, used: int, price: float) -> int:
    """
    Return how many more numbers a budget allows; below 1 if none.

    Args:
        most: Credits that the campaign may cost.

        used: Numbers that were accepted so far, or may have been, over all runs.

        price: The highest price of a number seen so far, in credits.
    """
    return int(most // price) - used
