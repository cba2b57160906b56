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
from collections.abc import Collection, Sequence
from typing import Any, Final

from .. import codes
from .._clock import boot_time
from .._ports.journal import Batch
from ..outcomes import Credits, Outcome
from ._campaign_run import CampaignRun, Unit
from ._core.campaign_states import CampaignState
from ._core.campaigns import pause
from ._core.claim import split
from ._core.errors import OutboxError
from ._core.fence import Fence, Pass, fence
from ._core.rows import storable
from ._core.settle import Fate, Settlement, drop, settle, turn_away

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
        unit = await self._unit(batch)
        if unit is None:
            return _NONE
        began_at = boot_time()
        unit.is_recent = _is_recent(self._run.sender.credits())
        _, unit.others = self._others()
        passed = await self._pass(unit, batch)
        if isinstance(passed, int):
            return await self._claim_part(unit, batch, passed)
        unit.fenced_at = began_at
        if passed is Pass.GO and self.may_start(batch):
            self._late = 0
            return None
        await self._drop(unit, passed)
        return _NONE

    async def _claim_part(self, unit: Unit, batch: Batch, size: int) -> Collection[int]:
        """Claim as many as the budget allows, and give back the others."""
        part, _ = batch.cut(size)
        claimed = await self.claim(part)  # a part of it, if others have spent meanwhile
        await self._drop(unit, None)
        return part.indexes if claimed is None else claimed

    def may_start(self, batch: Batch) -> bool:
        """Return, right before the first byte, whether the claim is still fresh."""
        unit = self._run.units.get(_first(batch))
        return unit is not None and boot_time() - unit.fenced_at <= self._run.lease / 2

    def count_attempt(self, begun: int, ended: int) -> None:
        """Count the numbers of an attempt of this run that has begun or ended."""
        self._begun += begun
        self._ended += ended

    def _others(self) -> tuple[int, int]:
        """Return the numbers of the client's other attempts that have begun, and have ended."""
        begun, ended = self._run.sender.numbers()
        return begun - self._begun, ended - self._ended

    async def release(self, batch: Batch) -> None:
        """Undo the fence; the claim stays, since the run may try again."""
        if unit := self._run.units.get(_first(batch)):
            run = self._run
            await self._run.write(
                lambda: turn_away(run.campaign, unit.token, unit.batches, time.time())
            )

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record the fates of a request."""
        fates = [_fate(outcome) for outcome in outcomes]
        unit = self._run.units[fates[0].id]
        begun, _ = self._others()
        ended = Settlement(
            campaign=self._run.campaign,
            token=unit.token,
            batches=unit.batches,
            fates=fates,
            wall=time.time(),
            credits=_amount(self._run.sender.credits()),
            is_recent=unit.is_recent,
            others=begun - unit.others,
            is_alone=self._budget is not None,
        )
        contradicted = await self._run.write(lambda: settle(ended))
        if contradicted:
            self._log_conflict(contradicted)
        self._run.forget(unit)

    async def refuse(self, outcomes: Sequence[Outcome]) -> None:
        """Do nothing: bad rows and duplicates were refused when they were added."""

    async def _unit(self, batch: Batch) -> Unit | None:
        """Find the unit of a batch; split it off if the run has split the batch."""
        ids: Sequence[Any] = batch.refs
        run = self._run
        unit = run.units.get(ids[0])
        if unit is None or len(ids) == len(unit.messages):
            return unit
        try:
            new, left = await run.engine.run(split(unit.batches, unit.token, ids))
        except OutboxError as exc:
            run.note(exc)
            return None
        if not new:
            return None
        rest = [row_id for row_id in unit.messages if row_id not in set(ids)]
        unit.messages, unit.batches = rest, left
        part = Unit(unit.token, (new,), list(ids))
        run.units.update(dict.fromkeys(ids, part))
        return part

    async def _pass(self, unit: Unit, batch: Batch) -> Pass | int | None:
        """Pass the fence, see `fence`; None if its answer cannot be known."""
        run = self._run
        if not run.schedule.allows(dt.datetime.now(dt.UTC)):
            return Pass.HELD
        if not await run.pay():
            return None
        wall, size = time.time(), len(batch.phones)
        wish = Fence(
            campaign=run.campaign,
            token=unit.token,
            batches=unit.batches,
            size=size,
            request=batch.request or "",
            wall=wall,
            over_at=wall + run.lease + run.sender.longest(size),
            credits=_amount(run.sender.credits()),
            budget=self._budget,
        )
        try:
            return await run.engine.run(fence(wish))
        except OutboxError as exc:
            run.note(exc)
            return None
        except asyncio.CancelledError:  # the fence is written all the same, and nothing is sent
            run.owe(lambda: drop(run.campaign, unit.token, unit.batches, time.time()))
            raise

    async def _drop(self, unit: Unit, passed: Pass | None) -> None:
        """Send nothing of it; give it back if it may be ours."""
        run = self._run
        run.forget(unit)
        if passed is Pass.TAKEN:
            return
        await self._run.write(lambda: drop(run.campaign, unit.token, unit.batches, time.time()))
        if passed is Pass.TOO_DEAR:
            run.end_with(codes.BUDGET_SPENT)
        elif passed is Pass.HELD:
            run.state = CampaignState.PAUSED  # the batch source reads the actual state
        elif passed is Pass.WAIT:
            run.must_wait = True
        elif passed is Pass.GO:
            await self._note_late()

    async def _note_late(self) -> None:
        self._late += 1
        if self._late < _MOST_LATE:
            return
        reason = "the database took too long to record a request, twice in a row"
        self._run.log(logging.ERROR, "outbox.late", f"is paused: {reason}")
        await self._run.write(lambda: pause(self._run.campaign, reason))
        self._run.end_with(codes.PAUSED)

    def _log_conflict(self, count: int) -> None:
        what = (
            f"has {count} late answers that contradict decisions made by hand meanwhile; "
            "the decision stands"
        )
        self._run.log(logging.ERROR, "outbox.conflict", what)


def _first(batch: Batch) -> Any:  # noqa: ANN401  # our own refs are ids
    return batch.refs[0]


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
