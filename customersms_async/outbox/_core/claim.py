"""
Jobs of a worker: register, claim, send heartbeats, give back, take over from dead workers. Pure.

A worker is one run of `Campaign.send`. It owns what it has claimed under its token until its lease
expires; each heartbeat renews the lease. A worker that was declared dead finds its token gone and
takes a new one; what it had claimed under the old one no longer belongs to it.

Rules of this module:

1. Everything claimed has a worker in the table, or it would never be taken over. So a claim checks
   that its worker exists, and locks it, in the same transaction.
2. A claim is light. A power cut that loses it also ends its worker, before the fence, and the batch
   is still queued; a fence that survives keeps the claim before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final

from attrs import field, frozen

from ...codes import WORKER_DIED
from .campaign_states import CampaignState
from .job import Change, Gather, Insert, Job, Light, NewIds, Now, Query, Record, Update
from .message_states import DONE, Move, State, only, step

__all__ = [
    "Claim",
    "beat",
    "claim",
    "dead",
    "end_worker",
    "give_back",
    "nobody_is",
    "reap",
    "recount",
    "register",
    "split",
]

#: Why the fate of a message is unknown whose worker died.
_DIED: Final = "its process ended or hung while the request was in progress"

#: Batches that are searched for equal texts.
_LOOK_AT: Final = 200

_NEXT: Final = (
    "SELECT id, text, size FROM sms_batch WHERE campaign = ? AND state = ? AND state <> 'done'"
    " AND id > ? AND urgent = ? AND opens_at <= ? ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED"
)


def nobody_is(_: str) -> bool:
    """Assume that every process is alive."""
    return False


@frozen
class Claim:
    """
    Batches with one text that are sent in one request.

    Attributes:
        token: The worker's token, as of this claim.
        batches: Their ids.
        text: Their text.
        messages: Ids of the messages.
        phones: Their numbers, in the same order.
    """

    token: str
    batches: Sequence[int]
    text: str = field(repr=False)
    messages: Sequence[int]
    phones: Sequence[str] = field(repr=False)


def register(campaign: int, token: str, lease: float, process: str = "") -> Job[None]:
    """Register a worker, in the process of this name."""
    run, now = yield Now()
    columns = ("token", "campaign", "process", "run", "until")
    yield Insert("sms_worker", columns, [(token, campaign, process, run, now + lease)])


def beat(campaign: int, token: str, lease: float, wall: float) -> Job[CampaignState | None]:
    """Renew the lease; return the campaign's state, or None if this worker was declared dead."""
    run, now = yield Now()
    is_alive = yield Change(
        "UPDATE sms_worker SET run = ?, until = ? WHERE token = ?", (run, now + lease, token)
    )
    yield Change("UPDATE sms_campaign SET seen_at = ? WHERE id = ?", (wall, campaign))
    rows = yield Query("SELECT state FROM sms_campaign WHERE id = ?", (campaign,))
    return CampaignState(rows[0][0]) if is_alive else None


def end_worker(campaign: int, token: str) -> Job[None]:
    """
    End a worker cleanly: batches it did not begin go back, and no crash is counted.

    If it gave up a request with an unknown fate, its lease ends now, and `reap` decides.
    """
    yield from _is_alive(token)  # waits for a cancelled claim that is still being committed
    yield from give_back(token)
    left = yield Query(
        "SELECT id FROM sms_batch WHERE campaign = ? AND state = ? AND state <> 'done'"
        " AND token = ? LIMIT 1",
        (campaign, State.SENDING, token),
    )
    if left:
        yield Change("UPDATE sms_worker SET until = 0 WHERE token = ?", (token,))
        return
    yield Change("DELETE FROM sms_worker WHERE token = ?", (token,))
    yield Change("UPDATE sms_campaign SET crashes = 0 WHERE id = ?", (campaign,))


def _is_alive(token: str) -> Job[bool]:
    """Whether a worker is in the table; keep it there until the end of the transaction."""
    return bool((yield Query("SELECT 1 FROM sms_worker WHERE token = ? FOR UPDATE", (token,))))


def give_back(token: str, batches: Sequence[int] | None = None) -> Job[None]:
    """Give back batches that were claimed but not begun: some, or all of a worker's."""
    before, after = only(Move.GIVE_BACK)
    sql = "UPDATE sms_batch SET state = ?, token = NULL WHERE state = ? AND token = ?"
    if batches is None:
        yield Change(f"{sql} AND state <> 'done'", (after, before, token))
    else:
        yield Change(f"{sql} AND id = ANY(?)", (after, before, token, list(batches)))


def claim(
    campaign: int,
    token: str,
    *,
    after: int,
    wall: float,
    urgent: bool = False,
    most: int = 100,
    requests: int = 1,
) -> Job[Sequence[Claim]]:
    """
    Claim the next batches, each with others of the same text that fit into one request.

    Args:
        campaign: The id of the campaign.

        token: The worker's token.

        after: The batch to search from, exclusive; 0 for the beginning.

        wall: The wall clock, in seconds: some batches open later.

        urgent: Whether to claim urgent batches or the others.

        most: The most messages in one request.

        requests: The most requests to claim at once.

    Returns:
        What was claimed, in the order of the first batch of each; empty if nothing is queued, or
        the worker was declared dead.
    """
    yield Light()
    if not (yield from _is_alive(token)):
        return ()
    before, state = only(Move.CLAIM)
    args = (campaign, before, after, int(urgent), wall)
    found = yield Query(_NEXT, (*args, requests))
    if any(size < most for _, _, size in found):
        found = yield Query(_NEXT, (*args, _LOOK_AT))
    units = list(islice(_units(found, most), requests))
    batches = list(chain.from_iterable(units))
    if not batches:
        return ()
    yield Change(
        "UPDATE sms_batch SET state = ?, token = ? WHERE id = ANY(?)", (state, token, batches)
    )
    rows = yield Gather("sms_message", "batch", batches, ("id", "phone"))
    messages = {batch: (ids, phones) for batch, ids, phones in rows}
    texts = {batch: text for batch, text, _ in found}
    return [_claim(token, unit, texts[unit[0]], messages) for unit in units]


