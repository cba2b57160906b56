"""Bring the tables up to date: one transaction, on any engine. Pure."""

from __future__ import annotations

from .errors import OutboxError
from .job import Change, Insert, Job, Query
from .schema import MIGRATIONS, VERSION, statements

__all__ = ["migrate", "read_meta", "write_meta"]


def migrate(kind: str, prefix: str) -> Job[None]:
    """
    Carry out the migrations that the database lacks.

    Raises:
        OutboxError: It was written by a newer release.
    """
    is_there = yield from _has_tables(kind, prefix)
    version = int((yield from read_meta(VERSION)) or 0) if is_there else 0
    if version > len(MIGRATIONS):
        raise OutboxError(
            f"the database has schema {version}, and this release knows {len(MIGRATIONS)}; "
            "update customersms-async on this machine"
        )
    for statement in statements(kind, version, prefix):
        yield Change(statement)
    if version < len(MIGRATIONS):
        yield from write_meta(VERSION, str(len(MIGRATIONS)))


def read_meta(name: str) -> Job[str | None]:
    """Read a fact about the database itself."""
    rows = yield Query("SELECT value FROM sms_meta WHERE name = ?", (name,))
    return rows[0][0] if rows else None


def write_meta(name: str, value: str) -> Job[None]:
    """Write a fact about the database itself."""
    if not (yield Change("UPDATE sms_meta SET value = ? WHERE name = ?", (value, name))):
        yield Insert("sms_meta", ("name", "value"), [(name, value)])


def _has_tables(kind: str, prefix: str) -> Job[bool]:
    if kind == "sqlite":
        sql = "SELECT 1 FROM sqlite_master WHERE name = ?"
    else:
        yield Query("SELECT pg_advisory_xact_lock(hashtext(?))", (f"{prefix}schema",))
        sql = "SELECT 1 WHERE to_regclass(?) IS NOT NULL"
    return bool((yield Query(sql, (f"{prefix}meta",))))
