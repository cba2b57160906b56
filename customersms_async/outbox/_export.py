"""
A campaign as a table for people: one line a row, with its fate and the evidence.

Rules of this module:

1. Every row of the campaign is there once, the bad and the doubled too.
2. What is known of a row stands behind the caller's own columns, the same here and in the tables of
   the command line.
3. It opens in a spreadsheet as it was written: a byte-order mark, and a ``'`` before each cell that
   a spreadsheet would take for a formula or a number. `normalize_phone` reads such a number.
4. Balances before and after stand beside a request; what they mean is not concluded.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable
from typing import Final

from ._core.read import Line

__all__ = ["EVIDENCE", "as_csv", "evidence", "harmless"]

#: What stands behind the caller's own columns.
EVIDENCE: Final = (
    "row",
    "status",
    "code",
    "detail",
    "duplicate_of",
    "message_id",
    "request",
    "left_at",
    "ended_at",
    "credits_before",
    "credits_after",
)

_LIKE_A_FORMULA: Final = re.compile(r"[=+\-@\t\r]")


def as_csv(lines: Iterable[Line], *, with_header: bool) -> str:
    """Write lines, each ended by CR and LF."""
    out = io.StringIO()
    writer = csv.writer(out)
    if with_header:
        out.write("\ufeff")
        writer.writerow(("ref", "phone", *EVIDENCE))
    for line in lines:
        mine = (harmless(line.ref or ""), harmless(line.phone))
        writer.writerow((*mine, *evidence(line, line.id, line.duplicate_of)))
    return out.getvalue()


def evidence(line: Line, row: int | None, duplicate_of: int | None) -> list[str]:
    """
    Give the cells of `EVIDENCE`.

    Args:
        line: What the campaign knows of a row.

        row: The number of the row, in the table of the caller; None where it has none.

        duplicate_of: The number of the row that it doubles, or None.
    """
    cells = (
        row,
        line.status,
        line.code,
        line.detail,
        duplicate_of,
        line.message_id,
        line.request,
        _instant(line.left_at),
        _instant(line.ended_at),
        line.credits_before,
        line.credits_after,
    )
    return ["" if cell is None else harmless(str(cell)) for cell in cells]


def harmless(text: str) -> str:
    """Keep a spreadsheet from taking *text* for a formula."""
    return f"'{text}" if _LIKE_A_FORMULA.match(text) else text


def _instant(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(" ", "milliseconds")
