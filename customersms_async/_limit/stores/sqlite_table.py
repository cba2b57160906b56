"""The tables of a file store: the run, and a value for each account; for one thread."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from attrs import astuple

from ..._clock import boot_id, boot_time
from ..._ports.store import Seen, Swap
from .file_run import Run, run_at
from .sqlite_file import SqliteFile

__all__ = ["Database"]

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS run (boot TEXT, inode TEXT, began REAL NOT NULL, since REAL NOT NULL);
CREATE TABLE IF NOT EXISTS held (account TEXT PRIMARY KEY, value BLOB NOT NULL, token BLOB NOT NULL)
"""


class Database:
    """The values of all accounts; for the arguments, see `FileStore`."""

    def __init__(self, path: Path, settled: float) -> None:
        self._file = SqliteFile(path, _TABLES)
        self._settled = settled

    def read(self, account: str) -> Seen:
        """See `Store.read`."""
        with self._file.transaction() as opened:
            return self._seen(opened, account)

    def swap(self, account: str, base: Seen, value: bytes, within: float | None) -> Swap:
        """See `Store.swap`."""
        with self._file.transaction() as opened:
            seen = self._seen(opened, account)
            is_same = (seen.run, seen.token) == (base.run, base.token)
            done = is_same and (within is None or 0 <= seen.now - base.now <= within)
            if done:
                row = (account, value, os.urandom(16))
                opened.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?)", row)
            return Swap(done, self._seen(opened, account))

    def close(self) -> None:
        """Close the file, if it is open."""
        self._file.close()

    def _seen(self, opened: sqlite3.Connection, account: str) -> Seen:
        at = boot_time()  # under the lock, so that the instants of all processes are in order
        run = self._run(opened, at)
        held = opened.execute("SELECT value, token FROM held WHERE account = ?", (account,))
        value, token = held.fetchone() or (None, b"")
        return Seen(value, token, at, run.name, run.since)

    def _run(self, opened: sqlite3.Connection, at: float) -> Run:
        """Return the run; begin a new one if it has ended."""
        row = opened.execute("SELECT boot, inode, began, since FROM run").fetchone()
        stored = None if row is None else Run(*row)
        run = run_at(at, stored, boot_id(), self._file.inode, self._settled)
        if run is not stored:
            opened.execute("DELETE FROM run")
            opened.execute("INSERT INTO run VALUES (?, ?, ?, ?)", astuple(run))
        return run
