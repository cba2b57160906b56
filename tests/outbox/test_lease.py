"""Which processes are gone, and which clock the leases run on."""

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
    """Name a process as it names itself."""
    home = _lease.this_process().rsplit(" ", 2)[0]
    return f"{home} {pid} {_lease._started_at(pid)}"


def test_this_process_is_there():
    """It is not gone while it asks."""
    assert not _lease.is_gone(_lease.this_process())


def test_a_process_that_was_killed_is_gone(child):
    """As soon as it is dead, and also when it was not waited for."""
    name = name_of(child.pid)
    before = _lease.is_gone(name)

    child.kill()
    while not _lease.is_gone(name):
        time.sleep(0.001)
    child.wait()

    assert (False, True) == (before, _lease.is_gone(name))


def test_a_number_that_was_given_to_another_process(child):
    """The instant of its start tells two apart that have one number after the other."""
    home, pid, started_at = name_of(child.pid).rsplit(" ", 2)

    assert _lease.is_gone(f"{home} {pid} {int(started_at) - 1}")


def test_of_another_machine_nothing_is_known():
    """Only its lease tells; and so it is where the system has no names."""
    _, pid, started_at = _lease.this_process().rsplit(" ", 2)

    assert not _lease.is_gone(f"elsewhere {pid} {started_at}")
    assert not _lease.is_gone("")


def test_where_the_system_tells_nothing(monkeypatch, tmp_path):
    """Without the kernel's files there is no name, and the clock has a coarse one."""
    monkeypatch.setattr(_lease, "_PROC", tmp_path)
    monkeypatch.setattr(_lease, "_BOOT_ID", tmp_path / "boot_id")
    _lease._boot_name.cache_clear()
    try:
        assert "" == _lease.this_process()
        assert _lease.machine_clock()[0].startswith("about ")
    finally:
        _lease._boot_name.cache_clear()


def test_the_clock_goes_on():
    """It is that of the machine, in seconds."""
    before = _lease.boot_time()

    assert 0 <= _lease.boot_time() - before < 5
