"""The choice of rows of a list: numbers and ranges, all, or those listed in a file."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Final

from .exits import UsageError

__all__ = ["chosen_rows"]

#: Rows of a list, and ranges of them: 17,20-25.
_ROWS: Final = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
_MOST_ROWS: Final = 1_048_576


def chosen_rows(written: str) -> list[int] | None:
    """
    Read ``17,20-25``, ``all``, or ``@FILE``; None for all.

    A file is a table with a column ``row``, like those that `export` writes, or contains only
    numbers and ranges, separated by commas or line breaks.

    Raises:
        UsageError: It is something else.
        OSError: The file cannot be read.
    """
    if written.strip().casefold() == "all":
        return None
    if written.startswith("@"):
        return _rows_of(Path(written[1:]))
    return _numbers(written.split(","), repr(written))


def _rows_of(file: Path) -> list[int]:
    lines = file.read_text("utf-8-sig", errors="replace").splitlines()
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    table = list(csv.reader(lines, delimiter=delimiter))
    header = [cell.strip().casefold() for cell in table[0]] if table else []
    if "row" in header:
        column = header.index("row")
        cells = [row[column] for row in table[1:] if column < len(row)]
    else:
        cells = [cell for row in table for cell in row]
    return _numbers([cell for cell in cells if cell.strip()], f"the contents of {file}")


def _numbers(parts: list[str], what: str) -> list[int]:
    numbers: list[int] = []
    for part in parts:
        found = _ROWS.fullmatch(part.replace(" ", ""))
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last <= _MOST_ROWS:
            msg = f"rows must be like 17,20-25, or all, or @FILE, not {what}"
            raise UsageError(msg)
        numbers += range(first, last + 1)
    return numbers
