"""Writes the chunks of one `add`, each while the next one is read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ._core.add import OpenBatches, add
from ._core.engine import Runner
from ._core.rows import Added, Row

__all__ = ["Writer"]


class Writer:
    """
    Writes chunks in order, one at a time.

    Args:
        engine: The database.

        campaign: The id of the campaign.

        open_batches: Its batches that are not full.

    Attributes:
        added: The counts so far.
    """

    def __init__(self, engine: Runner, campaign: int, open_batches: OpenBatches) -> None:
        self.added = Added()
        self._engine = engine
        self._campaign = campaign
        self._open_batches = open_batches
        self._at_hand: asyncio.Task[Added] | None = None

    async def write(self, rows: Sequence[Row]) -> None:
        """Begin to write a chunk, once the previous one is written."""
        await self.end()
        if not rows:
            return
        job = add(self._campaign, rows, self._open_batches)
        self._at_hand = asyncio.create_task(self._engine.run(job))

    async def end(self) -> None:
        """Wait for the chunk that is being written; a cancellation only ends the wait."""
        if self._at_hand is not None:
            self.added += await asyncio.shield(self._at_hand)
            self._at_hand = None
