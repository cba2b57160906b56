"""
The fence: the one write between a claim and the first byte of its request. Pure.

Rule of this module: the fence touches every batch of the request, or it is taken back and nothing
may be posted. It asks in the same transaction whether the campaign still may go on.
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
    What the fence answers.

    Attributes:
        GO: It may be posted, now.
        TAKEN: Another worker has it.
        HELD: The campaign was paused or cancelled.
        TOO_DEAR: It would not fit into the budget.
    """

    GO = "go"
    TAKEN = "taken"
    HELD = "held"
    TOO_DEAR = "too dear"


@frozen(kw_only=True)
class Fence:
    """
    One request that wants to leave.

    Attributes:
        campaign: Its campaign.
        token: The token of its claim.
        batches: Its batches.
        size: Its messages.
        request: The short name of the attempt.
        wall: The wall clock, in seconds.
        over_at: When nothing of it can be under way any more, by the same clock.
        credits: The last balance that was heard, or None.
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
    """Mark the batches as sending, or say why not."""
    is_open = yield Change(
        "UPDATE sms_campaign SET requests = requests + 1 WHERE id = ? AND state = ?",
        (wish.campaign, OPEN),
    )
    if not is_open:
        return Pass.HELD
    if wish.budget is not None and not (yield from _fits(wish)):
        raise Undo(Pass.TOO_DEAR)
    before, after = only(Move.SEND)
    touched = yield Change(
        "UPDATE sms_batch SET state = ?, request = ?, left_at = ?, opens_at = ?,"
        " credits_before = ? WHERE id = ANY(?) AND state = ? AND token = ?",
        (
            after,
            wish.request,
            wish.wall,
            wish.over_at,
            wish.credits,
            list(wish.batches),
            before,
            wish.token,
        ),
    )
    if touched != len(wish.batches):
        raise Undo(Pass.TAKEN)
    return Pass.GO


def _fits(wish: Fence) -> Job[bool]:
    ((sent, price),) = yield Query(
        "SELECT sent, price FROM sms_campaign WHERE id = ?", (wish.campaign,)
    )
    rows = yield Query(
        "SELECT coalesce(sum(size), 0) FROM sms_batch WHERE campaign = ? AND state = ?"
        " AND state <> 'done'",
        (wish.campaign, State.SENDING),
    )
    return check_budget(wish.budget, sent, int(rows[0][0]), wish.size, price)
