"""What every kind of file comes to: numbered rows of cells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from ..errors import CustomerSMSError

__all__ = ["Flaw", "RecipientsError", "Row", "Table"]

#: Problems that an error shows.
_MOST_SHOWN = 20


class RecipientsError(CustomerSMSError, ValueError):
    """
    A list of recipients cannot be read as a whole; nothing was sent.

    It is of one class at a time: what is wrong with the file, then with its header, then with the
    text. Rows that are bad are no error (see `Refusal`).

    Attributes:
        path: The file.
        problems: What is wrong and what would be right, one line each; the message shows the
            first twenty.
    """

    def __init__(self, path: Path, *problems: str) -> None:
        super().__init__(path, *problems)
        self.path = path
        self.problems = problems

    def __str__(self) -> str:
        shown = list(self.problems[:_MOST_SHOWN])
        if more := len(self.problems) - len(shown):
            shown.append(f"and {more:,} more")
        return f"{self.path.name}: {'; '.join(shown)}"


class Flaw(NamedTuple):
    """Why a row has no cells that could be trusted."""

    code: str
    reason: str


class Row(NamedTuple):
    """
    One row.

    Attributes:
        number: As a spreadsheet shows it, from 1.
        cells: What stands in it; empty where it has a flaw.
        flaw: Why it cannot be read, or None.
    """

    number: int
    cells: list[str]
    flaw: Flaw | None = None


class Table(Protocol):
    """A file that can be read again and again."""

    @property
    def encoding(self) -> str:
        """How it is encoded, or ``"xlsx"``."""
        ...

    @property
    def delimiter(self) -> str | None:
        """What stands between two cells; None in a workbook."""
        ...

    def rows(self) -> Iterator[Row]:
        """Read it from its beginning, a little at a time."""
        ...
