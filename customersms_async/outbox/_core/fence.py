"""
The fence: the one write between a claim and the first byte of its request. Pure.

Rule of this module: the fence updates every batch of the request, or it is rolled back and nothing
may be posted. The same transaction checks that the campaign may still continue.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from attrs import frozen

from .campaign_states import CampaignState
from .guards import affordable
from .job import Change, Job, Query, Undo
from .message_states import Move, State, only

__all__ = ["Fence", "Pass", "fence"]


class Pass(enum.Enum):
    """
    The answer of the fence.

    Attributes:
        GO: It may be posted, now.
        TAKEN: Another worker has it.
        WAIT: Whether it fits into the budget depends on requests in flight: on the price that they
            show, or on how many of their numbers are accepted.
        HELD: The campaign was paused or cancelled, or may not send at this time.
        TOO_DEAR: The budget allows none of it.
    """

    GO = "go"
    TAKEN = "taken"
    WAIT = "wait"
    HELD = "held"
    TOO_DEAR = "too dear"


@frozen(kw_only=True)
class Fence:
    """
    One request that is about to be sent.

    Attributes:
        campaign: Its campaign.
        token: The token of its claim.
        batches: Its batches.
        size: Its messages.
        request: The short id of the attempt.
        wall: The wall clock, in seconds.
        over_at: When it can no longer be in progress, by the same clock.
        credits: The last balance that this run has heard; if None, the last of all runs counts.
        budget: Credits that the campaign may cost, or None.
    """

    campaign: int
    token: str
    batches: Sequence[int]
    size: int
    request: str
    wall: float
    over_at: float
    credits: int | None
    budget: int | None


def fence(wish: Fence) -> Job[Pass | int]:
    """Mark the batches as sending, or return why not, or how many of them the budget allows."""
    is_open = yield Change(
        "UPDATE sms_campaign SET requests = requests + 1 WHERE id = ? AND state = ?",
        (wish.campaign, CampaignState.OPEN),
    )
    if not is_open:
        return Pass.HELD
    if wish.budget is not None:
        answer = yield from _within(wish.budget, wish)
        if answer is not Pass.GO:
            raise Undo(answer)
    before, after = only(Move.SEND)
    touched = yield Change(
        "UPDATE sms_batch SET state = ?, request = ?, left_at = ?, opens_at = ?,"
        " credits_before = coalesce(?, (SELECT credits FROM sms_campaign WHERE id = ?))"
        " WHERE id = ANY(?) AND state = ? AND token = ?",
        (
            after,
            wish.request,
            wish.wall,
            wish.over_at,
            wish.credits,
            wish.campaign,
            list(wish.batches),
            before,
            wish.token,
        ),
    )
    if touched != len(wish.batches):
        raise Undo(Pass.TAKEN)
    return Pass.GO


def _within(budget: int, wish: Fence) -> Job[Pass | int]:
    ((used, price, is_known),) = yield Query(
        "SELECT sent + unknown, price, is_sure = 1 OR (credits IS NULL AND sent > 0)"
        " FROM sms_campaign WHERE id = ?",
        (wish.campaign,),
    )
    ((repeated,),) = yield Query(  # their first requests may have been paid for
        "SELECT count(*) FROM sms_event WHERE campaign = ? AND what = ? AND was = ?",
        (wish.campaign, Move.SEND_AGAIN.value, State.UNKNOWN),
    )
    rows = yield Query(
        "SELECT coalesce(sum(size), 0) FROM sms_batch WHERE campaign = ? AND state = ?"
        " AND state <> 'done'",
        (wish.campaign, State.SENDING),
    )
    in_flight, most = int(rows[0][0]), affordable(budget, used + repeated, price)
    if most < 1:
        return Pass.TOO_DEAR
    if in_flight and not (is_known and wish.size <= most - in_flight):
        return Pass.WAIT
    return Pass.GO if wish.size <= most else most
