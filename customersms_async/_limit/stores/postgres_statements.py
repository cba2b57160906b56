"""
The statements of a PostgreSQL store.

Rules of this module:

1. A call is one statement in one transaction; no lock outlasts it.
2. Reads lock the row as swaps do: a read that begins after a swap was found in time sees that swap,
   however long its commit takes. A read uses the start of its transaction as the clock, which is
   never later than what it sees; a swap checks the clock while it holds the lock.
3. The run is identified by the server's start and the table's file, which change when the server is
   restarted or replaced, and when the table is created again, truncated or restored.
4. Row locks are logged, but a read does not wait for the log to reach the disk.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

__all__ = ["Statements"]

#: An arbitrary number of ours: members that create the table do so one at a time.
_CREATE: Final = """
SELECT pg_advisory_xact_lock(7235118);
CREATE TABLE IF NOT EXISTS {table} (account text PRIMARY KEY, token bytea NOT NULL, value bytea)
"""
_ID: Final = """convert_to((extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint
  || '-' || pg_relation_filenode('{table}'), 'UTF8')"""
_BEGIN: Final = """
INSERT INTO {table} AS old
VALUES ('run', {id}, convert_to(extract(epoch FROM clock_timestamp())::text, 'UTF8'))
ON CONFLICT (account) DO UPDATE SET token = excluded.token, value = excluded.value
WHERE old.token <> excluded.token
"""
_READ: Final = """
SELECT held.value, held.token, extract(epoch FROM now())::float8, run.token, run.value,
  set_config('synchronous_commit', 'off', true)
FROM (SELECT * FROM {table} WHERE account = 'run' AND token = {id}) AS run
LEFT JOIN (SELECT * FROM {table} WHERE account = $1 FOR SHARE) AS held ON true
"""
_IN_TIME: Final = """
EXISTS (SELECT FROM {table} WHERE account = 'run' AND token = {id} AND token = $5 AND value = $6)
AND clock_timestamp() BETWEEN to_timestamp($7) AND to_timestamp($8)
"""
_REPLACE: Final = """
WITH held AS MATERIALIZED (SELECT token FROM {table} WHERE account = $1 FOR UPDATE)
UPDATE {table} AS old SET token = $3, value = $4 FROM held
WHERE old.account = $1 AND held.token = $2 AND {in_time}
RETURNING extract(epoch FROM clock_timestamp())::float8
"""
_ADD: Final = """
INSERT INTO {table} SELECT $1, $3, $4 WHERE $2 = ''::bytea AND {in_time}
ON CONFLICT (account) DO NOTHING RETURNING extract(epoch FROM clock_timestamp())::float8
"""


@frozen
class Statements:
    """
    The statements for one table.

    Attributes:
        create: Creates the table if missing. Two statements, for a call without arguments.
        begin: Begins a run, unless another member has.
        read: $1 account. Returns value, token, clock, and both parts of the run; no row if the run
            has ended.
        replace: $1 account, $2 token of the base, $3 new token, $4 new value, $5 and $6 run of the
            base, $7 and $8 first and last second of the clock. Returns the clock if it swapped.
        add: The same for an account that was never written.
    """

    create: str
    begin: str
    read: str
    replace: str
    add: str

    @classmethod
    def of(cls, table: str) -> Statements:
        """Return them for *table*, a name that needs no quotes."""
        words = {"table": table, "id": _ID.format(table=table)}
        words["in_time"] = _IN_TIME.format(**words)
        return cls(*(text.format(**words) for text in (_CREATE, _BEGIN, _READ, _REPLACE, _ADD)))
