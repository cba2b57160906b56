"""A store in the memory of this process: the reference implementation of a store."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Final

from customersms_async._ports.store import Seen, Swap

__all__ = ["MemoryStore", "in_time", "may_replace"]

_RUN: Final = "memory"


class MemoryStore:
    """
    Values that last as long as this object, for any thread and event loop.

    Args:
        clock: Returns the store's time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._held: dict[str, tuple[bytes, bytes]] = {}

    async def read(self, account: str) -> Seen:
        """Return the value; see `Store.read`."""
        with self._lock:
            return self._seen(account)

    async def swap(
        self, account: str, base: Seen, value: bytes, *, within: float | None = None
    ) -> Swap:
        """Replace the value if it is still *base*; see `Store.swap`."""
        with self._lock:
            seen = self._seen(account)
            done = may_replace(base, seen, within)
            if done:
                self._held[account] = value, b"%d" % next(self._numbers)
            return Swap(done, self._seen(account))

    async def aclose(self) -> None:
        """Do nothing: the value is kept."""

    def _seen(self, account: str) -> Seen:
        value, token = self._held.get(account, (None, b""))
        return Seen(value, token, self._clock(), _RUN, self._since)


def may_replace(base: Seen, seen: Seen, within: float | None) -> bool:
    """Whether a swap based on *base* may be carried out on *seen*."""
    is_same = (seen.run, seen.token) == (base.run, base.token)
    return is_same and in_time(base, seen.now, within)


def in_time(base: Seen, now: float, within: float | None) -> bool:
    """Whether a swap requested *within* seconds of *base* may be carried out *now*."""
    return within is None or 0 <= now - base.now <= within
