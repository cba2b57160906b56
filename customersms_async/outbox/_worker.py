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
from typing import Final, Self

from attrs import evolve

from .. import codes
from .._bulk.stop_rules import StopRules
from .._ports.limiter import Lane
from ..client import CustomerSMS, stream_batches
from ..errors import CustomerSMSError
from ._batch_source import AT_ONCE, BatchSource
from ._campaign_run import CampaignRun
from ._context import OutboxContext
from ._core.campaigns import QUEUE, QUEUE_NAME, find, pause
from ._journal import OutboxJournal
from ._run_target import RunTarget
from ._sender import Sender

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

    def __init__(
        self, context: OutboxContext, sms: CustomerSMS, stop: StopRules, max_in_flight: int
    ) -> None:
        self._context = context
        self._sms = sms
        self._rules = stop
        self._max_in_flight = max_in_flight
        self._is_closing = asyncio.Event()
        self._runs: set[CampaignRun] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._said: str | None = None

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._live(is_urgent=False)),
            asyncio.create_task(self._live(is_urgent=True)),
            asyncio.create_task(self._listen()),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_closing.set()
        for run in self._runs:
            run.stop.request(codes.STOPPED)
        *sending, listener = self._tasks
        listener.cancel()
        try:
            await asyncio.wait(self._tasks)
        finally:  # cancelled once more: what is in flight is given up
            for task in sending:
                task.cancel()

    async def _listen(self) -> None:
        """Wake the runs as soon as something is queued."""
        while True:
            await self._context.engine.wait_for_change(_TRY_AGAIN)
            for run in self._runs:
                run.changed.set()

    async def _live(self, *, is_urgent: bool) -> None:
        while not self._is_closing.is_set():
            try:
                await self._run(is_urgent=is_urgent)
                self._said = None
            except CustomerSMSError as exc:
                self._say(f"does not send: {exc}")
            await self._wait()

    async def _run(self, *, is_urgent: bool) -> None:
        target = RunTarget.of(
            self._context,
            await self._context.engine.run(find(QUEUE, time.time())),
            QUEUE_NAME,
            sender=Sender.of(self._sms),
            patience=self._rules.outage,
        )
        run = CampaignRun(target)
        self._runs.add(run)
        if self._is_closing.is_set():  # before it was among them
            run.stop.request(codes.STOPPED)
        try:
            await self._send(run, is_urgent=is_urgent)
        finally:
            self._runs.discard(run)
        if run.stop.code not in _NO_RULE:
            await self._context.engine.run(pause(run.target.campaign, run.stop.code))
            self._say(f"was paused by a stop rule ({run.stop.code}); call outbox.queue.resume()")

    async def _send(self, run: CampaignRun, *, is_urgent: bool) -> None:
        source = BatchSource(
            run=run,
            batch_size=1 if is_urgent else 100,
            is_urgent=is_urgent,
            is_endless=True,
            at_once=1 if is_urgent else min(AT_ONCE, self._max_in_flight),
        )
        make_bulk = partial(
            stream_batches,
            self._sms,
            source.batches(),
            lane=Lane.SEND if is_urgent else Lane.BULK,
            journal=OutboxJournal(run, self._rules.max_credits),
            stop=evolve(self._rules, max_credits=None),  # the journal keeps it, over all runs
            max_in_flight=self._max_in_flight,
        )
        await run.carry_out(make_bulk)

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
