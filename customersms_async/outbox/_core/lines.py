"""Jobs that read the fates of messages, a page at a time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from attrs import field, frozen

from ..._values.export import as_dict
from ..._values.status import Status
from ...outcomes import Outcome
from .job import Job, Query, Record
from .rows import shown_ref

__all__ = ["PAGE", "Line", "page"]

#: Rows in one page: a few milliseconds of the database's thread.
PAGE: Final = 1000

_SELECT: Final = (
    "SELECT m.id, m.ref, m.phone, m.status, m.code, m.detail, m.message_id, m.duplicate_of,"
    " b.state, b.request, b.left_at, b.ended_at, b.credits_before, b.credits_after"
    " FROM sms_message m LEFT JOIN sms_batch b ON b.id = m.batch"
    " WHERE m.campaign = ? AND m.id > ?"
)


@frozen
class Line:
    """
    One row of a campaign, with the evidence.

    Attributes:
        id: Its id, which is its position in the outbox.
        ref: The caller's name for it, or None.
        phone: The number; the input as given, if that is not a number; empty after `purge`.
        status: Its fate, or ``queued``, ``claimed``, ``sending`` before it has one.
        code: The reason code, or None.
        detail: One line for people, or None.
        message_id: The gateway's id of the message, or None.
        duplicate_of: The id of the row that it duplicates, or None.
        request: The short id of its last request, or None.
        left_at: When that request was handed over, in seconds of the wall clock, or None.
        ended_at: When its fate was known, or None.
        credits_before: The last balance known when it left, or None.
        credits_after: The last balance known when it ended, or None.
    """

    id: int
    ref: str | None
    phone: str = field(repr=False)
    status: str
    code: str | None
    detail: str | None = field(repr=False)
    message_id: str | None
    duplicate_of: int | None
    request: str | None
    left_at: float | None
    ended_at: float | None
    credits_before: int | None
    credits_after: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON types."""
        return as_dict(self)

    def outcome(self) -> Outcome:
        """Return it as an outcome, once it has a fate."""
        return Outcome(
            index=self.id,
            phone=self.phone,
            status=Status(self.status),
            message_id=self.message_id,
            code=self.code,
            detail=self.detail,
            ref=self.ref,
            request=self.request,
            duplicate_of=self.duplicate_of,
        )


def page(
    campaign: int, after: int, statuses: Sequence[str] | None, most: int = PAGE
) -> Job[list[Line]]:
    """
    Read the page of rows after a given row.

    Args:
        campaign: The id of the campaign.

        after: The id of the row before the page; 0 for the beginning.

        statuses: Only these fates; None for all rows, including those without a fate.

        most: Rows in a page.
    """
    if statuses is None:
        sql, args = f"{_SELECT} ORDER BY m.id LIMIT ?", (campaign, after, most)
        return [_line(row) for row in (yield Query(sql, args))]
    sql = f"{_SELECT} AND m.status = ANY(?) ORDER BY m.id LIMIT ?"
    rows = yield Query(sql, (campaign, after, list(statuses), most))
    return [_line(row) for row in rows]


def _line(row: Record) -> Line:
    row_id, ref, phone, status, code, detail, message_id, duplicate_of, state, *evidence = row
    return Line(
        row_id,
        shown_ref(ref),
        phone,
        status or state,
        code,
        detail,
        message_id,
        duplicate_of,
        *evidence,
    )
