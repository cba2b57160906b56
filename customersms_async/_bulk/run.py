"""
The life of a bulk run, from the first read to the last fate.

Theory of operation
===================

One task reads the input and starts requests (`Run._pump`); each request is a task of its own
(`Run._work`). All belong to the client and not to the caller, whose cancellation must not reach a
request in flight: nobody would ever know what became of it. The caller only waits.

::

    input → Reader → batch → Worker: claim → Delivery → settle → ResultCollector → outcomes

Rules of this module:

1. The next request is started only when the one before it was let go by the limiter, and the
   input is read only as far as that: a run that ends early has read little in vain.
2. `Run.halt` decides without an await that nothing new leaves. Everything else follows from it.
3. Every number read is decided once, also when the run is stopped, cancelled or abandoned, and
   when the input or the journal raises.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from .. import codes
from .._columns import Columns
from .._delivery.context import DeliveryContext
from .._delivery.delivery import Delivery
from .._delivery.result import DeliveryResult
from .._delivery.retry import has_no_credits, is_key_refused
from .._ports.journal import Batch
from .._ports.limiter import Lane
from .._status import Status
from ..outcomes import Outcome, Progress, Report
from .concurrency import AdaptiveConcurrency
from .options import Options
from .reader import Reader
from .results import ResultCollector
from .worker import Worker, not_sent

__all__ = ["Run", "Spawn"]

#: Starts a task that belongs to the client.
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]

#: Inputs that are read before the loop is let run.
_NAP_AFTER: Final = 1000

_logger = logging.getLogger("customersms_async")


class Run:
    """
    One run. `start` it once, in the event loop that it lives in.

    Args:
        context: What its requests share.

        reader: Its input.

        options: Its options.

        spawn: Starts a task that belongs to the client.

        columns: Where the outcomes of a report go; None hands them over as they come.
    """

    def __init__(
        self,
        context: DeliveryContext,
        reader: Reader,
        options: Options,
        spawn: Spawn,
        columns: Columns | None,
    ) -> None:
        self.context = context
        self.is_done: bool = False
        self.failure: Exception | None = None
        self.halted: str | None = None
        self._reader = reader
        self._options = options
        self._spawn = spawn
        self._columns = columns
        self._results = ResultCollector(context.name, columns)
        self._concurrency = AdaptiveConcurrency(options.max_in_flight, options.max_unknown)
        self._pending: deque[Batch] = deque()
        self._workers: set[Worker] = set()
        self._requests = 0
        self._credits: int | None = None
        self._is_pumping = False
        self._is_hurried = False
        self._is_cut = False
        self._was_read_to_end = False
        self._since_nap = 0
        self._changed = asyncio.Event()
        self._ended: Callable[[], None] = _nothing
        self._task: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._drained_at: float | None = None
        self._closing: asyncio.Timeout | None = None

    @property
    def progress(self) -> Progress:
        """The counts at this instant."""
        fates, results = self._results.fates, self._results
        return Progress(
            sent=fates[Status.SENT],
            rejected=fates[Status.REJECTED],
            not_sent=fates[Status.NOT_SENT],
            unknown=fates[Status.UNKNOWN],
            duplicates=results.duplicates,
            waiting=results.read_count - sum(fates.values()),
            requests=self._requests,
            in_flight=len(self._workers),
            remaining_credits=self._credits,
            stopped=self.halted if self._is_cut else None,
            complete=self.is_done and self._was_read_to_end,
        )

    def start(self, ended: Callable[[], None]) -> None:
        """Begin; *ended* is called once, when the last fate is known."""
        self._ended = ended
        if self._options.stop_after is not None:  # before the task, which may end at once
            self._later(self._options.stop_after, lambda: self.halt(codes.TIME_IS_UP))
        self._task = self._spawn(self._live())

    def report(self) -> Report:
        """Give the outcomes that were kept in columns, and the counts."""
        columns = self._columns or Columns()
        columns.trim()
        return Report(columns, self.progress, self.context.name)

    def discard(self) -> None:
        """Hand over nothing more: from now on only counts are kept."""
        self._results.discard()
        self._changed.set()

    async def next_outcome(self) -> Outcome | None:
        """Wait for the next outcome; None at the end."""
        ready = self._results.ready
        await self._until(lambda: bool(ready) or self.is_done)
        self._changed.set()  # there is room again
        return ready.popleft() if ready else None

    async def join(self) -> None:
        """Wait for the end, once it was started; to be cancelled ends the wait, not the run."""
        await asyncio.wait([task for task in (self._task,) if task is not None])

    def halt(self, code: str) -> None:
        """Let nothing new leave from now on; the first reason stays."""
        if self.halted is not None or self.is_done:
            return
        self.halted = code
        if self._is_pumping:
            # Later, since the input itself may ask for it: a task that cancels itself is hit
            # wherever it waits next, and that may be for what is in flight.
            asyncio.get_running_loop().call_soon(self._interrupt)
        for worker in self._workers:
            worker.halt(code)
        if self._workers:
            # A claim is let end, so that the journal knows what it holds, but not for ever.
            self._later(self._options.drain, self._end_claims)
        self._changed.set()

    def _interrupt(self) -> None:
        """End the pump, wherever it waits."""
        if self._is_pumping and self._task is not None:
            self._task.cancel()

    def _end_claims(self) -> None:
        for worker in self._workers:
            worker.end_claim()

    def _later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back, unless the run has ended by then."""
        self._timers.append(asyncio.get_running_loop().call_later(seconds, callback))

    def halt_and_drain(self, code: str, seconds: float | None = None) -> None:
        """Let nothing new leave, and wait for what is in flight no longer than so many seconds."""
        self.halt(code)
        if self._task is not None and not self.is_done:
            seconds = self._options.drain if seconds is None else seconds
            self._later(seconds, self._end_the_wait)
            self._drained_at = asyncio.get_running_loop().time() + seconds
            if self._closing is not None and not self._closing.expired():
                self._closing.reschedule(self._drained_at)

    async def _live(self) -> None:
        """Live: pump, wait for what is in flight, account for the rest."""
        self._is_pumping = True
        try:
            await self._pump()
        except asyncio.CancelledError:
            self._was_interrupted()
        except Exception as exc:  # noqa: BLE001  # say, a caller's session that was closed: no number is lost
            self._is_pumping = False
            self.fail(exc, codes.STOPPED)
        finally:
            self._is_pumping = False
        try:
            await self._wait_for_workers()
            await self._account_for_the_rest()
            async with asyncio.timeout_at(self._drained_at) as self._closing:
                await self._reader.input.close()
        except TimeoutError:
            pass  # the input still cleans up, and nobody waits for it any longer
        finally:
            self.failure = self.failure or self._reader.input.failure
            self._end()

    def _end(self) -> None:
        self.is_done = True
        self._ended()
        for timer in self._timers:
            timer.cancel()
        self._changed.set()
        account = self.context.key.account
        _logger.info(
            "bulk run of account %s ended: %s",
            account,
            self.progress,
            extra={"event": "bulk.ended", "account": account},
        )

    async def _pump(self) -> None:
        while self.halted is None and await self._has_batch():
            await self._until(self._may_start)
            worker = self._start(self._pending[0])
            self._pending.popleft()  # not before: where the session is closed, nobody has it yet
            await self._until(worker.was_let_go)

    async def _has_batch(self) -> bool:
        """Read until a batch is complete; tell whether there is one."""
        source = self._reader.input
        while not self._pending and not source.is_exhausted:
            await self._until(self._has_room)
            await source.gather(self._reader.wanted)
            self._take(is_last=source.is_exhausted)
            await self._nap()
        if source.failure is not None:
            self._is_pumping = False  # the pump ends by itself here: it must not be cancelled
            self.fail(source.failure, codes.INPUT_FAILED)
            return False
        return bool(self._pending)

    def _take(self, *, is_last: bool) -> None:
        chunk = self._reader.take(is_last=is_last)
        self._results.read(chunk)
        self._pending.extend(chunk.batches)
        self._since_nap += len(chunk.numbers)
        if chunk.refused:
            self._changed.set()

    def _start(self, batch: Batch) -> Worker:
        delivery = Delivery(self.context, batch.phones, batch.text, Lane.BULK)
        worker = Worker(self, batch, delivery, self._options.journal)
        delivery.on_granted = lambda: self._let_go(worker)
        self._workers.add(worker)
        worker.task = self._spawn(self._work(worker))
        return worker

    def _let_go(self, worker: Worker) -> None:
        worker.is_let_go = True
        self._changed.set()

    async def _work(self, worker: Worker) -> None:
        delivered = await worker.deliver()
        self._learn(worker.delivery, delivered)
        await worker.settle(lambda: self._results.outcomes(worker.batch, delivered))
        self._decide(worker, delivered)

    def _decide(self, worker: Worker, delivered: DeliveryResult) -> None:
        self._workers.discard(worker)
        worker.is_let_go = True
        self._results.decide(worker.batch, delivered)
        self._changed.set()

    def _learn(self, delivery: Delivery, delivered: DeliveryResult) -> None:
        """Draw the conclusions for the run: more caution or less, go on or stop."""
        self._requests += delivery.handed_over + delivery.is_in_flight
        if delivered.credits is not None:
            self._credits = delivered.credits
        whole = delivered.whole
        if delivered.is_unknown:
            if self._concurrency.unknown():
                self.halt(codes.TOO_MANY_UNKNOWN)
        elif delivered.first.status is not Status.NOT_SENT:
            self._concurrency.answered()
        elif delivered.first.code == codes.RATE_LIMITED:
            self.halt(codes.RATE_LIMITED)
        elif delivered.first.code == self.halted:
            self._is_cut = True
        if whole is not None and is_key_refused(whole):
            self.halt(whole.code or codes.REJECTED)
        if self._is_out_of_credits(delivered):
            self.halt(codes.NO_CREDITS)

    def _is_out_of_credits(self, delivered: DeliveryResult) -> bool:
        if delivered.credits is not None and delivered.credits <= self._options.min_credits:
            return True
        return delivered.whole is not None and has_no_credits(delivered.whole)

    def fail(self, exc: Exception, code: str) -> None:
        """Something of the caller's own raised: nothing new leaves, and the end tells of it."""
        self.failure = self.failure or exc
        self.halt(code)

    def _abandon(self) -> None:
        """Wait no longer for what is in flight."""
        for worker in self._workers:
            worker.abandon()

    def _end_the_wait(self) -> None:
        self._interrupt()  # the input may still clean up after the first time
        self._abandon()

    def _was_interrupted(self) -> None:
        """The pump was cancelled: by `halt`, or by the end of the event loop itself."""
        if self.halted is None:
            self.halted = codes.CANCELLED
            self._is_hurried = True
            for worker in self._workers:
                worker.halt(codes.CANCELLED)
            self._abandon()

    async def _wait_for_workers(self) -> None:
        while tasks := [worker.task for worker in self._workers if worker.task is not None]:
            try:
                await asyncio.wait(tasks)
            except asyncio.CancelledError:
                self._is_hurried = True
                self._abandon()
            # A task that was cancelled before its first step has decided nothing.
            for worker in [w for w in self._workers if w.task is not None and w.task.done()]:
                self._decide(worker, worker.delivery.abandoned())

    async def _account_for_the_rest(self) -> None:
        """Give what was read, and the rest of a sized input, the fate that nothing was sent."""
        source = self._reader.input
        may_go_on = source.is_sized and source.failure is None
        self._is_cut |= not source.is_exhausted
        while True:
            self._take(is_last=True)
            self._is_cut |= bool(self._pending)
            while self._pending:
                self._results.decide(self._pending.popleft(), not_sent(self.halted))
            if source.is_exhausted or not may_go_on:
                break
            self._changed.set()
            await self._nap()
            await self._room_or_hurry()
            source.gather_now(_NAP_AFTER)
        self._was_read_to_end = source.is_exhausted and source.failure is None

    async def _nap(self) -> None:
        """Let others run, now and then."""
        if self._since_nap < _NAP_AFTER or self._is_hurried:
            return
        self._since_nap = 0
        try:
            await self.context.clock.sleep(0)
        except asyncio.CancelledError:
            if self._is_pumping:
                raise
            self._is_hurried = True

    async def _room_or_hurry(self) -> None:
        """Wait until the caller has taken what is known, unless nobody can any more."""
        try:
            await self._until(lambda: self._is_hurried or self._has_room())
        except asyncio.CancelledError:
            self._is_hurried = True

    def _has_room(self) -> bool:
        """Whether the caller takes outcomes as fast as they come."""
        results = self._results
        return not results.is_handing_over or len(results.ready) < self._options.batch_size

    def _may_start(self) -> bool:
        return len(self._workers) < self._concurrency.allowed and self._has_room()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._changed.clear()
            await self._changed.wait()


def _nothing() -> None:
    """Nobody waits for the end of a run that has not begun."""
