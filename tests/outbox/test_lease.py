"""Which processes are gone, and which clock leases use."""

import os
import subprocess
import sys
import time

import pytest

from customersms_async.outbox import _lease


@pytest.fixture
def child():
    """Start a process that does nothing."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate()


def name_of(pid):
    """Return the name of a process, as the process itself would."""
    home = _lease.this_process().rsplit(" ", 2)[0]
    return f"{home} {pid} {_lease._started_at(pid)}"


def test_this_process_is_not_gone():
    """The current process is not gone."""
    assert not _lease.is_gone(_lease.this_process())


def test_a_process_that_was_killed_is_gone(child):
    """A killed process is gone as soon as it is dead, even before it was waited for."""
    name = name_of(child.pid)
    before = _lease.is_gone(name)

    child.kill()
    while not _lease.is_gone(name):
        time.sleep(0.001)
    child.wait()

    assert (False, True) == (before, _lease.is_gone(name))


def test_a_pid_that_was_reused(child):
    """Processes with the same pid are distinguished by their start time."""
    home, pid, started_at = name_of(child.pid).rsplit(" ", 2)

    assert _lease.is_gone(f"{home} {pid} {int(started_at) - 1}")


def test_a_process_on_another_machine():
    """A process of another machine or without a name is never declared gone."""
    _, pid, started_at = _lease.this_process().rsplit(" ", 2)

    assert not _lease.is_gone(f"elsewhere {pid} {started_at}")
    assert not _lease.is_gone("")


def test_without_the_files_of_the_kernel(monkeypatch, tmp_path):
    """Without /proc a process has no name, and the clock has a coarse one."""
    monkeypatch.setattr(_lease, "_PROC", tmp_path)
    monkeypatch.setattr(_lease, "boot_id", lambda: "")
    _lease._boot_name.cache_clear()
    try:
        assert "" == _lease.this_process()
        assert _lease.machine_clock()[0].startswith("about ")
    finally:
        _lease._boot_name.cache_clear()


def test_what_another_process_has_opened_is_refused():
    """Only the process itself passes."""
    _lease.check_process(os.getpid())

    with pytest.raises(RuntimeError, match="open one in the child"):
        _lease.check_process(os.getppid())
