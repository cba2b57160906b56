"""What is wrong with the rows of a list, for display."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .. import codes
from .._plan.bad_row import Refusal
from .rows import ORDER

__all__ = ["Problems", "in_one_line"]

#: Rows that are shown of one class.
_MOST_SHOWN = 20


class Problems:
    """
    Collects refusals, and shows one class of them at a time: the one to fix first.

    It shows at most twenty rows, with equal reasons in one line, and keeps no more than it shows.
    Rows that were skipped on purpose do not count.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._shown: dict[str, list[Refusal]] = {}

    def add(self, refusal: Refusal) -> None:
        """Add one more."""
        if refusal.code == codes.SKIPPED:
            return
        self._counts[refusal.code] += 1
        shown = self._shown.setdefault(refusal.code, [])
        if len(shown) < _MOST_SHOWN:
            shown.append(refusal)

    @property
    def count(self) -> int:
        """How many there are."""
        return self._counts.total()

    def lines(self) -> list[str]:
        """Return the lines to show; empty if nothing is wrong."""
        if not self._counts:
            return []
        code = min(self._counts, key=ORDER.index)
        shown = self._shown[code]
        lines = _by_reason(shown)
        if more := self._counts[code] - len(shown):
            lines.append(f"and {more:,} more like these")
        if others := self.count - self._counts[code]:
            lines.append(f"and {others:,} with something else, shown once these are fixed")
        return lines


def _by_reason(refusals: Iterable[Refusal]) -> list[str]:
    rows: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        rows.setdefault(refusal.reason, []).append(refusal)
    return [_line(reason, alike) for reason, alike in rows.items()]


def _line(reason: str, alike: Sequence[Refusal]) -> str:
    if len(alike) == 1:
        return str(alike[0])
    return in_one_line(reason, [refusal.row for refusal in alike])


def in_one_line(reason: str, rows: Sequence[int]) -> str:
    """Name the first of the rows that share a reason."""
    if len(rows) == 1:
        return f"row {rows[0]} {reason}"
    more = f" and {len(rows) - _MOST_SHOWN:,} more" if len(rows) > _MOST_SHOWN else ""
    return f"rows {', '.join(map(str, rows[:_MOST_SHOWN]))}{more}: each {reason}"
