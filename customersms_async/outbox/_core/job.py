"""
What a transaction is made of: steps that a job yields and an engine carries out. Pure.

A job is a generator. It yields steps, gets the answer of each, and returns its result; an engine
runs all of it in one transaction. So the same job runs on SQLite in a thread, on PostgreSQL over
asyncpg, and in a transaction of the caller's own.

Rules of this module:

1. SQL is written once. ``?`` stands for an argument, and ``= ANY(?)`` takes a list.
   ``FOR UPDATE …`` is for engines with several writers; the others leave it out.
2. A job touches nothing but the database, so that it may be run again after a conflict.
3. A job has a step, and touches nothing before it; `Light` or `Many` is the first one or none.
4. `Undo` takes back all that a job has done, and is an answer, not a failure.
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
    Say that a power cut may take the job back: the next one that is not light keeps it.

    The death of a process never does.
    """


@frozen
class Many:
    """Say that it is one of several jobs that write thousands of rows each."""


@frozen
class Query:
    """Read rows; the answer is a list of them."""

    sql: str
    args: Sequence[object] = ()


@frozen
class Gather:
    """
    Read rows as lists; the answer has a row for each of *keys*: it, and a list for each column.

    The lists of a key have one order, which is any. It costs half of what a row each does.
    """

    table: str
    key: str
    keys: Sequence[object]
    columns: Sequence[str]

    def sql(self, collect: str) -> str:
        """Write it with what the database has to collect values."""
        lists = ", ".join(f"{collect}({column})" for column in self.columns)
        return (
            f"SELECT {self.key}, {lists} FROM {self.table} WHERE {self.key} = ANY(?)"  # noqa: S608  # names of ours
            f" GROUP BY {self.key}"
        )


@frozen
class Change:
    """Write; the answer is how many rows were touched."""

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
    """Write *columns* of the messages whose id each of *rows* ends with."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]

    @property
    def shared(self) -> Sequence[object] | None:
        """What all rows have in all columns but the last one; None where they differ."""
        first = self.rows[0][:-2]
        return first if all(row[:-2] == first for row in self.rows) else None


@frozen
class Now:
    """Ask the clock of the leases; the answer is the name of its run, and seconds in it."""


@frozen
class Wake:
    """Tell those who wait for *channel*, once it is committed; only a hint."""

    channel: str


Step: TypeAlias = Light | Many | Query | Gather | Change | NewIds | Insert | Update | Now | Wake

#: A transaction: yields steps, gets their answers, returns its result.
Job: TypeAlias = Generator[Step, Any, Result]


class Undo(Exception):
    """
    Take the transaction back, and answer.

    Attributes:
        answer: The result of the job.
    """

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer


def scalars(args: Sequence[object]) -> list[object] | None:
    """
    Give arguments with each list of one as its value; None where a list is longer, or empty.

    ``= ?`` costs SQLite half of what ``= ANY(?)`` does, and PostgreSQL plans the latter anew each
    time.
    """
    if all(len(arg) == 1 for arg in args if is_list(arg)):
        return [arg[0] if is_list(arg) else arg for arg in args]
    return None


def is_list(arg: object) -> TypeGuard[list[object]]:
    """Tell whether an argument stands for many values."""
    return isinstance(arg, list)
