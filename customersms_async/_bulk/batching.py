"""
Turns the input into batches, one ahead of sending.

Rules of this module:

1. Items taken from the source are recorded in the results in the same step, before any wait.
2. No input waits longer than a second for its batch to fill while a request could be sent.
3. Other tasks get to run at least every thousand inputs, and every few milliseconds.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from .._ports.clock import Clock
from .._ports.journal import Batch
from ..outcomes import Outcome
from .bulk_request import not_sent
from .journaling import SerialJournal
from .reader import Reader
from .results import ResultCollector
from .source import HELD_AT_MOST, Spawn

__all__ = ["Batcher"]

#: Inputs, and seconds, after which other tasks get to run.
_NAP_AFTER: Final = 1000
_NAP_AFTER_SECONDS: Final = 0.005


class Batcher:
    """
    Reads the input of a run and splits it into batches.

    Args:
        reader: The input.

        results: Records everything that is read.

        journal: The journal, or None.

        clock: The clock.

        spawn: Starts a task that belongs to the client.

        caught_up: Waits until the caller has caught up with the outcomes.

        notify: Called when there are outcomes for the caller.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        results: ResultCollector,
        journal: SerialJournal | None,
        clock: Clock,
        spawn: Spawn,
        caught_up: Callable[[], Awaitable[None]],
        notify: Callable[[], None],
    ) -> None:
        self.source = reader.source
        self._reader = reader
        self._results = results
        self._journal = journal
        self._clock = clock
        self._spawn = spawn
        self._caught_up = caught_up
        self._notify = notify
        self._pending: deque[Batch] = deque()
        self._notes: set[asyncio.Task[None]] = set()
        self._since_nap = 0
        self._napped_at = self._asked_at = clock.now()
        self._is_hurried = False

    @property
    def is_read_to_end(self) -> bool:
        """Whether the input is used up."""
        return self.source.is_exhausted and self.source.failure is None

    def forget(self) -> None:
        """Release the memory of duplicates: the input is used up, but a caller may keep the run."""
        self._reader.forget()

    def hurry(self) -> None:
        """Stop waiting: the event loop is closing."""
        self._is_hurried = True

    async def next_batch(self) -> Batch | None:
        """Read until there is a batch, and keep it as the next; None at the end of the input."""
        self._asked_at = self._napped_at = self._clock.now()  # other tasks ran until now
        while not self._pending:
            if not self.source.is_over:
                await self._caught_up()
                await self.source.gather(self._reader.wanted, self._held_for())
            refused = self._take()
            self.source.read_ahead(self._reader.wanted_ahead)
            await self._note(refused)
            if not self._pending and self._is_due() and not self._flush():
                return None
            await self._nap()
        return self._pending[0]

    def put_back(self, first: Batch, rest: Batch) -> None:
        """Split the next batch in two."""
        self._pending[0] = rest
        self._pending.appendleft(first)

    def begun(self) -> None:
        """Record that the next batch was started."""
        self._pending.popleft()

    async def account_for_the_rest(self, code: str | None) -> bool:
        """
        Mark what was read, and the rest of a sized input, as not sent.

        Returns:
            Whether there was anything.
        """
        may_go_on = self.source.is_sized and self.source.failure is None
        is_cut = not self.source.is_exhausted
        while True:
            await self._calmly(functools.partial(self._note, self._take()))
            await self._calmly(self._nap)
            while self._pending or self._flush():
                is_cut = True
                batch = self._pending.popleft()
                self._results.decide(batch, not_sent(code))
                self._since_nap += len(batch.phones)
                await self._calmly(self._nap)
            if self.source.is_exhausted or not may_go_on:
                return is_cut
            self._notify()
            await self._calmly(self._caught_up)
            await self.source.gather(self._reader.at_once)

    async def wait_for_notes(self) -> None:
        """Wait for the journal's pending writes."""
        while self._notes:
            try:
                await asyncio.wait(self._notes)
            except asyncio.CancelledError:
                self.give_up_notes()

    def give_up_notes(self) -> None:
        """Stop waiting for the journal."""
        self._is_hurried = True
        for note in self._notes:
            note.cancel()

    def _take(self) -> Sequence[Outcome]:
        """Check what was read; return the outcomes of refused inputs."""
        chunk = self._reader.take(self._clock.now() - self.source.age)
        refused = self._results.read(chunk)
        self._pending.extend(chunk.batches)
        self._since_nap += len(chunk.numbers)
        if refused:
            self._notify()
        return refused

    async def _note(self, refused: Sequence[Outcome]) -> None:
        """Have the journal record refused inputs; a stop ends the wait, not the write."""
        if self._journal is None or not refused:
            return
        note = self._spawn(self._journal.refuse(refused))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)
        await asyncio.wait([note])

    async def _nap(self) -> None:
        """Let other tasks run from time to time."""
        now = self._clock.now()
        if self._since_nap >= _NAP_AFTER or now - self._napped_at >= _NAP_AFTER_SECONDS:
            self._since_nap = 0
            await self._clock.sleep(0)
            self._napped_at = self._clock.now()

    async def _calmly(self, wait: Callable[[], Awaitable[object]]) -> None:
        """Wait, unless the loop is closing, as a cancellation means here."""
        if self._is_hurried:
            return
        try:
            await wait()
        except asyncio.CancelledError:
            self._is_hurried = True

    def _flush(self) -> bool:
        """Release the oldest partial batch; return whether there is one."""
        batch = self._reader.flush()
        if batch is not None:
            self._pending.append(batch)
        return batch is not None

    def _is_due(self) -> bool:
        """Whether held items must be sent now."""
        held_for = self._held_for()
        return self.source.is_over or (held_for is not None and held_for >= HELD_AT_MOST)

    def _held_for(self) -> float | None:
        """Seconds for which the oldest item has been held back; None if there is none."""
        since = self._reader.oldest_at
        if since is None:
            return None
        if not self.source.waits:  # nothing is held back until a request could be sent
            since = max(since, self._asked_at)
        return self._clock.now() - since
