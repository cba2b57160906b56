"""
`UnlimitedLimiter`: no limit, for tests against a local gateway.

A refusal for the rate is honoured all the same, so that an application meets the pause, and a test
can move the clock past it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

from .._ports.limiter import Lane, Slot, Ticket, Usage
from .account_state import AccountState, Rules
from .law import Law
from .local_account import LocalAccount

__all__ = ["UnlimitedLimiter"]


class _NoLimit(Law):
    """The law, with a slot for every request."""

    def _used(self, state: AccountState, now: float) -> None:
        """Report the limit as used: no refusal means that others use the key."""


_LAW: Final = _NoLimit(Rules(sys.maxsize, 0.001, sys.maxsize, 0, 0.0))


class UnlimitedLimiter:
    """
    A `Limiter` that grants every slot at once, except during a pause after a refusal for the rate.

    It may be used from any thread and event loop.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ahead = 0.0
        self._accounts: Final = dict[str, LocalAccount]()

    def now(self) -> float:
        """Return monotonic seconds of the clock that `advance` moves."""
        return self._clock() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the clock forward by *seconds*; pauses end sooner."""
        self._ahead += seconds
        for account in list(self._accounts.values()):
            account.look_again()

    async def acquire(
        self,
        account: str,
        lane: Lane,
        *,
        longest: float,
        patience: float | None = None,
        ticket: Ticket | None = None,
    ) -> Slot:
        """Wait for a pause to end; see `Limiter.acquire`."""
        known = self._account(account)
        slot = known.take_at_once(lane, self.now(), longest, ticket)
        return slot or await known.member().acquire(lane, longest, patience, ticket)

    async def usage(self, account: str) -> Usage:
        """Return the state of *account*; its limit is `sys.maxsize`."""
        return self._account(account).usage()

    async def ready(self) -> None:
        """Return at once: the limiter is always ready."""

    def _account(self, name: str) -> LocalAccount:
        known = self._accounts.get(name)
        return known or self._accounts.setdefault(name, LocalAccount(name, _LAW, self.now))
