"""The example of a campaign, run as a user would: killed, interrupted, and run again."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.outbox_gateway import KEY, Ledger

ROOT = Path(__file__).parents[2]

PEOPLE = """\
Name;Phone
Ann;+1 (212) 555-0001
Bob;0012125550002

Cid;212 555 0003
Dee;+12125550004
Dee;+12125550004
Eve;+12125550005
Fay;="+12125550006"
Gus;
Hal;+12125550007
"""


async def run(ledger, folder):
    """Start the program."""
    environment = os.environ | {
        "CUSTOMERSMS_API_KEY": KEY,
        "CUSTOMERSMS_ENDPOINT": ledger.endpoint,
        "PYTHONPATH": str(ROOT),
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "examples" / "campaign.py"),
        "people.csv",
        "result.csv",
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.slow
async def test_killed_interrupted_and_run_again(tmp_path):
    """Each of 6 people got one message or is unknown; a duplicate and 2 bad rows got none."""
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="cp1252")
    signs = {2: signal.SIGKILL, 4: signal.SIGINT}
    running = []

    async def strike(point, number):
        if point == "received" and number in signs:
            running[-1].send_signal(signs[number])

    async with Ledger(strike, takes=0.1) as ledger:
        said = []
        for _ in range(3):
            running.append(await run(ledger, tmp_path))
            said.append(await running[-1].communicate())

    assert -signal.SIGKILL == running[0].returncode
    assert 0 == running[2].returncode, said[2][1].decode()
    assert "0 queued, 9 known" == said[2][0].decode().splitlines()[0]
    with (tmp_path / "result.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["ref"]: row for row in csv.DictReader(file)}
    assert {1} == set(ledger.sent.values())
    by_status = {status: [] for status in ("sent", "unknown", "not_sent")}
    for row in rows.values():
        by_status[row["status"]].append(row["phone"].strip("'"))
    sent, unknown, not_sent = by_status.values()
    assert (9, 3) == (len(rows), len(not_sent))
    assert 6 == len(ledger.sent.keys() | unknown)  # one may have been killed before its first byte
    assert ledger.sent.keys() >= set(sent)
    assert 3 >= len(unknown)  # those in flight at the second signal
