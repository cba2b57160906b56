"""The opt-out list: a column of numbers, with or without a header."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Final

from ..errors import InvalidPhone
from ..phones import ParsePhone, checked, is_without_country
from .headers import ColumnError, ColumnNames, is_blank
from .option_text import Option, OptionText
from .problems import in_one_line
from .table import RecipientsError, Row, Table

__all__ = ["read_opt_outs"]

_NAME_IT: Final = OptionText("or say whose numbers these are with ", Option("country"))


def read_opt_outs(path: Path, table: Table, parse: ParsePhone) -> frozenset[str]:
    """
    Read all numbers of the list.

    Raises:
        RecipientsError: One of them cannot be read, so that it is not known whose number it is.
    """
    rows = (row for row in table.rows() if row.flaw or not is_blank(row.cells))
    first = list(itertools.islice(rows, 1))
    column, has_header = _column(path, first[0].cells if first else [], parse)
    numbers: set[str] = set()
    problems: dict[str, list[int]] = {}
    for row in itertools.chain(first[has_header:], rows):
        try:
            numbers.add(_number(row, column, parse))
        except InvalidPhone as exc:
            problems.setdefault(exc.reason, []).append(row.number)
    if problems:
        lines = [in_one_line(reason, alike, len(alike)) for reason, alike in problems.items()]
        hint = [_NAME_IT] if any(map(is_without_country, problems)) else []
        raise RecipientsError(path, *lines, *hint)
    return frozenset(numbers)


def _number(row: Row, column: int, parse: ParsePhone) -> str:
    if row.flaw:
        raise InvalidPhone("", row.flaw.reason)
    return checked(parse, row.cells[column] if column < len(row.cells) else "")


def _column(path: Path, cells: list[str], parse: ParsePhone) -> tuple[int, bool]:
    """Find the column of numbers; return whether it has a header."""
    for column, cell in enumerate(cells):
        with contextlib.suppress(InvalidPhone):
            checked(parse, cell)
            return column, False
    columns = ColumnNames(cells)
    if len(cells) <= 1:
        return 0, _is_name(columns)
    try:
        return columns.phone(None), True
    except ColumnError as exc:
        raise RecipientsError(path, *exc.args) from None


def _is_name(columns: ColumnNames) -> bool:
    """Whether the first cell is the name of the only column, not a bad number."""
    return any(char.isalpha() for name in columns.names for char in name)
