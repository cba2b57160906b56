"""
Jobs that record how a request ended. Pure.

Rules of this module:

1. A settlement counts once: it needs the token of the claim, and the state that the fence left.
2. A late one, after its worker was declared dead, may still replace unknown with the true fate. If
   a person has decided meanwhile, the decision stands, and the contradiction is recorded.
3. What is safe to send again, and not bound to end the same way, is queued again.
4. A settlement is light: a power cut that loses it leaves its messages unknown, for a person to
   decide. The next fence or heartbeat makes it durable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

from attrs import astuple, field, frozen

from ... import codes
from ..._values.status import Status
from .campaign_states import CampaignState
from .campaigns import lock
from .claim import give_back
from .job import Change, Insert, Job, Light, NewIds, Query, Update
from .message_states import DONE, MOVES, Move, State, only, settled, step
from .price import Answer, Purse

__all__ = [
    "Fate",
    "Settlement",
    "cancel_waiting",
    "change_counts",
    "doubt",
    "drop",
    "queue_again",
    "record_events",
    "settle",
    "turn_away",
]

#: Why a message that was withdrawn or cancelled is not certainly not sent.
_DOUBTED: Final = "its first request, before it was queued again, may have been carried out"

#: What is written for a message when its fate is known.
_COLUMNS: Final = ("status", "code", "detail", "message_id")

#: What is counted for a campaign, in this order.
_COUNTED: Final = (State.SENT, State.REJECTED, State.NOT_SENT, State.UNKNOWN)
_COUNTS: Final = (
    "sent = sent + ?, rejected = rejected + ?, not_sent = not_sent + ?, unknown = unknown + ?"
)

#: How a message ended; messages of one request with the same end are mostly adjacent.
_END: Final = attrgetter("status", "goes_back")


@frozen
class Fate:
    """
    The fate of one message.

    Attributes:
        id: Its id.
        status: Its fate.
        code: The reason code, or None.
        detail: One line for people, or None.
        message_id: The gateway's id of it, or None.
        goes_back: Whether it is queued again.
    """

    id: int
    status: Status
    code: str | None
    detail: str | None = field(repr=False)
    message_id: str | None
    goes_back: bool


@frozen(kw_only=True)
class Settlement:
    """
    How one request ended.

    Attributes:
        campaign: Its campaign.
        token: The token of its claim.
        batches: Its batches.
        fates: The fate of each of its messages.
        wall: The wall clock, in seconds.
        credits: The last known balance, or None.
        is_recent: Whether the client had heard a balance just before the request left.
        others: Messages of other runs, and codes, that its client had in flight meanwhile.
        is_alone: Whether it had to be alone in flight as long as the price was not sure.
    """

    campaign: int
    token: str
    batches: Sequence[int]
    fates: Sequence[Fate]
    wall: float
    credits: int | None
    is_recent: bool
    others: int
    is_alone: bool


def settle(ended: Settlement) -> Job[int]:
    """
    Record the fates of a request.

    Returns:
        How many contradict what a person has decided meanwhile.
    """
    yield Light()
    code = ended.fates[0].code
    touched = yield Change(
        "UPDATE sms_batch SET state = ?, ended_at = ?, code = ?, credits_after = ?"
        " WHERE id = ANY(?) AND state = ? AND token = ?",
        (DONE, ended.wall, code, ended.credits, list(ended.batches), State.SENDING, ended.token),
    )
    if touched != len(ended.batches):
        return (yield from _settle_late(ended))
    yield from _write(ended, ended.fates, is_late=False)
    return 0


def turn_away(campaign: int, token: str, batches: Sequence[int], wall: float) -> Job[None]:
    """
    Undo the fence: nothing was sent, and the worker will try again or give the batches back.

    If the fence was not committed, there is nothing to undo. If its worker was declared dead
    meanwhile, what became unknown is queued again.
    """
    before, after = only(Move.TURN_AWAY)
    touched = yield Change(
        "UPDATE sms_batch SET state = ?, opens_at = 0"
        " WHERE id = ANY(?) AND state = ? AND token = ?",
        (after, list(batches), before, token),
    )
    if touched:
        yield Change("UPDATE sms_campaign SET requests = requests - 1 WHERE id = ?", (campaign,))
    else:
        yield from _turn_away_late(campaign, token, batches, wall)


def drop(campaign: int, token: str, batches: Sequence[int], wall: float) -> Job[None]:
    """
    Undo the fence, and the claim too.

    If the answer to the fence was lost, the fence may still be committed; it holds this lock.
    """
    yield from lock(campaign)
    yield from turn_away(campaign, token, batches, wall)
    yield from give_back(token, batches)
    yield from cancel_waiting(campaign, batches, wall)


def _turn_away_late(campaign: int, token: str, batches: Sequence[int], wall: float) -> Job[None]:
    yield from lock(campaign)
    found = yield Query(
        "SELECT m.id FROM sms_message m JOIN sms_batch b ON b.id = m.batch WHERE b.id = ANY(?)"
        " AND b.token = ? AND b.code = ? AND b.state = 'done' AND m.status = ?",
        (list(batches), token, codes.WORKER_DIED, State.UNKNOWN),
    )
    ids = [row_id for (row_id,) in found]
    if ids:
        step(Move.LEARN_TURNED_AWAY, State.UNKNOWN)
        yield from queue_again(campaign, ids, 0.0)
        yield from change_counts(campaign, {State.UNKNOWN: -len(ids)})
        yield from record_events(campaign, ids, "turned away, told late", State.UNKNOWN, wall)


def _settle_late(ended: Settlement) -> Job[int]:
    """Correct unknown fates; record what contradicts a decision."""
    yield from lock(ended.campaign)
    yield Change(
        "UPDATE sms_batch SET ended_at = ?, credits_after = ?"
        " WHERE id = ANY(?) AND state = 'done' AND token = ? AND code = ?",
        (ended.wall, ended.credits, list(ended.batches), ended.token, codes.WORKER_DIED),
    )
    found = yield Query(
        "SELECT m.id, m.status, b.token FROM sms_message m JOIN sms_batch b ON b.id = m.batch"
        " WHERE m.id = ANY(?)",
        ([fate.id for fate in ended.fates],),
    )
    now = {row_id: (status, token == ended.token) for row_id, status, token in found}
    late = [fate for fate in ended.fates if fate.status is not Status.UNKNOWN]
    unknown = [fate for fate in late if now[fate.id] == (State.UNKNOWN, True)]
    yield from _write(ended, unknown, is_late=True)
    contradicted = [fate.id for fate in late if not _agrees(fate, *now[fate.id])]
    yield from record_events(
        ended.campaign, contradicted, "told late, after a decision", None, ended.wall
    )
    return len(contradicted)


def _agrees(fate: Fate, status: str | None, is_ours: bool) -> bool:  # noqa: FBT001  # two facts
    """Whether the recorded fate equals the new one, or was unknown until now."""
    if fate.goes_back:
        return status is None or status == State.UNKNOWN
    return is_ours and status in (State.UNKNOWN, fate.status)


def _write(ended: Settlement, fates: Sequence[Fate], *, is_late: bool) -> Job[None]:
    rows, back, changes = list[Sequence[object]](), list[int](), Counter[State]()
    for (status, goes_back), members in _by_end(fates):
        state = settled(status, goes_back=goes_back, is_late=is_late)
        before = len(rows) + len(back)
        if state is State.QUEUED:
            back += [fate.id for fate in members]
        else:
            rows += _lines(state, members)
        changes[state] += len(rows) + len(back) - before
    yield Update(_COLUMNS, rows)
    yield from queue_again(ended.campaign, back, 0.0)
    if is_late:
        changes[State.UNKNOWN] -= len(fates)
    unknown = 0 if is_late else changes[State.UNKNOWN]
    purse = yield from _learn_price(ended, changes[State.SENT], unknown)
    yield from change_counts(ended.campaign, changes, purse)


def _by_end(fates: Sequence[Fate]) -> Iterable[tuple[tuple[Status, bool], Iterable[Fate]]]:
    """Group by equal ends; usually that is the whole request, which has a fast path."""
    if not fates:
        return ()
    status, goes_back = end = _END(fates[0])
    if all(fate.status is status and fate.goes_back is goes_back for fate in fates):
        return ((end, fates),)
    return groupby(fates, _END)


def _lines(state: State, fates: Iterable[Fate]) -> list[tuple[object, ...]]:
    word = state.value  # a plain str: drivers are slow with subclasses of it
    return [(word, fate.code, fate.detail, fate.message_id, fate.id) for fate in fates]


def _learn_price(ended: Settlement, accepted: int, unknown: int) -> Job[Purse | None]:
    """Return the new balance and highest price; None if nothing has changed."""
    charged = accepted + unknown
    if not charged:
        return None
    rows = yield Query(
        "SELECT c.credits, c.price, c.unheard, c.lost_at, c.is_sure, b.credits_before, b.left_at,"
        " (SELECT coalesce(sum(size), 0) FROM sms_batch"
        " WHERE campaign = ? AND state = ? AND state <> 'done')"
        " FROM sms_campaign c JOIN sms_batch b ON b.id = ? WHERE c.id = ?",
        (ended.campaign, State.SENDING, ended.batches[0], ended.campaign),
    )
    *known, before, left_at, in_flight = rows[0]
    purse = Purse(*known)
    if ended.credits is None or not accepted:
        return purse.lose(charged, ended.wall)
    answer = Answer(
        balance=ended.credits,
        before=before,
        left_at=left_at,
        charged=charged,
        in_flight=int(in_flight) + ended.others,
        is_recent=ended.is_recent and not unknown,
        is_alone=ended.is_alone,
    )
    return purse.hear(answer)


def change_counts(
    campaign: int, changes: Counter[State] | dict[State, int], purse: Purse | None = None
) -> Job[None]:
    """Update the counts of a campaign, and what is known about the account."""
    more = [changes.get(state, 0) for state in _COUNTED]
    if purse is None:
        yield Change(f"UPDATE sms_campaign SET {_COUNTS} WHERE id = ?", (*more, campaign))  # noqa: S608  # the text above
    else:
        yield Change(
            f"UPDATE sms_campaign SET {_COUNTS}, credits = ?, price = ?, unheard = ?, lost_at = ?,"  # noqa: S608  # the text above
            " is_sure = ? WHERE id = ?",
            (*more, *astuple(purse), campaign),
        )


def queue_again(campaign: int, ids: Sequence[int], opens_at: float) -> Job[None]:
    """Put messages into as many new batches as they were in; the old ones stay as evidence."""
    if not ids:
        return
    found = yield Query(
        "SELECT m.batch, b.text, b.urgent, m.id FROM sms_message m JOIN sms_batch b"
        " ON b.id = m.batch WHERE m.id = ANY(?) ORDER BY m.id",
        (list(ids),),
    )
    groups: dict[int, list[int]] = {}
    for batch, _, _, row_id in found:
        groups.setdefault(batch, []).append(row_id)
    about = {batch: (text, urgent) for batch, text, urgent, _ in found}
    fresh = yield NewIds("sms_batch", len(groups))
    lines = [
        (new, campaign, State.QUEUED, len(groups[old]), about[old][1], opens_at, about[old][0])
        for new, old in zip(fresh, groups, strict=True)
    ]
    columns = ("id", "campaign", "state", "size", "urgent", "opens_at", "text")
    yield Insert("sms_batch", columns, lines)
    moved = zip(fresh, groups.values(), strict=True)
    rows = [(new, None, None, None, row_id) for new, members in moved for row_id in members]
    yield Update(("batch", "status", "code", "detail"), rows)


def cancel_waiting(campaign: int, batches: Sequence[int], wall: float) -> Job[None]:
    """Settle batches that are queued or claimed, if their campaign was cancelled."""
    rows = yield Query("SELECT state FROM sms_campaign WHERE id = ?", (campaign,))
    if rows[0][0] != CampaignState.CANCELLED:
        return
    found = yield Query(
        "SELECT id, size FROM sms_batch WHERE id = ANY(?) AND state IN (?, ?) FOR UPDATE",
        (list(batches), *MOVES[Move.CANCEL]),
    )
    ids = [batch for batch, _ in found]
    total = sum(int(size) for _, size in found)
    yield Change(
        "UPDATE sms_message SET status = ?, code = ? WHERE batch = ANY(?)",
        (State.NOT_SENT, codes.CANCELLED, ids),
    )
    yield Change(
        "UPDATE sms_batch SET state = ?, code = ?, ended_at = ? WHERE id = ANY(?)",
        (DONE, codes.CANCELLED, wall, ids),
    )
    doubted = yield from doubt(campaign, ids)
    changes = {State.NOT_SENT: total - doubted, State.UNKNOWN: doubted}
    yield from change_counts(campaign, changes)


def doubt(campaign: int, batches: Sequence[int]) -> Job[int]:
    """Make unknown again what was unknown before `send_again`; return how many messages."""
    touched = yield Change(
        "UPDATE sms_message SET status = ?, detail = ? WHERE batch = ANY(?) AND id IN"
        " (SELECT message FROM sms_event WHERE campaign = ? AND what = ? AND was = ?)",
        (
            step(Move.DOUBT, State.QUEUED),
            _DOUBTED,
            list(batches),
            campaign,
            Move.SEND_AGAIN.value,
            State.UNKNOWN,
        ),
    )
    return int(touched)


def record_events(
    campaign: int, ids: Iterable[int], what: str, was: str | None, wall: float
) -> Job[None]:
    """Record what a person decided, or what contradicts it, and when."""
    rows = [(campaign, row_id, wall, what, was) for row_id in ids]
    yield Insert("sms_event", ("campaign", "message", "at", "what", "was"), rows)
