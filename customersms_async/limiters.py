"""
`LocalLimiter`: the limit of a key, kept exactly within one process.

How it works stands in `_account` and `_serving`; why it holds, in `_window`.
"""

from __future__ import annotations

import time
from asyncio import get_running_loop
from collections.abc import Callable
from typing import Final

from ._environment import NOT_GIVEN, NotGiven
from ._limit.config import Rate, Terms
from ._limit.fork_lock import lock
from ._limit.local_account import Account, LocalSlot
from ._limit.local_queue import Queue
from ._limit.pacing import Pace
from ._limit.window import GRACE, Window
from ._ports.confinement import limiter_in_force
from ._ports.limiter import Lane, Limiter, Ticket, Usage

__all__ = ["LocalLimiter", "Rate", "Usage", "default_limiter", "find_limiter"]


class LocalLimiter:
    """
    Slots for the requests of one process: at most ``rate.limit`` in any ``rate.per`` seconds.

    One object is one set of accounts. It may be used from any thread and any event loop, and
    remembers from one ``asyncio.run`` to the next. A forked child begins with what its parent knew;
    from then on the two share nothing (see `Rate.split`).

    Args:
        rate: The gateway's limit.

        burst: Requests of bulk runs that may leave at once; by default a small part of the limit,
            so that servers which dislike bursts are content too. ``burst=rate.limit`` turns the
            pacing off, for those who know that their server counts a window.

        reserve: Slots that bulk runs leave to `CustomerSMS.send`.

        grace: Seconds after the end of a request whose answer was lost, in which the gateway may
            still count it. Five is an assumption.

        clock: Gives the instant in monotonic seconds; the same for every loop that uses it.

    Raises:
        ConfigurationError: *burst* or *reserve* does not fit the limit, or *grace* is no duration.
    """

    def __init__(
        self,
        rate: Rate | None = None,
        *,
        burst: int | None = None,
        reserve: int = 0,
        grace: float = GRACE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terms = Terms.read(rate, burst, reserve, grace)
        self._clock = clock
        self._accounts: dict[str, Account] = {}

    @property
    def rate(self) -> Rate:
        """The limit that is kept."""
        return self._terms.rate

    async def acquire(
        self,
        account: str,
        lane: Lane,
        *,
        longest: float,
        patience: float | None = None,
        ticket: Ticket | None = None,
    ) -> LocalSlot:
        """Wait for a slot; see `Limiter.acquire`."""
        known = self._accounts.get(account) or self._account(account)
        slot = known.take_at_once(lane, longest, ticket)
        if slot is not None:
            return slot
        loop = get_running_loop()
        queue = known.queues.get(loop) or known.queue_of(loop)
        slot = queue.take_now(lane, longest, ticket)
        return await queue.wait(lane, longest, patience, ticket) if slot is None else slot

    def usage(self, account: str) -> Usage:
        """Say how *account* stands (`CustomerSMS.account` is its name); changes nothing."""
        return self._account(account).usage()

    def __repr__(self) -> str:
        return f"<LocalLimiter {self.rate.limit} per {self.rate.per:g} s>"

    def _account(self, name: str) -> Account:
        account = self._accounts.get(name)
        if account is None:
            with lock:
                account = self._accounts.setdefault(name, self._new_account())
        return account

    def _new_account(self) -> Account:
        terms = self._terms
        return Account(
            pace=Pace(terms.rate, terms.burst),
            reserve=terms.reserve,
            clock=self._clock,
            window=Window(terms.rate, grace=terms.grace),
            make_queue=Queue,
        )


#: The limiter of every client that is given none: one for the process, so that all share a key.
default_limiter: Final = LocalLimiter()


def find_limiter(given: Limiter | NotGiven) -> Limiter:
    """Return the limiter that was given; else that of a test in the sandbox, or the default."""
    if given is not NOT_GIVEN:
        return given
    return limiter_in_force() or default_limiter
