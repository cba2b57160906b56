"""
The circuit breaker of a run: open in an outage, half open for one probe, closed by an answer.

It also records since when a refusal for the rate has held the run; the limiter ends that itself.

Rules of this module:

1. In an outage, one request at a time tries to reach the gateway; the others queue.
2. An outage ends with the first request that reaches the gateway, whatever the answer.
3. A try during an outage uses up nothing: no retry, no number, no slot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from .. import codes
from .._delivery.result import DeliveryResult
from .._delivery.retry import backoff
from .._ports.clock import Clock

__all__ = ["CircuitBreaker"]

#: Codes of a try that say nothing about when the next one will succeed.
_OUTAGES: Final = frozenset({codes.CONNECT_FAILED, codes.LIMITER_UNAVAILABLE})

_CAUSES: Final = {
    codes.CONNECT_FAILED: "the gateway cannot be reached",
    codes.LIMITER_UNAVAILABLE: "the store of the limiter cannot be reached",
    codes.RATE_LIMITED: "the gateway refused for the rate",
}


class CircuitBreaker:
    """
    Holds a run while the gateway, or the limiter's store, cannot be reached.

    Args:
        clock: Time and randomness.

        patience: Seconds for which an outage is waited out.

        log: Writes a line about the run: level, event, text.
    """

    def __init__(self, clock: Clock, patience: float, log: Callable[[int, str, str], None]) -> None:
        self._clock = clock
        self._patience = patience
        self._log = log
        self._code: str | None = None
        self._since = 0.0
        self._until = 0.0
        self._tries = 0
        self._prober: object | None = None
        self._turn = asyncio.Lock()

    @property
    def is_outage(self) -> bool:
        """Whether the gateway, or the limiter's store, cannot be reached."""
        return self._code in _OUTAGES

    @property
    def lasts_for(self) -> float | None:
        """Seconds since the hold began, or None."""
        return None if self._code is None else self._clock.now() - self._since

    async def wait(self, who: object, result: DeliveryResult) -> bool:
        """
        Wait until *who*, whose try sent nothing, may try again.

        Returns:
            Whether it may; False if the outage has lasted longer than `patience`.
        """
        code = result.first.code or ""
        if code not in _CAUSES:
            return True
        self._begin(code, result)
        if code not in _OUTAGES:  # the limiter knows how long
            self._until = max(self._until, self._clock.now() + result.retry_after)
            return True
        if self._prober is not who:
            await self._turn.acquire()
            if not self.is_outage:  # it ended meanwhile
                self._turn.release()
                return True
            self._prober = who
        return await self._may_probe()

    def end(self) -> None:
        """Record that the gateway was reached; a pause that it asked for still applies."""
        if self._code is None or self._clock.now() < self._until:
            return
        self._log(logging.INFO, "bulk.resumed", f"continues after {self.lasts_for:.0f} s")
        self._code = None
        self._let_all_go()

    def leave(self, who: object) -> None:
        """Remove *who*; if it was the probe, let the next request probe."""
        if self._prober is who:
            self._let_all_go()

    def _let_all_go(self) -> None:
        """Wake the next request in the queue, which wakes its successor if the outage is over."""
        if self._prober is not None:
            self._prober = None
            self._turn.release()

    async def _may_probe(self) -> bool:
        left = self._patience - (self._clock.now() - self._since)
        if left <= 0:
            return False
        self._tries += 1
        await self._clock.sleep(min(left, backoff(self._tries, self._clock.jitter())))
        return True

    def _begin(self, code: str, result: DeliveryResult) -> None:
        if self._code == code:
            return
        self.end()
        self._code, self._since, self._tries = code, self._clock.now(), 0
        seconds = self._patience if code in _OUTAGES else result.retry_after
        detail = f" ({result.first.detail})" if result.first.detail else ""
        what = f"is held for up to {seconds:.0f} s, since {_CAUSES[code]}{detail}"
        self._log(logging.WARNING, "bulk.paused", what)
