"""
`UnlimitedLimiter`: no limit at all, for tests against a local gateway.

Rule of this module: a refusal for the rate is honoured as every limiter honours it, so that an
application meets the pause, and a test can move the clock past it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from attrs import define, frozen

from .. import codes
from .._ports.limiter import LONGEST_PAUSE, Lane, Ticket, Usage
from ..errors import WaitTooLong
from .rate_refusals import FIRST_PAUSE, LONGEST_OWN_PAUSE

__all__ = ["UnlimitedLimiter"]


@define(eq=False)
class _Account:
    """
    What is known of an account.

    Attributes:
        paused_until: Before this instant nothing leaves; seconds of the limiter's clock.

        waiting: Callers that wait for that.

        in_flight: Slots whose request has not ended.
    """

    paused_until: float = -math.inf
    waiting: int = 0
    in_flight: int = 0
    _pause_began_at: float = -math.inf
    _step: float = 0.0

    def refused(self, now: float, granted_at: float, retry_after: float | None) -> None:
        if granted_at >= self._pause_began_at:  # else it tells nothing new
            self._pause_began_at = now
            self._step = min(max(2 * self._step, FIRST_PAUSE), LONGEST_OWN_PAUSE)
        seconds = self._step if retry_after is None else min(retry_after, LONGEST_PAUSE)
        self.paused_until = max(self.paused_until, now + seconds)

    def accepted(self) -> None:
        self._step = 0.0


class UnlimitedLimiter:
    """
    A `Limiter` that grants every slot at once, unless a refusal for the rate pauses the account.

    It may be used from any thread and any event loop.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ahead = 0.0
        self._accounts: Final = defaultdict[str, _Account](_Account)
        self._places: Final = itertools.count()
        self._sleepers: Final = set[asyncio.Future[None]]()

    def now(self) -> float:
        """Return the instant, in seconds of a clock that `advance` moves."""
        return self._clock() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the clock forward by *seconds*, and with it the end of every pause."""
        self._ahead += seconds
        for sleeper in list(self._sleepers):
            with contextlib.suppress(RuntimeError):  # its loop was closed
                sleeper.get_loop().call_soon_threadsafe(_wake, sleeper)

    async def acquire(
        self,
        account: str,
        lane: Lane,
        *,
        longest: float,  # noqa: ARG002  # of no use without a window
        patience: float | None = None,
        ticket: Ticket | None = None,
    ) -> UnlimitedSlot:
        """Wait for the end of a pause; see `Limiter.acquire`."""
        asked_at, known = self.now(), self._accounts[account]
        if known.paused_until > asked_at:
            known.waiting += 1
            try:
                await self._sleep(known, None if patience is None else self._clock() + patience)
            finally:
                known.waiting -= 1
        known.in_flight += 1
        granted_at = self.now()
        place = ticket or Ticket(lane, next(self._places))
        return UnlimitedSlot(place, granted_at - asked_at, granted_at, self, known)

    async def usage(self, account: str) -> Usage:
        """Say how *account* stands; its limit is the largest number."""
        known = self._accounts[account]
        return Usage(
            limit=sys.maxsize,
            busy=known.in_flight,
            in_flight=known.in_flight,
            waiting=known.waiting,
            next_free_at=self.now(),
            paused_until=known.paused_until if known.paused_until > self.now() else None,
            refused_by_others=0,
            share=sys.maxsize,
        )

    async def ready(self) -> None:
        """Return at once: slots can always be had."""

    async def _sleep(self, known: _Account, deadline: float | None) -> None:
        while True:
            sleeper = asyncio.get_running_loop().create_future()
            self._sleepers.add(sleeper)  # before the look at the clock: no `advance` is missed
            try:
                wait = known.paused_until - self.now()
                if wait <= 0:
                    return
                _check_patience(wait, deadline, self._clock())
                await asyncio.wait((sleeper,), timeout=wait)
            finally:
                self._sleepers.discard(sleeper)


def _check_patience(wait: float, deadline: float | None, now: float) -> None:
    if deadline is not None and wait > deadline - now:
        detail = f"the gateway's pause ends in {wait:.1f} s, and {deadline - now:.1f} s are left"
        raise WaitTooLong(codes.PAUSED, (), detail, wait - (deadline - now))


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


@frozen(eq=False)
class UnlimitedSlot:
    """Permission to send one request; see `Slot`."""

    ticket: Ticket
    waited: float
    _granted_at: float
    _limiter: UnlimitedLimiter
    _account: _Account

    def answered(self) -> None:
        self._account.in_flight -= 1
        self._account.accepted()

    def lost(self) -> None:
        self._account.in_flight -= 1

    def unused(self) -> None:
        self._account.in_flight -= 1

    def refused(self, retry_after: float | None) -> float:
        now = self._limiter.now()
        self._account.in_flight -= 1
        self._account.refused(now, self._granted_at, retry_after)
        return self._account.paused_until - now
