"""
How a run lives, from the first read to the last fate.

Theory of operation
===================

One task reads the input and starts requests (`Life._live`); each request is a task of its own
(`Life._work`). All belong to the client and not to the caller, whose cancellation must not reach a
request in flight: nobody would ever know what became of it. The caller only waits.

::

    source -> Reader -> batch -> Worker: slot -> claim -> attempt -> settle -> ResultCollector

Rules of this module:

1. The next request is started only when the one before it was let go by the limiter, and the
   input is read only as far as that: a run that ends early has read little in vain.
2. `Life.halt` decides without an await that nothing new leaves. Everything else follows from it.
3. Every number read is decided once, also when the run is stopped, cancelled or abandoned, and
   when the input or the journal raises.
4. Whether a run goes on, and how fast, is the conductor's decision alone.
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
from .bookkeeper import Bookkeeper
from .conductor import Conductor
from .crew import Crew
from .deadlines import Deadlines
from .hold import Hold
from .intake import Intake
from .options import Options
from .reader import Reader
from .results import ResultCollector
from .source import Spawn
from .states import Phase, move
from .tempo import Tempo, spoken
from .worker import Learnt, Worker

__all__ = ["Life"]

#: Seconds that a journal has to note the last answer, when a run waits for no more than that.
_TIME_TO_SETTLE: Final = 5.0

_TAKEN: Final = DeliveryResult(
    Verdict(Status.NOT_SENT, codes.TAKEN, "the journal did not let it go")
)

_logger = logging.getLogger("customersms_async")


class Life:
    """
    The life of one run. `start` it once, in the event loop that it lives in.

    Args:
        context: What its requests share.

        reader: Its input.

        options: Its options.

        spawn: Starts a task that belongs to the client.

        columns: Where the outcomes of a report go; None hands them over as they come.

    Attributes:
        halted: The word of what stopped it, or None.
        failure: What the caller's iterable, journal or session raised, or None.
        results: The fates.
        changed: Set whenever something has changed that somebody may wait for.
        task: The task that reads, once it was started.
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
        self._books = None if options.journal is None else Bookkeeper(options.journal)
        self._hold = Hold(context.clock, options.stop.outage, self._log)
        self._intake = Intake(
            reader,
            results=self.results,
            books=self._books,
            clock=context.clock,
            spawn=spawn,
            room=self._wait_for_room,
            tell=self.changed.set,
        )
        self._conductor = Conductor(options.stop, options.max_in_flight)
        self._crew = Crew()
        self._tempo = Tempo()
        self._requests = 0
        self._is_cut = False
        self._deadlines = Deadlines()
        self._ended: Callable[[], None] = _nothing

    @property
    def is_done(self) -> bool:
        """Whether every number that was read has its fate."""
        return self._phase is Phase.DONE

    @property
    def progress(self) -> Progress:
        """The counts at this instant."""
        fates, results = self.results.fates, self.results
        decided, now = results.decided, self._context.clock.now()
        expected, speed = self._intake.source.expected, self._tempo.per_minute(now, decided)
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
            in_flight=len(self._crew),
            remaining_credits=self._conductor.balance,
            stopped=self.halted if self._is_cut else None,
            complete=self.is_done and self._intake.is_read_to_end,
            expected=expected,
            numbers_per_minute=speed,
            eta=60 * left / speed if left is not None and speed else None,
            paused_for=self._hold.lasts_for,
        )

    def start(self, ended: Callable[[], None]) -> None:
        """Begin; *ended* is called once, when the last fate is known."""
        self._ended = ended
        self._phase = move(self._phase, Phase.READING)
        self._tempo.begin(self._context.clock.now())
        if self._options.stop_after is not None:  # before the task, which may end at once
            self._deadlines.later(self._options.stop_after, lambda: self.halt(codes.TIME_IS_UP))
        self._intake.source.start(self._spawn)
        self.task = self._spawn(self._live())

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that `changed` tells of."""
        while not is_so():
            self.changed.clear()
            await self.changed.wait()

    def halt(self, word: str) -> None:
        """Let nothing new leave from now on; the first reason stays."""
        if self.halted is not None or self.is_done:
            return
        self.halted = word
        if self._phase is Phase.READING:
            # Later, since the input itself may ask for it: a task that cancels itself is hit
            # wherever it waits next, and that may be for what is in flight.
            asyncio.get_running_loop().call_soon(self._interrupt)
        self._crew.halt(word)
        if self._crew:
            # A claim is let end, so that the journal knows what it holds, but not for ever.
            self._deadlines.later(self._drain, self._crew.end_claims)
        self.changed.set()

    def halt_and_drain(self, word: str, seconds: float | None = None) -> None:
        """Let nothing new leave, and wait no longer than *seconds* for what is in flight."""
        self.halt(word)
        if self._phase not in (Phase.READING, Phase.ENDING):
            return
        seconds = self._drain if seconds is None else seconds
        if self._crew and not self._deadlines.is_set:
            what = f"waits for {len(self._crew)} answers, up to {seconds:.0f} s ({self.halted})"
            self._log(logging.WARNING, "bulk.draining", what)
        self._deadlines.end_by(seconds, self._end_the_wait)

    @property
    def _drain(self) -> float:
        """Seconds that it waits for what is in flight: by default, as long as a request takes."""
        if self._options.drain is not None:
            return self._options.drain
        return self._context.timeout_for(self._options.batch_size) + _TIME_TO_SETTLE

    def _interrupt(self) -> None:
        """Stop reading, wherever it waits."""
        if self._phase is Phase.READING and self.task is not None:
            self.task.cancel()

    def _end_the_wait(self) -> None:
        self._interrupt()  # the input may still clean up after the first time
        self._crew.abandon()
        self._intake.give_up_notes()

    def _fail(self, exc: Exception, word: str) -> None:
        """Something of the caller's failed: nothing new leaves, and the end says why."""
        self.failure = self.failure or exc
        self.halt(word)

    async def _live(self) -> None:
        try:
            await self._start_requests()
        except asyncio.CancelledError:
            self._was_interrupted()
        except Exception as exc:  # noqa: BLE001  # say, a caller's session that was closed: no number is lost
            self._fail(exc, codes.STOPPED)
        self._phase = move(self._phase, Phase.ENDING)
        try:
            await self._crew.wait(self._is_at_the_end_of_the_loop, self._died)
            await self._account_for_the_rest()
            await self._intake.wait_for_notes()
            await self._deadlines.within(self._intake.source.close)
        except asyncio.CancelledError:
            self._intake.hurry()
            raise
        finally:
            await self._account_for_the_rest()  # for what was being read as it was closed
            self.failure = self.failure or self._intake.source.failure
            self._check_books()
            self._end()

    async def _account_for_the_rest(self) -> None:
        self._is_cut |= await self._intake.account_for_the_rest(self.halted)

    def _end(self) -> None:
        self._phase = move(self._phase, Phase.DONE)
        self._ended()
        self._deadlines.cancel()
        self.changed.set()
        self._log(logging.INFO, "bulk.ended", f"ended: {self.progress}")

    async def _start_requests(self) -> None:
        while self.halted is None and (batch := await self._intake.next_batch()):
            if self._intake.source.failure is not None:
                break
            await self.until(functools.partial(self._may_start, batch))
            if self.halted is not None or not self._can_pay(batch):
                continue
            worker = self._begin(batch)
            await worker.let_go.wait()
        if self._intake.source.failure is not None:
            self._fail(self._intake.source.failure, codes.INPUT_FAILED)

    def _may_start(self, batch: Batch) -> bool:
        crew = self._crew
        is_free = not self._hold.is_outage and self._has_room()
        return is_free and self._conductor.may_start(len(batch.phones), len(crew), crew.numbers)

    def _can_pay(self, batch: Batch) -> bool:
        """Cut the next batch to what can be paid for, or stop; tell whether it may go as it is."""
        room = self._conductor.room(self._crew.numbers)
        if room >= len(batch.phones):
            return True
        if room < 1:
            self.halt(self._conductor.word_for_shortage())
        else:
            self._intake.put_back(*batch.cut(int(room)))
        return False

    def _begin(self, batch: Batch) -> Worker:
        worker = Worker(self._context, batch, self._books, self._hold, self._options.lane)
        self._intake.begun()  # not before: where the session is closed, nobody has it yet
        self._crew.add(worker)
        worker.task = self._spawn(self._work(worker))
        return worker

    async def _work(self, worker: Worker) -> None:
        learnt = await worker.run()
        self._learn(worker, learnt)
        batch, result = worker.batch, learnt.result
        await worker.settle(result, lambda: self.results.outcomes(batch, result))
        self._check_books()
        self._decide(worker, result)

    def _learn(self, worker: Worker, learnt: Learnt) -> None:
        """Draw the conclusions for the run."""
        result, crew = learnt.result, self._crew
        self._requests += learnt.requests
        crew.answered(worker)
        self._check_books()
        if learnt.failure is not None:
            self._fail(learnt.failure, codes.STOPPED)
        if result.first.status is not Status.NOT_SENT:
            self._hold.end()
        if word := self._conductor.learn(result, len(worker.batch.phones), crew.numbers):
            self.halt(word)
        self._is_cut |= self.halted is not None and result.first.code == self.halted

    def _check_books(self) -> None:
        if self._books is not None and self._books.failure is not None:
            self._fail(self._books.failure, codes.JOURNAL_FAILED)

    def _decide(self, worker: Worker, result: DeliveryResult) -> None:
        worker.end()
        self._crew.discard(worker)
        worker.let_go.set()
        for taken in worker.taken:
            self.results.decide(taken, _TAKEN)
        self.results.decide(worker.batch, result)
        self._note_tempo()
        self.changed.set()

    def _note_tempo(self) -> None:
        now, decided = self._context.clock.now(), self.results.decided
        self._tempo.note(now, decided)
        if self._tempo.is_minute_over(now):
            self._log(logging.INFO, "bulk.progress", spoken(self.progress))

    def _was_interrupted(self) -> None:
        """The reading was cancelled: by `halt`, or by the end of the event loop itself."""
        if self.halted is None:
            self.halted = codes.CANCELLED
            self._crew.halt(codes.CANCELLED)
            self._is_at_the_end_of_the_loop()

    def _is_at_the_end_of_the_loop(self) -> None:
        self._intake.hurry()
        self._crew.abandon()

    def _died(self, worker: Worker) -> None:
        """The task of a request was cancelled before its first step, and has decided nothing."""
        self._decide(worker, worker.abandoned())

    def _has_room(self) -> bool:
        """Whether the caller takes outcomes as fast as they come."""
        results = self.results
        return not results.is_handing_over or len(results.ready) < self._options.batch_size

    async def _wait_for_room(self) -> None:
        await self.until(self._has_room)

    def _log(self, level: int, event: str, what: str) -> None:
        account = self._context.key.account
        extra = {"event": event, "account": account}
        _logger.log(level, "bulk run of account %s %s", account, what, extra=extra)


def _nothing() -> None:
    """Nobody waits for the end of a run that has not begun."""
