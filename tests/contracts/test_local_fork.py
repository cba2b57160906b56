"""`LocalLimiter` in forked children; the forks happen in a separate program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no fork")


def run(part):
    """Run a part of the program; return its exit code and its stderr."""
    command = [sys.executable, "-W", "error", "-m", "tests.support.fork_program", part]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stderr


def test_a_child_can_be_forked_at_any_time():
    """After each of a hundred forks beside busy threads, child and parent keep the limit."""
    assert (0, "") == run("hammer")


def test_a_child_can_be_forked_under_the_lock():
    """A fork during a grant, as by a signal handler, causes no deadlock."""
    assert (0, "") == run("within")


def test_a_child_inherits_busy_slots_and_pauses():
    """A child knows its parent's busy slots and pause, with their times."""
    assert (0, "") == run("instants")


def test_a_child_inherits_no_burst():
    """Tokens that the parent used are not available to the child."""
    assert (0, "") == run("pace")


def test_a_child_ignores_the_loops_of_its_parent():
    """A child does not count its parent's waiters, and wakes none of them."""
    assert (0, "") == run("loops")
