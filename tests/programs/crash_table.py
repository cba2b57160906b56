"""
Run the crash matrix, and write its table into docs/campaigns.md.

    python -m tests.programs.crash_table
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.crash_notes import NOTES

PAGE = Path(__file__).parents[2] / "docs" / "campaigns.md"
TESTS = ["tests/outbox/test_crash.py", "tests/outbox/test_away_for_long.py"]
ENGINES = ("sqlite", "postgresql")

#: What happens to the process, by test; the parameters say where.
WORDS = {
    "test_killed_at_a_commit": "`kill -9`",
    "test_killed_at_a_grant": "`kill -9` after the limiter's grant of request",
    "test_killed_while_the_gateway_has_the_request": "`kill -9` when the gateway had",
    "test_killed_while_answers_are_lost": "every fourth answer lost, `kill -9`",
    "test_stopped_beyond_its_lease": "stopped across its lease",
    "test_stopped_while_the_answer_comes": "stopped while the answer came",
    "test_three_processes_share_one_campaign": "one of three processes killed",
    "test_a_file_that_another_process_has_locked": "database locked for 10 s",
    "test_a_server_that_is_unavailable": "server away for 10 s:",
}


POINTS = {
    "received": "the request",
    "done": "carried it out",
    "kill start": "ended, and started again",
    "freeze thaw": "it stood still",
    "after start 1": "after the first commit",
    "before end worker 1": "before the last commit",
}
#: Which claim, fence or settlement of a run.
TURNS = {"1": "the first", "3": "the third"}


def table(notes: list[dict[str, object]]) -> str:
    """Draw one row for each cell, with what is unknown at the end on each database."""
    cells: dict[str, dict[str, dict[str, object]]] = {}
    for counted in notes:
        name, _, options = str(counted["test"]).partition("[")
        points = options.rstrip("]").split("-")
        engine = points.pop(0) if points[0] in ENGINES else "postgresql"
        if "locked" in name:
            engine = "sqlite"
        point = " ".join(" ".join(points).replace("_", " ").split())
        what = f"{WORDS[name]} {POINTS.get(point) or _in_words(point)}".strip()
        cells.setdefault(what, {})[engine] = counted
    lines = ["| what happened | SQLite: unknown | PostgreSQL: unknown | sent twice | lost |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for what, found in cells.items():
        shown = [str(found[engine]["unknown"]) if engine in found else "–" for engine in ENGINES]
        sums = [sum(int(str(c[word])) for c in found.values()) for word in ("doubled", "lost")]
        lines.append(f"| {what} | {' | '.join([*shown, *map(str, sums)])} |")
    return "\n".join(lines)


def _in_words(point: str) -> str:
    """Turn ``before claim 3`` into ``before the third claim``."""
    found = re.fullmatch(r"(before|after) (\w+) (\d)", point)
    return point if found is None else f"{found[1]} {TURNS[found[3]]} {found[2]}"


def main() -> int:
    """Run the tests; write the table where they pass."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "notes")
        command = [sys.executable, "-m", "pytest", "-q", *TESTS]
        done = subprocess.run(command, env=os.environ | {NOTES: str(file)}, check=False)
        notes = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    page = PAGE.read_text("utf-8")
    between = re.compile(r"(?<=<!-- crashes -->\n\n).*?(?=\n\n<!-- end -->)", re.DOTALL)
    if done.returncode == 0:
        PAGE.write_text(between.sub(lambda _: table(notes), page), "utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
