"""
The session in docs/evening.md, repeated with shorter lists in three other types of file.

``CUSTOMERSMS_RECORD=1`` writes the screen's content into the page.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from customersms_async.cli.exits import Exit
from tests.support.commands import wait_for
from tests.support.messy_lists import messy_rows, write_as

PAGE: Final = Path(__file__).parents[1] / "docs" / "evening.md"
TEXT: Final = '--text "Hi {name}, we meet on {day}"'
MINE: Final = "+12025550199"

#: What differs from run to run: in a line that begins with this, and everywhere.
IN_A_LINE: Final = re.compile(
    r"^(waiting for .*|goes on: .*|[\d,]+ sent, .* [1-9][\d,]* waiting.*)$", re.MULTILINE
)
ANYWHERE: Final = re.compile(
    r"msg_\d+|,[0-9a-f]{6}-\d+,|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+00:00(,\d*,\d+(?=\n))?|"
    r"[\d,]+ credits left"
)
NUMBER: Final = re.compile(r"\d[\d,]*")


def same(screen: str) -> str:
    """Replace what differs from run to run by N."""
    screen = IN_A_LINE.sub(
        lambda line: NUMBER.sub("N", line[0]).replace("answers", "answer"), screen
    )
    return ANYWHERE.sub("N", screen)


class Terminal:
    """What a user types, and what is on the screen afterwards."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.screen = ""
        self.statuses: list[int] = []
        self._folder = folder
        self._environment = environment

    def type(self, line: str, interrupted_when: Callable[[], bool] | None = None) -> str:
        """Type a command, press Ctrl-C once a condition holds, and return the output."""
        process = subprocess.Popen(
            [sys.executable, "-m", "customersms_async", *shlex.split(line)[1:]],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        if interrupted_when is not None:
            thread = threading.Thread(target=wait_for, args=(interrupted_when, 60))
            thread.start()
            thread.join()
            process.send_signal(signal.SIGINT)
        shown, _ = process.communicate(timeout=120)
        if interrupted_when is not None:
            shown = re.sub("^(?=waiting for )", "^C\n", shown, flags=re.MULTILINE)
        self.screen += f"$ {line}\n{shown}"
        self.statuses.append(process.returncode)
        return shown

    def look_at(self, name: str) -> None:
        """Show the first rows of a table."""
        rows = (self._folder / name).read_text("utf-8-sig").splitlines()[:4]
        self.screen += "\n".join([f"$ head -n 4 {name}", *rows, ""])


@pytest.mark.parametrize(
    ("kind", "rows"),
    [("utf-8-sig", 5_000), ("utf-16", 1_500), ("cp1252", 1_500), ("xlsx", 1_500)],
)
def test_an_evening(sms_sandbox, tmp_path: Path, kind: str, rows: int) -> None:
    """Check, try, confirm, interrupt, look, continue, export: no duplicates, no losses."""
    people = tmp_path / "people.csv"
    write_as(people, list(messy_rows(rows)), kind)
    terminal = Terminal(tmp_path, environment(sms_sandbox, tmp_path))

    seen = terminal.type(f"customersms check people.csv {TEXT}")
    token = seen.split()[-1]
    bulk = f"customersms bulk people.csv {TEXT}"
    terminal.type(f"{bulk} --test-to {MINE}")
    sms_sandbox.set_faults(latency="0.3")
    terminal.type(f"{bulk} --confirm {token}", lambda: len(sms_sandbox.messages) > rows / 6)
    sms_sandbox.clear_faults()
    terminal.type("customersms status people.csv")
    terminal.type(bulk)
    terminal.type("customersms export people.csv --out results.csv")
    terminal.look_at("results.csv")

    assert [Exit.PARTIAL, 0, Exit.INTERRUPTED, 0, Exit.PARTIAL, 0] == terminal.statuses
    compare(tmp_path, sms_sandbox, seen)
    if kind == "utf-8-sig":
        compare_with_the_page(terminal.screen)


def environment(sandbox, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "CUSTOMERSMS_API_KEY": sandbox.key,
        "CUSTOMERSMS_ENDPOINT": sandbox.endpoint,
        "PYTHONPATH": os.pathsep.join([str(PAGE.parents[1]), *sys.path]),
        "PYTHONUTF8": "1",
        "XDG_STATE_HOME": str(folder / "state"),
    }


def compare(folder: Path, sandbox, plan: str) -> None:
    """Compare the results with the plan, and with what the gateway accepted."""
    with (folder / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        delimiter = max(",;\t", key=header.count)
        file.seek(0)
        rows = list(csv.DictReader(file, delimiter=delimiter))
    fates = Counter(row["status"] for row in rows)
    found = re.search(r"^([\d,]+) messages, .* ([\d,]+) bad, ([\d,]+) doubles$", plan, re.MULTILINE)
    assert found is not None
    recipients, bad, doubles = (int(number.replace(",", "")) for number in found.groups())
    sent = Counter((m.phone, m.text) for m in sandbox.messages if m.phone != MINE)
    told = {row["message_id"] for row in rows if row["status"] == "sent"}

    assert {"sent": recipients, "not_sent": bad + doubles} == fates
    assert (recipients, {1}) == (len(sent), set(sent.values()))
    assert {m.message_id for m in sandbox.messages if m.phone != MINE} == told


def compare_with_the_page(screen: str) -> None:
    page = PAGE.read_text("utf-8")
    if os.environ.get("CUSTOMERSMS_RECORD"):
        head = page.partition("```console\n")[0]
        PAGE.write_text(f"{head}```console\n{screen}```\n", "utf-8")
        return
    shown = re.search(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert same(shown[1]) == same(screen)
