"""
The parts of a transaction: steps that a job yields and an engine executes. Pure.

A job is a generator. It yields steps, is sent the answer of each, and returns its result; an engine
runs all of it in one transaction. So the same job runs on SQLite in a thread, on PostgreSQL over
asyncpg, and in a caller's transaction.

Rules of this module:

1. SQL is written once. ``?`` stands for an argument, and ``= ANY(?)`` takes a list.
   ``FOR UPDATE …`` is for engines with several writers; the others leave it out.
2. A job has no effect outside the database, so that it can be run again after a conflict.
3. A job has at least one step, and no effect before it; `Light` or `Many` may only come first.
4. `Undo` rolls back everything a job has done, and is an answer, not a failure.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypeGuard, TypeVar

from attrs import frozen

__all__ = [
    "Change",
    "Gather",
    "Insert",
    "Job",
    "Light",
    "Many",
    "NewIds",
    "Now",
    "Query",
    "Record",
    "Step",
    "Undo",
    "Update",
    "Wake",
    "is_list",
    "scalars",
]

#: One row of an answer, by position.
Record: TypeAlias = Sequence[Any]

Result = TypeVar("Result")


@frozen
class Light:
    """
    Declare that a power cut may lose this job, until a job that is not light is committed.

    The death of a process never loses it.
    """


@frozen
class Many:
    """Declare that this is one of several jobs that write thousands of rows each."""


@frozen
class Query:
    """Read rows; the answer is a list of them."""

    sql: str
    args: Sequence[object] = ()


@frozen
class Gather:
    """
    Read rows as lists; the answer has a row for each of *keys*: the key, and a list per column.

    The lists of one key have the same, unspecified order. It costs half as much as single rows.
    """

    table: str
    key: str
    keys: Sequence[object]
    columns: Sequence[str]

    def sql(self, collect: str) -> str:
        """Write it with the database's function for collecting values."""
        lists = ", ".join(f"{collect}({column})" for column in self.columns)
        return (
            f"SELECT {self.key}, {lists} FROM {self.table} WHERE {self.key} = ANY(?)"  # noqa: S608  # names of ours
            f" GROUP BY {self.key}"
        )


@frozen
class Change:
    """Write; the answer is how many rows were affected."""

    sql: str
    args: Sequence[object] = ()


@frozen
class NewIds:
    """Reserve ids of a table; the answer is a sequence of *count* of them, ascending."""

    table: str
    count: int


@frozen
class Insert:
    """Write new rows into *columns* of a table."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@frozen
class Update:
    """Write *columns* of messages; each of *rows* ends with the id of its message."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]

    @property
    def shared(self) -> Sequence[object] | None:
        """The values that all rows share in all columns but the last; None if they differ."""
        first = self.rows[0][:-2]
        return first if all(row[:-2] == first for row in self.rows) else None


@frozen
class Now:
    """Read the lease clock; the answer is the name of its run, and seconds in it."""


@frozen
class Wake:
    """Notify waiters on *channel*, once it is committed; only a hint."""

    channel: str


Step: TypeAlias = Light | Many | Query | Gather | Change | NewIds | Insert | Update | Now | Wake

#: A transaction: yields steps, gets their answers, returns its result.
Job: TypeAlias = Generator[Step, Any, Result]


class Undo(Exception):
    """
    Roll the transaction back, and answer.

    Attributes:
        answer: The result of the job.
    """

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer


def scalars(args: Sequence[object]) -> list[object] | None:
    """
    Return the arguments with each one-element list as its element; None if a list has another size.

    ``= ?`` costs SQLite half as much as ``= ANY(?)``, and PostgreSQL plans the latter anew each
    time.
    """
    if all(len(arg) == 1 for arg in args if is_list(arg)):
        return [arg[0] if is_list(arg) else arg for arg in args]
    return None


def is_list(arg: object) -> TypeGuard[list[object]]:
    """Whether an argument stands for many values."""
    return isinstance(arg, list)
