"""``customersms export``: the list as it was, with the fate of each row."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from attrs import evolve, frozen
from cyclopts import Parameter

from ..outbox import Campaign, Line
from ..outbox._export import EVIDENCE, evidence, harmless
from ..recipients import Recipients, Refusal
from .campaign_location import BESIDE_LIST, CampaignLocation, File
from .confirmation_file import Confirmation
from .console import say
from .exits import Exit, UsageError
from .list_rows import ListRow, compare, list_rows
from .table_files import check_output, write_table

__all__ = ["RowResult", "export", "list_of", "result_table", "row_results", "write_rows"]

_EDITED: Final = "with the text that the row had before"

_FATES: Final = ("sent", "rejected", "not_sent", "unknown", "queued", "claimed", "sending")


def export(
    file: File = None,
    /,
    *,
    location: CampaignLocation = BESIDE_LIST,
    only: Annotated[
        str | None, Parameter(help="Only these: sent, rejected, not_sent, unknown, queued.")
    ] = None,
    out: Annotated[Path | None, Parameter(help="Write to this file.")] = None,
) -> Exit:
    """Write the list with the fate of each row."""
    if only is not None and only not in _FATES:
        msg = f"--only must be one of {', '.join(_FATES)}, not {only!r}"
        raise UsageError(msg)
    check_output("--out", out, file)
    people = list_of(file, location)

    async def write() -> Exit:
        async with location.existing(file) as outbox:
            campaign = await location.begun(outbox, file)
            rows = [row async for row in result_table(campaign, people, only)]
        write_rows(rows, out, people)
        return Exit.OK

    return asyncio.run(write())


def write_rows(rows: Sequence[Sequence[str]], out: Path | None, people: Recipients | None) -> None:
    """Write a table to a file or standard output, with the delimiter of the list."""
    delimiter = "," if people is None else people.delimiter or ","
    if out is None:
        csv.writer(sys.stdout, delimiter=delimiter, lineterminator="\n").writerows(rows)
        return
    write_table(out, rows, delimiter)
    say(f"{len(rows) - 1:,} rows are in {out}")


def list_of(file: Path | None, location: CampaignLocation) -> Recipients | None:
    """Open the list as it was read when it was confirmed; None if there is none."""
    confirmed = None if file is None else Confirmation.read(file, location.name(file))
    return None if file is None or confirmed is None else confirmed.options.open(file)


async def result_table(
    campaign: Campaign, people: Recipients | None, only: str | None = None
) -> AsyncIterator[list[str]]:
    """
    Yield the table of results, its header first.

    Args:
        campaign: The campaign.

        people: The list, whose cells come unchanged before the added ones; None if only the
            campaign is known.

        only: The fate to select; None for all rows.
    """
    columns = ("ref", "phone") if people is None else people.columns
    yield [*columns, *EVIDENCE]
    async for result in row_results(campaign, people):
        if only in (None, result.status):
            yield [*result.cells, *result.added()]


async def row_results(campaign: Campaign, people: Recipients | None) -> AsyncIterator[RowResult]:
    """Yield the result of each row of a list, and then those of messages that are in no row."""
    lines = [line async for line in _first_lines(campaign)]
    if people is None:
        numbers = {line.id: line.id for line in lines}
        for line in lines:
            yield RowResult([harmless(line.ref or ""), harmless(line.phone)], line, numbers)
        return
    found = compare(people, lines)
    for row in list_rows(people):
        yield RowResult(
            row.cells, found.of(row), found.numbers, row, is_edited=row.ref in found.edited
        )
    phone_column = people.columns.index(people.phone_column)
    for line in (*(one for one in found.gone if one.status != "not_sent"), *found.others):
        cells = [""] * len(people.columns)
        cells[phone_column] = harmless(line.phone)
        yield RowResult(cells, line, found.numbers)


@frozen
class RowResult:
    """
    The result of one row.

    Attributes:
        cells: The cells of the list.
        line: What the campaign knows about it; None if it is bad, or was not added yet.
        numbers: The numbers of the rows of the table, by the ids of their lines.
        row: The row; None if the list has none for it.
        is_edited: Whether the row had another text when it was sent.
    """

    cells: list[str]
    line: Line | None
    numbers: Mapping[int, int]
    row: ListRow | None = None
    is_edited: bool = False

    @property
    def status(self) -> str:
        """Its fate; empty if it has none yet."""
        if self._refusal is not None:
            return "not_sent"
        return "" if self.line is None else self.line.status

    def added(self) -> list[str]:
        """Return the cells after those of the list."""
        if (bad := self._refusal) is not None:
            refused = [str(bad.row), "not_sent", bad.code, harmless(bad.reason)]
            return [*refused, *[""] * (len(EVIDENCE) - len(refused))]
        if (line := self.line) is None:
            number = "" if self.row is None else str(self.row.number)
            return [number, *[""] * (len(EVIDENCE) - 1)]
        shown = evolve(line, detail=_EDITED) if self.is_edited else line
        return evidence(shown, self._number(line), self._doubled)

    def to_dict(self) -> dict[str, object]:
        """Return the same as JSON types."""
        name = {} if self.row is None else {"ref": self.row.name}
        if (bad := self._refusal) is not None:
            reason = {"code": bad.code, "detail": bad.reason}
            return {**name, "phone": bad.phone, "status": "not_sent", **reason}
        known = {"status": None} if self.line is None else self.line.to_dict()
        detail = {"detail": _EDITED} if self.is_edited else {}
        doubled = self._doubled
        double = {"duplicate_of": None if doubled is None else f"row-{doubled}"}
        return {**known, **name, **detail, **double}

    @property
    def _refusal(self) -> Refusal | None:
        item = None if self.row is None else self.row.item
        return item if isinstance(item, Refusal) else None

    def _number(self, line: Line) -> int | None:
        return self.numbers.get(line.id) if self.row is None else self.row.number

    @property
    def _doubled(self) -> int | None:
        doubled = None if self.line is None else self.line.duplicate_of
        return None if doubled is None else self.numbers.get(doubled)


async def _first_lines(campaign: Campaign) -> AsyncIterator[Line]:
    """Leave out lines that conflict with an earlier row of the same ref."""
    seen: set[str] = set()
    async for line in campaign.lines():
        if line.ref is None or line.ref not in seen:
            yield line
        seen.add(line.ref or "")
