"""Rows of an Excel workbook, by openpyxl."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

try:
    import openpyxl
except ModuleNotFoundError as exc:
    msg = "reading .xlsx needs openpyxl: pip install 'customersms-async[cli]'"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

from .table import RecipientsError, Row

__all__ = ["Workbook", "open_workbook"]


@frozen
class Workbook:
    """One sheet of a workbook; see `Table`. Formulas are read as their last saved value."""

    path: Path
    sheet: str
    encoding: str = "xlsx"
    delimiter: str | None = None

    def rows(self) -> Iterator[Row]:
        """Read it from its beginning, a row at a time."""
        with self.path.open("rb") as file:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheet = book[self.sheet]
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
        active = book.active
    name = sheet or (active.title if active else names[0])
    if name not in names:
        known = ", ".join(map(repr, names))
        raise RecipientsError(path, f"has no sheet {name!r}; its sheets are {known}")
    return Workbook(path, name)


def _text(value: object) -> str:
    """Format a value as a spreadsheet shows it; a number in full."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")
    return str(value)
