"""Login codes in a SQLite file shared by all workers of a machine; your own database works too."""

from __future__ import annotations

import hmac
import secrets
import sqlite3
import time
from pathlib import Path

LIFE = 300.0  # seconds for which a code is valid
TRIES = 5  # wrong answers after which a code is invalid


class LoginCodes:
    """
    One code per number, valid for five minutes and five tries; each works once.

    Args:
        path: The file; created if missing.
    """

    def __init__(self, path: Path = Path("login-codes.db")) -> None:
        # Each call is one statement, so that threads can share the connection.
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS codes"
            " (phone TEXT PRIMARY KEY, code TEXT, tries INTEGER, ends REAL)"
        )

    def make(self, phone: str) -> str:
        """Make a code for a number; an earlier one becomes invalid."""
        code = f"{secrets.randbelow(10**6):06}"
        row = (phone, code, TRIES, time.time() + LIFE)
        self._database.execute("INSERT OR REPLACE INTO codes VALUES (?, ?, ?, ?)", row)
        return code

    def check(self, phone: str, given: str) -> bool:
        """Return whether this is the code of the number, and use it up."""
        found = self._database.execute(
            "UPDATE codes SET tries = tries - 1 WHERE phone = ? AND tries > 0 AND ends > ?"
            " RETURNING code",
            (phone, time.time()),
        ).fetchall()
        if not found or not hmac.compare_digest(found[0][0].encode(), given.encode()):
            return False
        gone = self._database.execute("DELETE FROM codes WHERE phone = ? RETURNING phone", (phone,))
        return bool(gone.fetchall())  # of two right answers at once, only one counts

    def close(self) -> None:
        """Close the file."""
        self._database.close()
