"""Fixtures for the tests of the command line."""

import pytest

from customersms_async.cli import main


@pytest.fixture
def memory_of_the_limit(tmp_path_factory, monkeypatch):
    """Keep the limiter's file of subprocesses out of the user's home."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture
def run(capsys):
    """Run a command line in this process; return its status and the lines of both streams."""

    def run_main(*words):
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.splitlines()

    return run_main
