"""
What is added to a campaign: rows, and which of them are there already. Pure.

Rules of this module:

1. A ``ref`` is unique in its campaign. Without one, phone and text are what makes a row itself.
2. The same row again adds nothing, however often it is added.
3. The same ref with another phone or text is a row that is never sent (``REF_CONFLICT``): which of
   the two is right, only a person knows.
4. Another ref with the same phone and text is a double, and names the row that it doubles.
5. A bad row is kept with its reason, so that an export is the whole list.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import define, field, frozen

from ... import codes
from ..._values.export import as_dict
from ..._values.status import Status, Verdict

__all__ = [
    "CONFLICT_MARK",
    "Added",
    "Existing",
    "Row",
    "content_of",
    "is_kept",
    "shown_ref",
    "sort_out",
]

#: Parts a ref from the content that contradicts an earlier one; no ref may hold it.
CONFLICT_MARK: Final = "\x1f"

_NOT_KEPT: Final = re.compile("[\0\ud800-\udfff]")

_64_BITS: Final = (1 << 64) - 1

_REF_CONFLICT: Final = Verdict(
    Status.NOT_SENT,
    "REF_CONFLICT",
    "the same ref was added before with another phone or text; give it a ref that is its own",
)
_DUPLICATE: Final = Verdict(
    Status.NOT_SENT, codes.DUPLICATE, "the same phone and text under another ref"
)


def is_kept(text: str) -> bool:
    """Whether both databases take *text*: PostgreSQL no NUL, and neither lone surrogates."""
    return _NOT_KEPT.search(text) is None


@define(eq=False)
class Row:
    """
    One row that is to be added.

    Attributes:
        ref: The caller's name for it, or None.
        phone: The number in E.164, or what was given where that is none.
        text: The text.
        verdict: Why it will not be sent; None where it will.
        content: Stands for phone and text; see `content_of`.
        duplicate_of: The id of the row that it doubles.
        id: Its id, once it has one.
        batch: The batch in which it is sent, once it is in one.
    """

    ref: str | None
    phone: str = field(repr=False)
    text: str = field(repr=False)
    verdict: Verdict | None = None
    content: int = 0
    duplicate_of: int | None = None
    id: int = 0
    batch: int | None = None

    @property
    def conflict_ref(self) -> str:
        """The ref under which it is kept where its own stands beside another content."""
        return f"{self.ref}{CONFLICT_MARK}{self.content & _64_BITS:016x}"


@frozen
class Existing:
    """A row that the campaign has: its id and its content."""

    id: int
    content: int | None


@frozen
class Added:
    """
    What `Campaign.add` did.

    Attributes:
        queued: Rows that will be sent.
        known: Rows that were there already.
        duplicates: Rows whose phone and text stand under another ref.
        bad: Rows that cannot be sent; each is kept with its reason.
        skipped: Rows that were to be left out, such as opt-outs.
        conflicts: Rows whose ref stands beside another phone or text.
    """

    queued: int = 0
    known: int = 0
    duplicates: int = 0
    bad: int = 0
    skipped: int = 0
    conflicts: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Give the counts as types that JSON has."""
        return as_dict(self)

    def __add__(self, other: Added) -> Added:
        return Added(
            self.queued + other.queued,
            self.known + other.known,
            self.duplicates + other.duplicates,
            self.bad + other.bad,
            self.skipped + other.skipped,
            self.conflicts + other.conflicts,
        )

    @property
    def total(self) -> int:
        """Rows that were read."""
        return self.queued + self.known + self.duplicates + self.bad + self.skipped + self.conflicts

    def __str__(self) -> str:
        parts = [f"{self.queued:,} queued"]
        parts += [
            f"{count:,} {word}"
            for count, word in (
                (self.known, "known"),
                (self.duplicates, "doubled"),
                (self.bad, "bad"),
                (self.skipped, "skipped"),
                (self.conflicts, "in conflict"),
            )
            if count
        ]
        return ", ".join(parts)


def content_of(phone: str, text: str) -> int:
    """
    Give 64 bits that stand for a phone and a text.

    Two different contents of a million are equal with a chance of 3 in 100 million.
    """
    digest = hashlib.blake2b(f"{phone} {text}".encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def shown_ref(stored: str | None) -> str | None:
    """Give the ref as the caller gave it."""
    return None if stored is None else stored.partition(CONFLICT_MARK)[0]


def sort_out(
    rows: Iterable[Row], refs: Mapping[str, Existing], contents: Mapping[int, int]
) -> tuple[list[Row], Added]:
    """
    Decide which rows are new, and what becomes of them.

    Args:
        rows: Some rows, in input order; those that are new have their ids.

        refs: Rows of the campaign by their stored ref, as far as *rows* name them.

        contents: Ids of the rows of the campaign that are to be sent, by content.

    Returns:
        The rows to be written, each with the verdict that it ends with, and the counts.
    """
    seen = _Seen(dict(refs), dict(contents))
    return seen.take_all(rows), Added(**seen.counts)


class _Seen:
    """What is in the campaign, growing with each row that is taken."""

    def __init__(self, refs: dict[str, Existing | Row], contents: dict[int, int]) -> None:
        self._refs = refs
        self._contents = contents
        words = ("queued", "known", "duplicates", "bad", "skipped", "conflicts")
        self.counts: dict[str, int] = dict.fromkeys(words, 0)

    def take_all(self, rows: Iterable[Row]) -> list[Row]:
        """Give those that are to be written; most are new in every way, and take the short way."""
        refs, contents, new, queued = self._refs, self._contents, list[Row](), 0
        for row in rows:
            ref, content = row.ref, row.content
            is_new = row.verdict is None and content not in contents
            if is_new and ref is not None and ref not in refs:
                refs[ref] = row
                contents[content] = row.id
                queued += 1
                new.append(row)
            elif self._take(row):
                new.append(row)
        self.counts["queued"] += queued
        return new

    def _take(self, row: Row) -> bool:
        """Decide about a row; tell whether it is to be written."""
        word = self._decide(row)
        self.counts[word] += 1
        if word == "known":
            return False
        if row.ref is not None:
            self._refs[row.ref] = row
        if row.ref is None or word == "queued":
            self._contents.setdefault(row.content, row.id)
        return True

    def _decide(self, row: Row) -> str:
        if row.ref is None:
            return "known" if row.content in self._contents else _kind(row.verdict)
        if (known := self._refs.get(row.ref)) is not None:
            return self._decide_known(row, known)
        if row.verdict is None and (first := self._contents.get(row.content)) is not None:
            row.verdict, row.duplicate_of = _DUPLICATE, first
            return "duplicates"
        return _kind(row.verdict)

    def _decide_known(self, row: Row, known: Existing | Row) -> str:
        if known.content == row.content:
            return "known"
        row.ref = row.conflict_ref
        if row.ref in self._refs:
            return "known"
        row.verdict, row.duplicate_of = _REF_CONFLICT, known.id
        return "conflicts"


def _kind(verdict: Verdict | None) -> str:
    if verdict is None:
        return "queued"
    return "skipped" if verdict.code == "SKIPPED" else "bad"
