"""`LocalLimiter` in forked children: real forks, each in a separate program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no fork")


def run(part):
    """Run a part of the program; give its exit code and what it complains of."""
    command = [sys.executable, "-W", "error", "-m", "tests.support.fork_program", part]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stderr


def test_a_child_may_be_forked_at_any_instant():
    """A hundred forks beside busy threads: each child grants what is left, the parent goes on."""
    assert (0, "") == run("hammer")


def test_a_child_may_be_forked_under_the_lock():
    """A fork in the midst of a grant, as a signal may do it, locks nobody out."""
    assert (0, "") == run("within")


def test_a_child_knows_what_its_parent_knew():
    """Busy slots and a pause go into the child as instants."""
    assert (0, "") == run("instants")


def test_a_child_has_no_burst_of_its_own():
    """Tokens that the parent has drawn are not there for the child."""
    assert (0, "") == run("pace")


def test_a_child_leaves_the_loops_of_its_parent_alone():
    """Waiters of the parent are not counted in the child, and what ends there wakes none."""
    assert (0, "") == run("loops")
