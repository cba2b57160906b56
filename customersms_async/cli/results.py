"""
Tables that a spreadsheet opens as they are meant.

Rules of this module:

1. What came from the caller's list goes back untouched; what we add to it is made harmless where a
   spreadsheet would take it for a formula.
2. UTF-8 with a byte-order mark, without which Excel reads something else. Cells are parted as in
   the list, since the same Excel has to open both.
3. A file is replaced as a whole, or not at all; never the list, nor what is kept beside it.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from .confirmation_file import files_of
from .exits import UsageError

__all__ = ["check_output", "write_table"]


def check_output(option: str, out: Path | None, file: Path | None) -> None:
    """
    Look whether a table can be written to a file, before anything else is done.

    Args:
        option: What names the file.

        out: The file; None where none is to be written.

        file: The list; None where there is none.

    Raises:
        UsageError: It is the list itself, a folder, or in a folder that is not there.
    """
    if out is None:
        return
    mine = [] if file is None else files_of(file)
    if any(one.exists() and out.exists() and out.samefile(one) for one in mine):
        msg = f"{option} would write over {out}; give it another name"
        raise UsageError(msg)
    if out.is_dir() or not out.parent.is_dir():
        what = "is a folder" if out.is_dir() else f"is in {out.parent}, which is no folder"
        msg = f"{option} {out} {what}; name a file"
        raise UsageError(msg)


def write_table(path: Path, rows: Iterable[Sequence[str]], delimiter: str) -> None:
    """Write *rows*, the header first; the file is there once all of it is."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)
        os.replace(part, path)  # noqa: PTH105  # the same as Path.replace, and says what it does
    finally:
        part.unlink(missing_ok=True)
