"""
One request of a run: its delivery, its claim in the journal, and its state.

Rules of this module:

1. However its task ends, `run` returns what is proven: by the mark of the attempt, or, if no
   attempt was begun, that nothing was sent.
2. A claim is written right before the first byte may be written. A refused request is released
   before it is retried; a fate is settled before the run records it.
3. During a call of the journal, a stop does not cancel the task; only the end of the wait does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from attrs import evolve, frozen

from .. import codes
from .._delivery.context import DeliveryContext
from .._delivery.delivery import Delivery
from .._delivery.result import DeliveryResult
from .._ports.journal import Batch
from .._ports.limiter import Lane
from .._values.attempt_ids import request_name
from .._values.status import Status, Verdict
from ..outcomes import Outcome
from .circuit_breaker import CircuitBreaker
from .journaling import JournalFailed, SerialJournal
from .run_states import Stage, move

__all__ = ["BulkRequest", "RequestResult", "not_sent"]

_CANCELLABLE = frozenset({Stage.WAITING, Stage.UNDER_WAY})


@frozen
class RequestResult:
    """
    The result of one request for its run.

    Attributes:
        result: The fates.
        requests: Attempts that were handed over.
        failure: The exception of a port that must not raise, or None.
    """

    result: DeliveryResult
    requests: int
    failure: Exception | None = None


def not_sent(code: str | None) -> DeliveryResult:
    """Return the result of a request that a stopped run did not begin."""
    return DeliveryResult(Verdict(Status.NOT_SENT, code or codes.STOPPED))


class BulkRequest:
    """
    One request; a `Gate` for its own delivery.

    Args:
        context: What it shares with others of its account.

        batch: Its inputs.

        journal: The journal, or None.

        breaker: The circuit breaker, which may hold the run.

        lane: The lane in which it waits for its slot.

        may_leave: Called right before the first byte: whether the run still sends.

    Attributes:
        batch: Its inputs; after the claim, those that the journal accepted.
        size: How many inputs it had at first.
        taken: Inputs that the journal refused.
        let_go: Set when the limiter has granted its first slot, or at its end.
        task: Its task.
    """

    def __init__(
        self,
        context: DeliveryContext,
        batch: Batch,
        journal: SerialJournal | None,
        breaker: CircuitBreaker,
        lane: Lane,
        *,
        may_leave: Callable[[], bool],
    ) -> None:
        self.batch: Batch = batch
        self.size: int = len(batch.phones)
        self.taken: list[Batch] = []
        self.let_go = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._name = context.name
        self._journal = journal
        self._breaker = breaker
        self._may_leave = may_leave
        self._is_asking = False
        self._stage = Stage.NEW
        self._delivery = Delivery(context, batch.phones, batch.text, lane, gate=self)

    @property
    def is_under_way(self) -> bool:
        """Whether it may have left, and has no answer yet."""
        return self._stage is Stage.UNDER_WAY

    async def run(self) -> RequestResult:
        """Deliver the batch; return what is proven, even if the task is cancelled."""
        self._stage = move(self._stage, Stage.WAITING)
        try:
            return self._result(await self._delivery.run())
        except asyncio.CancelledError:
            return self._result(self._delivery.abandoned())
        except JournalFailed:
            return self._result(not_sent(codes.JOURNAL_FAILED))
        except Exception as exc:  # noqa: BLE001  # a port that breaks its contract loses no number
            return self._result(self._delivery.abandoned(), exc)
        finally:
            self._breaker.leave(self)
            self.let_go.set()

    async def settle(
        self, result: DeliveryResult, outcomes: Callable[[], Iterable[Outcome]]
    ) -> None:
        """Record in the journal how it ended, if it was claimed."""
        is_claimed = self._stage is Stage.UNDER_WAY
        self._stage = move(self._stage, Stage.SETTLING)
        if self._journal is None or not is_claimed:
            return
        try:
            if result.first.status is Status.NOT_SENT:
                await self._journal.release(self.batch)
            else:
                await self._journal.settle(list(outcomes()))
        except asyncio.CancelledError:
            return  # the journal is no longer waited for; the fate is known here anyway

    def end(self) -> None:
        """Record that its fates were recorded."""
        self._stage = move(self._stage, Stage.ENDED)

    def halt(self, code: str) -> None:
        """Send nothing of it from now on."""
        if self._delivery.halt(code) and self._stage in _CANCELLABLE:
            self._cancel()

    def end_claim(self) -> None:
        """Stop waiting for the journal if nothing has left yet."""
        if self._stage is Stage.CLAIMING:
            self._cancel()

    def abandon(self) -> None:
        """Stop waiting."""
        if self._stage is not Stage.NEW:
            self._cancel()

    def abandoned(self) -> DeliveryResult:
        """Return what is proven if its task ended by itself: cancelled early, or interrupted."""
        if self._stage not in (Stage.NEW, Stage.SETTLING):
            self._stage = move(self._stage, Stage.SETTLING)
        return self._delivery.abandoned()

    async def admit(self, number: int) -> Sequence[str]:
        """Claim the batch; return the numbers that the journal accepts."""
        self.let_go.set()
        if self._journal is not None:
            self._stage = move(self._stage, Stage.CLAIMING)
            batch = evolve(self.batch, request=request_name(self._name, number))
            self._keep_only(batch, await self._journal.claim(batch))
        if self.batch.phones:
            self._stage = move(self._stage, Stage.UNDER_WAY)
        return self.batch.phones

    def may_start(self) -> bool:
        """Whether run and claim still allow it; called right before the first byte."""
        self._is_asking = True
        try:
            is_fresh = self._journal is None or self._journal.may_start(self.batch)
            return is_fresh and self._may_leave()
        finally:
            self._is_asking = False

    def count(self, begun: int, ended: int) -> None:
        """Count the numbers of an attempt that has begun or ended, for the journal."""
        if self._journal is not None:
            self._journal.count(begun, ended)

    async def may_try_again(self, result: DeliveryResult) -> bool:
        """Release the claim, and wait until nothing holds the run."""
        if self._stage is Stage.WAITING and result.first.code != codes.LIMITER_UNAVAILABLE:
            return False  # the limiter has decided how long to wait out refusals
        if self._stage is Stage.UNDER_WAY and self._journal is not None:
            self._stage = move(self._stage, Stage.CLAIMING)
            await self._journal.release(self.batch)
            if self._journal.failure is not None:
                return False
        if self._stage is not Stage.WAITING:
            self._stage = move(self._stage, Stage.WAITING)
        if self._delivery.halted or not self.batch.phones:
            return False
        return await self._breaker.wait(self, result)

    def _keep_only(self, batch: Batch, wanted: frozenset[int] | None) -> None:
        self.batch = batch
        if wanted is not None and len(wanted) < len(batch.phones):
            self.batch, taken = batch.part(wanted)
            self.taken.append(taken)

    def _result(self, result: DeliveryResult, failure: Exception | None = None) -> RequestResult:
        delivery = self._delivery
        return RequestResult(result, delivery.handed_over + delivery.is_in_flight, failure)

    def _cancel(self) -> None:
        # Not the calling task, nor one that asks whether it may leave, which aiohttp does in a task
        # of its own: both see that they were halted, and would be cancelled at a later await.
        if self._is_asking or self.task is asyncio.current_task():
            return
        if self.task is not None:
            self.task.cancel()
