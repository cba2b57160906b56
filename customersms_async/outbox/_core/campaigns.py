"""
Jobs about a campaign as a whole: find it, bind it, pause it, count it. Pure.

The queue of `enqueue` is a campaign as well, with a name that no caller can choose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from ..._values.export import as_dict
from .campaign_states import CampaignMove, CampaignState, ends
from .claim import dead, nobody_is
from .guards import CampaignFacts, cancelled
from .job import Change, Job, Now, Query
from .message_states import State
from .migrate import read_meta

__all__ = [
    "IDENTITY",
    "QUEUE",
    "QUEUE_NAME",
    "CampaignStatus",
    "bind",
    "cancel",
    "check_not_cancelled",
    "facts",
    "find",
    "is_same_database",
    "lock",
    "pause",
    "read_status",
    "rebind",
    "resume",
]

#: The name of the campaign that `enqueue` writes to.
QUEUE: Final = ""

#: What the queue is called in logs and errors.
QUEUE_NAME: Final = "queue of enqueue()"

#: The name in `sms_meta` of the identity that the database had when it was created or adopted; see
#: `Engine.identity`.
IDENTITY: Final = "place"

_MOVE: Final = "UPDATE sms_campaign SET state = ?, reason = ? WHERE id = ? AND state = ANY(?)"


@frozen(kw_only=True)
class CampaignStatus:
    """
    The status of a campaign.

    Attributes:
        state: ``open``, ``paused`` or ``cancelled``.
        queued: Messages that wait for a worker.
        claimed: Messages that a worker has read but not begun to send.
        sending: Messages whose request has not ended.
        abandoned: How many of *sending* belong to a worker that has died: the next run, decision or
            listing makes them unknown, unless their answer is recorded first.
        sent: Messages that the gateway accepted.
        rejected: Messages that the gateway refused.
        not_sent: Rows that will never be sent.
        unknown: Messages that were handed over without a readable answer.
        duplicates: How many of *not_sent* are duplicates of another row.
        requests: Requests that were handed over, over all runs.
        credits: The balance reported in the last answer, or None.
        price: The highest price of one message seen so far, in credits.
    """

    state: str
    queued: int
    claimed: int
    sending: int
    sent: int
    rejected: int
    not_sent: int
    unknown: int
    duplicates: int
    requests: int
    credits: int | None
    price: float
    abandoned: int = 0

    @property
    def waiting(self) -> int:
        """Messages without a fate: queued, claimed or being sent."""
        return self.queued + self.claimed + self.sending

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON types."""
        return as_dict(self)


def find(name: str, now: float) -> Job[int]:
    """Return the id of the campaign of this name; create the campaign if there is none."""
    wanted = Query("SELECT id FROM sms_campaign WHERE name = ?", (name,))
    if not (rows := (yield wanted)):
        _, state = ends(CampaignMove.CREATE)
        yield Change(
            "INSERT INTO sms_campaign (name, state, created_at) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO NOTHING",
            (name, state, now),
        )
        rows = yield wanted
    return int(rows[0][0])


def facts(campaign: int, identity: str) -> Job[CampaignFacts]:
    """Collect what the guards check."""
    rows = yield Query(
        "SELECT name, state, reason, account, endpoint, crashes, seen_at, sent + rejected + unknown"
        " FROM sms_campaign WHERE id = ? FOR UPDATE",
        (campaign,),
    )
    name, state, reason, account, endpoint, crashes, seen_at, handed_over = rows[0]
    lives = yield Query("SELECT 1 FROM sms_worker WHERE campaign = ? LIMIT 1", (campaign,))
    recorded = yield from read_meta(IDENTITY)
    return CampaignFacts(
        name=name,
        state=state,
        reason=reason,
        account=account,
        endpoint=endpoint,
        crashes=crashes,
        seen_at=seen_at,
        is_copied=recorded is not None and not is_same_database(recorded, identity),
        is_untouched=not (handed_over or lives),
    )


def is_same_database(recorded: str, identity: str) -> bool:
    """Whether *identity* is the recorded one; older releases recorded fewer parts of its name."""
    return f"{identity}, ".startswith(f"{recorded}, ")


