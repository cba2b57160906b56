"""The ``sh`` blocks of README and docs/, run by a newcomer in a copy of the project."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tests.support.package_index import make_index
from tests.test_readme import PAGES, ROOT, blocks, name_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no sh")

#: Pages that are read together, each list in a new copy; repeated commands are run once.
SESSIONS = [
    ["README.md", "docs/start.md", "docs/sandbox.md"],
    ["docs/command-line.md"],
]

#: A command that runs until it is interrupted: once it has printed where it serves.
SERVER = "python -m customersms_async.sandbox"
PORT = 8025
SERVED = """
{command} >>served.txt &
until grep -q CUSTOMERSMS_ENDPOINT served.txt; do kill -0 $!; sleep 0.1; done
kill -TERM $!
wait $!
cat served.txt; rm served.txt
"""

#: A program that says which files are imported.
WHERE = "import customersms_async; print(customersms_async.__file__)"

#: The content of a copy: what building it and the two commands of the README need.
COPIED = [
    *("Makefile", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"),
    *("customersms_async", "examples", "tests"),
]


def commands(page: str) -> list[str]:
    """Return the commands of the ``sh`` blocks of a page."""
    texts = [text for kind, text in blocks(ROOT / page) if kind == "sh"]
    lines = [line.partition("#")[0].strip() for text in texts for line in text.splitlines()]
    return [line for line in lines if line]


def typed(command: str) -> str:
    """Return what is run for a command."""
    return SERVED.format(command=command) if command.startswith(SERVER) else command


def wait_for_the_port() -> None:
    """Wait until the sandbox's default port is free."""
    ends_at = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", PORT)):
                return
        assert time.monotonic() < ends_at, f"something serves on port {PORT}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Replace the package index, the only thing that is not on this machine."""
    folder = tmp_path_factory.mktemp("index") / "wheels"
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project = settings["project"]
    make_index(
        folder,
        *project["dependencies"],
        *project["optional-dependencies"]["cli"],
        *settings["build-system"]["requires"],
    )
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the project, as ``git clone`` would."""
    folder = tmp_path / "customersms-async"
    folder.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy(source, target)
    return folder


def environment(copy: Path, index: Path) -> dict[str, str]:
    """Return a newcomer's environment: this Python, a home, and the replaced index."""
    tools = copy.parent / "bin"
    tools.mkdir()
    (tools / "python3").write_text(
        f'#!/bin/sh\nexec {shlex.quote(str(Path(sys.executable).resolve()))} "$@"\n'
    )
    (tools / "python3").chmod(0o755)
    return {
        "PATH": os.pathsep.join([str(copy / ".venv" / "bin"), str(tools), os.environ["PATH"]]),
        "HOME": str(copy.parent),
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
        "PIP_NO_COMPILE": "1",
        # `make test` runs part of the suite, since this test belongs to it.
        "PYTEST_ARGS": "tests/core/test_answer_time.py -p no:cacheprovider",
        "PROCESSES": "0",
    }


def run(words: list[str], folder: Path, variables: dict[str, str]) -> str:
    """Run a program and return all its output."""
    done = subprocess.run(
        words,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
        timeout=300,
    )
    assert 0 == done.returncode, done.stdout
    return done.stdout


@pytest.mark.parametrize("pages", SESSIONS, ids=lambda pages: pages[0])
def test_commands_work(pages: list[str], copy: Path, index: Path) -> None:
    """Each command succeeds; then the package is installed, and what was served could be used."""
    lines = list(dict.fromkeys(line for page in pages for line in commands(page)))
    variables = environment(copy, index)
    wait_for_the_port()
    said = run(["sh", "-ec", "\n".join(map(typed, lines))], copy, variables)
    where = run(["python", "-c", WHERE], copy.parent, variables)

    assert str(copy / ".venv") in where
    served = sum(line.startswith(SERVER) for line in lines)
    for wanted in (r"^Inbox +http://", "^export CUSTOMERSMS_API_KEY=", "^export CUSTOMERSMS_END"):
        assert served == len(re.findall(wanted, said, re.MULTILINE)), said
    if "make test" in lines:
        assert re.search(r"^\d+ passed in", said, re.MULTILINE), said
    if "customersms --install-completion" in lines:
        assert "customersms" in (copy.parent / ".bashrc").read_text()


def test_every_page_with_commands_is_tested() -> None:
    """No page has an ``sh`` block that is not run."""
    assert {name_of(page) for page in PAGES if commands(name_of(page))} == {
        page for pages in SESSIONS for page in pages
    }
