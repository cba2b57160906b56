"""
The results of one send, and of a bulk run.

Rules of this module:

1. Every value is immutable and valid by construction.
2. ``sent + rejected + not_sent + unknown == total``, in every `Progress` and every `Report`.
3. A `Report` stores columns, not objects (see `_values.columns`); an `Outcome` is built on access.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, overload

from attrs import field, frozen

from ._values.attempt_ids import request_name
from ._values.columns import Columns
from ._values.export import TextFile, as_dict, write_csv
from ._values.resending import is_safe_to_resend
from ._values.status import Status
from .errors import BulkFailed

__all__ = [
    "Credits",
    "Message",
    "Outcome",
    "Progress",
    "Receipt",
    "Report",
]


def _hidden_text(text: object) -> str:
    return f"<{len(text)} characters>" if isinstance(text, str) else f"<{type(text).__name__}>"


@frozen
class Message:
    """
    One text for one number, for `CustomerSMS.send_messages`.

    Attributes:
        phone: The number, in international form; an invalid one becomes an outcome.
        text: The text; never shown by ``repr``.
        ref: The caller's own reference, such as a row's id; comes back as `Outcome.ref`.
    """

    phone: str = field(repr=ascii)
    text: str = field(repr=_hidden_text)
    ref: object = field(default=None, repr=ascii)


@frozen(slots=False)  # with slots it is made in twice the time, once per message
class Receipt:
    """
    The gateway accepted one message. That does not prove delivery, which it does not report.

    Attributes:
        phone: The number, in E.164.
        message_id: The gateway's id of the message, or None if it gave none.
        remaining_credits: The balance after this message, or None if the answer has none.
        request: The short id of the attempt, the same in logs and in `RequestRecord.request`.
    """

    phone: str
    message_id: str | None = field(repr=ascii)
    remaining_credits: int | None
    request: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as types that JSON has."""
        return as_dict(self)


@frozen
class Credits:
    """
    The last balance that the gateway reported.

    Attributes:
        amount: Credits left.
        heard_at: When the answer was read; aware, UTC.
    """

    amount: int
    heard_at: dt.datetime

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON types; the time in ISO 8601."""
        return as_dict(self)


@frozen
class Outcome:
    """
    The outcome of one input of a bulk run.

    Attributes:
        index: Its position in the input, from 0.
        phone: The number in E.164; the input as given, if that is not a number.
        status: Its fate.
        message_id: The gateway's id of the message; only for `Status.SENT`.
        code: Why not sent, rejected or unknown: the gateway's code or one of
            `customersms_async.codes`. None for `Status.SENT`.
        detail: One line for people, or None.
        ref: `Message.ref`, unchanged.
        request: The short id of the attempt that decided it, the same in logs; None if it was
            never part of one.
        text: The text, if a message of `CustomerSMS.send_messages` was not sent, so that it can be
            sent again; never shown by ``repr``. None otherwise.
        duplicate_of: For a duplicate, the index at which this number, or message, came first; None
            otherwise.
    """

    index: int
    phone: str = field(repr=ascii)
    status: Status
    message_id: str | None = field(default=None, repr=ascii)
    code: str | None = None
    detail: str | None = field(default=None, repr=ascii)
    ref: object = field(default=None, repr=ascii)
    request: str | None = None
    text: str | None = field(default=None, repr=False)
    duplicate_of: int | None = None

    @property
    def is_safe_to_resend(self) -> bool:
        """
        Whether nothing was sent, and sending it again may succeed without sending anything twice.

        True for `Status.NOT_SENT`, except duplicates, skips, bad input, ``TAKEN``,
        ``REF_CONFLICT`` and ``WITHDRAWN``; and for refusals that say nothing about number and
        text: for the key, for lack of credit, for the rate, or by a server that has no API at the
        address (``HTTP_404``).
        """
        return is_safe_to_resend(self)

    def to_dict(self) -> dict[str, Any]:
        """
        Return the attributes as JSON types, without *text*.

        A *ref* of a type that JSON does not have is converted by ``str``.
        """
        return as_dict(self, without=("text",))


@frozen(kw_only=True)
class Progress:
    """
    The counts of a bulk run, at one point in time.

    Attributes:
        sent: Numbers that the gateway accepted.
        rejected: Numbers that the gateway refused.
        not_sent: Numbers that never left, duplicates included.
        unknown: Numbers that were handed over without a readable answer.
        duplicates: How many of *not_sent* appeared earlier in the same run.
        skipped: How many of *not_sent* the option ``skip`` left out.
        waiting: Numbers that were read and have no fate yet.
        requests: Requests that were handed over to the gateway.
        in_flight: Requests that wait for a slot or for their answer.
        remaining_credits: The last reported balance, or None.
        stopped: The code of what ended the run early, or None.
        complete: Whether the input was read to its end and every number has a fate.
        expected: How many numbers the input has; None if it has no length.
        numbers_per_minute: The speed over the last minute; None before the first fate is known.
        eta: Seconds until the end, at this speed; None if speed or end is not known.
        paused_for: Seconds for which a refusal for the rate or an outage has held the run; None
            while it is not held.
    """

    sent: int = 0
    rejected: int = 0
    not_sent: int = 0
    unknown: int = 0
    duplicates: int = 0
    skipped: int = 0
    waiting: int = 0
    requests: int = 0
    in_flight: int = 0
    remaining_credits: int | None = None
    stopped: str | None = None
    complete: bool = False
    expected: int | None = None
    numbers_per_minute: float | None = None
    eta: float | None = None
    paused_for: float | None = None

    @property
    def total(self) -> int:
        """Numbers whose fate is known."""
        return self.sent + self.rejected + self.not_sent + self.unknown

    @property
    def ok(self) -> bool:
        """Whether all was read and sent; duplicates and skips do not count against it."""
        return self.complete and self.sent + self.duplicates + self.skipped == self.total

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes, `total` and `ok` as JSON types."""
        return as_dict(self, also=("total", "ok"))

    def __str__(self) -> str:
        parts = [
            f"{self.sent:,} sent",
            f"{self.rejected:,} rejected",
            f"{self.unknown:,} unknown",
            f"{self.not_sent:,} not sent",
        ]
        if self.remaining_credits is not None:
            parts.append(f"{self.remaining_credits:,} credits left")
        if self.stopped is not None:
            parts.append(f"stopped: {self.stopped}")
            if not self.complete and self.expected is None and not self.in_flight:
                parts.append("the rest was not read")
        return ", ".join(parts)


