"""Realistic lists of recipients in realistic file formats."""
# ruff: noqa: RUF001  # marks that people type

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import openpyxl

__all__ = ["as_csv", "messy_rows", "write_as", "write_workbook"]

SPOILT = ["1.21256E+10", "", "2125551234", "+1 212 555 12345678901", "call me", "#N/A", "00 12"]


def messy_rows(how_many: int) -> Iterator[list[str]]:
    """Make a header and messy rows: duplicates, bad numbers, gaps, long cells."""
    dice = random.Random(29)
    names = ["Anna", "Jürgen", "Zoë", "O’Neil", "", "Anna; Bob", 'Bob "B"', "two\nlines", "Łukasz"]
    numbers = [f"+1212{n:07}" for n in range(how_many * 9 // 10)]
    yield ["Name", "Phone Number", "Day", "Note"]
    for _ in range(how_many):
        phone = dice.choice(SPOILT) if dice.random() < 0.08 else dice.choice(numbers)
        row = [dice.choice(names[:-1]), phone, dice.choice(["Monday", "Tuesday"]), ""]
        kind = dice.random()
        if kind < 0.02:
            row = ["", "", "", ""]
        elif kind < 0.04:
            row.append("surplus")
        elif kind < 0.06:
            row = row[:2]
        yield row


def as_csv(rows: Iterable[Sequence[str]], encoding: str, delimiter: str) -> bytes:
    """Write as Excel does: quoted where needed, with CRLF line breaks."""

    def cell(text: str) -> str:
        needs_quotes = any(char in text for char in f'{delimiter}"\n')
        return '"' + text.replace('"', '""') + '"' if needs_quotes else text

    lines = [delimiter.join(map(cell, row)) + "\r\n" for row in rows]
    return "".join(lines).encode(encoding)


def write_workbook(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a workbook of one sheet."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "People"
    for row in rows:
        sheet.append(row)
    book.save(path)


def write_as(path: Path, rows: Iterable[Sequence[str]], kind: str) -> None:
    """Write a list as a workbook, or in an encoding with its usual delimiter."""
    if kind == "xlsx":
        write_workbook(path, rows)
    else:
        delimiter = {"cp1252": ";", "utf-16": "\t"}.get(kind, ",")
        path.write_bytes(as_csv(rows, kind, delimiter))
