"""
Tables that a spreadsheet opens as intended.

Rules of this module:

1. Cells of the user's list are written back unchanged; cells that we add are escaped if a
   spreadsheet would take them for a formula.
2. UTF-8 with a byte-order mark, without which Excel assumes another encoding. The delimiter is that
   of the list, since the same Excel has to open both.
3. A file is replaced as a whole, or not at all; never the list, nor the files kept beside it. What
   is no file, like ``/dev/stdout``, is written to.
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
    Check that a table can be written to a file, before anything else is done.

    Args:
        option: The option that names the file.

        out: The file; None if none is to be written.

        file: The list; None if there is none.

    Raises:
        UsageError: It is the list itself, a folder, or in a folder that does not exist.
    """
    if out is None:
        return
    mine = [] if file is None else files_of(file)
    if any(one.exists() and out.exists() and out.samefile(one) for one in mine):
        msg = f"{option} would overwrite {out}; choose another name"
        raise UsageError(msg)
    if out.is_dir() or not out.parent.is_dir():
        what = "is a folder" if out.is_dir() else f"is in {out.parent}, which is not a folder"
        msg = f"{option} {out} {what}; name a file"
        raise UsageError(msg)


def write_table(path: Path, rows: Iterable[Sequence[str]], delimiter: str) -> None:
    """
    Write *rows*, the header first; the file appears once it is complete.

    Raises:
        OSError: It cannot be written; ``.filename`` is *path*.
    """
    try:
        if path.exists() and not path.is_file():
            _write(path, rows, delimiter)
        else:
            _replace(path.resolve(), rows, delimiter)  # where a link leads
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(path)) from exc


def _replace(path: Path, rows: Iterable[Sequence[str]], delimiter: str) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        _write(part, rows, delimiter)
        os.replace(part, path)  # noqa: PTH105  # the same as Path.replace, and says what it does
    finally:
        part.unlink(missing_ok=True)


def _write(path: Path, rows: Iterable[Sequence[str]], delimiter: str) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
