"""Advice for a list in whose header no column of numbers was found."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

from .headers import ColumnError, ColumnNames
from .table import Row

__all__ = ["advice", "looks_like_number"]

#: Rows below the header that are looked at.
_LOOKED_AT: Final = 20

_NUMBER: Final = re.compile(r"[+(]?\d[\d ()/.\-]*")
#: Digits of what is taken for a number: fewer may be a date, and no number has more.
_DIGITS: Final = range(9, 16)


def looks_like_number(cell: str) -> bool:
    """Whether a cell is probably a phone number, and not the name of a column."""
    text = cell.strip()
    is_one = _NUMBER.fullmatch(text) is not None
    return is_one and sum(map(str.isdigit, text)) in _DIGITS


def advice(header: Sequence[str], below: Iterator[Row], phone: str | None) -> str | None:
    """
    Say where the header or the numbers may be; None if that is not clear.

    Args:
        header: The cells of what was taken for the header.

        below: The rows below it.

        phone: The name of the column of numbers, if the caller gave one.
    """
    rows = list(itertools.islice(below, _LOOKED_AT))
    for row in rows:
        with contextlib.suppress(ColumnError):
            ColumnNames(row.cells).phone(phone)
            return f"row {row.number} looks like the header: remove the rows above it"
    found = {
        column for row in rows for column, cell in enumerate(row.cells) if looks_like_number(cell)
    }
    names = [repr(header[column]) for column in sorted(found) if column < len(header)]
    return f"there are numbers under {' and '.join(names)}" if names and phone is None else None
