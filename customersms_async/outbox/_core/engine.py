"""
The port to a database: it runs a job in one transaction.

Rules that every engine keeps, and the contract suite checks:

1. A job is one transaction: all or nothing. It sees what every earlier job has committed, and two
   jobs never claim the same batch.
2. A commit survives the death of the process. It survives a crash of the machine too, except for
   `Light` jobs, which are safe once a later job that is not light has been committed.
3. A cancelled job is carried out completely or not at all, and ends in bounded time.
4. If the database is unavailable, `OutboxUnavailable` is raised, and the next job tries again.
   If it refuses, `OutboxError` names the cure.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from .errors import OutboxError
from .job import Job

__all__ = ["Engine", "Named", "Runner"]

Result = TypeVar("Result")


class Runner(Protocol):
    """Runs jobs."""

    async def run(self, job: Job[Result]) -> Result:
        """
        Run a job in one transaction.

        Raises:
            OutboxUnavailable: The database is unavailable; the job may or may not have been
                committed.
            OutboxError: The database refuses the statements of the job.
        """
        ...


class Named:
    """
    Runs the jobs of one campaign, and names the campaign in errors.

    Args:
        runner: What runs the jobs.

        campaign: The name.
    """

    def __init__(self, runner: Runner, campaign: str) -> None:
        self._runner = runner
        self._campaign = campaign

    async def run(self, job: Job[Result]) -> Result:
        """Run a job; see `Runner.run`."""
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
        prefix: The prefix of its tables.
    """

    kind: str
    prefix: str

    async def open(self) -> None:
        """
        Connect, and bring the tables up to date.

        Raises:
            OutboxUnavailable: It cannot be reached.
            OutboxError: It was written by a newer release.
        """
        ...

    async def identity(self) -> str:
        """Name the database and where it is stored; a copy elsewhere has a different name."""
        ...

    async def wait_for_change(self, seconds: float) -> None:
        """Wait until another process may have written something, for *seconds* at most."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
