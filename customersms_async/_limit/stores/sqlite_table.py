"""
What a file store keeps in its file, by SQLite; for one thread.

Rules of this module:

1. Each call is one transaction. Reads too take the lock for writing first, and the clock is read
   under the lock, so the calls of all processes happen one after the other.
2. The clock runs on while the machine sleeps and starts again when it boots, so the boot is part of
   the run. So is the file's inode: a file that was deleted or replaced is another store.
3. A commit reaches the operating system, not the disk, which may be slow. It outlasts a process
   that is killed. A power cut may take the last commits; so after a boot, the run begins when what
   was sent before it counts no more.
4. After any error the file is closed, which rolls back; the next call opens it again.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import define, field

from ..._ports.store import TIMEOUT, Seen, Swap
from .boot_clock import boot, file_id, now
from .memory import in_time

__all__ = ["Database"]

#: Seconds to wait for other processes; less than the time-out, so that the error names the lock.
_PATIENCE: Final = 0.8 * TIMEOUT

_SET_UP: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS run (boot TEXT, inode TEXT, began REAL NOT NULL, since REAL NOT NULL);
CREATE TABLE IF NOT EXISTS held (account TEXT PRIMARY KEY, value BLOB NOT NULL, token BLOB NOT NULL)
"""


@define(eq=False)
class Database:
    """The file, which is opened by the first call; for the arguments, see `FileStore`."""

    _path: Path
    _settled: float
    _opened: sqlite3.Connection | None = field(init=False, default=None)
    _inode: str = field(init=False, default="")

    def read(self, account: str) -> Seen:
        """Return what is held; see `Store.read`."""
        with self._transaction() as opened:
            return self._seen(opened, account)

    def swap(self, account: str, base: Seen, value: bytes, within: float | None) -> Swap:
        """Replace what is held, if it is still what *base* shows; see `Store.swap`."""
        with self._transaction() as opened:
            seen = self._seen(opened, account)
            same = (seen.run, seen.token) == (base.run, base.token)
            done = same and in_time(base, seen.now, within)
            if done:
                row = (account, value, os.urandom(16))
                opened.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?)", row)
            return Swap(done, self._seen(opened, account))

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        try:
            opened = self._open()
            opened.execute("BEGIN IMMEDIATE")
            yield opened
            opened.execute("COMMIT")
        except BaseException:
            self.close()
            raise

    def _open(self) -> sqlite3.Connection:
        inode = file_id(self._path)
        if self._opened is None or inode != self._inode:
            self.close()
            self._opened = sqlite3.connect(
                self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
            if not inode:
                self._path.chmod(0o600)  # while it is empty
            _set_up(self._opened)
            self._inode = file_id(self._path)
        return self._opened

    def _seen(self, opened: sqlite3.Connection, account: str) -> Seen:
        at = now()
        run, since = self._run(opened, at)
        held = opened.execute("SELECT value, token FROM held WHERE account = ?", (account,))
        value, token = held.fetchone() or (None, b"")
        return Seen(value, token, at, run, since)

    def _run(self, opened: sqlite3.Connection, at: float) -> tuple[str, float]:
        """Return the run and its beginning; begin another one where it has ended."""
        this_boot, since = boot(), at
        stored = opened.execute("SELECT boot, inode, began, since FROM run").fetchone()
        if stored is not None:
            # A clock that is behind the beginning of the run was started again with the machine.
            if stored[0] != this_boot or stored[2] > at:
                since = max(at, self._settled)
            elif stored[1] == self._inode:
                return f"{this_boot} {self._inode} {stored[2]!r}", stored[3]
        opened.execute("DELETE FROM run")
        row = (this_boot, self._inode, at, since)
        opened.execute("INSERT INTO run VALUES (?, ?, ?, ?)", row)
        return f"{this_boot} {self._inode} {at!r}", since


def _set_up(opened: sqlite3.Connection) -> object:
    """Make the tables; other processes may be doing the same."""
    ends_at = time.monotonic() + _PATIENCE
    while True:
        try:
            return opened.executescript(_SET_UP)
        except sqlite3.OperationalError:
            # Connections that change the mode at once fail instead of waiting for each other.
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.005)
