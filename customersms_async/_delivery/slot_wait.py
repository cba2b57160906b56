"""Waiting for a slot, within a message's timeout and while refusals are waited out."""

from __future__ import annotations

import functools
import math

import msgspec

from .. import codes
from .._ports.limiter import Lane, Slot
from .._values.status import Status, Verdict
from ..errors import LimiterUnavailable, WaitTooLong
from .connection_limit import Ask
from .context import DeliveryContext
from .result import DeliveryResult
from .retry import PATIENCE_WITH_REFUSALS
from .time_budget import TimeBudget

__all__ = ["NoSlot", "Turn"]

#: Seconds added to a limiter's forecast, so that a call after ``retry_after`` is safely in time.
_MARGIN = 0.025


class NoSlot(Exception):
    """
    A request ended before an attempt.

    Attributes:
        result: Its result, which says why.
    """

    def __init__(self, result: DeliveryResult) -> None:
        super().__init__(result)
        self.result = result


class Turn(msgspec.Struct, eq=False):
    """
    One request in the queue of its key, until it ends.

    Attributes:
        context: What it shares with other requests of its account.
        lane: Its lane.
        time: Its time budget.
        slot: The last slot it was granted; it keeps that place in the queue.
        refused_at: When it was first refused for the rate since the last acceptance, or None.
        retry_after: Seconds after which another call makes sense.
        refusals: How often it was refused for the rate.
    """

    context: DeliveryContext
    lane: Lane
    time: TimeBudget
    slot: Slot | None = None
    refused_at: float | None = None
    retry_after: float = 0.0
    refusals: int = 0

    async def wait(self) -> Slot:
        """
        Wait for a slot and a place.

        The place is given back by `give_up`, or once the attempt has ended.

        Raises:
            NoSlot: There was none in time, or the limiter is unavailable.
        """
        context = self.context
        while True:
            accepted_at = context.accepted_at
            try:
                now = context.clock.now()
                patience, longest = self._patience(now), self.time.longest(now)
                self.slot = slot = await context.limiter.acquire(
                    context.key.account,
                    self.lane,
                    longest=longest,
                    patience=patience,
                    ticket=None if self.slot is None else self.slot.ticket,
                )
                if context.connections.take():
                    return slot
                self.slot = await context.connections.wait_with(slot, self._ask(longest), patience)
            except WaitTooLong as exc:
                if not self._may_ask_again(accepted_at):
                    raise NoSlot(self._too_late(exc)) from exc
            except LimiterUnavailable as exc:
                raise NoSlot(self.end(exc.code, exc.detail, cause=exc)) from exc
            else:
                return self.slot

    def _ask(self, longest: float) -> Ask:
        """Return the function that gets another slot for one that was given back."""
        context = self.context
        return functools.partial(
            context.limiter.acquire, context.key.account, self.lane, longest=longest
        )

    def give_up(self, slot: Slot) -> None:
        """Give back an unused slot, and its place."""
        slot.unused()
        self.context.connections.give_back()

    def end(
        self, code: str, detail: str | None = None, *, cause: Exception | None = None
    ) -> DeliveryResult:
        """End the request before an attempt, or between two."""
        verdict = Verdict(Status.NOT_SENT, code, detail)
        return DeliveryResult(verdict, retry_after=self.retry_after, cause=cause)

    def turned_away(self, slot: Slot, retry_after: float | None) -> None:
        """Record that the gateway refused it for the rate."""
        self.retry_after = slot.refused(retry_after)
        self.refusals += 1
        if self.refused_at is None:
            self.refused_at = self.context.clock.now()

    def _patience(self, now: float) -> float | None:
        """
        Return the seconds for which it may wait now; None for a bulk run.

        Raises:
            WaitTooLong: Any slot would come too late.
        """
        patience = self.time.patience(now)
        if self.refused_at is not None:
            patience = min(patience, self._bears_until(self.refused_at) - now)
        if patience <= 0:
            raise self._no_time(now)
        return None if patience == math.inf else patience

    def _no_time(self, now: float) -> WaitTooLong:
        """Return the error of a request for which any slot would come too late."""
        kept, left = self.time.kept(), self.time.left(now)
        detail = f"{left:.1f} s are left, and the answer may take {kept:.1f} s"
        return WaitTooLong(codes.TIME_IS_OVER, (), detail, self.time.tried_for(now))

    def _bears_until(self, refused_at: float) -> float:
        """Return until when refusals for the rate are waited out."""
        return max(refused_at, self.context.accepted_at) + PATIENCE_WITH_REFUSALS

    def _may_ask_again(self, accepted_at: float) -> bool:
        """Whether the ten minutes have restarted, since another request was accepted meanwhile."""
        if self.refused_at is None or self.context.accepted_at <= accepted_at:
            return False
        return self.time.left(self.context.clock.now()) > 0

    def _too_late(self, exc: WaitTooLong) -> DeliveryResult:
        if self.refused_at is not None:
            detail = "refused for the rate, and no time is left for another try"
            return self.end(codes.RATE_LIMITED, detail, cause=exc)
        self.retry_after = exc.retry_after + _MARGIN if exc.retry_after else 0.0
        return self.end(exc.code, exc.detail, cause=exc)
