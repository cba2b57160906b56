"""The common form of every kind of file: numbered rows of cells."""

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
    A whole list of recipients cannot be used; nothing was sent.

    It reports one class of problems at a time: those of the file, then of its header, then of the
    text. Bad rows are not an error (see `Refusal`).

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
    """Why the cells of a row cannot be trusted."""

    code: str
    reason: str


class Row(NamedTuple):
    """
    One row.

    Attributes:
        number: As a spreadsheet shows it, from 1.
        cells: Its contents; empty if it has a flaw.
        flaw: Why it cannot be read, or None.
    """

    number: int
    cells: list[str]
    flaw: Flaw | None = None


class Table(Protocol):
    """A file that can be read repeatedly."""

    @property
    def encoding(self) -> str:
        """How it is encoded, or ``"xlsx"``."""
        ...

    @property
    def delimiter(self) -> str | None:
        """The separator of cells; None for a workbook."""
        ...

    @property
    def sheets(self) -> tuple[str, ...]:
        """The sheets of a workbook, the one that is read first; empty for a text file."""
        ...

    @property
    def hidden(self) -> frozenset[int]:
        """The numbers of rows that a workbook hides; they are read like the others."""
        ...

    def rows(self) -> Iterator[Row]:
        """Read it from its beginning, a little at a time."""
        ...
