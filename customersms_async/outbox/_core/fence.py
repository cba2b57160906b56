"""
The fence: the one write between a claim and the first byte of its request. Pure.

Rule of this module: the fence updates every batch of the request, or it is rolled back and nothing
may be posted. The same transaction checks that the campaign may still continue.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from attrs import frozen

from .guards import OPEN, check_budget
from .job import Change, Job, Query, Undo
from .states import Move, State, only

__all__ = ["Fence", "Pass", "fence"]


class Pass(enum.Enum):
    """
    The answer of the fence.

    Attributes:
        GO: It may be posted, now.
        TAKEN: Another worker has it.
        WAIT: Until the price is known, requests of a campaign with a budget leave one at a time.
        HELD: The campaign was paused or cancelled, or may not send at this time.
        TOO_DEAR: It would exceed the budget.
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
        credits: The last balance that this run was told; if None, the last of all runs counts.
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


def fence(wish: Fence) -> Job[Pass]:
    """Mark the batches as sending, or return why not."""
    is_open = yield Change(
        "UPDATE sms_campaign SET requests = requests + 1 WHERE id = ? AND state = ?",
        (wish.campaign, OPEN),
    )
    if not is_open:
        return Pass.HELD
    if wish.budget is not None and (why_not := (yield from _beyond_budget(wish))):
        raise Undo(why_not)
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


def _beyond_budget(wish: Fence) -> Job[Pass | None]:
    ((used, price, is_known),) = yield Query(
        "SELECT sent + unknown, price, is_sure = 1 OR (credits IS NULL AND sent > 0)"
        " FROM sms_campaign WHERE id = ?",
        (wish.campaign,),
    )
    rows = yield Query(
        "SELECT coalesce(sum(size), 0) FROM sms_batch WHERE campaign = ? AND state = ?"
        " AND state <> 'done'",
        (wish.campaign, State.SENDING),
    )
    in_flight = int(rows[0][0])
    if in_flight and not is_known:
        return Pass.WAIT
    return None if check_budget(wish.budget, used, in_flight, wish.size, price) else Pass.TOO_DEAR
