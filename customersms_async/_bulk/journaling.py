"""
The caller's journal, called one call at a time.

Rules of this module:

1. Calls of one run never overlap: a lock serialises them.
2. An exception of the journal is kept as ``failure`` and never reaches a request; after it, nothing
   more is claimed.
3. The journal's answer is checked: if it contains an index that was not in the claim, nothing is
   sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar, cast

from .._ports.journal import Batch, Journal
from ..outcomes import Outcome

__all__ = ["SerialJournal"]

T = TypeVar("T")


class SerialJournal:
    """
    Calls the journal of a run.

    Args:
        journal: The caller's.

    Attributes:
        failure: The first error that it raised, or None.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._may_start = getattr(journal, "may_start", None)
        self._count = getattr(journal, "count_attempt", None)
        self._turn = asyncio.Lock()
        self.failure: Exception | None = None

    async def claim(self, batch: Batch) -> frozenset[int] | None:
        """
        Claim *batch*.

        Returns:
            The indexes that may be sent; None for all.

        Raises:
            JournalFailed: The journal raised, now or before.
        """
        async with self._turn:
            if self.failure is not None:
                raise JournalFailed from self.failure
            try:
                return _checked(await self._journal.claim(batch), batch)
            except Exception as exc:
                self.failure = exc
                raise JournalFailed from exc

    def may_start(self, batch: Batch) -> bool:
        """Return, right before the first byte, whether the claim still holds."""
        return self._may_start is None or bool(self._may_start(batch))

    def count(self, begun: int, ended: int) -> None:
        """Count the numbers of an attempt that has begun or ended."""
        if self._count is not None:
            self._count(begun, ended)

    async def release(self, batch: Batch) -> None:
        """Withdraw a claim."""
        await self._note(self._journal.release, batch)

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record the fates of a claimed batch."""
        await self._note(self._journal.settle, outcomes)

    async def refuse(self, outcomes: Sequence[Outcome]) -> None:
        """Record inputs that are never claimed."""
        await self._note(self._journal.refuse, outcomes)

    async def _note(self, call: Callable[[T], Awaitable[None]], what: T) -> None:
        async with self._turn:
            try:
                await call(what)
            except Exception as exc:  # noqa: BLE001  # the caller's journal may raise anything
                self.failure = self.failure or exc


class JournalFailed(Exception):  # never leaves the run
    """The journal failed to claim a batch, so nothing of it was sent."""


def _checked(answer: object, batch: Batch) -> frozenset[int] | None:
    if answer is None:
        return None
    if isinstance(answer, str | bytes) or not isinstance(answer, Collection):
        what = type(answer).__name__
        msg = f"claim() must return None or a collection of Batch.indexes, not {what}"
        raise TypeError(msg)
    indexes = frozenset(cast("Collection[int]", answer))
    if not indexes.issubset(batch.indexes):
        msg = "claim() returned an index that is not in Batch.indexes"
        raise ValueError(msg)
    return indexes
