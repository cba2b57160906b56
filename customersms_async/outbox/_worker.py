"""
`Worker`: sends what was enqueued, as long as its block is open.

Rules of this module:

1. It never stops on its own, and never takes an application down: a failure is logged as an ERROR
   and retried.
2. A stop rule pauses the queue for all workers, since each of them would hit the same problem.
3. Urgent messages have a separate run, in the lane of `CustomerSMS.send`, one number per request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import partial
from types import TracebackType
from typing import Final, Self

from .. import codes
from .._bulk.stop_rules import StopRules
from .._ports.limiter import Lane
from ..client import CustomerSMS, stream_batches
from ..errors import CustomerSMSError
from ._batch_source import AT_ONCE, Feed
from ._core.campaigns import QUEUE, QUEUE_NAME, find, hold
from ._core.engine import Named
from ._core.guards import PAUSED
from ._host import Host
from ._journal import OutboxJournal
from ._session import Session

__all__ = ["Worker"]

#: Seconds between two tries to begin a run.
_TRY_AGAIN: Final = 1.0

_logger = logging.getLogger("customersms_async")

#: How a run ends without a stop rule: it is closed, or it has paused the queue itself.
_NO_RULE: Final = (None, codes.STOPPED, codes.PAUSED)


class Worker:
    """
    Sends what was enqueued; get one from `Outbox.worker`.

    ::

        async with outbox.worker(sms):
            yield                       # in the lifespan of an application
    """

    def __init__(self, host: Host, sms: CustomerSMS, stop: StopRules, max_in_flight: int) -> None:
        self._host = host
        self._sms = sms
        self._rules = stop
        self._max_in_flight = max_in_flight
        self._is_closing = asyncio.Event()
        self._sessions: set[Session] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._said: str | None = None

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._live(is_urgent=False)),
            asyncio.create_task(self._live(is_urgent=True)),
            asyncio.create_task(self._listen()),
        ]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_closing.set()
        for session in self._sessions:
            session.end_with(codes.STOPPED)
        *runs, listener = self._tasks
        listener.cancel()
        try:
            await asyncio.wait(self._tasks)
        finally:  # cancelled once more: what is in flight is given up
            for run in runs:
                run.cancel()

    async def _listen(self) -> None:
        """Wake the runs as soon as something is queued."""
        while True:
            await self._host.engine.wait_for_change(_TRY_AGAIN)
            for session in self._sessions:
                session.changed.set()

    async def _live(self, *, is_urgent: bool) -> None:
        while not self._is_closing.is_set():
            try:
                await self._run(is_urgent=is_urgent)
                self._said = None
            except CustomerSMSError as exc:
                self._say(f"does not send: {exc}")
            await self._wait()

    async def _run(self, *, is_urgent: bool) -> None:
        session = Session.over(
            self._sms,
            Named(self._host.engine, QUEUE_NAME),
            await self._host.engine.run(find(QUEUE, time.time())),
            QUEUE_NAME,
            lease=self._host.lease,
            patience=self._rules.outage,
        )
        self._sessions.add(session)
        if self._is_closing.is_set():  # before it was among them
            session.end_with(codes.STOPPED)
        try:
            await self._send(session, is_urgent=is_urgent)
        finally:
            self._sessions.discard(session)
        if session.word not in _NO_RULE:
            await self._host.engine.run(hold(session.campaign, PAUSED, session.word))
            self._say(f"was paused by a stop rule ({session.word}); call outbox.queue.resume()")

    async def _send(self, session: Session, *, is_urgent: bool) -> None:
        journal = OutboxJournal(session, self._rules.max_credits)
        feed = Feed(
            session=session,
            batch_size=1 if is_urgent else 100,
            is_urgent=is_urgent,
            is_endless=True,
            at_once=1 if is_urgent else min(AT_ONCE, self._max_in_flight),
        )
        make_bulk = partial(
            stream_batches,
            self._sms,
            feed.batches(),
            lane=Lane.SEND if is_urgent else Lane.BULK,
            journal=journal,
            stop=self._rules,
            max_in_flight=self._max_in_flight,
        )
        await session.carry_out(self._host.place, make_bulk, journal.pay)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TRY_AGAIN):
                await self._is_closing.wait()

    def _say(self, what: str) -> None:
        """Log an ERROR, once per cause."""
        if what != self._said:
            self._said = what
            extra = {"event": "outbox.worker"}
            _logger.error("the worker of the %s %s", QUEUE_NAME, what, extra=extra)
