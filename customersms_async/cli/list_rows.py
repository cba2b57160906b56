"""
The rows of a list, and their messages in its campaign.

Rules of this module:

1. A row is identified by what it sends: its number and its text. A row may move, or a bad one be
   fixed, and each is still sent once.
2. Bad rows are not part of a campaign, or a fixed row would be there twice.
3. A person who was sent a text from the list does not get a second one because the row was edited
   afterwards.
4. A queued message that is no longer in the list is not sent.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from attrs import frozen

from ..outbox import Line
from ..outcomes import Message
from ..recipients import Recipients, Refusal

__all__ = ["Comparison", "ListRow", "compare", "list_rows"]

#: Fates of rows after which an edited one is not sent as well.
_HANDED_OVER: Final = ("sent", "unknown")


class ListRow(NamedTuple):
    """
    One row of a list.

    Attributes:
        number: As a spreadsheet shows it.
        cells: Its cells, as many as there are columns.
        item: Its message, or why there is none.
        ref: Its ref in the campaign; empty if it is bad.
    """

    number: int
    cells: list[str]
    item: Message | Refusal
    ref: str

    @property
    def name(self) -> str:
        """Its name for people."""
        return f"row-{self.number}"


@frozen
class Comparison:
    """
    A list compared with its campaign.

    Attributes:
        lines: What the campaign knows about a row, by its ref.
        numbers: The numbers of the rows of the list, by the ids of their lines.
        edited: Refs of rows whose line has an earlier text for the same number.
        gone: Lines of this list whose row no longer exists.
        others: Lines that never came from this list.
    """

    lines: Mapping[str, Line]
    numbers: Mapping[int, int]
    edited: frozenset[str]
    gone: list[Line]
    others: list[Line]

    def of(self, row: ListRow) -> Line | None:
        """Return the line of a row; None if it is bad, or was not added yet."""
        return self.lines.get(row.ref)


def list_rows(people: Recipients) -> Iterator[ListRow]:
    """Read a list; the same row has the same ref in any position."""
    width, seen, prefix = len(people.columns), Counter[str](), _prefix(people)
    for (number, cells), item in zip(people.rows(), people, strict=True):
        padded = [*cells[:width], *[""] * (width - len(cells))]
        yield ListRow(number, padded, item, _ref(item, prefix, seen))


def compare(people: Recipients, lines: Iterable[Line]) -> Comparison:
    """
    Match the lines of a campaign to the rows of a list.

    Args:
        people: The list.

        lines: All lines of the campaign.
    """
    left = {line.ref or str(line.id): line for line in lines}
    rows = {row.ref: (row.number, row.item.phone) for row in list_rows(people) if row.ref}
    known = {ref: left.pop(ref) for ref in rows if ref in left}
    prefix = _prefix(people)
    mine = [line for ref, line in left.items() if ref.startswith(prefix)]
    earlier = {line.phone: line for line in mine if line.status in _HANDED_OVER}
    new = ((ref, phone) for ref, (_, phone) in rows.items() if ref not in known)
    edited = {ref: earlier.pop(phone) for ref, phone in new if phone in earlier}
    found = {line.id for line in edited.values()}
    return Comparison(
        {**known, **edited},
        {line.id: rows[ref][0] for ref, line in known.items()},
        frozenset(edited),
        [line for line in mine if line.id not in found],
        [line for ref, line in left.items() if not ref.startswith(prefix)],
    )


def _prefix(people: Recipients) -> str:
    """Return the prefix that separates this list's refs from those of other lists."""
    return f"list-{_digest(people.path.name, size=4)}-"


def _ref(item: Message | Refusal, prefix: str, seen: Counter[str]) -> str:
    if isinstance(item, Refusal):
        return ""
    content = _digest(f"{item.phone}\n{item.text}", size=8)
    seen[content] += 1
    again = "" if seen[content] == 1 else f"-{seen[content]}"
    return f"{prefix}{content}{again}"


def _digest(text: str, *, size: int) -> str:
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()
