"""
What an outbox needs of a database: run a job in one transaction. A port.

Rules that every engine keeps, and the contract suite checks:

1. A job is one transaction: all of it is there afterwards, or nothing. It sees what every job
   before it has committed, and two jobs never claim the same batch.
2. What was committed survives the death of the process and of the machine.
3. A job that is cancelled is carried out whole or not at all, and ends in bounded time.
4. Where the database cannot be asked, `OutboxUnavailable` is raised, and the next job tries again.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from .job import Job

__all__ = ["Engine"]

Result = TypeVar("Result")


class Engine(Protocol):
    """
    A database.

    Attributes:
        kind: ``sqlite`` or ``postgresql``.
        prefix: What its tables begin with.
    """

    kind: str
    prefix: str

    async def open(self) -> None:
        """
        Connect, and bring the tables up to date.

        Raises:
            OutboxUnavailable: It cannot be reached.
            OutboxError: A newer release has written it.
        """
        ...

    async def run(self, job: Job[Result]) -> Result:
        """
        Carry a job out in one transaction.

        Raises:
            OutboxUnavailable: The database cannot be asked; whether the job was committed is not
                known.
        """
        ...

    async def identity(self) -> str:
        """Name the place where the data lies; a copy elsewhere has another name."""
        ...

    async def wait_for_change(self, seconds: float) -> None:
        """Wait until another process may have written something, or for this many seconds."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
