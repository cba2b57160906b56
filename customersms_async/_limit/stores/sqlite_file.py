"""
A SQLite file that several processes use, any of which may be killed; for one thread.

Rules of this module:

1. Each call is one transaction. Reads take the write lock too, so the calls of all processes happen
   one after the other.
2. A commit reaches the operating system, not the disk, which may be slow. It survives a killed
   process, but perhaps not a power cut.
3. After any error the file is closed, which rolls back; the next call opens it again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import define, field

from ..._ports.store import TIMEOUT
from .file_run import file_id

__all__ = ["SqliteFile"]

#: Seconds to wait for the lock; less than the time-out, so that the error names it.
_PATIENCE: Final = 0.8 * TIMEOUT

_MODE: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
"""


@define(eq=False)
class SqliteFile:
    """
    The file; opened by the first call, and again if another file has replaced it.

    Args:
        path: The file, created if missing.

        tables: Statements that create its tables if missing.

    Attributes:
        inode: Device and inode of the open file; "" before the first call.
    """

    _path: Path
    _tables: str
    inode: str = field(init=False, default="")
    _opened: sqlite3.Connection | None = field(init=False, default=None)

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Hold the write lock, and commit unless the block raises."""
        try:
            opened = self._open()
            opened.execute("BEGIN IMMEDIATE")
            yield opened
            opened.execute("COMMIT")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _open(self) -> sqlite3.Connection:
        inode = file_id(self._path)
        if self._opened is None or inode != self.inode:
            self.close()
            self._opened = sqlite3.connect(
                self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
            if not inode:
                self._path.chmod(0o600)  # while it is empty
            _set_up(self._opened, _MODE + self._tables)
            self.inode = file_id(self._path)
        return self._opened


def _set_up(opened: sqlite3.Connection, statements: str) -> object:
    """Run *statements*, retrying while other processes do the same."""
    ends_at = time.monotonic() + _PATIENCE
    while True:
        try:
            return opened.executescript(statements)
        except sqlite3.OperationalError:
            # Connections that change the mode at the same time fail instead of waiting.
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.005)
