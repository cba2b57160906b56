"""Login codes in a SQLite file that all workers of a machine share; your database does as well."""

from __future__ import annotations

import hmac
import secrets
import sqlite3
import time
from pathlib import Path

LIFE = 300.0  # seconds for which a code works
TRIES = 5  # wrong answers after which a code is void


class LoginCodes:
    """
    One code a number, for five minutes and five tries; each works once.

    Args:
        path: The file, which is made where there is none.
    """

    def __init__(self, path: Path = Path("login-codes.db")) -> None:
        # Each call is one statement, so that threads can share the connection.
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS codes"
            " (phone TEXT PRIMARY KEY, code TEXT, tries INTEGER, ends REAL)"
        )

    def make(self, phone: str) -> str:
        """Make a code for a number; an earlier one is void."""
        code = f"{secrets.randbelow(10**6):06}"
        row = (phone, code, TRIES, time.time() + LIFE)
        self._database.execute("INSERT OR REPLACE INTO codes VALUES (?, ?, ?, ?)", row)
        return code

    def check(self, phone: str, given: str) -> bool:
        """Say whether this is the code of the number, and use it up."""
        found = self._database.execute(
            "UPDATE codes SET tries = tries - 1 WHERE phone = ? AND tries > 0 AND ends > ?"
            " RETURNING code",
            (phone, time.time()),
        ).fetchall()
        if not found or not hmac.compare_digest(found[0][0].encode(), given.encode()):
            return False
        gone = self._database.execute("DELETE FROM codes WHERE phone = ? RETURNING phone", (phone,))
        return bool(gone.fetchall())  # of two right answers at once, one is let in

    def close(self) -> None:
        """Close the file."""
        self._database.close()
