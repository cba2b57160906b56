"""
One request: slot → attempt → answer → fates, and again if that is safe.

It is the same for a single message and for a batch of a bulk run, and uses ports only: no event
loop, no HTTP client, no clock except the one it is given.

Rules of this module:

1. Every attempt has its own slot and releases it in exactly one way, however the attempt ends.
2. `Delivery.run` returns a `DeliveryResult`, or passes on a cancellation of its task; then
   `Delivery.abandoned` returns what is proven, by the end of the last attempt or by its mark.
3. The owner of the task may call `halt` at any time: nothing new is sent from then on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from .. import codes
from .._ports.limiter import Lane, Slot
from .._ports.transport import Attempt, Body, TransportFailure
from .._values.status import SENT, Status, Verdict
from .._wire.codec import encode_request
from .claim_gate import Gate
from .context import DeliveryContext
from .reply_reader import read_reply
from .reporting import call_hook, log_not_sent, warn_of_unknown
from .result import DeliveryResult
from .retry import backoff, of_failure
from .slot_wait import NoSlot, Turn
from .time_budget import TimeBudget

__all__ = ["Delivery"]

#: The largest answer per number, in bytes: a generous entry has 512.
_ANSWER_BASE: Final = 65_536
_ANSWER_PER_NUMBER: Final = 512

#: Looking up an enum member costs as much as a call.
_SEND: Final = Lane.SEND


def _never() -> bool:
    """A bulk run has no caller that could leave."""
    return False


class Delivery:
    """
    One request and its attempts.

    Args:
        context: What it shares with others of its account.

        phones: The numbers, in E.164.

        text: The text, checked.

        lane: Its lane; a single message is sent as a string, a batch as an array.

        patience: Seconds in total, including waits.

        gate: Called before each attempt, and after each that sent nothing; None for no gate.

    Attributes:
        context: See above.
        phones: The numbers; after the gate, those that it accepted.
        halted: The code of why nothing more may be sent, or None.
        handed_over: Ended attempts whose body had begun to be written.
        is_left: Whether the caller was cancelled; then nothing new is sent, and `send` logs the
            end.
    """

    halted: str | None = None
    handed_over = 0
    _attempt: Attempt | None = None
    _ended: DeliveryResult | None = None
    _number = 0
    _tries = 0
    _delay: float | None = None
    _asked_for = 0.0  # seconds of the slot that the gate took

    def __init__(
        self,
        context: DeliveryContext,
        phones: Sequence[str],
        text: str,
        lane: Lane,
        patience: float = math.inf,
        *,
        gate: Gate | None = None,
    ) -> None:
        self.context = context
        self.phones = phones
        self.is_left: Callable[[], bool] = _never
        self._transport = context.transport()
        self._text = text
        self._lane = lane
        self._gate = gate
        self._asked_at = self._granted_at = now = context.clock.now()
        attempt = context.timeout_for(len(phones))
        self._time = TimeBudget(
            context.answers, context.key.account, patience, now + patience, attempt
        )
        self._turn = Turn(context, lane, self._time)

    async def run(self) -> DeliveryResult:
        """Wait for a slot, attempt, and retry while nothing was sent and time remains."""
        try:
            while True:
                try:
                    self._check_halted()
                    slot = await self._turn.wait()
                    self._take(slot)
                    if self._gate is not None:
                        await self._admit(self._gate, slot)
                except NoSlot as exc:
                    ended, self._delay, is_tried = exc.result, None, False
                else:
                    ended, is_tried = await self._try_once(slot), True
                    if ended.verdicts is SENT:
                        return ended
                if self._delay is None and not self._is_for_gate(ended):
                    return ended if is_tried else self._end_without_attempt(ended)
                if not await self._wait_for_next_try(ended):
                    return self._end_without_attempt(ended)
        except BaseException:
            if self._attempt is None:
                self._end_without_attempt(self.abandoned())
            raise
        finally:
            self._time.end()
            self._gate = None  # it refers to this delivery: a cycle would keep both until a gc

    async def _wait_for_next_try(self, ended: DeliveryResult) -> bool:
        """Wait after a try that sent nothing; False ends the delivery."""
        if self._gate is not None and self._is_for_gate(ended):
            return await self._gate.may_try_again(ended)
        if self._delay:
            await self.context.clock.sleep(self._delay)
        return True

    def halt(self, code: str) -> bool:
        """
        Send nothing from now on; no further try begins.

        Args:
            code: The reason code, for what was not sent.

        Returns:
            Whether nothing with an unknown fate has left: then the task may be cancelled, and
            `abandoned` is exact.
        """
        self.halted = self.halted or code
        return self._attempt is None or self._attempt.call_off()

    def abandoned(self) -> DeliveryResult:
        """Return what is proven after the task was cancelled."""
        if self._ended is not None and self._ended.first.status is not Status.NOT_SENT:
            return self._ended
        if self._attempt is None or not self._attempt.is_started:
            return self._turn.end(self.halted or codes.CANCELLED)
        verdict = of_failure("the wait for the answer was given up", is_started=True)
        return DeliveryResult(verdict, request=self._attempt.number)

    @property
    def is_in_flight(self) -> bool:
        """Whether an attempt has been handed over and has not ended."""
        return self._attempt is not None and self._attempt.is_started

    def _check_halted(self) -> None:
        if self.halted is not None:
            raise NoSlot(self._turn.end(self.halted))

    def _take(self, slot: Slot) -> None:
        """
        Use a slot for the next attempt; give it back if that cannot be.

        Raises:
            NoSlot: It came too late, or the delivery was halted.
        """
        if self.halted is not None or self.is_left():  # a limiter may swallow a cancellation
            self.halt(codes.CANCELLED)
            raise self._give_up(slot, self.halted or codes.CANCELLED)
        self._granted_at = now = self.context.clock.now()
        if not self._time.is_enough(now):
            detail = "too little time was left for the answer when its turn came"
            raise self._give_up(slot, codes.TIME_IS_OVER, detail)
        self._number = next(self.context.numbers)

    def _give_up(self, slot: Slot, code: str, detail: str | None = None) -> NoSlot:
        """Give back an unused slot, and return the exception that says why."""
        self._turn.give_up(slot)
        return NoSlot(self._turn.end(code, detail))

    async def _admit(self, gate: Gate, slot: Slot) -> None:
        """Ask the gate which numbers may be sent; give the slot back if there are none."""
        begins_at = self.context.clock.now()
        try:
            self.phones = await gate.admit(self._number)
        except BaseException:
            self._turn.give_up(slot)
            raise
        self._granted_at = self.context.clock.now()
        self._asked_for = self._granted_at - begins_at
        if self.halted is not None:
            raise self._give_up(slot, self.halted)
        if not self.phones:
            raise self._give_up(slot, codes.TAKEN, "the journal refused all of it")
        if self._asked_for > self._time.attempt / 2:  # longer than the slot was requested for
            detail = "the journal took too long for its slot"
            raise self._give_up(slot, codes.WAIT_TOO_LONG, detail)

    def _is_for_gate(self, ended: DeliveryResult) -> bool:
        """Whether the gate decides how to continue, since nothing was sent."""
        if self._gate is None or self.halted is not None:
            return False
        return ended.first.status is Status.NOT_SENT

    async def _try_once(self, slot: Slot) -> DeliveryResult:
        context, time, numbers = self.context, self._time, len(self.phones)
        attempt = self._attempt = Attempt(self._number)
        self._number = 0
        if self._gate is not None:
            attempt.may_start = self._gate.may_start
            self._gate.count(numbers, 0)
        context.begun += numbers
        spelled = self.phones[0] if self._lane is _SEND else self.phones
        try:
            reply = await self._transport.post(
                Body(encode_request(context.key, spelled, self._text)),
                attempt,
                timeout=time.longest(self._granted_at) - self._asked_for,
                most=_ANSWER_BASE + _ANSWER_PER_NUMBER * numbers,
            )
            ended = read_reply(
                self._turn, self.phones, self._text, attempt=attempt, slot=slot, reply=reply
            )
        except TransportFailure as exc:
            ended = self._failed(attempt, slot, exc)
        except BaseException:
            # Cancelled, or a bug in the transport: the slot must be released in any case.
            self._delay = None
            self._tell(slot, self._failed(attempt, slot, None))
            raise
        finally:
            context.connections.give_back()
            context.ended += numbers
            if self._gate is not None:
                self._gate.count(0, numbers)
        self._attempt, self._ended = None, ended
        if attempt.is_started:
            self.handed_over += 1
            if self._lane is _SEND:  # a batch takes longer than a message
                took = context.clock.now() - self._granted_at
                learn = context.answers.heard if ended.cause is None else context.answers.lost
                learn(took)
        is_sent = ended.verdicts is SENT
        self._delay = None if is_sent else self._delay_after(ended)
        if not is_sent or context.on_request is not None:
            self._tell(slot, ended)
        return ended

    def _tell(self, slot: Slot, ended: DeliveryResult) -> None:
        """Report an attempt that has ended to the log and the caller's hook."""
        if ended.verdicts is not SENT and not self.is_left():  # else `send` logs it
            warn_of_unknown(self.context, ended, len(self.phones))
        call_hook(
            self.context,
            ended,
            lane=self._lane,
            numbers=len(self.phones),
            is_final=self._delay is None and not self._is_for_gate(ended),
            waited=slot.waited,
            took=self.context.clock.now() - self._granted_at,
        )

    def _end_without_attempt(self, ended: DeliveryResult) -> DeliveryResult:
        """Number and report a request that ends before an attempt, or between two."""
        context = self.context
        ended.request = ended.request or self._number or next(context.numbers)
        log_not_sent(context, ended)
        call_hook(
            context,
            ended,
            lane=self._lane,
            numbers=len(self.phones),
            is_final=True,
            waited=context.clock.now() - self._asked_at,
            took=0.0,
        )
        return ended

    def _failed(self, attempt: Attempt, slot: Slot, exc: TransportFailure | None) -> DeliveryResult:
        if attempt.is_started:
            slot.lost()
        else:
            slot.unused()
        verdict = of_failure(str(exc or "cancelled"), is_started=attempt.is_started)
        if not attempt.is_started and (exc is None or self.halted is not None):
            verdict = Verdict(Status.NOT_SENT, self.halted or codes.CANCELLED)
        return DeliveryResult(verdict, request=attempt.number, cause=exc)

    def _delay_after(self, ended: DeliveryResult) -> float | None:
        """Return after how many seconds to retry; None if the request ends here."""
        if ended.first.status is not Status.NOT_SENT or self.halted is not None:
            return None
        if self._gate is not None or ended.first.code == codes.RATE_LIMITED:
            return 0.0  # uses up no retry: the pause and the caller's time are the bounds
        now = self.context.clock.now()
        self._tries += 1
        if self._time.left(now) <= 0:
            ended.verdicts = Verdict(Status.NOT_SENT, codes.TIME_IS_OVER, ended.first.detail)
        delay = backoff(self._tries, self.context.clock.jitter())
        may_try = self._tries <= self.context.retries and self._time.is_enough(now + delay)
        return delay if may_try else None
