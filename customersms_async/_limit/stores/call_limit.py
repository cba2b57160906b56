"""Limits on calls to a store: a few at once, a time-out for each, a pause after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..._ports.store import BACK_OFF, TIMEOUT, StoreAway
from .outage import StoreOutage

__all__ = ["Calls"]

_Answer = TypeVar("_Answer")

_LONGEST_TEXT = 200
_PARTS = 10


class _Patience:
    """Ends a call after `TIMEOUT`; a delay of the event loop uses up one part of it at most."""

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
    The calls of one event loop to one store.

    Args:
        place: Address of the store for errors, without a password.

        at_once: Most calls under way; the others wait, first in, first out.

        secret: A password, which errors must not show.

    Attributes:
        are_closed: Whether further calls fail.
    """

    def __init__(self, place: str, at_once: int, secret: str | None = None) -> None:
        self._place = place
        self._secret = secret
        self._room = asyncio.Semaphore(at_once)
        self._failure = ""
        self._asks_again_at = float("-inf")
        self._outage = StoreOutage()
        self.are_closed = False

    async def make(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """
        Make *call* in its turn, unless another one has just failed.

        Raises:
            StoreAway: It raised any exception or took longer than `TIMEOUT`, or another one did in
                the last `BACK_OFF` seconds.
        """
        now = asyncio.get_running_loop().time
        async with self._room:
            if now() < self._asks_again_at:
                raise StoreAway(self._failure)
            try:
                async with asyncio.timeout(None) as time:
                    patience = _Patience(time)
                    try:
                        answer = await call()
                    finally:
                        patience.timer.cancel()
            except Exception as exc:
                # Any exception: a driver, or a client that was passed in, may raise anything.
                failure = f"{self._place}: {self._describe(exc)}"
                if not self.are_closed:
                    self._failure, self._asks_again_at = failure, now() + BACK_OFF
                    self._outage.go_on(now(), failure)
                raise StoreAway(failure) from exc
            self._outage.end(now())
            return answer

    def close(self) -> None:
        """Fail all waiting and further calls at once."""
        self.are_closed = True
        self._failure = f"{self._place}: the store is closed"
        self._asks_again_at = float("inf")

    def _describe(self, exc: Exception) -> str:
        text = str(exc) or f"no answer within {TIMEOUT} s"
        if self._secret:
            text = text.replace(self._secret, "[hidden]")
        text = "".join(c if c.isprintable() else " " for c in text[: 4 * _LONGEST_TEXT])
        return f"{type(exc).__name__}: {' '.join(text.split())}"[:_LONGEST_TEXT]