class Report(Sequence[Outcome]):
    """
    The outcomes of a bulk run, in input order; immutable.

    Stored as columns: at most 24 bytes per number plus the length of its message id. Refused inputs
    are kept as given, and each `Message.ref` as it is.
    """

    __slots__ = ("_columns", "_name", "_progress")

    def __init__(self, columns: Columns, progress: Progress, name: str = "") -> None:
        self._columns = columns
        self._progress = progress
        self._name = name

    @property
    def total(self) -> int:
        """Numbers that were read, each exactly once; the sum of the four fates."""
        return self._progress.total

    @property
    def sent(self) -> int:
        """Numbers that the gateway accepted."""
        return self._progress.sent

    @property
    def rejected(self) -> int:
        """Numbers that the gateway refused."""
        return self._progress.rejected

    @property
    def not_sent(self) -> int:
        """Numbers that never left, duplicates included."""
        return self._progress.not_sent

    @property
    def unknown(self) -> int:
        """Numbers that were handed over without a readable answer."""
        return self._progress.unknown

    @property
    def duplicates(self) -> int:
        """How many of `not_sent` appeared earlier in the same run."""
        return self._progress.duplicates

    @property
    def requests(self) -> int:
        """Requests that were handed over to the gateway."""
        return self._progress.requests

    @property
    def remaining_credits(self) -> int | None:
        """The last reported balance, or None."""
        return self._progress.remaining_credits

    @property
    def stopped(self) -> str | None:
        """The code of what ended the run early, or None."""
        return self._progress.stopped

    @property
    def complete(self) -> bool:
        """Whether the input was read, or reported, to its end."""
        return self._progress.complete

    @property
    def ok(self) -> bool:
        """Whether all was read and sent; duplicates and skips do not count against it."""
        return self._progress.ok

    def problems(self) -> list[Outcome]:
        """Return all outcomes that are not `Status.SENT`, including unknown ones."""
        return [self[index] for index in self._columns.where(lambda v: v.status is not Status.SENT)]

    def safe_to_resend(self) -> list[Outcome]:
        """
        Return the outcomes that are safe to send again; see `Outcome.is_safe_to_resend`.

        The list can be passed to another call of the same kind: an outcome stands for its number,
        and after `CustomerSMS.send_messages` for its message. Repeating that until the list is
        empty terminates (once the gateway can be reached) and sends nothing twice.
        """
        return [self[index] for index in self._columns.where(is_safe_to_resend)]

    def raise_for_failures(self) -> None:
        """
        Raise an error unless everything was sent.

        Raises:
            BulkFailed: Something was rejected, not sent or unknown, or the input was not read to
                its end; ``.report`` is this report.
        """
        if not self.ok:
            raise BulkFailed(self)

    def to_dict(self, *, outcomes: bool = False) -> dict[str, Any]:
        """
        Return the counts as JSON types; see `Progress.to_dict`.

        Args:
            outcomes: Whether to add all outcomes, as a list of `Outcome.to_dict`. For the problems
                only, use ``[one.to_dict() for one in report.problems()]``.
        """
        counts = self._progress.to_dict()
        return {**counts, "outcomes": [one.to_dict() for one in self]} if outcomes else counts

    def to_csv(self, file: TextFile, *, delimiter: str = ",") -> None:
        """
        Write all outcomes, one per line below a header, without the texts.

        A spreadsheet shows every cell as written: digits stay text (``="+12125551234"``, which
        `customersms_async.phones.normalize_phone` reads), and a cell that would be taken for a
        formula begins with an apostrophe. Characters that the file's encoding lacks are escaped.

        Args:
            file: A text file; Excel needs ``encoding="utf-8-sig"`` to recognise UTF-8.

            delimiter: The separator of cells; Excel expects ``;`` in locales with a decimal comma.
        """
        write_csv(file, Outcome, self, delimiter=delimiter)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> list[Outcome]: ...
    def __getitem__(self, index: int | slice) -> Outcome | list[Outcome]:
        if isinstance(index, slice):
            return [self._at(i) for i in range(*index.indices(len(self)))]
        return self._at(range(len(self))[index])

    def __iter__(self) -> Iterator[Outcome]:
        return map(self._at, range(len(self)))

    def __len__(self) -> int:
        return len(self._columns)

    def __str__(self) -> str:
        return str(self._progress)

    def __repr__(self) -> str:
        return f"<Report {self}>"

    def _at(self, index: int) -> Outcome:
        row = self._columns.row(index)
        return Outcome(
            index=index,
            phone=row.phone,
            status=row.verdict.status,
            message_id=row.message_id,
            code=row.verdict.code,
            detail=row.verdict.detail,
            ref=row.ref,
            request=request_name(self._name, row.request),
            text=row.text,
            duplicate_of=row.duplicate_of,
        )
