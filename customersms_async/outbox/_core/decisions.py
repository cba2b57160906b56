"""
Jobs that carry out a person's decision: sent after all, send again, cancel, purge. Pure.

Rules of this module:

1. An unknown message is sent again only once its first request can no longer be in progress: the
   new batch opens at the time that the fence wrote into the old one.
2. A decision locks its campaign before it reads what it decides about, so that of two at once the
   second sees what the first has changed. Late answers do the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from ...codes import WITHDRAWN
from .campaigns import check_not_cancelled, lock
from .claim import recount
from .job import Change, Insert, Job, NewIds, Query, Record, Update
from .message_states import DONE, MOVES, Move, State, only, step
from .settle import cancel_waiting, change_counts, doubt, queue_again, record_events

__all__ = [
    "cancel_some",
    "mark_sent",
    "purge",
    "purge_beside_unknown",
    "purge_refused",
    "send_again",
    "withdraw",
]

_BLANK: Final = "UPDATE sms_message SET phone = '', content = NULL, detail = NULL"


def mark_sent(campaign: int, refs: Sequence[str], wall: float) -> Job[list[str]]:
    """
    Turn unknown into sent.

    Returns:
        The refs that were left unchanged: not unknown, or not found.
    """
    before, after = only(Move.MARK_SENT)
    yield from lock(campaign)
    found = yield from _find(campaign, refs)
    ids = [row_id for row_id, _, status, *_ in found if status == before]
    yield Update(("status",), [(after, row_id) for row_id in ids])
    yield from change_counts(campaign, {State.UNKNOWN: -len(ids), State.SENT: len(ids)})
    yield from record_events(campaign, ids, "mark_sent", before, wall)
    done = {ref for _, ref, status, *_ in found if status == before}
    return [ref for ref in refs if ref not in done]


def send_again(campaign: int, refs: Sequence[str], wall: float) -> Job[list[str]]:
    """
    Requeue messages that ended as unknown or rejected.

    Args:
        campaign: Their campaign.

        refs: Their refs.

        wall: The wall clock, in seconds.

    Returns:
        The refs that were left unchanged: in another state, purged, or not found.

    Raises:
        CampaignHeld: The campaign was cancelled.
    """
    yield from check_not_cancelled(campaign)
    found = yield from _find(campaign, refs)
    chosen = [row for row in found if row[2] in MOVES[Move.SEND_AGAIN] and row[4]]
    groups: dict[tuple[State, float], list[int]] = {}
    for row_id, _, status, over_at, _ in chosen:
        state = State(status)
        opens_at = over_at if state is State.UNKNOWN else 0.0
        groups.setdefault((state, opens_at), []).append(row_id)
    changes: Counter[State] = Counter()
    for (state, opens_at), ids in groups.items():
        step(Move.SEND_AGAIN, state)
        changes[state] -= len(ids)
        yield from queue_again(campaign, ids, opens_at)
        yield from record_events(campaign, ids, Move.SEND_AGAIN.value, state, wall)
    yield from change_counts(campaign, changes)
    done = {ref for _, ref, *_ in chosen}
    return [ref for ref in refs if ref not in done]


def cancel_some(campaign: int, most: int, wall: float) -> Job[int]:
    """
    Settle some batches of a cancelled campaign that no one is sending; return how many.

    Claimed ones are taken away from their workers: no claim of a cancelled campaign passes the
    fence.
    """
    found = yield Query(
        "SELECT id FROM sms_batch WHERE campaign = ? AND state IN (?, ?) AND state <> 'done'"
        " ORDER BY id LIMIT ? FOR UPDATE",
        (campaign, *MOVES[Move.CANCEL], most),
    )
    batches = [batch for (batch,) in found]
    yield from cancel_waiting(campaign, batches, wall)
    return len(batches)


def withdraw(campaign: int, refs: Sequence[str], wall: float) -> Job[list[str]]:
    """
    Settle single queued messages as not sent; the others of their batches stay queued.

    Those that were unknown before `send_again` are unknown again.

    Returns:
        The refs that were left unchanged: not queued, or not found.
    """
    before, after = only(Move.WITHDRAW)
    yield from lock(campaign)
    found = yield Query(
        "SELECT m.id, m.ref, m.batch, b.text, b.opens_at FROM sms_message m"
        " JOIN sms_batch b ON b.id = m.batch"
        " WHERE m.campaign = ? AND m.ref = ANY(?) AND b.state = ? FOR UPDATE",
        (campaign, list(refs), before),
    )
    if not found:
        return list(refs)
    groups: dict[tuple[str, float], list[int]] = {}
    for row_id, _, _, *about in found:
        groups.setdefault(tuple(about), []).append(row_id)
    fresh = yield NewIds("sms_batch", len(groups))
    columns = ("id", "campaign", "state", "size", "text", "opens_at", "code", "ended_at")
    lines = [
        (new, campaign, DONE, len(ids), *about, WITHDRAWN, wall)
        for new, (about, ids) in zip(fresh, groups.items(), strict=True)
    ]
    yield Insert("sms_batch", columns, lines)
    moved = zip(fresh, groups.values(), strict=True)
    yield Update(
        ("batch", "status", "code"),
        [(new, after, WITHDRAWN, row_id) for new, ids in moved for row_id in ids],
    )
    yield from recount(sorted({batch for _, _, batch, *_ in found}))
    doubted = yield from doubt(campaign, list(fresh))
    changes = {State.NOT_SENT: len(found) - doubted, State.UNKNOWN: doubted}
    yield from change_counts(campaign, changes)
    yield from record_events(campaign, [row_id for row_id, *_ in found], "withdraw", before, wall)
    done = {ref for _, ref, *_ in found}
    return [ref for ref in refs if ref not in done]


def purge(before: float, most: int) -> Job[int]:
    """Blank texts and numbers of some batches that ended before *before*; return how many."""
    found = yield Query(
        "SELECT b.id FROM sms_batch b WHERE b.state = 'done' AND b.ended_at < ? AND b.text <> ''"
        " AND NOT EXISTS (SELECT 1 FROM sms_message m"
        " WHERE m.batch = b.id AND m.status = ?)"
        " ORDER BY b.id LIMIT ?",
        (before, State.UNKNOWN, most),
    )
    batches = [batch for (batch,) in found]
    yield Change(f"{_BLANK} WHERE batch = ANY(?)", (batches,))
    yield Change("UPDATE sms_batch SET text = '' WHERE id = ANY(?)", (batches,))
    return len(batches)


def purge_beside_unknown(before: float, most: int) -> Job[int]:
    """
    Blank some settled messages whose request has unknown ones as well; return how many.

    Those keep their numbers, and so the request its text. To be run once `purge` finds no more.
    """
    found = yield Query(
        "SELECT m.id FROM sms_batch b JOIN sms_message m ON m.batch = b.id"
        " WHERE b.state = 'done' AND b.ended_at < ? AND b.text <> ''"
        " AND m.status <> ? AND m.phone <> '' LIMIT ?",
        (before, State.UNKNOWN, most),
    )
    yield Change(  # but not those that are queued again meanwhile
        f"{_BLANK} WHERE id = ANY(?) AND status <> ?",
        ([row_id for (row_id,) in found], State.UNKNOWN),
    )
    return len(found)


def purge_refused(before: float, most: int) -> Job[int]:
    """
    Blank some rows that were never going to be sent: bad, duplicate, skipped; return how many.

    They have no date, and go when nothing of their campaign waits or ended after *before*.
    """
    quiet = yield Query(
        "SELECT c.id FROM sms_campaign c WHERE c.created_at < ? AND NOT EXISTS (SELECT 1"
        " FROM sms_batch b WHERE b.campaign = c.id AND (b.state <> 'done' OR b.ended_at >= ?))",
        (before, before),
    )
    found = yield Query(
        "SELECT id FROM sms_message WHERE batch IS NULL AND phone <> '' AND campaign = ANY(?)"
        " LIMIT ?",
        ([campaign for (campaign,) in quiet], most),
    )
    yield Change(f"{_BLANK} WHERE id = ANY(?)", ([row_id for (row_id,) in found],))
    return len(found)


def _find(campaign: int, refs: Sequence[str]) -> Job[list[Record]]:
    """Find messages that have a batch, and lock them: a purge does not lock the campaign."""
    found = yield Query(
        "SELECT m.id, m.ref, m.status, b.opens_at, m.phone FROM sms_message m"
        " JOIN sms_batch b ON b.id = m.batch WHERE m.campaign = ? AND m.ref = ANY(?) FOR UPDATE",
        (campaign, list(refs)),
    )
    return list(found)
