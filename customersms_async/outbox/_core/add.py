"""
The job that adds rows to a campaign. Pure.

Equal texts share batches of up to 100 messages. A partial batch is filled up with later rows of the
same `add`, unless a worker has claimed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import define, field

from .campaigns import check_not_cancelled
from .job import Change, Insert, Job, Many, NewIds, Query
from .message_states import Move, State, step
from .rows import Added, Existing, Row, sort_out

__all__ = ["OpenBatches", "add"]

#: The columns of a message that will be sent, and of one that will not.
_QUEUED: Final = ("id", "campaign", "batch", "content", "ref", "phone")
_REFUSED: Final = (
    "id",
    "campaign",
    "content",
    "ref",
    "phone",
    "duplicate_of",
    "status",
    "code",
    "detail",
)
_BATCH: Final = ("id", "campaign", "state", "size", "text")

#: Texts whose last batch is remembered and can be filled up; as far as a bulk run looks ahead.
_MOST_TEXTS: Final = 50_000


@define(eq=False)
class OpenBatches:
    """
    The batches of one `add` that are not full: text → (id, size).

    Attributes:
        batch_size: Messages in a full one.
    """

    batch_size: int = 100
    _by_text: dict[str, tuple[int, int]] = field(factory=dict[str, tuple[int, int]], repr=False)

    def get(self, text: str) -> tuple[int, int] | None:
        return self._by_text.get(text)

    def put(self, text: str, batch: int, size: int) -> None:
        """Remember a batch that is not full; forget the oldest."""
        self._by_text.pop(text, None)
        if size >= self.batch_size:
            return
        self._by_text[text] = batch, size
        if len(self._by_text) > _MOST_TEXTS:
            del self._by_text[next(iter(self._by_text))]


def add(campaign: int, rows: Sequence[Row], open_batches: OpenBatches) -> Job[Added]:
    """
    Write the new rows of a chunk.

    Raises:
        CampaignHeld: The campaign was cancelled.
    """
    yield Many()
    yield from check_not_cancelled(campaign)
    refs, contents = yield from _known(campaign, rows)
    ids = yield NewIds("sms_message", len(rows))
    for row, row_id in zip(rows, ids, strict=True):
        row.id = row_id
    new, added = sort_out(rows, refs, contents)
    yield from _put_into_batches(campaign, new, open_batches)
    queued = [
        (row.id, campaign, row.batch, row.content, row.ref, row.phone)
        for row in new
        if row.verdict is None
    ]
    yield Insert("sms_message", _QUEUED, queued)
    if refused := len(new) - len(queued):
        yield Insert("sms_message", _REFUSED, list(_refused(campaign, new)))
    yield Change(
        "UPDATE sms_campaign SET total = total + ?, not_sent = not_sent + ?,"
        " duplicates = duplicates + ? WHERE id = ?",
        (len(new), refused, added.duplicates, campaign),
    )
    return added


def _known(campaign: int, rows: Sequence[Row]) -> Job[tuple[dict[str, Existing], dict[int, int]]]:
    refs = yield from _known_refs(campaign, [row.ref for row in rows if row.ref is not None])
    if refs:  # a ref with different content may have been recorded before
        conflicts = [row.conflict_ref for row in rows if row.ref in refs]
        refs |= yield from _known_refs(campaign, conflicts)
    found = yield Query(
        "SELECT content, min(id) FROM sms_message WHERE campaign = ? AND content = ANY(?)"
        " AND duplicate_of IS NULL AND (ref IS NULL OR status IS NULL OR status <> ?)"
        " GROUP BY content",
        (campaign, [row.content for row in rows], State.NOT_SENT),
    )
    return refs, dict(found)


def _known_refs(campaign: int, refs: Sequence[str]) -> Job[dict[str, Existing]]:
    if not refs:
        return {}
    found = yield Query(
        "SELECT ref, id, content FROM sms_message WHERE campaign = ? AND ref = ANY(?)",
        (campaign, list(refs)),
    )
    return {ref: Existing(row_id, content) for ref, row_id, content in found}


def _put_into_batches(campaign: int, rows: Sequence[Row], open_batches: OpenBatches) -> Job[None]:
    """Put the rows that will be sent into batches."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.verdict is None:
            groups.setdefault(row.text, []).append(row)
    size, fresh = open_batches.batch_size, list[list[Row]]()
    for text, members in groups.items():
        batch, taken = yield from _fill_up(text, len(members), open_batches)
        _put_into(batch, members[:taken])
        fresh += [members[at : at + size] for at in range(taken, len(members), size)]
    batches = yield NewIds("sms_batch", len(fresh))
    placed = list(zip(batches, fresh, strict=True))
    state = step(Move.ADD, None)
    lines = [(batch, campaign, state, len(rows), rows[0].text) for batch, rows in placed]
    yield Insert("sms_batch", _BATCH, lines)
    for batch, members in placed:
        _put_into(batch, members)
        open_batches.put(members[0].text, batch, len(members))


def _put_into(batch: int, rows: Iterable[Row]) -> None:
    for row in rows:
        row.batch = batch


def _fill_up(text: str, count: int, open_batches: OpenBatches) -> Job[tuple[int, int]]:
    """Fill up the partial batch; return it, and how many messages it took."""
    if (found := open_batches.get(text)) is None:
        return 0, 0
    batch, size = found
    more = min(open_batches.batch_size - size, count)
    touched = yield Change(
        "UPDATE sms_batch SET size = size + ? WHERE id = ? AND state = ? AND size = ?",
        (more, batch, step(Move.ADD, None), size),
    )
    if not touched:
        return 0, 0  # a worker has it
    open_batches.put(text, batch, size + more)
    return batch, more


def _refused(campaign: int, rows: Iterable[Row]) -> Iterator[tuple[object, ...]]:
    state = step(Move.REFUSE, None).value
    for row in rows:
        if (verdict := row.verdict) is not None:
            why = (row.duplicate_of, state, verdict.code, verdict.detail)
            yield (row.id, campaign, row.content, row.ref, row.phone, *why)
