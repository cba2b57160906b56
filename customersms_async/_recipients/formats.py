"""The format of a file, by its content, not its name."""

from __future__ import annotations

import codecs
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

#: How texts begin that are no list, in lower case; what they are, and what to do.
_TEXTS: Final = (
    (
        (b"<!doctype", b"<html", b"<head", b"<meta", b"<table", b"<?xml"),
        f"is a web page or XML; open it in a spreadsheet, and {_SAVE_IT}",
    ),
    ((b'{"', b"[{", b'["'), "is JSON; export the rows as CSV UTF-8"),
    ((b"begin:vcard",), "is a file of contacts; export them as CSV UTF-8"),
)


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
        begin = file.read(64)
    if begin.startswith(_OLD_OFFICE):
        msg = f"is an old workbook, or one with a password; {_SAVE_IT}, without a password"
        raise RecipientsError(path, msg)
    if begin.startswith(_PDF):
        raise RecipientsError(path, f"is a PDF; {_SAVE_IT}")
    if begin.startswith(_OTHERS):
        raise RecipientsError(path, f"is an image, a program or an archive; {_SAVE_IT}")
    if (reason := _about_text(begin)) is not None:
        raise RecipientsError(path, reason)
    if not begin.startswith(b"PK"):
        return open_delimited(path, encoding, delimiter)
    _check_workbook(path)
    from .workbook import open_workbook  # noqa: PLC0415  # needs an extra, and 0.2 s to load

    return open_workbook(path, sheet)


def _about_text(begin: bytes) -> str | None:
    """Say what is wrong with a text that is no list; None if it may be one."""
    text = begin.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    return next((reason for begins, reason in _TEXTS if text.startswith(begins)), None)


def _check_workbook(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            is_workbook = "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        msg = f"is damaged, or is still being written; {_SAVE_IT}"
        raise RecipientsError(path, msg) from None
    if not is_workbook:
        raise RecipientsError(path, f"is not an Excel workbook; {_SAVE_IT}")
