"""
Results: what was measured, when and on what, as JSON for programs and as Markdown for people.

Figures are written as measured, never by hand. A missed bound is named, and makes the program fail.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import attrs
from attrs import field, frozen

__all__ = [
    "RESULTS",
    "Bound",
    "Cell",
    "Result",
    "Row",
    "Spread",
    "Table",
    "mean_and_worst",
    "median",
    "shown",
]

#: The folder of results, with one JSON and one Markdown file per program.
RESULTS = Path(__file__).with_name("results")


@frozen
class Spread:
    """
    One figure for several runs.

    Attributes:
        value: The figure that represents them.
        low: The lowest, or None if only the highest matters.
        high: The highest.
    """

    value: float
    low: float | None
    high: float

    def __str__(self) -> str:
        value, high = shown(self.value), shown(self.high)
        if self.low is None:
            return value if value == high else f"{value} ({high})"
        return f"{value} ({shown(self.low)}–{high})"


#: The content of a table cell; None is a dash.
Cell = str | int | float | Spread | None
#: Cells by column.
Row = Mapping[str, Cell]


def shown(cell: Cell) -> str:
    """Format a cell for people: two or three digits."""
    if cell is None:
        return "–"
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else str(cell)
    digits = 0 if abs(cell) >= 100 or cell.is_integer() else 1 if abs(cell) >= 10 else 2
    return f"{cell:,.{digits}f}"


def median(figures: Iterable[float]) -> Spread:
    """Return the median, the lowest and the highest."""
    known = list(figures)
    return Spread(statistics.median(known), min(known), max(known))


def mean_and_worst(figures: Iterable[float]) -> Spread:
    """Return the mean and the highest."""
    known = list(figures)
    return Spread(statistics.fmean(known), None, max(known))


@frozen
class Table:
    """
    Rows with the same columns, the first of which names the row.

    Attributes:
        title: What the figures are, with their units.
        rows: Cells by column.
        note: What the reader must know.
    """

    title: str
    rows: Sequence[Row]
    note: str = ""

    def to_markdown(self) -> str:
        """Write the table as Markdown."""
        columns = list(self.rows[0])
        lines = [columns, ["---"] + ["---:"] * (len(columns) - 1)]
        lines += [[shown(row[column]) for column in columns] for row in self.rows]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return "\n\n".join(filter(None, [f"## {self.title}", table, self.note]))


@frozen
class Bound:
    """
    A bound that a figure must not exceed.

    Attributes:
        what: The name of the figure.
        seen: The figure.
        most: The bound.
    """

    what: str
    seen: float
    most: float
    is_kept: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "is_kept", self.seen <= self.most)

    @property
    def row(self) -> Row:
        """Return it as a row of a table."""
        word = "yes" if self.is_kept else "**no**"
        return {"bound": self.what, "seen": self.seen, "at most": self.most, "kept": word}

    def __str__(self) -> str:
        return f"{self.what}: {shown(self.seen)}, at most {shown(self.most)}"


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


def _machine() -> str:
    names = []
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


@frozen
class Result:
    """
    The result of one program.

    Attributes:
        name: The name of its files.
        title: Its headline.
        packages: The packages whose versions are recorded.
        tables: The tables, by their names in the JSON.
        bounds: The bounds.
    """

    name: str
    title: str
    packages: Sequence[str]
    tables: Mapping[str, Table]
    bounds: Sequence[Bound]
    date: str = field(factory=_today)
    machine: str = field(factory=_machine)
    python: str = field(factory=platform.python_version)

    @property
    def versions(self) -> dict[str, str]:
        """The version of each package."""
        return {name: metadata.version(name) for name in self.packages}

    @property
    def circumstances(self) -> str:
        """When, on what, with what: one line."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.date} · {self.machine} · Python {self.python} · {versions}"

    def to_markdown(self) -> str:
        """Write all of it as Markdown."""
        bounds = Table("Bounds", [bound.row for bound in self.bounds])
        tables = [table.to_markdown() for table in (*self.tables.values(), bounds)]
        return "\n\n".join([f"# {self.title}", self.circumstances, *tables]) + "\n"

    def to_json(self) -> str:
        """Write all of it as JSON."""
        known = attrs.asdict(self) | {"packages": self.versions}
        return json.dumps(known, indent=1, ensure_ascii=False) + "\n"

    def publish(self) -> int:
        """Write both files, print the Markdown, and return the exit code of the program."""
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{self.name}.json").write_text(self.to_json(), "utf-8")
        (RESULTS / f"{self.name}.md").write_text(self.to_markdown(), "utf-8")
        print(self.to_markdown())
        missed = [bound for bound in self.bounds if not bound.is_kept]
        for bound in missed:
            print(f"MISSED: {bound}", file=sys.stderr)
        return int(bool(missed))
