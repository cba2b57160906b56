"""
Figures in sentences of README and docs, taken from the result files like those in tables.

A `Figure` is a sentence with ``{}`` in place of the figure; line breaks of the page do not matter.
`filled` inserts the current figures of the result files. `MEASURES` finds figures that look
measured, so that each has a source: a `Figure`, or a line of `HELD`.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from benchmarks._results import shown

__all__ = ["FIGURES", "HELD", "MEASURES", "PROSE_PAGES", "filled", "unsourced"]

RESULTS: Final = Path(__file__).with_name("results")
ROOT: Final = Path(__file__).parents[1]
PEERS: Final = ("bulk", "duplicates", "limit", "login_codes", "reach", "send")
RULES: Final = (
    *("fixed window", "sliding log", "sliding counter"),
    *("token bucket", "GCRA, burst 10", "nginx, burst 20"),
)
MB: Final = 2**20
MILLION: Final = 1_000_000

#: What looks like a measured figure: a number with a unit of measurement.
MEASURES: Final = re.compile(r"\d[\d,.]*\s(?:%|µs|ms|MB|bytes|times)(?=\W)")


@frozen
class Figure:
    """
    A figure in a sentence.

    Attributes:
        page: The page, from the root of the project.
        sentence: The sentence, with ``{}`` for the figure.
        read: Returns the figure as text.
    """

    page: str
    sentence: str
    read: Callable[[], str]

    @property
    def pattern(self) -> re.Pattern[str]:
        """Match the sentence, with any figure."""
        before, after = (r"\s+".join(map(re.escape, half.split(" "))) for half in self._halves)
        return re.compile(rf"({before})([\d.,]*\d(?: and \d+)?)({after})")

    @property
    def _halves(self) -> list[str]:
        return self.sentence.split("{}")


@cache
def _results(file: str) -> Mapping[str, Any]:
    known: Mapping[str, Any] = json.loads((RESULTS / f"{file}.json").read_text("utf-8"))
    return known


def _cells(file: str, table: str, column: str) -> dict[str, Any]:
    """Return a column, by the first cells of its rows."""
    rows = _results(file)["tables"][table]["rows"]
    return {str(next(iter(row.values()))): _plain(row[column]) for row in rows}


def _plain(cell: Any) -> Any:  # a cell of JSON
    return cell["value"] if isinstance(cell, dict) else cell


def _cell(file: str, table: str, column: str, row: str) -> Callable[[], str]:
    return lambda: shown(_cells(file, table, column)[row])


def _days(*files: str) -> str:
    """Return the days of the month on which the files were written."""
    dates = sorted({dt.date.fromisoformat(_results(file)["date"]) for file in files})
    return " and ".join(str(date.day) for date in dates)


def _refused() -> str:
    rows = {rule: _cells("limit", "server", rule)["LocalLimiter, bulk lane"] for rule in RULES}
    return shown(max(rows.values()))


def _sooner() -> str:
    """Seconds by which a burst of the whole limit brings the 1,000th request forward."""
    leaves = _cells("limit", "server", "1,000th leaves, s")
    name = "LocalLimiter, bulk lane"
    return shown(round(leaves[name] - leaves[f"{name}, burst=100, reserve=0"]))


def _longest_run() -> str:
    rows = _results("reach")["tables"]["reach"]["rows"]
    return shown(max(row["÷ least"] for row in rows if row["requests"] >= 1_000))


def _codes(members: int) -> Callable[[], str]:
    """Slots that 99 of 100 codes wait, at a fifth of the rate."""

    def read() -> str:
        (row,) = (
            row
            for row in _results("limit_codes")["tables"]["waits"]["rows"]
            if (row["members"], row["codes, % of the rate"]) == (members, 20)
        )
        return shown(row["p99, slots"])

    return read


def _least_share() -> str:
    rows = _results("limit_alone")["tables"]["alone"]["rows"]
    return str(int(min(_plain(row["of the budget, %"]) for row in rows)))


def _memory_of_duplicates() -> str:
    """Bytes of each distinct number in the memory of what was seen."""
    peaks = _cells("bulk", "memory", "100 a request, MB")
    seen = peaks["send_many → Report"] - peaks["send_many → Report, dedupe=False"]
    return shown(round(seen * MB / MILLION))


_AT_ONCE: Final = _cell("limit", "server", "most in any 60 s", "limits, moving window")
_BUCKET: Final = _cell("limit", "server", "most in any 60 s", "aiolimiter (100, 60)")

FIGURES: Final = (
    Figure(
        "README.md",
        "as a report at {} bytes each plus the message ids",
        _cell("bulk", "memory", "kept, bytes a number", "send_many → Report, dedupe=False"),
    ),
    Figure("README.md", "Counted from the moment of sending, {} arrive", _AT_ONCE),
    Figure("README.md", "a token bucket of 100 lets {} through", _BUCKET),
    Figure("README.md", "Measured on {} November", lambda: _days(*PEERS)),
    Figure("docs/figures.md", "They were measured on {} November", lambda: _days(*PEERS)),
    Figure("docs/figures.md", "takes at most {} times the least that the limit", _longest_run),
    Figure("docs/limit.md", "Counted from the moment of sending, {} arrive", _AT_ONCE),
    Figure("docs/limit.md", "a token bucket of 100 lets {} through", _BUCKET),
    Figure("docs/limit.md", "none of the six refuses more than {} of 1,000", _refused),
    Figure("docs/limit.md", "reaches the 1,000th request {} s sooner", _sooner),
    Figure(
        "docs/limit.md",
        "a `send` waits {} s at most in 99 of 100 cases",
        _cell("login_codes", "waits", "beside bulk: p99", "LocalLimiter"),
    ),
    Figure("docs/limit.md", "With codes at 20 % of the limit it is {} slots", _codes(1)),
    Figure("docs/limit.md", "(0.61 s each), and {} slots", _codes(8)),
    Figure("docs/limit.md", "and use at least {} % in total", _least_share),
    Figure("docs/runs.md", "costs about {} bytes per distinct number", _memory_of_duplicates),
)

PROSE_PAGES: Final = tuple(dict.fromkeys(figure.page for figure in FIGURES))

#: Figures with a unit that no benchmark measures, by page, and what holds each.
HELD: Final = {
    ("docs/figures.md", "98 %"): "customersms_async/_limit/law.py",  # a constant of the law
    ("docs/limit.md", "95 %"): "customersms_async/_limit/rate_refusals.py",  # a constant
    ("docs/limit.md", "98 %"): "customersms_async/_limit/law.py",
    ("docs/limit.md", "20 %"): "benchmarks/bench_limit_codes.py",  # what is measured at
    ("docs/limit.md", "90 %"): "customersms_async/_limit/rate_refusals.py",
    ("docs/limit.md", "2 %"): "customersms_async/_limit/rate_refusals.py",
    ("docs/campaigns.md", "100 times"): "Makefile",  # what `make crash` is told to do
    ("docs/campaigns.md", "50 times"): "Makefile",
}


def filled(name: str, page: str) -> str:
    """
    Return a page with the current figures in its sentences.

    Raises:
        LookupError: A sentence is not in the page exactly once.
    """
    for figure in FIGURES:
        if figure.page == name:
            text = figure.read()
            page, count = figure.pattern.subn(
                lambda found, text=text: f"{found[1]}{text}{found[3]}", page
            )
            if count != 1:
                msg = f"{name} has {figure.sentence!r} {count} times"
                raise LookupError(msg)
    return page


def unsourced(name: str, page: str) -> list[str]:
    """Return the figures in a page that look measured and have no source."""
    text = re.sub(r"(?ms)^```.*?^```$|<!-- results .*?<!-- end -->", "", page)
    for figure in FIGURES:
        if figure.page == name:
            text = figure.pattern.sub("", text)
    found = [" ".join(each.split()) for each in MEASURES.findall(text)]
    return [each for each in found if (name, each) not in HELD]
