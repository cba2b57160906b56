"""
Values as JSON and as CSV.

Rules of this module:

1. The names in JSON and CSV are those of the attributes, in their order; texts of messages are left
   out, since exports are kept and shown.
2. A CSV cell means the same in every spreadsheet: digits stay text, and nothing is a formula.
"""

from __future__ import annotations

import csv
import datetime as dt
import enum
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, cast

import attrs

__all__ = ["TextFile", "as_dict", "write_csv"]

# Spreadsheets turn these into numbers and dates, and lose a plus, zeros and digits after the 15th.
_DIGITS: Final = re.compile(r"[+-]?[0-9][0-9.,:/-]*(?:[eE][+-]?[0-9]+)?", re.ASCII)
# Source: OWASP, "CSV Injection", which names the full-width forms as well.
_FORMULA: Final = re.compile(r"\s*[=+\-@|\uff1d\uff0b\uff0d\uff20]")
_MOST_EXACT: Final = 10**15


class TextFile(Protocol):
    """A file, or any other object that accepts text."""

    def write(self, text: str, /) -> object:
        """Write *text*."""
        ...


def as_dict(
    value: attrs.AttrsInstance, *, also: Sequence[str] = (), without: Sequence[str] = ()
) -> dict[str, Any]:
    """
    Return the attributes of a value as JSON types.

    Args:
        value: The value.

        also: Properties to add after the attributes.

        without: Attributes to leave out.
    """
    names = [field.name for field in attrs.fields(type(value)) if field.name not in without]
    return {name: _jsonable(getattr(value, name)) for name in (*names, *also)}


def _jsonable(value: object) -> Any:  # noqa: ANN401  # that is the type of JSON
    if isinstance(value, enum.Enum):
        return _jsonable(value.value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {str(_jsonable(key)): _jsonable(inner) for key, inner in pairs}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in cast("Sequence[object]", value)]
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)


def write_csv(
    file: TextFile, kind: type[attrs.AttrsInstance], values: Iterable[object], *, delimiter: str
) -> None:
    """Write the attributes of values of one type, except texts, below a header with their names."""
    names = [field.name for field in attrs.fields(kind) if field.name != "text"]
    encoding: object = getattr(file, "encoding", None)
    # Not "\r\n": on Windows, a file opened without newline="" would turn it into "\r\r\n".
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(names)
    for value in values:
        cells = [_cell(getattr(value, name)) for name in names]
        writer.writerow([_encodable(cell, encoding) for cell in cells])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, enum.Enum) and abs(value) < _MOST_EXACT:
        return str(value)
    text = str(value)
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    if _DIGITS.fullmatch(text):
        return f'="{text}"'
    return f"'{text}" if _FORMULA.match(text) else text


def _encodable(cell: str, encoding: object) -> str:
    """Escape what the file's encoding lacks, rather than fail halfway."""
    if cell.isascii() or not isinstance(encoding, str):
        return cell
    return cell.encode(encoding, "backslashreplace").decode(encoding)
