"""
Which database failures are temporary, and what to do about the others. Pure.

Rules of this module:

1. A failure that may be gone on the next try means "unavailable": connections, shutdowns, restarts,
   full disks, locks, conflicting transactions. Any other is an error that names its cure at once.
2. A database's message is repeated only if it names tables, files or rights. Others may quote a
   row, with its number and its text.

Codes of PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html
Codes of SQLite: https://www.sqlite.org/rescode.html
"""

from __future__ import annotations

from typing import Final

from .errors import OutboxError, OutboxUnavailable

__all__ = ["WRONG_URL", "from_postgres", "from_sqlite"]

#: 08 connections, 40 conflicts, 53 resources, 57 shutdowns and cancelled statements, 58 the disk;
#: a server that became a standby; transactions, statements and locks that took too long; a
#: statement that was prepared before a migration.
_PASSES: Final = ("08", "40", "53", "57", "58", "25006", "25P03", "25P04", "55P03", "0A000")
_DROPPED: Final = "57P04"

#: The class of errors about configuration; here also of what asyncpg finds wrong in a URL.
WRONG_URL: Final = "F0"

#: Classes whose messages quote no row: sign-in, name of the database, syntax and rights.
_SAFE: Final = ("28", "3D", "3F", "42", "57", WRONG_URL)

#: BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL.
_SQLITE_PASSES: Final = frozenset([5, 6, 7, 9, 10, 13, 14, 15])

_RESTORE: Final = (
    "its tables were changed or dropped by hand: restore them (outbox.schema() gives their SQL), "
    "or use another prefix for the outbox"
)
_NO_SCHEMA: Final = (
    "the search_path of the URL's user names no schema that it may use: create one, grant the user "
    "USAGE and CREATE on it, or set another search_path"
)
_SETTINGS: Final = (
    "check what stands behind the ? in the URL: settings of asyncpg, such as sslmode, and of the "
    "server; other settings of libpq, such as connect_timeout, are unknown to both"
)
_SIGN_IN: Final = "check user, password and name of the database in the URL"
_POOL_BY_SESSION: Final = (
    "the URL leads to a pooler that hands each transaction another connection, such as PgBouncer: "
    "use one that pools by session, or connect to the server itself"
)
_REPORT: Final = "this is a bug in the outbox or its database: keep a copy of both, and report it"

_POSTGRES_CURES: Final = {
    "28": _SIGN_IN,
    "3D": _SIGN_IN,
    "57P04": _SIGN_IN,
    "42704": _SETTINGS,
    WRONG_URL: _SETTINGS,
    "42501": "grant the user of the URL the rights on the outbox's tables, and on their schema",
    "26000": _POOL_BY_SESSION,
    "42P05": _POOL_BY_SESSION,
    "42": _RESTORE,
    "3F": _NO_SCHEMA,
}

#: ERROR (SQL), PERM, READONLY, CORRUPT, NOTADB.
_SQLITE_CURES: Final = {
    1: _RESTORE,
    3: "let this user read and write the file and its folder",
    8: "let this user write to the file and its folder",
    11: "the file is damaged: put a backup in its place, and call outbox.adopt()",
    26: "the file is damaged, or no database: put a backup in its place, or choose another path",
}


def from_postgres(kind: str, code: str, said: str) -> OutboxError:
    """
    Return the error to raise for one of PostgreSQL's.

    Args:
        kind: The name of its class.

        code: Its SQLSTATE; empty if the connection failed.

        said: Its message, without the detail.
    """
    if code != _DROPPED and (not code or code.startswith(_PASSES)):
        return OutboxUnavailable(f"the outbox's database is unavailable ({kind}: {said})")
    words = f"{kind}: {said}" if code.startswith(_SAFE) else f"{kind}, SQLSTATE {code}"
    cures = (_POSTGRES_CURES.get(code[:size]) for size in (5, 2))
    cure = next(filter(None, cures), _REPORT)
    return OutboxError(f"the outbox's database refused a statement ({words}); {cure}")


def from_sqlite(kind: str, code: int | None, said: str) -> OutboxError:
    """
    Return the error to raise for one of SQLite's.

    Args:
        kind: The name of its class.

        code: Its extended result code; None for an error of the sqlite3 module itself.

        said: Its message, which names tables and columns, and never quotes a row.
    """
    primary = None if code is None else code & 0xFF
    if primary in _SQLITE_PASSES:
        return OutboxUnavailable(f"the outbox's database file cannot be used ({kind}: {said})")
    cure = _SQLITE_CURES.get(primary or 0, _REPORT)
    return OutboxError(f"the outbox's database file refused a statement ({kind}: {said}); {cure}")
