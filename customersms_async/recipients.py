"""
Reads lists of recipients as people keep them: messages, and refusals of bad rows.

::

    for row in read("people.csv", text="Hi {name}, we meet on {day}"):
        ...                         # Message(phone, text, ref="row-17") or Refusal(17, ...)

Rules of this module:

1. A problem of the file, its header or the text is an error before the first row, one class of
   problem at a time. A bad row yields a `Refusal` in its place, and reading continues.
2. Rows are numbered as a spreadsheet shows them, and ``ref`` is made from that number.
3. Nothing is guessed that decides who gets what: if two columns may contain the numbers, the caller
   must name one, and a cell that a spreadsheet has damaged is refused.
4. A file of any size is read a little at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ._plan.bad_row import Refusal
from ._recipients.advice import advice, looks_like_number
from ._recipients.encodings import GUESSED, find_encoding
from ._recipients.formats import open_table
from ._recipients.headers import ColumnError, ColumnNames, is_blank
from ._recipients.opt_outs import read_opt_outs
from ._recipients.option_text import Option, OptionText
from ._recipients.problems import Problems
from ._recipients.rows import RowReader
from ._recipients.table import RecipientsError, Row, Table
from ._text.template import Template, TemplateError
from ._wire.codec import check_text
from .errors import ConfigurationError, InvalidPhone
from .outcomes import Message
from .phones import ParsePhone, checked, national, normalize_phone

__all__ = ["Problems", "Recipients", "RecipientsError", "Refusal", "read"]

AnyPath = str | os.PathLike[str]

_NO_HEADER: Final = (
    "has a number in row {}, where the names of the columns should be; "
    "add a line like phone,name above it"
)


class Recipients(Iterable[Message | Refusal]):
    """
    A list of recipients, read anew each time it is iterated over.

    Attributes:
        path: The file.
        columns: The names of its columns.
        phone_column: The name of the column with the numbers.
        encoding: The encoding of the file, or ``"xlsx"``.
        delimiter: The separator of cells; None for a workbook.
        sheets: The sheets of a workbook, the one that is read first; empty for a text file.
        hidden: The numbers of rows that a workbook hides; they are read like the others.
    """

    def __init__(self, path: Path, table: Table, header: Row, reader: RowReader) -> None:
        self.path = path
        self.columns: tuple[str, ...] = reader.columns.names
        self.phone_column: str = self.columns[reader.phone]
        self.encoding: str = table.encoding
        self.delimiter: str | None = table.delimiter
        self.sheets: tuple[str, ...] = table.sheets
        self.hidden: frozenset[int] = table.hidden
        self._table = table
        self._header = header
        self._reader = reader

    def __iter__(self) -> Iterator[Message | Refusal]:
        return map(self._reader.read, self._filled())

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield number and cells of each row that is not empty, as in the file."""
        return ((row.number, row.cells) for row in self._filled())

    def __repr__(self) -> str:
        return f"Recipients({str(self.path)!r}, {self.encoding}, phone={self.phone_column!r})"

    def _filled(self) -> Iterator[Row]:
        return _filled_rows(self._table, self._header.number)


