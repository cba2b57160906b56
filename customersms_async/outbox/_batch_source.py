"""
The input of a run: finished batches, claimed a few at a time on demand.

Rules of this module:

1. Few batches are claimed ahead of demand, so that a worker that dies holds little. They are not
   claimed one by one: a transaction each would be half of a campaign's cost in the database.
2. The source ends when nothing of the campaign is queued or in progress, here or at another worker:
   what another worker leaves behind is taken over after its lease.
3. Outside its hours and while it is paused, a campaign waits, and batches claimed ahead are given
   back; after its deadline it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

from attrs import define, field

from .. import codes
from .._ports.journal import Batch
from ._campaign_run import CampaignRun
from ._core.campaign_states import CampaignState
from ._core.campaigns import CampaignStatus, read_status
from ._core.claim import Claim, claim, give_back, reap
from ._core.errors import OutboxError
from ._core.job import Job
from ._core.settle import drop
from ._lease import is_gone

__all__ = ["AT_ONCE", "BatchSource"]

#: Seconds between two checks of what other workers do.
_LOOK_AGAIN: Final = 1.0

#: Seconds until a request that depends on others in flight is tried again.
_ASK_AGAIN: Final = 0.25

#: Requests that are claimed at once.
AT_ONCE: Final = 4


@define(eq=False, kw_only=True)
class BatchSource:
    """
    The batches of a run.

    Attributes:
        run: The run.
        batch_size: Numbers in one request, when batches with equal texts are combined.
        is_urgent: Whether it yields urgent messages, or the others.
        is_endless: Whether it waits for more when nothing is left, as a worker does.
        at_once: Requests to claim at once.
    """

    run: CampaignRun
    batch_size: int = 100
    is_urgent: bool = False
    is_endless: bool = False
    at_once: int = AT_ONCE
    _after: int = 0
    _ahead: deque[Claim] = field(factory=deque[Claim])

    async def batches(self) -> AsyncIterator[Batch]:
        """Claim batch after batch until nothing is left to do or the database is unavailable."""
        try:
            async for batch in self._batches():
                yield batch
        except OutboxError as exc:
            self.run.stop.fail(exc)

    async def _batches(self) -> AsyncIterator[Batch]:
        while self.run.stop.code is None:
            if self._is_late():
                self.run.stop.request(codes.TIME_IS_UP)
            elif (wait := self._wait()) or not await self._is_open():
                await self._give_back()
                await self._pause(wait or self._poll)
            elif self.run.must_wait:
                self.run.must_wait = False
                await self._pause(_ASK_AGAIN)
            elif self._ahead or await self._claim():
                yield _batch(self._ahead.popleft())
            elif not await self._wait_for_more():
                return

    @property
    def _poll(self) -> float:
        return min(_LOOK_AGAIN, self.run.target.lease / 4)

    def _is_late(self) -> bool:
        return self.run.target.schedule.left(dt.datetime.now(dt.UTC)) == 0

    def _wait(self) -> float:
        """Seconds until its hours begin or its deadline passes; at most a minute."""
        now, schedule = dt.datetime.now(dt.UTC), self.run.target.schedule
        left = schedule.left(now)
        return min(schedule.wait(now), 60.0 if left is None else left, 60.0)

    async def _is_open(self) -> bool:
        """Return whether the campaign may continue; if it is held, check the database again."""
        run = self.run
        if run.state is not CampaignState.OPEN:
            run.state = CampaignState((await self._counts()).state)
        if run.state is CampaignState.CANCELLED:
            run.stop.request(codes.CANCELLED)
        return run.state is CampaignState.OPEN

    async def _claim(self) -> bool:
        found = await self.run.ask(self._job)
        for claimed in found:
            self._after = claimed.batches[0]
            self.run.claims.take(claimed)
        self._ahead.extend(found)
        return bool(found)

    async def _give_back(self) -> None:
        """Release the batches that were claimed ahead."""
        run = self.run
        while self._ahead:
            owned = run.claims[self._ahead[0].messages[0]]
            job = partial(drop, run.target.campaign, owned.token, owned.batches, time.time())
            await run.ask(job)
            self._ahead.popleft()
            run.forget(owned)
            self._after = 0

    def _job(self) -> Job[Sequence[Claim]]:
        run, wall = self.run, time.time()
        return claim(
            run.target.campaign,
            run.token,
            after=self._after,
            wall=wall,
            urgent=self.is_urgent,
            most=self.batch_size,
            requests=self.at_once,
        )

    async def _wait_for_more(self) -> bool:
        """Nothing could be claimed: wait for a change; return False if none can come."""
        if self._after:
            self._after = 0  # include batches that were given back
            return True
        if self.run.claims:
            await self._pause(self._poll)
            return True
        run = self.run
        await run.ask(lambda: give_back(run.token))  # a claim whose answer was lost
        if not (self.is_endless or (await self._counts()).waiting):
            return False
        await self._pause(self._poll)
        await run.ask(lambda: reap(run.target.campaign, time.time(), is_gone))
        return True

    async def _counts(self) -> CampaignStatus:
        return await self.run.ask(lambda: read_status(self.run.target.campaign))

    async def _pause(self, seconds: float) -> None:
        """Wait, but only until something changes."""
        self.run.changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.run.changed.wait()


def _batch(found: Claim) -> Batch:
    return Batch(range(len(found.phones)), found.phones, found.text, found.messages)
