"""
The lifecycle of a run, from the first read to the last fate.

Theory of operation
===================

One task reads the input and starts requests (`Lifecycle._live`); each request has a task
(`Lifecycle._work`). All of them belong to the client, not to the caller, whose cancellation must
not reach a request in flight: its fate would be lost. The caller only waits.

::

    source -> Reader -> batch -> BulkRequest: slot -> claim -> attempt -> settle -> ResultCollector

Rules of this module:

1. The next request is started only after the limiter has granted the previous one a slot, and the
   input is read only as far as needed: a run that ends early has read little too much.
2. `Lifecycle.halt` decides, without an await, that nothing new is sent; the rest follows from that.
3. Every number read is decided exactly once, even if the run is stopped, cancelled or abandoned, or
   the input or the journal raises.
4. Only the flow controller decides whether a run continues, and how fast.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Final

from .. import codes
from .._delivery.context import DeliveryContext
from .._delivery.result import DeliveryResult
from .._ports.journal import Batch
from .._values.columns import Columns
from .._values.status import Status, Verdict
from ..outcomes import Progress
from .batching import Batcher
from .bulk_request import BulkRequest, RequestResult
from .circuit_breaker import CircuitBreaker
from .deadlines import Deadlines
from .flow_control import FlowController
from .journaling import SerialJournal
from .open_requests import OpenRequests
from .options import Options
from .reader import Reader
from .results import ResultCollector
from .run_states import Phase, move
from .source import Spawn
from .throughput import Throughput, spoken

__all__ = ["Lifecycle"]

#: Seconds that a journal has to record the last answer, once a run waits only for that.
_TIME_TO_SETTLE: Final = 5.0

_TAKEN: Final = DeliveryResult(Verdict(Status.NOT_SENT, codes.TAKEN, "the journal refused it"))

_logger = logging.getLogger("customersms_async")


class Lifecycle:
    """
    One run from its first read to its last fate. `start` it once, in the event loop of its caller.

    Args:
        context: What its requests share.

        reader: Its input.

        options: Its options.

        spawn: Starts a task that belongs to the client.

        columns: Where the outcomes of a report go; None yields them as they arrive.

    Attributes:
        halted: The code of what stopped it, or None.
        failure: The exception of the caller's iterable, journal or session, or None.
        results: The fates.
        changed: Set when something changes that a caller may wait for.
        task: The reading task, once it was started.
    """

    def __init__(
        self,
        context: DeliveryContext,
        reader: Reader,
        options: Options,
        spawn: Spawn,
        columns: Columns | None,
    ) -> None:
        self.halted: str | None = None
        self.failure: Exception | None = None
        self.results: ResultCollector = ResultCollector(context.name, columns)
        self.changed: asyncio.Event = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._context = context
        self._options = options
        self._spawn = spawn
        self._phase = Phase.NEW
        self._journal = None if options.journal is None else SerialJournal(options.journal)
        self._breaker = CircuitBreaker(context.clock, options.stop.outage, self._log)
        self._batcher = Batcher(
            reader,
            results=self.results,
            journal=self._journal,
            clock=context.clock,
            spawn=spawn,
            caught_up=self._wait_for_room,
            notify=self.changed.set,
        )
        self._flow = FlowController(options.stop, options.max_in_flight)
        self._open = OpenRequests()
        self._throughput = Throughput()
        self._requests = 0
        self._is_cut = False
        self._is_forbidden = False
        self._deadlines = Deadlines()
        self._ended: Callable[[], None] = _nothing

    @property
    def is_done(self) -> bool:
        """Whether every number that was read has its fate."""
        return self._phase is Phase.DONE

    @property
    def progress(self) -> Progress:
        """The current counts."""
        fates, results = self.results.fates, self.results
        decided, now = results.decided, self._context.clock.now()
        expected, speed = self._batcher.source.expected, self._throughput.per_minute(now, decided)
        left = None if expected is None else max(expected - decided, 0)
        return Progress(
            sent=fates[Status.SENT],
            rejected=fates[Status.REJECTED],
            not_sent=fates[Status.NOT_SENT],
            unknown=fates[Status.UNKNOWN],
            duplicates=results.duplicates,
            skipped=results.skipped,
            waiting=results.read_count - decided,
            requests=self._requests,
            in_flight=len(self._open),
            remaining_credits=self._flow.balance,
            stopped=self.halted if self._is_cut else None,
            complete=self.is_done and self._batcher.is_read_to_end,
            expected=expected,
            numbers_per_minute=speed,
            eta=60 * left / speed if left is not None and speed else None,
            paused_for=self._breaker.lasts_for,
        )

    def start(self, ended: Callable[[], None]) -> None:
        """Start; *ended* is called once, when the last fate is known."""
        self._ended = ended
        self._phase = move(self._phase, Phase.READING)
        self._throughput.begin(self._context.clock.now())
        if self._options.stop_after is not None:  # before the task, which may end at once
            self._deadlines.later(self._options.stop_after, lambda: self.halt(codes.TIME_IS_UP))
        self._batcher.source.start(self._spawn)
        self.task = self._spawn(self._live())

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for a condition that `changed` signals."""
        while not is_so():
            self.changed.clear()
            await self.changed.wait()

    def forbid(self) -> None:
        """Let nothing more leave, at once; another thread calls it before it asks to `halt`."""
        self._is_forbidden = True

    def halt(self, code: str) -> None:
        """Send nothing new from now on; the first reason counts."""
        if self.halted is not None or self.is_done:
            return
        self.halted = code
        if self._phase is Phase.READING:
            # Not now, since the input itself may call this: a task that cancels itself is
            # interrupted at its next await, which may be for requests in flight.
            asyncio.get_running_loop().call_soon(self._interrupt)
        self._open.halt(code)
        if self._open:
            # A pending claim may finish, so that the journal knows what it holds, within limits.
            self._deadlines.later(self._drain, self._open.end_claims)
        self.changed.set()

    def halt_and_drain(self, code: str, seconds: float | None = None) -> None:
        """Send nothing new, and wait at most *seconds* for requests in flight."""
        self.halt(code)
        if self._phase not in (Phase.READING, Phase.ENDING):
            return
        seconds = self._drain if seconds is None else seconds
        numbers = self._open.under_way
        if numbers and not self._deadlines.is_set:
            what = f"waits for {len(numbers)} answers, up to {seconds:.0f} s ({self.halted})"
            facts = {"answers": len(numbers), "numbers": sum(numbers), "seconds": seconds}
            self._log(logging.WARNING, "bulk.draining", what, **facts)
        self._deadlines.end_by(seconds, self._end_the_wait)

    @property
    def _drain(self) -> float:
        """Seconds to wait for requests in flight: by default, as long as a request may take."""
        if self._options.drain is not None:
            return self._options.drain
        return self._context.timeout_for(self._options.batch_size) + _TIME_TO_SETTLE

    def _interrupt(self) -> None:
        """Stop reading, at any await."""
        if self._phase is Phase.READING and self.task is not None:
            self.task.cancel()

    def _end_the_wait(self) -> None:
        self._interrupt()  # the input may still clean up after the first time
        self._open.abandon()
        self._batcher.give_up_notes()

    def _fail(self, exc: Exception, code: str) -> None:
        """Stop because the caller's iterable or journal failed; the end of the run says why."""
        self.failure = self.failure or exc
        self.halt(code)

    async def _live(self) -> None:
        try:
            await self._start_requests()
        except asyncio.CancelledError:
            self._was_interrupted()
        except Exception as exc:  # noqa: BLE001  # for example a closed session: no number is lost
            self._fail(exc, codes.STOPPED)
        self._phase = move(self._phase, Phase.ENDING)
        try:
            await self._open.wait(self._is_at_the_end_of_the_loop, self._died)
            await self._account_for_the_rest()
            await self._batcher.wait_for_notes()
            await self._deadlines.within(self._batcher.source.close)
        except asyncio.CancelledError:
            self._batcher.hurry()
            raise
        finally:
            await self._account_for_the_rest()  # for items read while it was being closed
            self.failure = self.failure or self._batcher.source.failure
            self._check_journal()
            self._end()

    async def _account_for_the_rest(self) -> None:
        self._is_cut |= await self._batcher.account_for_the_rest(self.halted)

    def _end(self) -> None:
        self._phase = move(self._phase, Phase.DONE)
        self._batcher.forget()
        self._ended()
        self._deadlines.cancel()
        self.changed.set()
        self._log(logging.INFO, "bulk.ended", f"ended: {self.progress}")

    async def _start_requests(self) -> None:
        while self.halted is None and (batch := await self._batcher.next_batch()):
            if self._batcher.source.failure is not None:
                break
            await self.until(functools.partial(self._may_start, batch))
            if self.halted is not None or not self._can_pay(batch):
                continue
            request = self._begin(batch)
            await request.let_go.wait()
        if self._batcher.source.failure is not None:
            self._fail(self._batcher.source.failure, codes.INPUT_FAILED)

    def _may_start(self, batch: Batch) -> bool:
        is_free = not self._breaker.is_outage and self._has_room()
        return is_free and self._flow.may_start(
            len(batch.phones), len(self._open), self._open.numbers
        )

    def _may_leave(self) -> bool:
        """Whether a request may leave; asked right before its first byte."""
        if self._is_forbidden:
            self.halt(codes.STOPPED)
        return not self._is_forbidden

    def _can_pay(self, batch: Batch) -> bool:
        """Cut the next batch to what can be paid for, or stop; return whether it may be sent."""
        affordable = self._flow.affordable(self._open.numbers)
        if affordable >= len(batch.phones):
            return True
        if affordable < 1:
            self.halt(self._flow.code_for_shortage())
        else:
            self._batcher.put_back(*batch.cut(int(affordable)))
        return False

    def _begin(self, batch: Batch) -> BulkRequest:
        request = BulkRequest(
            self._context,
            batch,
            self._journal,
            self._breaker,
            self._options.lane,
            may_leave=self._may_leave,
        )
        self._batcher.begun()  # only now: `BulkRequest` raises if the session is closed
        self._open.add(request)
        request.task = self._spawn(self._carry_out(request))
        return request

    async def _carry_out(self, request: BulkRequest) -> None:
        ended = await request.run()
        self._learn(request, ended)
        batch, result = request.batch, ended.result
        await request.settle(result, lambda: self.results.outcomes(batch, result))
        self._check_journal()
        self._decide(request, result)

    def _learn(self, request: BulkRequest, ended: RequestResult) -> None:
        """Apply the result of a request to the run."""
        result = ended.result
        self._requests += ended.requests
        self._open.answered(request)
        self._check_journal()
        if ended.failure is not None:
            self._fail(ended.failure, codes.STOPPED)
        if result.first.status is not Status.NOT_SENT:
            self._breaker.end()
        if code := self._flow.learn(result, len(request.batch.phones), self._open.numbers):
            self.halt(code)
        self._is_cut |= self.halted is not None and result.first.code == self.halted

    def _check_journal(self) -> None:
        if self._journal is not None and self._journal.failure is not None:
            self._fail(self._journal.failure, codes.JOURNAL_FAILED)

    def _decide(self, request: BulkRequest, result: DeliveryResult) -> None:
        request.end()
        self._open.discard(request)
        request.let_go.set()
        for taken in request.taken:
            self.results.decide(taken, _TAKEN)
        self.results.decide(request.batch, result)
        self._note_throughput()
        self.changed.set()

    def _note_throughput(self) -> None:
        now, decided = self._context.clock.now(), self.results.decided
        self._throughput.note(now, decided)
        if self._throughput.is_minute_over(now):
            self._log(logging.INFO, "bulk.progress", spoken(self.progress))

    def _was_interrupted(self) -> None:
        """Handle a cancellation of reading, by `halt` or by the end of the event loop."""
        if self.halted is None:
            self.halted = codes.CANCELLED
            self._open.halt(codes.CANCELLED)
            self._is_at_the_end_of_the_loop()

    def _is_at_the_end_of_the_loop(self) -> None:
        self._batcher.hurry()
        self._open.abandon()

    def _died(self, request: BulkRequest) -> None:
        """Handle a request whose task was cancelled before its first step, or interrupted."""
        self._decide(request, request.abandoned())

    def _has_room(self) -> bool:
        """Whether the caller keeps up with the outcomes."""
        results = self.results
        return not results.is_handing_over or len(results.ready) < self._options.batch_size

    async def _wait_for_room(self) -> None:
        await self.until(self._has_room)

    def _log(self, level: int, event: str, what: str, **facts: float) -> None:
        account = self._context.key.account
        extra = {"event": event, "account": account, **facts}
        _logger.log(level, "bulk run of account %s %s", account, what, extra=extra)


def _nothing() -> None:
    """There is nothing to call before the run has started."""
