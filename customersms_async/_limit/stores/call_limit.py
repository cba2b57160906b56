"""How a store is asked: a few calls at once, each within its time, and none while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..._ports.store import BACK_OFF, TIMEOUT, StoreAway

__all__ = ["Calls"]

_Answer = TypeVar("_Answer")

_LONGEST_TEXT = 200
_PARTS = 10


class _Patience:
    """Ends a call after `TIMEOUT`; an event loop that is late takes one part of it at most."""

    def __init__(self, time: asyncio.Timeout) -> None:
        self._time = time
        self._loop = asyncio.get_running_loop()
        self._left = _PARTS
        self._wait()

    def _wait(self) -> None:
        self._left -= 1
        then = self._wait if self._left else self._end
        self.timer = self._loop.call_later(TIMEOUT / _PARTS, then)

    def _end(self) -> None:
        self._time.reschedule(self._loop.time())


class Calls:
    """
    The calls that one event loop makes of one store.

    Args:
        place: Where the store is, as errors name it; without a password.

        at_once: Calls that may be under way; the others wait, first come, first served.

        secret: A password, which an error must not show.

    Attributes:
        are_closed: Whether no call is made any more.
    """

    def __init__(self, place: str, at_once: int, secret: str | None = None) -> None:
        self._place = place
        self._secret = secret
        self._room = asyncio.Semaphore(at_once)
        self._failure = ""
        self._asks_again_at = float("-inf")
        self.are_closed = False

    async def make(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """
        Make *call* when its turn comes, unless another one has just failed.

        Raises:
            StoreAway: It failed with any exception, or took longer than `TIMEOUT`; or another one
                did, in the last `BACK_OFF` seconds.
        """
        now = asyncio.get_running_loop().time
        async with self._room:
            if now() < self._asks_again_at:
                raise StoreAway(self._failure)
            try:
                async with asyncio.timeout(None) as time:
                    patience = _Patience(time)
                    try:
                        return await call()
                    finally:
                        patience.timer.cancel()
            except Exception as exc:
                # Any kind: a driver or a client that was passed in may raise anything.
                failure = f"{self._place}: {self._describe(exc)}"
                if not self.are_closed:
                    self._failure, self._asks_again_at = failure, now() + BACK_OFF
                raise StoreAway(failure) from exc

    def close(self) -> None:
        """Let every call that is made or waits from now on fail at once."""
        self.are_closed = True
        self._failure = f"{self._place}: the store is closed"
        self._asks_again_at = float("inf")

    def _describe(self, exc: Exception) -> str:
        text = str(exc) or f"no answer within {TIMEOUT} s"
        if self._secret:
            text = text.replace(self._secret, "[hidden]")
        text = "".join(c if c.isprintable() else " " for c in text[: 4 * _LONGEST_TEXT])
        return f"{type(exc).__name__}: {' '.join(text.split())}"[:_LONGEST_TEXT]
