"""What is wrong with the rows of a list, for display."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import define, field

from .. import codes
from .._plan.bad_row import Refusal
from .rows import FIXING_ORDER

__all__ = ["Problems", "in_one_line"]

#: Reasons that are shown, and rows that are named of each.
_MOST_REASONS: Final = 20
_MOST_ROWS: Final = 10


@define
class _Alike:
    """Rows with the same reason: the first of them, and how many there are."""

    rows: list[int] = field(factory=list[int])
    count: int = 0


class Problems:
    """
    Collects refusals, and shows each reason in one line, with the numbers of its rows.

    The order is that of fixing: first what may hide other mistakes. At most twenty reasons are
    shown, and ten rows of each; no more than that is kept of a class. Rows that were skipped on
    purpose do not count.
    """

    def __init__(self) -> None:
        self._found: dict[str, dict[str, _Alike]] = {}
        self._count = 0

    def add(self, refusal: Refusal) -> None:
        """Add one more."""
        if refusal.code == codes.SKIPPED:
            return
        self._count += 1
        of_its_class = self._found.setdefault(refusal.code, {})
        if refusal.reason in of_its_class or len(of_its_class) < _MOST_REASONS:
            alike = of_its_class.setdefault(refusal.reason, _Alike())
            alike.count += 1
            if len(alike.rows) < _MOST_ROWS:
                alike.rows.append(refusal.row)

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    @property
    def unnamed(self) -> int:
        """How many rows `lines` does not name."""
        return self._count - sum(len(alike.rows) for _, alike in self._shown())

    def lines(self) -> list[str]:
        """Return the lines to show; empty if nothing is wrong."""
        shown = list(self._shown())
        lines = [in_one_line(reason, alike.rows, alike.count) for reason, alike in shown]
        if others := self._count - sum(alike.count for _, alike in shown):
            lines.append(f"and {others:,} more for other reasons")
        return lines

    def _shown(self) -> Iterator[tuple[str, _Alike]]:
        """Yield the reasons to show, and the rows of each."""
        classes = sorted(self._found, key=FIXING_ORDER.index)
        reasons = (alike for code in classes for alike in self._found[code].items())
        return itertools.islice(reasons, _MOST_REASONS)


def in_one_line(reason: str, rows: Sequence[int], count: int) -> str:
    """Name the first of *count* rows that share a reason."""
    if count == 1:
        return f"row {rows[0]}: {reason}"
    shown = rows[:_MOST_ROWS]
    more = f" and {count - len(shown):,} more" if count > len(shown) else ""
    return f"rows {', '.join(map(str, shown))}{more}: each {reason}"