def check_not_cancelled(campaign: int) -> Job[None]:
    """
    Refuse what would leave messages queued for ever; the answer holds until the end of the job.

    Raises:
        CampaignHeld: The campaign was cancelled.
    """
    name, state = yield from lock(campaign)
    if state == CampaignState.CANCELLED:
        raise cancelled(name)


def lock(campaign: int) -> Job[tuple[str, str]]:
    """Wait for fences, decisions and late answers that are being committed; keep others out."""
    ((name, state),) = yield Query(
        "SELECT name, state FROM sms_campaign WHERE id = ? FOR UPDATE", (campaign,)
    )
    return name, state


def bind(campaign: int, account: str, endpoint: str) -> Job[None]:
    """Bind it to the account and endpoint that the guards have accepted."""
    yield Change(
        "UPDATE sms_campaign SET account = ?, endpoint = ? WHERE id = ?",
        (account, endpoint, campaign),
    )


def rebind(campaign: int, account: str) -> Job[None]:
    """Bind it to another account."""
    yield Change("UPDATE sms_campaign SET account = ? WHERE id = ?", (account, campaign))


def pause(campaign: int, reason: str | None) -> Job[None]:
    """Let nothing new pass the fence until it is resumed; a cancelled one stays cancelled."""
    before, after = ends(CampaignMove.PAUSE)
    yield Change(_MOVE, (after, reason, campaign, before))


def cancel(campaign: int) -> Job[None]:
    """Let nothing pass the fence any more."""
    before, after = ends(CampaignMove.CANCEL)
    yield Change(_MOVE, (after, None, campaign, before))


def resume(campaign: int) -> Job[bool]:
    """Let it continue, whatever the reason it was held; return whether it may."""
    before, after = ends(CampaignMove.RESUME)
    touched = yield Change(
        "UPDATE sms_campaign SET state = ?, reason = NULL, crashes = 0, seen_at = NULL"
        " WHERE id = ? AND state = ANY(?)",
        (after, campaign, before),
    )
    return bool(touched)


def read_status(campaign: int, is_gone: Callable[[str], bool] = nobody_is) -> Job[CampaignStatus]:
    """
    Count its messages by state; no state is changed.

    Args:
        campaign: Which campaign.

        is_gone: Whether the process of a given name is known to be gone.
    """
    rows = yield Query(
        "SELECT state, sent, rejected, not_sent, unknown, duplicates, requests, credits, price"
        " FROM sms_campaign WHERE id = ?",
        (campaign,),
    )
    state, sent, rejected, not_sent, unknown, duplicates, requests, credits_left, price = rows[0]
    opened = yield Query(
        "SELECT state, sum(size) FROM sms_batch WHERE campaign = ? AND state <> 'done'"
        " GROUP BY state",
        (campaign,),
    )
    waiting = {word: int(size) for word, size in opened}
    is_under_way = State.SENDING in waiting
    abandoned = (yield from _abandoned(campaign, is_gone)) if is_under_way else 0
    return CampaignStatus(
        state=state,
        queued=waiting.get(State.QUEUED, 0),
        claimed=waiting.get(State.CLAIMED, 0),
        sending=waiting.get(State.SENDING, 0),
        sent=sent,
        rejected=rejected,
        not_sent=not_sent,
        unknown=unknown,
        duplicates=duplicates,
        requests=requests,
        credits=credits_left,
        price=price,
        abandoned=abandoned,
    )


def _abandoned(campaign: int, is_gone: Callable[[str], bool]) -> Job[int]:
    run, now = yield Now()
    workers = yield Query(
        "SELECT token, process, run, until FROM sms_worker WHERE campaign = ?", (campaign,)
    )
    rows = yield Query(
        "SELECT coalesce(sum(size), 0) FROM sms_batch WHERE campaign = ? AND state = ?"
        " AND state <> 'done' AND token = ANY(?)",
        (campaign, State.SENDING, dead(workers, run, now, is_gone)),
    )
    return int(rows[0][0])
