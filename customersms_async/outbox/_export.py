"""
A campaign as a table for people: one line per row, with its fate and the evidence.

Rules of this module:

1. Every row of the campaign appears once, including bad rows and duplicates.
2. The columns about a row follow the caller's own columns, here and in the tables of the command
   line alike.
3. A spreadsheet shows it as it was written: a byte-order mark, and a ``'`` before each cell that a
   spreadsheet would take for a formula or a number. `normalize_phone` reads such a number.
4. The balances before and after a request are shown; no conclusion is drawn from them.
"""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import re
from collections.abc import AsyncIterable, Iterable
from pathlib import Path
from typing import Final

from ._core.lines import PAGE, Line

__all__ = ["EVIDENCE", "as_csv", "evidence", "harmless", "write_csv"]

#: The columns after the caller's own.
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


async def write_csv(file: Path, lines: AsyncIterable[Line]) -> int:
    """Write rows to a file, a page at a time and in another thread; return how many."""
    total, some = 0, list[Line]()
    await asyncio.to_thread(_write, file, as_csv((), with_header=True), "w")
    async for line in lines:
        some.append(line)
        total += 1
        if len(some) >= PAGE:
            await asyncio.to_thread(_write, file, as_csv(some, with_header=False), "a")
            some.clear()
    await asyncio.to_thread(_write, file, as_csv(some, with_header=False), "a")
    return total


def _write(file: Path, text: str, mode: str) -> None:
    with file.open(mode, encoding="utf-8", newline="") as out:
        out.write(text)


def as_csv(lines: Iterable[Line], *, with_header: bool) -> str:
    """Write lines, each terminated by CR and LF."""
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
    Return the cells of `EVIDENCE`.

    Args:
        line: What the campaign knows about a row.

        row: The number of the row in the caller's table; None if it has none.

        duplicate_of: The number of the row that it duplicates, or None.
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
