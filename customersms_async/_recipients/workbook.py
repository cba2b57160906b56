"""Rows of an Excel workbook, by openpyxl."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, Final

from attrs import frozen

try:
    import openpyxl
except ModuleNotFoundError as exc:
    msg = "reading .xlsx needs openpyxl: pip install 'customersms-async[cli]'"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

from .table import RecipientsError, Row

__all__ = ["Workbook", "open_workbook"]

_AT_ONCE: Final = 1 << 20

_ROW: Final = re.compile(rb"<(?:\w+:)?row\b[^>]*>")
_ROW_NUMBER: Final = re.compile(rb'\br="(\d{1,9})"')
_IS_HIDDEN: Final = re.compile(rb'\bhidden="(?:1|true)"')


@frozen
class Workbook:
    """One sheet of a workbook; see `Table`. Formulas are read as their last saved value."""

    path: Path
    sheets: tuple[str, ...]
    hidden: frozenset[int]
    encoding: str = "xlsx"
    delimiter: str | None = None

    def rows(self) -> Iterator[Row]:
        """Read it from its beginning, a row at a time."""
        with self.path.open("rb") as file:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheet = book[self.sheets[0]]
            sheet.reset_dimensions()  # some programs write wrong ones
            for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
                yield Row(number, [_text(value) for value in values])


def open_workbook(path: Path, sheet: str | None) -> Workbook:
    """
    Find the sheet: the one named, else the one that was open when the workbook was saved.

    Raises:
        RecipientsError: It is not an Excel workbook, or has no such sheet.
    """
    with path.open("rb") as file:
        try:
            book = openpyxl.load_workbook(file, read_only=True)
        except Exception as exc:
            # openpyxl lets errors of its parts through: KeyError, BadZipFile, ParseError.
            reason = "cannot be read as a workbook; save it again as .xlsx or as CSV UTF-8"
            raise RecipientsError(path, reason) from exc
        names = [one.title for one in book.worksheets]
        name = sheet or (book.active.title if book.active else names[0])
        if name not in names:
            known = ", ".join(map(repr, names))
            raise RecipientsError(path, f"has no sheet {name!r}; its sheets are {known}")
        part: str = getattr(book[name], "_worksheet_path", "")  # there is no public API
        hidden = frozenset(_hidden_rows(file, part)) if part else frozenset[int]()
    return Workbook(path, (name, *(other for other in names if other != name)), hidden)


def _hidden_rows(file: BinaryIO, part: str) -> Iterator[int]:
    """Yield the numbers of hidden rows, which openpyxl knows only of sheets that it keeps whole."""
    number = 0
    with zipfile.ZipFile(file) as archive, archive.open(part) as sheet:
        for tag in _row_tags(sheet):
            given = _ROW_NUMBER.search(tag)
            number = int(given[1]) if given else number + 1
            if _IS_HIDDEN.search(tag):
                yield number


def _row_tags(sheet: IO[bytes]) -> Iterator[bytes]:
    """Yield the tags with which rows begin; a tag may be cut by the end of a piece."""
    rest = b""
    while piece := sheet.read(_AT_ONCE):
        content, _, rest = (rest + piece).rpartition(b"<")
        rest = b"<" + rest
        yield from (tag[0] for tag in _ROW.finditer(content))


def _text(value: object) -> str:
    """Format a value as a spreadsheet shows it; a number in full."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.15g}"  # as Excel does
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")
    return str(value)
