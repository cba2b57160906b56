"""The demo, as somebody sees it who has just cloned the project."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parents[1]
FATES = ("sent", "rejected", "not sent", "unknown")


@attrs.frozen
class Run:
    """What a run of the demo printed, and how long it took."""

    output: str
    errors: str
    status: int
    seconds: float

    def rows(self, fate: str) -> int:
        """The count in the line of the table of fates that begins with *fate*."""
        found = re.search(rf"^│ {fate} +│ +([\d,]+) │", self.output, re.MULTILINE)
        assert found, f"no line for {fate!r} in:\n{self.output}"
        return int(found[1].replace(",", ""))


@pytest.fixture(scope="module")
def run() -> Run:
    """One run with its output in a pipe; a demo takes its time, so all tests read the same."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "utf8", "examples/demo.py"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=90,
    )
    return Run(done.stdout, done.stderr, done.returncode, time.monotonic() - started)


def test_demo_ends_well(run: Run):
    """The demo ends without an error, a warning or anything else on stderr."""
    assert (0, "") == (run.status, run.errors)


def test_demo_is_quick(run: Run):
    """The demo waits for its turn as the limit demands, and still ends in good time."""
    assert 5 < run.seconds < 40


def test_fates_sum_up_to_the_rows_of_the_file(run: Run):
    """Each row of the spreadsheet has exactly one fate."""
    lines = (ROOT / "examples" / "recipients.csv").read_text("utf-8-sig").splitlines()
    rows = len(lines) - 1

    assert rows >= 2_000
    assert rows == run.rows("all")
    assert rows == sum(run.rows(fate) for fate in FATES)


@pytest.mark.parametrize(
    ("fate", "rows"), [("sent", 2_096), ("rejected", 3), ("not sent", 71), ("unknown", 13)]
)
def test_demo_shows_each_fate(run: Run, fate: str, rows: int):
    """The data are fixed, and so is what becomes of them."""
    assert rows == run.rows(fate)


def test_demo_shows_the_budget_of_the_minute(run: Run):
    """While it runs, the demo says how many of the minute's requests it has used."""
    assert "22 of 100 requests of the minute" in run.output


def test_gateway_bears_witness(run: Run):
    """The gateway's own list shows no message twice, and no request that came too fast."""
    said = " ".join(run.output.split())

    assert "turned 0 of 22 away" in said
    assert "accepted 2,109 messages, 0 of them twice: 13 of the 13 unknown had arrived" in said


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("Denise Hall", "not sent · INVALID_PHONE · the number is empty"),
        ("Harper Lewis", "not sent · INVALID_PHONE · the number was changed by a spreadsheet"),
        ("Gurpreet Kaur", "not sent · INVALID_PHONE · the number has no country code"),
        ("Brandon Wright", "rejected · NUMBER_BLOCKED · the gateway refuses this number"),
        ("Julian Pérez", "unknown · MISSING_IN_ANSWER · it may have arrived"),
        ("Stella Nguyen", "unknown · ANSWER_LOST · it may have arrived"),
    ],
)
def test_rows_that_need_attention_say_what_to_do(run: Run, name: str, advice: str):
    """Each row that somebody has to look at stands below its fate, its code and what to do."""
    _, _, attention = run.output.partition("Rows that need attention")
    group = next(group for group in attention.split("\n\n") if name in group)

    assert group.strip().startswith(advice)


def test_piped_output_is_plain(run: Run):
    """A file gets no control codes, and no line is wider than a window."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", run.output)
    assert max(map(len, run.output.splitlines())) <= 120
