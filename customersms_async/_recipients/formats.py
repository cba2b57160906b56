"""The format of a file, by its content, not its name."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

from .delimited import open_delimited
from .table import RecipientsError, Table

__all__ = ["open_table"]

#: The first bytes of an old workbook, and of a new one with a password.
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0"
_PDF: Final = b"%PDF-"

#: Images, programs and archives.
_OTHERS: Final = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x7fELF", b"MZ", b"\x1f\x8b")

_SAVE_IT: Final = "save it again as .xlsx or as CSV UTF-8"


def open_table(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
) -> Table:
    """
    Find out how to read a list.

    Raises:
        RecipientsError: It is empty, or of an unknown format.
        ModuleNotFoundError: It is a workbook, and openpyxl is not installed.
    """
    with path.open("rb") as file:
        begin = file.read(8)
    if begin.startswith(_OLD_OFFICE):
        msg = f"is an old workbook, or one with a password; {_SAVE_IT}, without a password"
        raise RecipientsError(path, msg)
    if begin.startswith(_PDF):
        raise RecipientsError(path, f"is a PDF; {_SAVE_IT}")
    if begin.startswith(_OTHERS):
        raise RecipientsError(path, f"is an image, a program or an archive; {_SAVE_IT}")
    if not begin.startswith(b"PK"):
        return open_delimited(path, encoding, delimiter)
    if not _is_workbook(path):
        raise RecipientsError(path, f"is not an Excel workbook; {_SAVE_IT}")
    from .workbook import open_workbook  # noqa: PLC0415  # needs an extra, and 0.2 s to load

    return open_workbook(path, sheet)


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        return False
