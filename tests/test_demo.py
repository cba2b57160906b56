"""The demo, as a newcomer sees it in a fresh clone."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parents[1]
FATES = ("sent", "unknown", "rejected", "not sent")
FOR_ALL_PROCESSES = {
    "TERM": "xterm-256color",
    "COLUMNS": "90",
    "PYTHONPATH": str(ROOT),
    "PYTHONUTF8": "1",
    "PYTHONWARNINGS": "error",
}


@attrs.frozen
class Run:
    """The output of a run of the demo."""

    piped: str
    errors: str
    status: int
    terminal: str

    def counts(self, line: str) -> tuple[int, int]:
        """Return the numbers in a line of the last table, of journal and gateway."""
        found = re.search(rf"^│ {line} +│ +([\d,]*) │ +([\d,]*) │", self.piped, re.MULTILINE)
        assert found, f"no line for {line!r} in:\n{self.piped}"
        journal, gateway = (int(cell.replace(",", "") or 0) for cell in found.groups())
        return journal, gateway

    @property
    def killed(self) -> int:
        """Messages that were in flight when the process was killed."""
        found = re.search(r"(\d+) WORKER_DIED", self.piped)
        assert found, f"nobody was killed in:\n{self.piped}"
        return int(found[1])


@pytest.fixture(scope="module")
def run() -> Run:
    """Run it once with its output in a pipe and once on a terminal, concurrently."""
    pty = pytest.importorskip("pty")
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
    return Run(output, errors, piped.returncode, shown)


def start(**streams: int) -> subprocess.Popen[str]:
    """Start the demo, with warnings as errors in all its processes."""
    return subprocess.Popen(
        [sys.executable, "examples/demo.py"],
        cwd=ROOT,
        encoding="utf-8",
        env=os.environ | FOR_ALL_PROCESSES,
        stdin=subprocess.DEVNULL,
        **streams,
    )


def read_terminal(master: int) -> str:
    """Read everything that is written to a terminal, until the last program on it ends."""
    chunks: list[bytes] = []
    # Linux reports the end by an error, other systems by an empty read.
    with contextlib.suppress(OSError):
        while chunk := os.read(master, 65_536):
            chunks.append(chunk)
    return b"".join(chunks).decode()


def test_demo_ends_well(run: Run):
    """The demo ends without an error, a warning or any other output on stderr."""
    assert (0, "") == (run.status, run.errors)


def test_demo_is_quick(run: Run):
    """The demo respects the limit, and still ends in good time."""
    found = re.search(r"own records, ([\d.]+) s", run.piped)

    assert found is not None
    assert 5 < float(found[1]) < 30


def test_fates_add_up_to_the_rows_of_the_file(run: Run):
    """Each row of the spreadsheet has exactly one fate."""
    lines = (ROOT / "examples" / "recipients.csv").read_text("utf-8-sig").splitlines()
    rows = len(lines) - 1

    assert rows >= 2_000
    assert rows == run.counts("all")[0]
    assert rows == sum(run.counts(fate)[0] for fate in FATES)


def test_a_process_is_killed_during_a_run(run: Run):
    """A process is killed with three requests in flight, and another one continues."""
    killed = re.search(r"kill -9 of process (\d+): ([\d,]+) messages are sent", run.piped)
    again = re.search(r"The same command again, as process (\d+)", run.piped)

    assert killed is not None is not again
    assert killed[1] != again[1]
    assert ("998", 300) == (killed[2], run.killed)


def test_each_fate_has_its_rows(run: Run):
    """With the fixed data, rows in flight are unknown, and each other row has its expected fate."""
    assert [1_796, 313, 3, 71] == [run.counts(fate)[0] for fate in FATES]


def test_nobody_is_sent_to_twice_or_lost(run: Run):
    """The gateway's ledger has each number once, and none of the refused ones."""
    sent, at_the_gateway = run.counts("sent")

    assert sent == at_the_gateway
    assert 0 <= run.counts("unknown")[1] <= run.counts("unknown")[0]
    assert [0, 0] == [run.counts(fate)[1] for fate in ("rejected", "not sent")]
    assert ((0, 0), (0, 0)) == (run.counts("doubled"), run.counts("lost"))


def test_demo_shows_the_budget_of_the_minute(run: Run):
    """During the run, the demo shows how many requests of the minute are used."""
    assert "22 of 100 requests of the minute" in run.piped


def test_the_gateway_refused_nothing(run: Run):
    """The gateway has refused no request for the rate."""
    assert re.search(r"refused 0 of 2[0-2]\.", " ".join(run.piped.split()))


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("Denise Hall", "not sent · NO_PHONE · the row has nothing under 'Mobile'"),
        ("Camila Flores", "not sent · INVALID_PHONE · the number is empty"),
        ("Harper Lewis", "not sent · INVALID_PHONE · the number was changed by a spreadsheet"),
        ("Gurpreet Kaur", "not sent · INVALID_PHONE · the number has no country code"),
        ("Brandon Wright", "rejected · NUMBER_BLOCKED · the gateway refuses this number"),
        ("Julian Pérez", "unknown · MISSING_IN_ANSWER · it may have arrived"),
        ("Stella Nguyen", "unknown · ANSWER_LOST · it may have arrived"),
    ],
)
def test_rows_that_need_attention_are_listed(run: Run, name: str, advice: str):
    """Each such row is listed under its fate and code, with what to do."""
    _, _, attention = run.piped.partition("Rows that need attention")
    group = next(group for group in attention.split("\n\n") if name in group)

    assert group.strip().startswith(advice)


def test_piped_output_is_plain(run: Run):
    """Output to a file has no control codes, and no line is too wide."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", run.piped)
    assert max(map(len, run.piped.splitlines())) <= 120


def test_a_terminal_shows_a_progress_bar(run: Run):
    """On a terminal, the bar and its two lines are redrawn until the last row."""
    drawn = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) of 2,183 rows", run.terminal)]

    assert drawn == sorted(drawn)
    assert drawn[0] <= 100
    assert drawn[-1] == 2_183
    assert len(set(drawn)) > 5
    assert "22 of 100 requests of the minute" in run.terminal


def test_a_terminal_shows_the_same_table_at_the_end(run: Run):
    """The last table on a terminal has colours, and the content of that in a file."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", run.terminal).replace("\r\n", "\n")
    lines = re.compile(r"^│ (doubled|lost) .*$", re.MULTILINE)

    assert plain != run.terminal
    assert ["doubled", "lost"] == lines.findall(plain) == lines.findall(run.piped)
    assert "kill -9 of process" in " ".join(plain.split())
