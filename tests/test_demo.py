"""The demo, as somebody sees it who has just cloned the project."""

from __future__ import annotations

import contextlib
import os
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
    """What a run of the demo showed, and how long it took."""

    piped: str
    errors: str
    status: int
    terminal: str
    seconds: float

    def rows(self, fate: str) -> int:
        """The count in the line of the table of fates that begins with *fate*."""
        found = re.search(rf"^│ {fate} +│ +([\d,]+) │", self.piped, re.MULTILINE)
        assert found, f"no line for {fate!r} in:\n{self.piped}"
        return int(found[1].replace(",", ""))


@pytest.fixture(scope="module")
def run() -> Run:
    """One run with its output in a pipe and one on a terminal, at once: a demo takes its time."""
    pty = pytest.importorskip("pty")
    started = time.monotonic()
    master, slave = pty.openpty()
    on_terminal = start(stdout=slave, stderr=slave)
    piped = start(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(slave)
    try:
        shown = read_terminal(master)
        output, errors = piped.communicate(timeout=60)
    finally:
        for process in (on_terminal, piped):
            process.kill()
            process.wait()
        os.close(master)
    return Run(output, errors, piped.returncode, shown, time.monotonic() - started)


def start(**streams: int) -> subprocess.Popen[str]:
    """Start the demo, with warnings as errors."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-X", "utf8", "examples/demo.py"],
        cwd=ROOT,
        encoding="utf-8",
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "90"},
        stdin=subprocess.DEVNULL,
        **streams,
    )


def read_terminal(master: int) -> str:
    """Read all that is written to a terminal, until the last program on it ends."""
    chunks: list[bytes] = []
    # Linux tells the end by an error, others by an empty read.
    with contextlib.suppress(OSError):
        while chunk := os.read(master, 65_536):
            chunks.append(chunk)
    return b"".join(chunks).decode()


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
    assert "22 of 100 requests of the minute" in run.piped


def test_gateway_bears_witness(run: Run):
    """The gateway's own list shows no message twice, and no request that came too fast."""
    said = " ".join(run.piped.split())

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
    _, _, attention = run.piped.partition("Rows that need attention")
    group = next(group for group in attention.split("\n\n") if name in group)

    assert group.strip().startswith(advice)


def test_piped_output_is_plain(run: Run):
    """A file gets no control codes, and no line is wider than a window."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", run.piped)
    assert max(map(len, run.piped.splitlines())) <= 120


def test_terminal_shows_a_moving_bar(run: Run):
    """On a terminal the bar and its three lines are drawn again and again, up to the last row."""
    drawn = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) of 2,183 rows", run.terminal)]

    assert drawn == sorted(drawn)
    assert drawn[0] <= 100
    assert drawn[-1] == 2_183
    assert len(set(drawn)) > 5
    assert "22 of 100 requests of the minute" in run.terminal


def test_terminal_shows_the_same_in_the_end(run: Run):
    """The tables on a terminal have colours, and say what they say in a file."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", run.terminal).replace("\r\n", "\n")
    ends = [text.partition("Fate")[2] for text in (plain, run.piped)]

    assert plain != run.terminal
    assert ends[1].split() == ends[0].split()
