"""The README's programs run as printed, and print what it says."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.readme import filled
from customersms_async.sandbox import Sandbox
from tests.support.store import StoreServer

README = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


async def run(program: str, endpoint: str, store: str) -> str:
    """Run *program* as a newcomer would, and give what it printed."""
    environment = {
        **os.environ,
        "REDIS_URL": store,
        "CUSTOMERSMS_API_KEY": "cspro_readme",
        "CUSTOMERSMS_ENDPOINT": endpoint,
        "PYTHONUTF8": "1",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", program),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert err.decode() == ""
    return out.decode()


@pytest.fixture
def store() -> Iterator[StoreServer]:
    """Make a server for the program that shares its limit."""
    server = StoreServer()
    yield server
    server.close()


async def test_programs_print_what_is_shown(store: StoreServer) -> None:
    """Each program of the README prints exactly the text below it, with all warnings as errors."""
    shown, printed = [], []
    async with Sandbox(keys={"cspro_readme": 10_000}) as sandbox:
        store.start()
        for (kind, program), (_, text) in pairwise(BLOCKS):
            if kind == "python":
                shown.append(text)
                printed.append(await run(program, sandbox.endpoint, store.url))

    assert shown == printed


def test_every_program_shows_its_output() -> None:
    """No program of the README stands without the text that it prints."""
    kinds = [kind for kind, _ in BLOCKS]

    assert kinds.count("python") == kinds.count("text") > 0
    assert all(kinds[i + 1] == "text" for i, kind in enumerate(kinds) if kind == "python")


def test_figures_are_those_of_the_result_files() -> None:
    """Each table of figures stands in a result file, row by row."""
    assert README == filled(README)
    assert 7 == README.count("<!-- results ")


def test_first_screen() -> None:
    """The README shows a program by its line 25, and both commands before it."""
    head = "\n".join(README.splitlines()[:25])

    assert "import asyncio" in head
    assert "make demo" in head
    assert "make test" in head