def _claim(
    token: str, unit: Sequence[int], text: str, messages: Mapping[int, tuple[list[int], list[str]]]
) -> Claim:
    if len(unit) == 1:
        return Claim(token, unit, text, *messages[unit[0]])
    ids, phones = zip(*(messages[batch] for batch in unit), strict=True)
    return Claim(token, unit, text, *(list(chain.from_iterable(lists)) for lists in (ids, phones)))


def split(batches: Sequence[int], token: str, ids: Sequence[int]) -> Job[tuple[int, list[int]]]:
    """
    Move some messages of a claim to a new batch.

    Returns:
        The id of the new batch, or 0 if the claim is lost; and the batches that the others are in.
    """
    found = yield Query(
        "SELECT campaign, text, urgent FROM sms_batch WHERE id = ? AND token = ?",
        (batches[0], token),
    )
    if not found:
        return 0, []  # it belongs to another worker by now
    campaign, text, urgent = found[0]
    (new,) = yield NewIds("sms_batch", 1)
    columns = ("id", "campaign", "state", "size", "urgent", "text", "token")
    line = (new, campaign, State.CLAIMED, len(ids), urgent, text, token)
    yield Insert("sms_batch", columns, [line])
    yield Update(("batch",), [(new, row_id) for row_id in ids])
    return int(new), (yield from recount(batches))


def recount(batches: Sequence[int]) -> Job[list[int]]:
    """
    Write the sizes of batches from which messages were moved, and delete those that are empty.

    Returns:
        The batches that are left.
    """
    yield Change(
        "UPDATE sms_batch SET size = (SELECT count(*) FROM sms_message"
        " WHERE sms_message.batch = sms_batch.id) WHERE id = ANY(?)",
        (list(batches),),
    )
    yield Change("DELETE FROM sms_batch WHERE id = ANY(?) AND size = 0", (list(batches),))
    left = yield Query("SELECT id FROM sms_batch WHERE id = ANY(?) ORDER BY id", (list(batches),))
    return [batch for (batch,) in left]


def _units(found: Sequence[Record], most: int) -> Iterator[list[int]]:
    """Group batches into requests, in the order of the first batch of each."""
    rest = list(found)
    while rest:
        unit = list(_that_fit(rest, most))
        yield unit
        rest = list[Record](row for row in rest if row[0] not in unit)


def _that_fit(found: Sequence[Record], most: int) -> Iterable[int]:
    """Choose the first batch, and others of its text that fit into the same request."""
    text, total = found[0][1], 0
    for batch, its_text, size in found:
        if its_text == text and (total == 0 or total + size <= most):
            total += size
            yield batch


def reap(campaign: int, wall: float, is_gone: Callable[[str], bool] = nobody_is) -> Job[int]:
    """
    Take over from workers whose lease has expired, or whose process is gone.

    What they had claimed is queued again. What they were sending becomes unknown.

    Args:
        campaign: The id of the campaign.

        wall: The wall clock, in seconds.

        is_gone: Whether the process of a given name is known to be gone.

    Returns:
        How many messages became unknown.
    """
    run, now = yield Now()
    workers = yield Query(
        "SELECT token, process, run, until FROM sms_worker WHERE campaign = ?"
        " FOR UPDATE SKIP LOCKED",
        (campaign,),
    )
    tokens = dead(workers, run, now, is_gone)
    if not tokens:
        return 0
    for token in tokens:
        yield from give_back(token)
    lost = yield from _lose(campaign, tokens, wall)
    yield Change("DELETE FROM sms_worker WHERE token = ANY(?)", (tokens,))
    if lost:
        yield Change("UPDATE sms_campaign SET crashes = crashes + 1 WHERE id = ?", (campaign,))
    return lost


def dead(
    workers: Iterable[Record], run: str, now: float, is_gone: Callable[[str], bool]
) -> list[str]:
    """Return the tokens of workers whose lease has expired, or whose process is gone."""
    return [
        token
        for token, process, its_run, until in workers
        if its_run != run or until < now or is_gone(process)
    ]


def _lose(campaign: int, tokens: Sequence[str], wall: float) -> Job[int]:
    found = yield Query(
        "SELECT id, size FROM sms_batch WHERE campaign = ? AND state = ? AND state <> 'done'"
        " AND token = ANY(?) FOR UPDATE",
        (campaign, State.SENDING, list(tokens)),
    )
    if not found:
        return 0
    batches = [batch for batch, _ in found]
    lost = sum(int(size) for _, size in found)
    yield Change(
        "UPDATE sms_message SET status = ?, code = ?, detail = ? WHERE batch = ANY(?)",
        (step(Move.EXPIRE, State.SENDING), WORKER_DIED, _DIED, batches),
    )
    yield Change(
        "UPDATE sms_batch SET state = ?, code = ?, ended_at = ? WHERE id = ANY(?)",
        (DONE, WORKER_DIED, wall, batches),
    )
    yield Change(
        "UPDATE sms_campaign SET unknown = unknown + ?, unheard = unheard + ?, lost_at = ?"
        " WHERE id = ?",
        (lost, lost, wall, campaign),
    )
    return lost
