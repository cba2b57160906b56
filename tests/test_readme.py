"""The programs in README and docs/ run as printed, and print what is shown."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks import prose
from benchmarks.pages import PAGES as PAGES_WITH_FIGURES
from benchmarks.pages import filled
from customersms_async.sandbox import Sandbox
from tests.support.redis_server import RedisServer

ROOT = Path(__file__).parents[1]
README = ROOT.joinpath("README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the code blocks of a page in order, with their languages."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


async def run(program: str, folder: Path, endpoint: str, store: str) -> str:
    """Run *program* in a folder as a newcomer would, and return its output."""
    environment = {
        **os.environ,
        "REDIS_URL": store,
        "CUSTOMERSMS_API_KEY": "cspro_readme",
        "CUSTOMERSMS_ENDPOINT": endpoint,
        "PYTHONUTF8": "1",
        "PYTHONPATH": str(ROOT),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", program),
        env=environment,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert err.decode() == ""
    return out.decode()


@pytest.fixture
def store() -> Iterator[RedisServer]:
    """Start a server for the program with a shared limit."""
    server = RedisServer()
    yield server
    server.close()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
async def test_programs_print_what_is_shown(page: Path, store: RedisServer, tmp_path: Path) -> None:
    """Each program of a page prints exactly the text below it, with warnings as errors."""
    shown, printed = [], []
    async with Sandbox(keys={"cspro_readme": 10_000}) as sandbox:
        store.start()
        for (kind, program), (_, text) in pairwise([*blocks(page), ("", "")]):
            if kind == "python":
                shown.append(text)
                printed.append(await run(program, tmp_path, sandbox.endpoint, store.url))

    assert shown == printed


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_program_shows_its_output(page: Path) -> None:
    """Every program is followed by the text that it prints."""
    kinds = [kind for kind, _ in blocks(page)]

    assert kinds.count("python") == kinds.count("text")
    assert all(kinds[i + 1] == "text" for i, kind in enumerate(kinds) if kind == "python")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_have_a_target(page: Path) -> None:
    """Each relative link of a page names an existing file."""
    targets = [target for target, _ in LINK.findall(page.read_text(encoding="utf-8"))]

    assert [] == [target for target in targets if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES_WITH_FIGURES, ids=name_of)
def test_tables_of_figures_are_current(page: Path) -> None:
    """Each table of figures is in a result file, row by row."""
    text = page.read_text(encoding="utf-8")

    assert text == filled(text)
    assert "<!-- results " in text


@pytest.mark.parametrize("name", prose.PROSE_PAGES)
def test_figures_in_sentences_are_current(name: str) -> None:
    """Each figure in a sentence is that of its result file: `benchmarks.pages`."""
    text = (ROOT / name).read_text(encoding="utf-8")

    assert text == prose.filled(name, text)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_figure_has_a_source(page: Path) -> None:
    """A measured figure in a sentence comes from a result file or a listed source."""
    assert [] == prose.unsourced(name_of(page), page.read_text(encoding="utf-8"))


def test_a_figure_without_a_source_is_found() -> None:
    """A number with a unit of measurement is reported, except in code."""
    text = "It takes 7 µs,\nor 8\n% of it.\n```text\n9 bytes.\n```\n"

    assert ["7 µs", "8 %"] == prose.unsourced("docs/new.md", text)


def test_sources_of_other_figures_exist() -> None:
    """The listed sources exist, and each figure is on its page."""
    for (page, figure), holder in prose.HELD.items():
        assert (ROOT / holder).exists()
        assert figure in " ".join((ROOT / page).read_text(encoding="utf-8").split())


def test_first_screen() -> None:
    """The README shows a program by line 25, after both commands."""
    head = "\n".join(README.splitlines()[:25])

    assert "import asyncio" in head
    assert "make demo" in head
    assert "make test" in head


def test_the_readme_is_short() -> None:
    """The README has at most 200 lines; the rest is in docs/."""
    assert 200 >= len(README.splitlines())