def read(
    path: AnyPath,
    *,
    text: str | None = None,
    text_file: AnyPath | None = None,
    phone: str | None = None,
    country: str | None = None,
    parse_phone: ParsePhone | None = None,
    skip: AnyPath | Iterable[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
) -> Recipients:
    """
    Open a list of recipients: a text file with commas, semicolons, tabs or bars, or an ``.xlsx``.

    The header is read, and the text is checked against it; rows are read when the result is
    iterated over. Hidden and filtered rows of a workbook are included; see `Recipients.hidden`.

    Args:
        path: The file.

        text: The text, with placeholders for columns: ``Hi {name}``. Without it, the texts come
            from the column ``text`` or ``message``.

        text_file: A file with the text, instead of *text*.

        phone: The column of the numbers; by default the only one with a name like ``phone``.

        country: A two-letter code, for numbers without a country code; needs the extra
            ``[phonenumbers]``. By default they are refused.

        parse_phone: Parses a number, instead of *country*.

        skip: Opted-out numbers, or a file of them.

        encoding: The encoding. By default a byte-order mark decides, else UTF-8 if the whole file
            is valid, else Windows-1252.

        delimiter: The separator of cells; by default the one that splits the header and the first
            rows evenly.

        sheet: The sheet of a workbook; by default the one that was open when it was saved.

    Raises:
        RecipientsError: The file, its header or the text cannot be used; the message says why.
        ConfigurationError: Two options contradict each other, or there is no such country.
        InvalidPhone: A number in *skip* is not valid.
        InvalidMessage: The text is empty or cannot be encoded.
        OSError: A file cannot be opened.
        ModuleNotFoundError: An extra is not installed; the error says which.
    """
    path = Path(path)
    parse = _parser(country, parse_phone)
    wanted = _text(text, text_file)
    table = open_table(path, encoding=encoding, delimiter=delimiter, sheet=sheet)
    header = _header(path, table, parse)
    columns = ColumnNames(header.cells)
    phone_column = _phone_column(path, table, header, columns, phone)
    template, value_columns = _template(path, table, columns, wanted)
    reader = RowReader(
        columns, phone_column, template, value_columns, parse, _opt_outs(skip, parse)
    )
    return Recipients(path, table, header, reader)


def _parser(country: str | None, parse_phone: ParsePhone | None) -> ParsePhone:
    if country is None:
        return parse_phone or normalize_phone
    if parse_phone is not None:
        msg = "use country or parse_phone, not both: each says how to read numbers"
        raise ConfigurationError(msg)
    return national(country)


def _text(text: str | None, text_file: AnyPath | None) -> str | None:
    if text is not None and text_file is not None:
        msg = "use text or text_file, not both"
        raise ConfigurationError(msg)
    if text_file is not None:
        file = Path(text_file)
        text = file.read_text(find_encoding(file, None)).removesuffix("\n")
    return None if text is None else check_text(text)


def _header(path: Path, table: Table, parse: ParsePhone) -> Row:
    row = next(_filled_rows(table, 0), None)
    if row is None:
        raise RecipientsError(path, "has no rows")
    if row.flaw:
        raise RecipientsError(path, f"row {row.number} {row.flaw.reason}")
    if any(_is_number(cell, parse) or looks_like_number(cell) for cell in row.cells):
        raise RecipientsError(path, _NO_HEADER.format(row.number))
    return row


def _is_number(cell: str, parse: ParsePhone) -> bool:
    try:
        return bool(checked(parse, cell))
    except InvalidPhone:
        return False


def _phone_column(
    path: Path, table: Table, header: Row, columns: ColumnNames, phone: str | None
) -> int:
    try:
        return columns.phone(phone)
    except ColumnError as exc:
        hints = [advice(columns.names, _filled_rows(table, header.number), phone)]
        if len(table.sheets) > 1:
            this, *others = map(repr, table.sheets)
            hints.append(
                OptionText(
                    f"this is the sheet {this}; ",
                    Option("sheet"),
                    f" selects another: {', '.join(others)}",
                )
            )
        hints.append(_doubt_of_encoding(table, columns))
        raise RecipientsError(path, *exc.args, *filter(None, hints)) from None


def _doubt_of_encoding(table: Table, columns: ColumnNames) -> str | None:
    """Say that the encoding was guessed, if the names of columns depend on it."""
    if table.encoding != GUESSED or all(map(str.isascii, columns.names)):
        return None
    seen = f"it was read as {table.encoding}: if names look wrong, "
    return OptionText(seen, Option("encoding"), " says what it is, like cp1250")


def _template(
    path: Path, table: Table, columns: ColumnNames, text: str | None
) -> tuple[Template, list[int]]:
    """Return the text, and the columns of the values that it needs."""
    try:
        if text is None:
            return Template(("", ""), ("text",)), [columns.text()]
        template = Template.parse(text)
        return template, columns.columns(template.names)
    except TemplateError as exc:
        raise RecipientsError(path, *exc.args) from None
    except ColumnError as exc:
        hints = filter(None, [_doubt_of_encoding(table, columns)])
        raise RecipientsError(path, *exc.args, *hints) from None


def _filled_rows(table: Table, after: int) -> Iterator[Row]:
    """Yield the rows behind a row that are not empty."""
    rows = (row for row in table.rows() if row.number > after)
    return (row for row in rows if row.flaw or not is_blank(row.cells))


def _opt_outs(skip: AnyPath | Iterable[str] | None, parse: ParsePhone) -> frozenset[str]:
    if skip is None:
        return frozenset()
    if not isinstance(skip, str | os.PathLike):
        return frozenset(checked(parse, number) for number in skip)
    path = Path(skip)
    return read_opt_outs(path, open_table(path), parse) if path.stat().st_size else frozenset()
