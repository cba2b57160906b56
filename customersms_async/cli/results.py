"""
Tables that a spreadsheet opens as they are meant.

Rules of this module:

1. What came from the caller's list goes back untouched; what we add to it is made harmless where a
   spreadsheet would take it for a formula.
2. UTF-8 with a byte-order mark, without which Excel reads something else.
3. A file is replaced as a whole, or not at all.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["harmless", "write_table"]


def harmless(text: str) -> str:
    """Keep a spreadsheet from taking *text* for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text


def write_table(path: Path, rows: Iterable[Sequence[str]], delimiter: str = ",") -> None:
    """Write *rows*, the header first; the file is there once all of it is."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)
        os.replace(part, path)  # noqa: PTH105  # the same as Path.replace, and says what it does
    finally:
        part.unlink(missing_ok=True)
