"""
The base of the limiters that share a store with other processes.

Rules of this module:

1. Each event loop has a store and its accounts; unreported ends are kept for the whole process.
2. If the store was not asked for a second, one account reads it, so that a loss is detected in time
   for the roll call: one read a second per process, however many accounts there are.
3. An account with nothing left to remember is forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from attrs import define, field

from .._ports.limiter import Lane, Slot, Ticket, Usage
from .._ports.store import Seen, Store, StoreAway
from .._values.safe_repr import safe_repr
from ..errors import LimiterUnavailable
from .config import GRACE, Rate, read_rules
from .fork_lock import forget_in_children
from .law import Law
from .reports import unavailable
from .shared_account import SharedAccount
from .shared_decisions import LONGEST, Planner

__all__ = ["SharedLimiter"]

#: Seconds for which a new store, or one that lost its memory, grants nothing.
_ROLL_CALL: Final = 3.0

#: Seconds between two reads of a quiet store.
_BEAT: Final = 1.0


@define(eq=False)
class _Here:
    """An event loop with its store and accounts; see `Here`."""

    loop: asyncio.AbstractEventLoop
    store: Store
    limiter: SharedLimiter
    accounts: dict[str, SharedAccount] = field(factory=dict[str, SharedAccount])
    timer: asyncio.TimerHandle | None = None

    def heard(self, seen: Seen) -> None:
        self.limiter.heard(seen)

    def look(self) -> None:
        """Let every account read the store."""
        for account in self.accounts.values():
            account.wake(must_look=True)

    def begin_to_beat(self) -> None:
        if self.timer is None:
            self.timer = self.loop.call_later(_BEAT, self._beat)

    def _beat(self) -> None:
        self.timer = None
        self.accounts = {name: one for name, one in self.accounts.items() if not one.is_idle()}
        if not self.accounts:
            return
        self.begin_to_beat()
        if self.limiter.was_silent_for(_BEAT):
            next(iter(self.accounts.values())).wake(must_look=True)


class SharedLimiter:
    """
    A limiter whose accounts are in a store that processes share.

    Args:
        rate: The gateway's limit; by default 100 requests in 60 s.

        burst: Bulk requests that may leave at once; by default a small part of the limit.

        reserve: Free slots that bulk runs leave to `CustomerSMS.send`.

        grace: Seconds after a lost answer in which the gateway may still count the request.

        strict: Whether a store that is new or lost its memory grants nothing as long as an unknown
            request may count, instead of for 3 s.

        clock: Returns monotonic seconds.

    Raises:
        ConfigurationError: An option is out of range.
    """

    def __init__(
        self,
        rate: Rate | None = None,
        *,
        burst: int | None = None,
        reserve: int = 1,
        grace: float = GRACE,
        strict: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = Rate() if rate is None else rate
        self._law = Law(read_rules(rate, burst, reserve, grace))
        self._roll_call = self._law.look_back(LONGEST) if strict else _ROLL_CALL
        self._clock = clock
        self._loops: dict[asyncio.AbstractEventLoop, _Here] = {}
        self._unreported: dict[str, SharedAccount] = {}  # of closed event loops
        self._run = ""
        self._heard_at = float("-inf")
        self._of_parents: list[_Here] = []
        forget_in_children(self)

    def _open_store(self) -> Store:
        """Open the store for the running event loop."""
        raise NotImplementedError

    @property
    def rate(self) -> Rate:
        """The limit."""
        return self._rate

    async def acquire(
        self,
        account: str,
        lane: Lane,
        *,
        longest: float,
        patience: float | None = None,
        ticket: Ticket | None = None,
    ) -> Slot:
        """
        Wait for a slot; see `Limiter.acquire`.

        Raises:
            WaitTooLong: No slot within *patience*.
            LimiterUnavailable: The store does not answer; only for a single message.
            ConfigurationError: The other members have other options.
        """
        member = self._account(account).member
        return await member.acquire(lane, longest, patience, ticket)

    async def usage(self, account: str) -> Usage:
        """
        Return the state of *account* (its name is `CustomerSMS.account`).

        Raises:
            LimiterUnavailable: The store does not answer.
        """
        try:
            return await self._account(account).usage()
        except StoreAway as exc:
            raise unavailable(str(exc)) from exc

    async def ready(self) -> None:
        """
        Wait until the store answers and no roll call is under way.

        Raises:
            LimiterUnavailable: The store does not answer.
        """
        left = await self._opens_in()
        if left > 0:
            await asyncio.sleep(left)
            await self.ready()

    async def flush(self) -> None:
        """
        Report to the store how the requests of this event loop ended, without waiting for more.

        A client does so when it is closed. If the store does not answer, they are reported later.
        """
        here = self._loops.get(asyncio.get_running_loop())
        if here is not None:
            await asyncio.gather(*(account.flush() for account in here.accounts.values()))

    async def aclose(self) -> None:
        """
        Report how requests ended, and close the connections of this event loop.

        Callers that still wait in it get `LimiterUnavailable`. The limiter may be used again.
        """
        here = self._loops.pop(asyncio.get_running_loop(), None)
        if here is None:
            return
        if here.timer is not None:
            here.timer.cancel()
        try:
            await asyncio.gather(*(account.aclose() for account in here.accounts.values()))
        finally:
            self._keep(here)
            await here.store.aclose()

    async def __aenter__(self) -> Self:
        with contextlib.suppress(LimiterUnavailable):
            await self._opens_in()  # the roll call of a new store begins
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @safe_repr
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.rate.limit} per {self.rate.per:g} s>"

    def heard(self, seen: Seen) -> None:
        """Record an answer of the store; in a new run, every account reads."""
        self._heard_at = self._clock()
        if seen.run == self._run:
            return
        self._run = seen.run
        for loop, here in list(self._loops.items()):
            with contextlib.suppress(RuntimeError):  # closed
                loop.call_soon_threadsafe(here.look)

    def was_silent_for(self, seconds: float) -> bool:
        """Whether the store has not answered for so long."""
        return self._clock() - self._heard_at >= seconds

    def forget_loops(self) -> None:
        """Start afresh in a forked child, under new names; close nothing of the parent's."""
        self._of_parents += self._loops.values()
        self._loops, self._unreported = {}, {}

    async def _opens_in(self) -> float:
        try:
            seen = await self._here().store.read("")
        except StoreAway as exc:
            raise unavailable(str(exc)) from exc
        return seen.since + self._roll_call - seen.now

    def _account(self, name: str) -> SharedAccount:
        here = self._here()
        account = here.accounts.get(name)
        if account is None:
            account = self._unreported.pop(name, None)
            if account is None:
                planner = Planner(self._law, secrets.token_hex(4), self._roll_call)
                account = SharedAccount(name, planner, self._clock, here)
            else:
                account.move_to(here)
            here.accounts[name] = account
            here.begin_to_beat()
        return account

    def _here(self) -> _Here:
        loop = asyncio.get_running_loop()
        here = self._loops.get(loop)
        if here is None:
            for closed in [known for known in list(self._loops) if known.is_closed()]:
                self._keep(self._loops.pop(closed))
            here = self._loops[loop] = _Here(loop, self._open_store(), self)
        return here

    def _keep(self, here: _Here) -> None:
        """Keep what an event loop that is gone has not reported."""
        for name, account in here.accounts.items():
            if not account.is_idle():
                self._unreported[name] = account
