"""
Rows of a text file whose cells are separated by commas, semicolons, tabs or bars.

Rules of this module:

1. A row is what a spreadsheet shows as one: a quoted cell may have several lines, and an empty line
   is an empty row. A first line ``sep=;`` is an instruction, not a row.
2. A quotation mark that is never closed would swallow all rows after it. Its row is refused, and
   reading continues with the next line.
3. The size of a row or line in memory is bounded.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from attrs import frozen

from .. import codes
from .encodings import find_encoding
from .table import Flaw, RecipientsError, Row

__all__ = ["DelimitedTable", "open_delimited"]

_DELIMITERS: Final = ",;\t|"
_INSTRUCTION: Final = re.compile(r"sep=(.)\r?(?:\n|\Z)", re.IGNORECASE)

#: How much is read to find the delimiter: characters (csv allows cells twice as long), and rows.
_SAMPLE, _SAMPLE_ROWS = 1 << 16, 20

#: Characters of a line, and of a row of several lines. An Excel cell has at most 32,767.
_LONGEST_LINE, _LONGEST_ROW = 1 << 20, 1 << 17

_BAD_QUOTES: Final = Flaw(
    codes.BAD_QUOTES,
    "has a quotation mark that is not closed, or not doubled within quotes; fix it in the file",
)


@frozen
class DelimitedTable:
    """A text file; see `Table`."""

    path: Path
    encoding: str
    delimiter: str | None
    _has_instruction: bool
    sheets: tuple[str, ...] = ()
    hidden: frozenset[int] = frozenset()

    def rows(self) -> Iterator[Row]:
        """Read it from its beginning, a line at a time."""
        with self.path.open(encoding=self.encoding, newline="") as file:
            if self._has_instruction:
                file.readline()
            yield from _read(self.path, file, self.delimiter or ",")


def open_delimited(path: Path, encoding: str | None, delimiter: str | None) -> DelimitedTable:
    """
    Find out how to read a text file.

    Raises:
        RecipientsError: It is empty, or its encoding is unknown.
    """
    encoding = find_encoding(path, encoding)
    with path.open(encoding=encoding, newline="") as file:
        sample = file.read(_SAMPLE)
    instruction = _INSTRUCTION.match(sample)
    found = instruction[1] if instruction else _delimiter(sample)
    return DelimitedTable(path, encoding, delimiter or found, instruction is not None)


def _delimiter(sample: str) -> str:
    """Find the delimiter that splits the header and most of the first rows into as many cells."""
    return max(_DELIMITERS, key=lambda delimiter: _fit(sample, delimiter))


def _fit(sample: str, delimiter: str) -> tuple[int, int]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    rows = (row for row in reader if row)
    sizes = [len(row) for row in itertools.islice(rows, _SAMPLE_ROWS)]
    columns = sizes[0] if sizes else 0
    return (sizes.count(columns), columns) if columns > 1 else (0, 0)


class _Lines:
    """Lines of a file, with the option to read some again."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path = path
        self._file = file
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._size = 0
        self._has_no_end = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._file.readline(_LONGEST_LINE)
        if not line:
            self._has_no_end = True
            raise StopIteration
        if len(line) == _LONGEST_LINE:
            msg = f"has a line of more than {_LONGEST_LINE:,} characters; it is not a list of rows"
            raise RecipientsError(self._path, msg)
        self._taken.append(line)
        self._size += len(line)
        if self._size > _LONGEST_ROW:
            self._has_no_end = True
            raise csv.Error
        return line

    def begin(self) -> None:
        """Begin a row: earlier lines will not be read again."""
        self._taken.clear()
        self._size = 0
        self._has_no_end = False

    def recover(self) -> None:
        """Abandon a row that has no end: read all its lines but the first again."""
        if self._has_no_end:
            self._again.extendleft(reversed(self._taken[1:]))


def _read(path: Path, file: TextIO, delimiter: str) -> Iterator[Row]:
    lines = _Lines(path, file)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    number = 0
    while True:
        number += 1
        lines.begin()
        try:
            cells = next(reader, None)
        except csv.Error:
            lines.recover()
            yield Row(number, [], _BAD_QUOTES)
            continue
        if cells is None:
            return
        yield Row(number, cells)
