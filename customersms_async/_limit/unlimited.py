"""
`UnlimitedLimiter`: no limit at all, for tests against a gateway of their own.

Rule of this module: a refusal for the rate is honoured as every limiter honours it, so that an
application meets the pause, and a test can move the clock past it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from attrs import define, frozen

from .. import codes
from .._ports.limiter import LONGEST_PAUSE, Lane, Ticket, Usage
from ..errors import WaitTooLong
from .refusals import FIRST_PAUSE, LONGEST_OWN_PAUSE

__all__ = ["UnlimitedLimiter"]


@define(eq=False)
class _Pause:
    """
    Until when refusals for the rate hold everyone on a key.

    Attributes:
        until: Before this instant nothing leaves; seconds of the limiter's clock.
    """

    until: float = -math.inf
    _began_at: float = -math.inf
    _step: float = 0.0

    def refused(self, now: float, granted_at: float, retry_after: float | None) -> None:
        if granted_at >= self._began_at:  # else it tells nothing new
            self._began_at = now
            self._step = min(max(2 * self._step, FIRST_PAUSE), LONGEST_OWN_PAUSE)
        seconds = self._step if retry_after is None else min(retry_after, LONGEST_PAUSE)
        self.until = max(self.until, now + seconds)

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
        self._pauses: Final = defaultdict[str, _Pause](_Pause)
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
        asked_at, pause = self.now(), self._pauses[account]
        if pause.until > asked_at:
            await self._sleep(pause, None if patience is None else self._clock() + patience)
        granted_at = self.now()
        place = ticket or Ticket(lane, next(self._places))
        return UnlimitedSlot(place, granted_at - asked_at, granted_at, self, pause)

    async def usage(self, account: str) -> Usage:
        """Say until when *account* is paused; there is nothing else to say."""
        until = self._pauses[account].until
        return Usage(
            limit=0,
            busy=0,
            in_flight=0,
            waiting=0,
            next_free_at=self.now(),
            paused_until=until if until > self.now() else None,
            refused_by_others=0,
            share=0.0,
        )

    async def ready(self) -> None:
        """Return at once: there is nothing to wait for."""

    async def _sleep(self, pause: _Pause, deadline: float | None) -> None:
        while True:
            sleeper = asyncio.get_running_loop().create_future()
            self._sleepers.add(sleeper)  # before the look at the clock: no `advance` is missed
            try:
                wait = pause.until - self.now()
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
    _pause: _Pause

    def answered(self) -> None:
        self._pause.accepted()

    def lost(self) -> None:
        pass

    def unused(self) -> None:
        pass

    def refused(self, retry_after: float | None) -> float:
        now = self._limiter.now()
        self._pause.refused(now, self._granted_at, retry_after)
        return self._pause.until - now
