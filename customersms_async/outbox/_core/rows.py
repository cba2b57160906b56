"""
Rows that are added to a campaign, and which of them are already there. Pure.

Rules of this module:

1. A ``ref`` is unique in its campaign. Without one, phone and text identify a row.
2. Adding the same row again adds nothing, however often.
3. The same ref with another phone or text is a row that is never sent (``REF_CONFLICT``): only a
   person knows which of the two is right.
4. Another ref with the same phone and text is a duplicate, and names the row that it duplicates.
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
    "is_storable",
    "shown_ref",
    "sort_out",
    "storable",
]

#: Separates a ref from the content that conflicts with an earlier one; no ref may contain it.
CONFLICT_MARK: Final = "\x1f"

_NOT_STORABLE: Final = re.compile("[\0\ud800-\udfff]")

_64_BITS: Final = (1 << 64) - 1

_REF_CONFLICT: Final = Verdict(
    Status.NOT_SENT,
    codes.REF_CONFLICT,
    "the same ref was added before with another phone or text; use a different ref",
)
_DUPLICATE: Final = Verdict(
    Status.NOT_SENT, codes.DUPLICATE, "the same phone and text under another ref"
)


def is_storable(text: str) -> bool:
    """Whether both databases accept *text*: PostgreSQL no NUL, and neither lone surrogates."""
    return _NOT_STORABLE.search(text) is None


def storable(text: str) -> str:
    """Return *text* without NUL, and with a question mark for each lone surrogate."""
    return text.replace("\0", "").encode(errors="replace").decode()


@define(eq=False)
class Row:
    """
    One row to add.

    Attributes:
        ref: The caller's name for it, or None.
        phone: The number in E.164; the input as given, if that is not a number.
        text: The text.
        verdict: Why it will not be sent; None if it will.
        content: A hash of phone and text; see `content_of`.
        duplicate_of: The id of the row that it duplicates.
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
        """The ref under which it is kept if its own already has other content."""
        return f"{self.ref}{CONFLICT_MARK}{self.content & _64_BITS:016x}"


@frozen
class Existing:
    """A row of the campaign: its id and its content, which is None if it was purged."""

    id: int
    content: int | None


@frozen
class Added:
    """
    What `Campaign.add` did.

    Attributes:
        queued: Rows that will be sent.
        known: Rows that were already there.
        duplicates: Rows whose phone and text exist under another ref.
        bad: Rows that cannot be sent; each is kept with its reason.
        skipped: Rows that were excluded, such as opt-outs.
        conflicts: Rows whose ref exists with another phone or text.
    """

    queued: int = 0
    known: int = 0
    duplicates: int = 0
    bad: int = 0
    skipped: int = 0
    conflicts: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON types."""
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
    Return a 64-bit hash of a phone and a text.

    Among a million different contents, the chance of any collision is 3 in 100 million.
    """
    digest = hashlib.blake2b(f"{phone} {text}".encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def shown_ref(stored: str | None) -> str | None:
    """Return the ref as the caller wrote it."""
    return None if stored is None else stored.partition(CONFLICT_MARK)[0]


def sort_out(
    rows: Iterable[Row], refs: Mapping[str, Existing], contents: Mapping[int, int]
) -> tuple[list[Row], Added]:
    """
    Decide which rows are new, and what becomes of them.

    Args:
        rows: Some rows, in input order; the new ones have their ids.

        refs: Rows of the campaign by their stored ref, as far as *rows* name them.

        contents: Ids of the campaign's rows that are to be sent, by content.

    Returns:
        The rows to write, each with its final verdict, and the counts.
    """
    seen = _Seen(dict(refs), dict(contents))
    return seen.take_all(rows), Added(**seen.counts)


class _Seen:
    """The rows of the campaign, growing with each row that is added."""

    def __init__(self, refs: dict[str, Existing | Row], contents: dict[int, int]) -> None:
        self._refs = refs
        self._contents = contents
        words = ("queued", "known", "duplicates", "bad", "skipped", "conflicts")
        self.counts: dict[str, int] = dict.fromkeys(words, 0)

    def take_all(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows to write; most are entirely new, and take the fast path."""
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
        """Decide about a row; return whether to write it."""
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
        if known.content in (None, row.content):  # None: it was purged, and its ref remains
            return "known"
        row.ref = row.conflict_ref
        if row.ref in self._refs:
            return "known"
        row.verdict, row.duplicate_of = _REF_CONFLICT, known.id
        return "conflicts"


def _kind(verdict: Verdict | None) -> str:
    if verdict is None:
        return "queued"
    return "skipped" if verdict.code == codes.SKIPPED else "bad"
