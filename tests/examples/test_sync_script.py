"""The example of a script without an event loop, as users run it."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARGUMENTS = ("numbers.csv", "results.csv", "We open at nine")


def run(
    folder: Path, content: str
) -> tuple[subprocess.CompletedProcess[str], list[dict[str, str]]]:
    """Run the script on a file; return its exit status, and the rows that it wrote."""
    folder.joinpath("numbers.csv").write_text(content, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / "sync_script.py", *ARGUMENTS],
        capture_output=True,
        check=False,
        cwd=folder,
        encoding="utf-8",
        timeout=60,
    )
    with folder.joinpath("results.csv").open(encoding="utf-8-sig", newline="") as lines:
        return done, list(csv.DictReader(lines))


def test_it_sends_to_each_number(sms_sandbox, tmp_path):
    """Each number of the file gets the text once, and its row says so."""
    done, rows = run(tmp_path, "name,phone\nAda,+12125550001\nBen,+12125550002\n")

    assert (0, "", 2) == (done.returncode, done.stderr, len(rows))
    assert {"sent"} == {row["status"] for row in rows}
    assert ["We open at nine"] * 2 == [message.text for message in sms_sandbox.messages]
    assert "2 sent, 0 rejected" in done.stdout


@pytest.mark.parametrize(
    ("content", "status", "statuses"),
    [
        ("phone\n+12125550001\nnonsense\n", 1, ["sent", "not_sent"]),
        ("number\n+12125550001\n", 2, []),
    ],
)
def test_invalid_files(sms_sandbox, tmp_path, content, status, statuses):
    """A bad number or a missing column is shown in the exit status."""
    done, rows = run(tmp_path, content)

    assert (status, statuses) == (done.returncode, [row["status"] for row in rows])
    assert statuses.count("sent") == len(sms_sandbox.messages)
