"""The identity of a database file."""

import ctypes
from types import SimpleNamespace

import pytest

from customersms_async.outbox._file_identity import name_file


def test_a_file_has_one_identity(tmp_path):
    """It stays the same when the file is written to or renamed."""
    path = tmp_path / "a.db"
    path.write_bytes(b"one")
    before = name_file(str(path))
    path.write_bytes(b"two")
    path.rename(tmp_path / "b.db")

    assert before == name_file(str(tmp_path / "b.db"))


def test_a_missing_file_has_none(tmp_path):
    """The error is that of the system."""
    with pytest.raises(FileNotFoundError):
        name_file(str(tmp_path / "a.db"))


@pytest.mark.parametrize(
    "library",
    [
        SimpleNamespace(),
        SimpleNamespace(statx=lambda *_: -1),
        SimpleNamespace(statx=lambda *_: 0),
    ],
    ids=["no statx", "statx fails", "no time of birth"],
)
def test_without_a_time_of_birth(tmp_path, monkeypatch, library):
    """Where the system does not tell it, the inode alone is the identity."""
    path = tmp_path / "a.db"
    path.touch()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)

    assert f"inode {path.stat().st_ino}" == name_file(str(path))
