"""
The journal of a run, written to the outbox.

Rules of this module:

1. Nothing is sent before the fence, and after it only while the claim is fresh: a process that was
   stopped for half a lease in between posts nothing.
2. A write that fails is kept and retried on each call and each heartbeat; nothing passes the fence
   before it succeeds.
3. The journal never raises: an unavailable database holds the run, but does not end it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from .. import codes
from .._clock import boot_time
from .._ports.journal import Batch
from ..outcomes import Credits, Outcome
from ._campaign_run import CampaignRun
from ._core.campaign_states import CampaignState
from ._core.campaigns import pause
from ._core.claim import split
from ._core.errors import OutboxError
from ._core.fence import Fence, Pass, fence
from ._core.job import Job
from ._core.rows import storable
from ._core.settle import Fate, Settlement, drop, settle, turn_away
from ._open_claims import OpenClaim

__all__ = ["OutboxJournal"]

#: Consecutive slow fences after which the campaign is paused.
_MOST_LATE: Final = 2

#: Seconds for which a balance is recent: a run that is not held up hears one more often.
_RECENT: Final = 10.0

_NONE: Final = ()


class OutboxJournal:
    """
    A `Journal` of one run.

    Args:
        run: The run.

        budget: Credits that the campaign may cost, or None.
    """

    def __init__(self, run: CampaignRun, budget: int | None) -> None:
        self._run = run
        self._budget = budget
        self._late = 0
        self._begun = 0
        self._ended = 0

    async def claim(self, batch: Batch) -> Collection[int] | None:
        """Pass the fence with the whole batch, with what its budget allows, or with none of it."""
        claim = await self._claim_of(batch)
        if claim is None:
            return _NONE
        began_at = boot_time()
        claim.is_recent = _is_recent(self._run.target.sender.credits())
        _, claim.others = self._others()
        passed = await self._pass(claim, batch)
        if isinstance(passed, int):
            return await self._claim_part(claim, batch, passed)
        claim.fenced_at = began_at
        if passed is Pass.GO and self.may_start(batch):
            self._late = 0
            return None
        await self._drop(claim, passed)
        return _NONE

    async def _claim_part(self, claim: OpenClaim, batch: Batch, size: int) -> Collection[int]:
        """Claim as many as the budget allows, and give back the others."""
        part, _ = batch.cut(size)
        claimed = await self.claim(part)  # a part of it, if others have spent meanwhile
        await self._drop(claim, None)
        return part.indexes if claimed is None else claimed

    def may_start(self, batch: Batch) -> bool:
        """Return, right before the first byte, whether the claim is still fresh."""
        claim = self._run.claims.of(batch.refs[0])
        return claim is not None and boot_time() - claim.fenced_at <= self._run.target.lease / 2

    def count_attempt(self, begun: int, ended: int) -> None:
        """Count the numbers of an attempt of this run that has begun or ended."""
        self._begun += begun
        self._ended += ended

    def _others(self) -> tuple[int, int]:
        """Return the numbers of the client's other attempts that have begun, and have ended."""
        begun, ended = self._run.target.sender.numbers()
        return begun - self._begun, ended - self._ended

    async def release(self, batch: Batch) -> None:
        """Undo the fence; the claim stays, since the run may try again."""
        if claim := self._run.claims.of(batch.refs[0]):
            run = self._run
            await self._run.writes.write(
                lambda: turn_away(run.target.campaign, claim.token, claim.batches, time.time())
            )

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record the fates of a request."""
        fates = [_fate(outcome) for outcome in outcomes]
        claim = self._run.claims[fates[0].id]
        begun, _ = self._others()
        ended = Settlement(
            campaign=self._run.target.campaign,
            token=claim.token,
            batches=claim.batches,
            fates=fates,
            wall=time.time(),
            credits=_amount(self._run.target.sender.credits()),
            is_recent=claim.is_recent,
            others=begun - claim.others,
            is_alone=self._budget is not None,
        )
        contradicted = await self._run.writes.write(lambda: settle(ended))
        if contradicted:
            self._log_conflict(contradicted)
        self._run.forget(claim)

    async def refuse(self, outcomes: Sequence[Outcome]) -> None:
        """Do nothing: bad rows and duplicates were refused when they were added."""

    async def _claim_of(self, batch: Batch) -> OpenClaim | None:
        """Find the claim of a batch; split it off if the run has split the batch."""
        ids: Sequence[Any] = batch.refs
        run = self._run
        claim = run.claims.of(ids[0])
        if claim is None or len(ids) == len(claim.messages):
            return claim
        try:
            new, left = await run.target.engine.run(split(claim.batches, claim.token, ids))
        except OutboxError as exc:
            run.stop.note(exc)
            return None
        if not new:
            return None
        return run.claims.split(claim, ids, new, left)

    async def _pass(self, claim: OpenClaim, batch: Batch) -> Pass | int | None:
        """Pass the fence, see `fence`; None if its answer cannot be known."""
        run, target = self._run, self._run.target
        if not target.schedule.allows(dt.datetime.now(dt.UTC)):
            return Pass.HELD
        if not await run.writes.retry():
            return None
        wall, size = time.time(), len(batch.phones)
        wish = Fence(
            campaign=target.campaign,
            token=claim.token,
            batches=claim.batches,
            size=size,
            request=batch.request or "",
            wall=wall,
            over_at=wall + target.lease + target.sender.longest(size),
            credits=_amount(target.sender.credits()),
            budget=self._budget,
        )
        try:
            return await target.engine.run(fence(wish))
        except OutboxError as exc:
            run.stop.note(exc)
            return None
        except asyncio.CancelledError:  # the fence is written all the same, and nothing is sent
            run.writes.keep(self._dropping(claim))
            raise

    async def _drop(self, claim: OpenClaim, passed: Pass | None) -> None:
        """Send nothing of it; give it back if it may be ours."""
        run = self._run
        run.forget(claim)
        if passed is Pass.TAKEN:
            return
        await run.writes.write(self._dropping(claim))
        if passed is Pass.TOO_DEAR:
            run.stop.request(codes.BUDGET_SPENT)
        elif passed is Pass.HELD:
            run.state = CampaignState.PAUSED  # the batch source reads the actual state
        elif passed is Pass.WAIT:
            run.must_wait = True
        elif passed is Pass.GO:
            await self._note_late()

    def _dropping(self, claim: OpenClaim) -> Callable[[], Job[None]]:
        campaign = self._run.target.campaign
        return lambda: drop(campaign, claim.token, claim.batches, time.time())

    async def _note_late(self) -> None:
        self._late += 1
        if self._late < _MOST_LATE:
            return
        reason = "the database took too long to record a request, twice in a row"
        self._run.target.log(logging.ERROR, "outbox.late", f"is paused: {reason}")
        await self._run.writes.write(lambda: pause(self._run.target.campaign, reason))
        self._run.stop.request(codes.PAUSED)

    def _log_conflict(self, count: int) -> None:
        what = (
            f"has {count} late answers that contradict decisions made by hand meanwhile; "
            "the decision stands"
        )
        self._run.target.log(logging.ERROR, "outbox.conflict", what)


def _fate(outcome: Outcome) -> Fate:
    row_id: Any = outcome.ref
    return Fate(
        row_id,
        outcome.status,
        outcome.code,
        outcome.detail,
        outcome.message_id and storable(outcome.message_id),
        outcome.is_safe_to_resend,
    )


def _amount(heard: Credits | None) -> int | None:
    return None if heard is None else heard.amount


def _is_recent(heard: Credits | None) -> bool:
    return heard is not None and time.time() - heard.heard_at.timestamp() <= _RECENT
