"""The sessions in docs/command-line.md print what is shown there."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from customersms_async.cli.exits import Exit
from customersms_async.sandbox import Sandbox

PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"
TEXT = PAGE.read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


async def session(block: str, folder: Path, endpoint: str) -> str:
    """Type the commands of a block, and return what is on the screen afterwards."""
    screen = ""
    for line in block.splitlines():
        if line.startswith("$ customersms "):
            words = shlex.split(line)[2:]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "customersms_async", *words),
                cwd=folder,
                env={
                    **os.environ,
                    "CUSTOMERSMS_API_KEY": "cspro_page",
                    "CUSTOMERSMS_ENDPOINT": endpoint,
                    "PYTHONPATH": os.pathsep.join([str(PAGE.parents[1]), *sys.path]),
                    "PYTHONUTF8": "1",
                    "XDG_STATE_HOME": str(folder / "state"),
                },
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            out, _ = await process.communicate()
            screen += f"{line}\n{out.decode()}"
    return screen


@pytest.mark.parametrize("number", range(len(blocks("console"))))
async def test_sessions_show_what_is_printed(tmp_path: Path, number: int) -> None:
    """Each session shows what the commands print."""
    shown = blocks("console")[number]
    (tmp_path / "people.csv").write_text(blocks("csv")[0], "utf-8")
    async with Sandbox(keys={"cspro_page": 10_000}) as sandbox:
        screen = await session(shown, tmp_path, sandbox.endpoint)

    assert shown == screen


def test_all_exit_statuses_are_listed() -> None:
    """The table has every exit status, and no others."""
    listed = re.findall(r"^\| (\d+) \|", TEXT, flags=re.MULTILINE)

    assert [str(int(one)) for one in Exit] == listed
