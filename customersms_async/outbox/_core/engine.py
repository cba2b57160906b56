"""
What an outbox needs of a database: run a job in one transaction. A port.

Rules that every engine keeps, and the contract suite checks:

1. A job is one transaction: all of it is there afterwards, or nothing. It sees what every job
   before it has committed, and two jobs never claim the same batch.
2. What was committed survives the death of the process, and that of the machine but for `Light`
   jobs, which the next other commit makes as safe as itself.
3. A job that is cancelled is carried out whole or not at all, and ends in bounded time.
4. Where the database cannot be asked, `OutboxUnavailable` is raised, and the next job tries again.
   Where it refuses, `OutboxError` names the cure.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from .errors import OutboxError
from .job import Job

__all__ = ["Engine", "Named", "Runner"]

Result = TypeVar("Result")


class Runner(Protocol):
    """What carries jobs out."""

    async def run(self, job: Job[Result]) -> Result:
        """
        Carry a job out in one transaction.

        Raises:
            OutboxUnavailable: The database cannot be asked; whether the job was committed is not
                known.
            OutboxError: It refuses the statements of the job.
        """
        ...


class Named:
    """
    Carries the jobs of one campaign out, and names it in what is raised.

    Args:
        runner: What carries them out.

        campaign: The name.
    """

    def __init__(self, runner: Runner, campaign: str) -> None:
        self._runner = runner
        self._campaign = campaign

    async def run(self, job: Job[Result]) -> Result:
        """Carry a job out; see `Runner.run`."""
        try:
            return await self._runner.run(job)
        except OutboxError as exc:
            exc.campaign = self._campaign
            raise


class Engine(Runner, Protocol):
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

    async def identity(self) -> str:
        """Name the place where the data lies; a copy elsewhere has another name."""
        ...

    async def wait_for_change(self, seconds: float) -> None:
        """Wait until another process may have written something, or for this many seconds."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
