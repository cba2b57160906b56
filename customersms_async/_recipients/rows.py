"""From the cells of a row to a message, or a refusal."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from .. import codes
from .._plan.bad_row import Refusal, row_ref
from .._text.template import Template
from .._wire.codec import check_text
from ..errors import InvalidMessage, InvalidPhone
from ..outcomes import Message
from ..phones import ParsePhone, checked
from .headers import ColumnNames, is_blank
from .table import Flaw, Row

__all__ = ["FIXING_ORDER", "RowReader"]

#: Classes of refusals, in the order of fixing: first those that may hide others.
FIXING_ORDER: Final = (
    codes.BAD_QUOTES,
    codes.NUL_CHARACTER,
    codes.ROW_TOO_LONG,
    codes.HEADER_AGAIN,
    codes.SPREADSHEET_ERROR,
    codes.NO_PHONE,
    codes.INVALID_PHONE,
    codes.EMPTY_CELL,
    codes.INVALID_MESSAGE,
)

#: What spreadsheets show for a failed formula.
_ERRORS: Final = frozenset(
    [
        "#N/A",
        "#NAME?",
        "#REF!",
        "#VALUE!",
        "#DIV/0!",
        "#NUM!",
        "#NULL!",
        "#SPILL!",
        "#CALC!",
        "#####",
    ]
)

_NUL: Final = Flaw(
    codes.NUL_CHARACTER,
    "has a NUL character: the file is damaged, or in another encoding; save it again",
)
_AGAIN: Final = Flaw(codes.HEADER_AGAIN, "is the header again; remove it")
_SKIPPED: Final = Flaw(codes.SKIPPED, "is on the opt-out list")


class _Refused(Exception):
    """The row cannot be sent."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw)
        self.flaw = flaw


@frozen(eq=False)
class RowReader:
    """
    Reads rows of one list.

    Attributes:
        columns: Its columns.
        phone: The column of the numbers.
        template: The text.
        value_columns: The columns of the values that the template needs.
        parse: Parses a number.
        skip: Opted-out numbers, in E.164.
    """

    columns: ColumnNames
    phone: int
    template: Template
    value_columns: list[int]
    parse: ParsePhone
    skip: frozenset[str]

    def read(self, row: Row) -> Message | Refusal:
        """Turn a row into a message, or a refusal that says why not."""
        try:
            self._check(row)
            number = self._number(row)
            return Message(number, self._text(row), row_ref(row.number))
        except _Refused as exc:
            return Refusal(row.number, *exc.flaw, phone=_cell(row, self.phone))

    def _check(self, row: Row) -> None:
        """Refuse a row that does not match the header."""
        if row.flaw:
            raise _Refused(row.flaw)
        if any("\0" in cell for cell in row.cells):
            raise _Refused(_NUL)
        width = len(self.columns.names)
        if len(row.cells) > width and not is_blank(row.cells[width:]):
            raise _Refused(self._too_long(row))

    def _too_long(self, row: Row) -> Flaw:
        reason = (
            f"has {len(row.cells)} cells under {len(self.columns.names)} columns; "
            "name each column, or quote cells with separators in them"
        )
        return Flaw(codes.ROW_TOO_LONG, reason)

    def _number(self, row: Row) -> str:
        cell = self._value(row, self.phone, codes.NO_PHONE)
        try:
            number = checked(self.parse, cell)
        except InvalidPhone as exc:
            is_header = self.columns.is_name_of(self.phone, cell)
            flaw = _AGAIN if is_header else Flaw(codes.INVALID_PHONE, exc.reason)
            raise _Refused(flaw) from None
        if number in self.skip:
            raise _Refused(_SKIPPED)
        return number

    def _text(self, row: Row) -> str:
        values = [self._value(row, column, codes.EMPTY_CELL) for column in self.value_columns]
        try:
            return check_text(self.template.fill(values))
        except InvalidMessage as exc:
            raise _Refused(Flaw(codes.INVALID_MESSAGE, str(exc))) from None

    def _value(self, row: Row, column: int, if_empty: str) -> str:
        value = _cell(row, column)
        if not value:
            raise _Refused(Flaw(if_empty, f"has nothing under {self.columns.names[column]!r}"))
        if value[0] == "#" and value.upper() in _ERRORS:
            name = self.columns.names[column]
            reason = f"has {value} under {name!r}, an error of the spreadsheet; fix the formula"
            raise _Refused(Flaw(codes.SPREADSHEET_ERROR, reason))
        return value


def _cell(row: Row, column: int) -> str:
    """Return a cell without invisible characters at its ends; empty if the row is shorter."""
    if column >= len(row.cells):
        return ""
    cell = row.cells[column].strip().strip("\ufeff").strip()
    return cell.replace("\r\n", "\n").replace("\r", "\n") if "\r" in cell else cell
