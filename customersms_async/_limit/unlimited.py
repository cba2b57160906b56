"""
`UnlimitedLimiter`: no limit at all, for tests against a local gateway.

Rule of this module: a refusal for the rate is honoured as every limiter honours it, so that an
application meets the pause, and a test can move the clock past it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import time
from collections.abc import Callable
from typing import Final

from .. import codes
from .._ports.limiter import Lane, Ticket, Usage
from ..errors import WaitTooLong
from .account_state import AccountState, Lease, Rules
from .law import End
from .member import LeasedSlot
from .rate_refusals import Refusals

__all__ = ["UnlimitedLimiter"]

_RULES: Final = Rules(sys.maxsize, 1.0, sys.maxsize, 0, 0.0)


class _Account:
    """What is known of an account; ends its slots."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._state = AccountState.new(_RULES)
        self._refusals = Refusals(_RULES)
        self.waiting = 0
        self.in_flight = 0

    @property
    def paused_until(self) -> float:
        return self._state.paused_until

    def end(self, lease: Lease, how: End) -> None:  # noqa: ARG002  # no slot is used again
        self.in_flight -= 1
        if how is End.ANSWERED:
            self._state.pause_step = 0.0

    def refused(self, lease: Lease, retry_after: float | None) -> float:
        now = self._clock()
        self.in_flight -= 1
        self._refusals.refused(self._state, now, lease.at, retry_after, used=None)
        return self.paused_until - now


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
        self._accounts: Final = dict[str, _Account]()
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
        longest: float,
        patience: float | None = None,
        ticket: Ticket | None = None,
    ) -> LeasedSlot:
        """Wait for the end of a pause; see `Limiter.acquire`."""
        asked_at, known = self.now(), self._account(account)
        if known.paused_until > asked_at:
            known.waiting += 1
            try:
                await self._sleep(known, None if patience is None else self._clock() + patience)
            finally:
                known.waiting -= 1
        known.in_flight += 1
        at = self.now()
        lease = Lease("", lane is Lane.BULK, at, at, at, longest)
        place = next(self._places) if ticket is None else ticket.place
        return LeasedSlot(known, lease, place, asked_at, at)

    async def usage(self, account: str) -> Usage:
        """Say how *account* stands; its limit is the largest number."""
        known = self._account(account)
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

    def _account(self, name: str) -> _Account:
        known = self._accounts.get(name)
        return known or self._accounts.setdefault(name, _Account(self.now))

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
