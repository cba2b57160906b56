"""
The tables of figures in README and docs/figures.md, from the result files, after ``make bench``.

Between ``<!-- results send -->`` and ``<!-- end -->`` are the rows that `PICKED` defines for
``send``: rows of one table, exactly as in a file of ``benchmarks/results``. ``<!-- results
glance -->`` has one figure for each promise, ours and others', as defined in `GLANCE`.
`benchmarks.prose` has the figures within sentences.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from benchmarks import prose
from benchmarks._results import Row, Spread, Table, shown

__all__ = ["PAGES", "filled", "main"]

RESULTS = Path(__file__).with_name("results")
ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "figures.md")


@frozen
class Pick:
    """
    Rows of a table.

    Attributes:
        file: The result file.
        title: The beginning of the table's title.
        rows: The first cells of the rows; all rows if empty.
    """

    file: str
    title: str
    rows: Sequence[str] = ()


PICKED = {
    "duplicates": Pick(
        "duplicates",
        "Copies of one message",
        (
            "customersms-async",
            "aiohttp",
            "requests (the vendor's example)",
            "httpx",
            "aiohttp-retry",
            "twilio, async, max_retries=3",
            "telnyx, async",
            "vonage",
            "slack_sdk, async",
        ),
    ),
    "send": Pick("send", "CPU of one message"),
    "bulk": Pick("bulk", "CPU of one number"),
    "memory": Pick("bulk", "Memory"),
    "login_codes": Pick(
        "login_codes", "Waits", ("LocalLimiter", "AsyncLimiter(100, 60)", "AsyncLimiter(1, 0.6)")
    ),
}


@frozen
class Glance:
    """
    One figure, ours compared with others'.

    Attributes:
        what: What it is.
        file: The result file.
        table: The name of the table in its JSON.
        column: The column.
        ours: The first cell of our row.
        others: Those of the other rows, by what they are called here.
    """

    what: str
    file: str
    table: str
    column: str
    ours: str
    others: Mapping[str, str]

    @property
    def row(self) -> Row:
        """Return the row of the table."""
        rows = json.loads((RESULTS / f"{self.file}.json").read_text("utf-8"))["tables"]
        known = {next(iter(row.values())): row[self.column] for row in rows[self.table]["rows"]}
        others = [f"{name} {_figure(known[row])}" for name, row in self.others.items()]
        return {
            "measured": self.what,
            "customersms-async": _figure(known[self.ours]),
            "others": " · ".join(others),
        }


GLANCE = (
    Glance(
        "copies of one message whose connection drops after the POST",
        "duplicates",
        "copies",
        "dropped after the POST",
        "customersms-async",
        {
            "vonage": "vonage",
            "telnyx": "telnyx, async",
            "aiohttp-retry, set to repeat": (
                "aiohttp-retry, exceptions={Exception}, statuses={429}"
            ),
            "slack_sdk": "slack_sdk, async",
        },
    ),
    Glance(
        "most requests in any 60 s, of 100 allowed",
        "limit",
        "server",
        "most in any 60 s",
        "LocalLimiter, bulk lane",
        {
            "`AsyncLimiter(100, 60)`": "aiolimiter (100, 60)",
            "limits": "limits, moving window",
            "pyrate-limiter": "pyrate-limiter, sliding log",
            "aiometer": "aiometer, 100/60 a second",
        },
    ),
    Glance(
        "seconds that a login code waits beside a bulk run, 99 %",
        "login_codes",
        "waits",
        "beside bulk: p99",
        "LocalLimiter",
        {
            "`AsyncLimiter(100, 60)`": "AsyncLimiter(100, 60)",
            "pyrate-limiter": "pyrate-limiter, 100 a minute",
        },
    ),
    Glance(
        "CPU of one message ÷ that of aiohttp with orjson",
        "send",
        "cpu",
        "1: ÷ aiohttp, orjson",
        "customersms-async",
        {
            "twilio": "twilio, async",
            "requests": "requests",
            "httpx": "httpx",
            "telnyx": "telnyx, async",
        },
    ),
    Glance(
        "CPU of one number, 100 a request ÷ that of bare aiohttp, which keeps two counts",
        "bulk",
        "cpu",
        "100: ÷ two counts",
        "send_many → Report",
        {"aiohttp → dicts": "aiohttp → dicts", "requests → dicts": "requests → dicts"},
    ),
    Glance(
        "bytes kept of a number, beside its message id",
        "bulk",
        "memory",
        "kept, bytes a number",
        "send_many → Report, dedupe=False",
        {"dicts": "aiohttp → dicts"},
    ),
)


def _figure(cell: object) -> str:
    """Format a cell of the JSON, without its spread."""
    if isinstance(cell, dict):
        cell = Spread(**cell).value
    assert isinstance(cell, str | int | float)
    return shown(cell)


def _glance() -> str:
    table = Table("", [each.row for each in GLANCE]).to_markdown()
    return "\n".join(line for line in table.splitlines() if line.startswith("|"))


def _table(text: str, pick: Pick) -> str:
    """Format the picked rows of the table below a title, with their head."""
    _, _, below = text.partition(f"\n## {pick.title}")
    lines = re.findall(r"^\|.*\|$", below.partition("\n## ")[0], flags=re.MULTILINE)
    head, rows = lines[:2], lines[2:]
    known = {row.split(" | ")[0].removeprefix("| "): row for row in rows}
    return "\n".join([*head, *(known[name] for name in pick.rows or known)])


def filled(page: str) -> str:
    """Return a page with the current figures of the result files."""
    tables = {
        name: _table((RESULTS / f"{pick.file}.md").read_text("utf-8"), pick)
        for name, pick in PICKED.items()
    }
    for name, table in (tables | {"glance": _glance()}).items():
        between = re.compile(rf"(<!-- results {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page = between.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", page)
    return page


def main() -> None:
    """Write the figures into the pages."""
    for page in PAGES:
        page.write_text(filled(page.read_text("utf-8")), "utf-8")
    for name in prose.PROSE_PAGES:
        page = ROOT / name
        page.write_text(prose.filled(name, page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
