"""
`LocalLimiter`: the limit of a key, kept exactly within one process.

How it works stands in `_account` and `_serving`; why it holds, in `_window`.
"""

from __future__ import annotations

import time
from asyncio import get_running_loop
from collections.abc import Callable
from typing import Final

from ._account import Account, LocalSlot
from ._checks import check_count
from ._forking import lock
from ._pacing import Pace
from ._ports import Lane, Ticket, Usage
from ._serving import Queue
from ._window import Rate, Window
from .errors import ConfigurationError

__all__ = ["LocalLimiter", "Rate", "Usage", "default_limiter"]

#: Bulk runs may leave so many of a hundred at once: nine pleases a server that allows ten.
_BURST_PERCENT: Final = 9


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

        clock: Gives the instant in monotonic seconds; the same for every loop that uses it.

    Raises:
        ConfigurationError: *burst* or *reserve* does not fit the limit.
    """

    def __init__(
        self,
        rate: Rate | None = None,
        *,
        burst: int | None = None,
        reserve: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = _checked_rate(rate)
        limit = self._rate.limit
        if burst is None:
            burst = max(1, limit * _BURST_PERCENT // 100)
        self._burst = check_count("burst", burst, 1, limit)
        self._reserve = check_count("reserve", reserve, 0, limit - 1)
        self._clock = clock
        self._accounts: dict[str, Account] = {}

    @property
    def rate(self) -> Rate:
        """The limit that is kept."""
        return self._rate

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
        loop = get_running_loop()
        try:
            queue = self._accounts[account].queues[loop]
        except KeyError:
            queue = self._account(account).queue_of(loop)
        slot = queue.take_now(lane, longest, ticket)
        return await queue.wait(lane, longest, patience, ticket) if slot is None else slot

    def usage(self, account: str) -> Usage:
        """Say how *account* stands (`CustomerSMS.account` is its name); changes nothing."""
        return self._account(account).usage()

    def __repr__(self) -> str:
        return f"<LocalLimiter {self._rate.limit} per {self._rate.per:g} s>"

    def _account(self, name: str) -> Account:
        account = self._accounts.get(name)
        if account is None:
            with lock:
                account = self._accounts.setdefault(name, self._new_account())
        return account

    def _new_account(self) -> Account:
        return Account(
            pace=Pace(self._rate, self._burst),
            reserve=self._reserve,
            clock=self._clock,
            window=Window(self._rate),
            make_queue=Queue,
        )


def _checked_rate(rate: object) -> Rate:
    if rate is None:
        return Rate()
    if not isinstance(rate, Rate):
        msg = f"rate must be a Rate like Rate(100, per=60), not {type(rate).__name__}"
        raise ConfigurationError(msg)
    return rate


#: The limiter of every client that is given none: one for the process, so that all share a key.
default_limiter: Final = LocalLimiter()
