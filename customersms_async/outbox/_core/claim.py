"""
Jobs of a worker's life: register, claim, show life, give back, and inherit from the dead. Pure.

A worker is one run of `Campaign.send`. It owns what it has claimed by its token, until its lease is
over; each sign of life moves that on. A worker that was declared dead finds its token gone, and
takes a new one; what it had claimed under the old one is no longer its own.

Rules of this module:

1. Everything claimed has a worker in the table, or nobody would inherit it. So a claim asks for its
   worker, and locks it, in its own transaction.
2. A claim is light. A power cut that takes it back ends its worker too, before the fence, and what
   was claimed is queued; a fence that is kept keeps the claim before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final

from attrs import field, frozen

from .job import Change, Gather, Insert, Job, Light, NewIds, Now, Query, Record, Update
from .states import DONE, Move, State, only, step

__all__ = [
    "WORKER_DIED",
    "Claim",
    "beat",
    "claim",
    "dead",
    "end_worker",
    "give_back",
    "nobody_is",
    "reap",
    "register",
    "split",
]

#: The word for a message whose worker died while its request may have been under way.
WORKER_DIED: Final = "WORKER_DIED"

_DIED: Final = "its process ended, or stood still, while the request was under way"

#: Batches that are looked at for equal texts.
_LOOK_AT: Final = 200

_NEXT: Final = (
    "SELECT id, text, size FROM sms_batch WHERE campaign = ? AND state = ? AND state <> 'done'"
    " AND id > ? AND urgent = ? AND opens_at <= ? ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED"
)


def nobody_is(_: str) -> bool:
    """Take every process for a living one."""
    return False


@frozen
class Claim:
    """
    Batches of one text that leave in one request.

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
    """Begin a worker's life, in a process that has this name."""
    run, now = yield Now()
    columns = ("token", "campaign", "process", "run", "until")
    yield Insert("sms_worker", columns, [(token, campaign, process, run, now + lease)])


def beat(campaign: int, token: str, lease: float, wall: float) -> Job[str | None]:
    """Show life; give the campaign's state, or None where this worker was declared dead."""
    run, now = yield Now()
    is_alive = yield Change(
        "UPDATE sms_worker SET run = ?, until = ? WHERE token = ?", (run, now + lease, token)
    )
    yield Change("UPDATE sms_campaign SET seen_at = ? WHERE id = ?", (wall, campaign))
    rows = yield Query("SELECT state FROM sms_campaign WHERE id = ?", (campaign,))
    return str(rows[0][0]) if is_alive else None


def end_worker(campaign: int, token: str) -> Job[None]:
    """
    End a worker's life in order: what it did not begin goes back, and no crash is counted.

    Where a request was given up whose fate nobody knows, its lease ends now, and `reap` decides.
    """
    yield from _is_alive(token)  # behind a claim that was cancelled and is still carried out
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
    """Tell whether a worker is in the table, and keep it there to the end of the transaction."""
    return bool((yield Query("SELECT 1 FROM sms_worker WHERE token = ? FOR UPDATE", (token,))))


def give_back(token: str, batches: Sequence[int] | None = None) -> Job[None]:
    """Give back what was claimed and not begun: some batches, or all of a worker."""
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
    Claim the next batches, and with each the others of its text while they fit into one request.

    Args:
        campaign: Of which campaign.

        token: The worker's.

        after: The batch after which to look; 0 from the beginning.

        wall: The wall clock, in seconds: some batches open later.

        urgent: Whether it looks among the urgent ones.

        most: Messages in one request.

        requests: Requests at most that are claimed at once.

    Returns:
        What was claimed, by the first batch of each; nothing where nothing waits, or the worker
        was declared dead.
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


def split(batches: Sequence[int], token: str, ids: Sequence[int]) -> Job[int]:
    """Part some messages of a claim from the others; give the id of their batch, or 0."""
    found = yield Query(
        "SELECT campaign, text, urgent FROM sms_batch WHERE id = ? AND token = ?",
        (batches[0], token),
    )
    if not found:
        return 0  # it is another worker's by now
    campaign, text, urgent = found[0]
    (new,) = yield NewIds("sms_batch", 1)
    columns = ("id", "campaign", "state", "size", "urgent", "text", "token")
    line = (new, campaign, State.CLAIMED, len(ids), urgent, text, token)
    yield Insert("sms_batch", columns, [line])
    yield Update(("batch",), [(new, row_id) for row_id in ids])
    yield Change(
        "UPDATE sms_batch SET size = (SELECT count(*) FROM sms_message"
        " WHERE sms_message.batch = sms_batch.id) WHERE id = ANY(?)",
        (list(batches),),
    )
    return int(new)


def _units(found: Sequence[Record], most: int) -> Iterator[list[int]]:
    """Sort batches into requests, in the order of the first batch of each."""
    rest = list(found)
    while rest:
        unit = list(_that_fit(rest, most))
        yield unit
        rest = list[Record](row for row in rest if row[0] not in unit)


def _that_fit(found: Sequence[Record], most: int) -> Iterable[int]:
    """Choose the first batch, and those of its text that leave together with it."""
    text, total = found[0][1], 0
    for batch, its_text, size in found:
        if its_text == text and (total == 0 or total + size <= most):
            total += size
            yield batch


def reap(campaign: int, wall: float, is_gone: Callable[[str], bool] = nobody_is) -> Job[int]:
    """
    Inherit from workers whose lease is over, or whose process is gone.

    What they had claimed is queued again. What they were sending is unknown.

    Args:
        campaign: Of which campaign.

        wall: The wall clock, in seconds.

        is_gone: Tells whether the process of a name is known to be gone.

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
    """Give the tokens of the workers whose lease is over, or whose process is gone."""
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
