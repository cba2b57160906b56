"""
The whole life of one request: slot → attempt → answer → fates, and again where that is safe.

The same for a single message and for a batch of a bulk run. It knows ports only: no event loop,
no HTTP client, no clock but the one it is given.

Rules of this module:

1. Every attempt has a slot of its own, and ends it in exactly one way, whatever ends the attempt.
2. `Delivery.run` gives a `DeliveryResult` or, where its task is cancelled, passes the cancellation
   on; then `Delivery.abandoned` tells what is proven, by the last attempt's end or by its mark.
3. Whoever owns the task may call `halt` at any time: nothing new leaves from then on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from .. import codes
from .._ports.hooks import RequestRecord
from .._ports.limiter import Lane, Slot
from .._ports.transport import Attempt, Body, Reply, TransportFailure
from .._redaction import Redactor
from .._status import SENT, Status, Verdict
from .._wire.codec import (
    Answered,
    Refused,
    TurnedAway,
    Unreadable,
    encode_request,
    read_answer,
)
from .._wire.matching import match
from .._wire.pause import asked_pause
from ..errors import LimiterUnavailable, WaitTooLong
from .context import DeliveryContext
from .result import DeliveryResult
from .retry import (
    PATIENCE_WITH_REFUSALS,
    backoff,
    of_failure,
    of_refusal,
)

__all__ = ["Delivery"]

#: Bytes of an answer beyond which it is none: a generous entry is 512 bytes.
_ANSWER_BASE: Final = 65_536
_ANSWER_PER_NUMBER: Final = 512

#: A name of its own: to look a member up in its enumeration costs as much as a call.
_SEND: Final = Lane.SEND


def _never() -> bool:
    """Nobody has left."""
    return False


class Delivery:
    """
    One request and its attempts.

    Args:
        context: What it shares with others of its account.

        phones: The numbers, in E.164.

        text: The text, checked.

        lane: Who asks; a single message is sent as a string, a batch as an array.

        patience: Seconds for all of it, waiting included.

    Attributes:
        context: As given.
        phones: The numbers, as given.
        handed_over: Attempts that ended and whose body had begun to be written.
        is_left: Tells whether its caller was cancelled: then nothing new leaves, and the caller's
            side logs how it ended.
        on_granted: Called whenever a slot was granted, or None.
    """

    __slots__ = (
        "_attempt",
        "_deadline",
        "_ended",
        "_halted",
        "_lane",
        "_redactor",
        "_refused_at",
        "_retry_after",
        "_slot",
        "_text",
        "_timeout",
        "_transport",
        "_tries",
        "context",
        "handed_over",
        "is_left",
        "on_granted",
        "phones",
    )

    def __init__(
        self,
        context: DeliveryContext,
        phones: Sequence[str],
        text: str,
        lane: Lane,
        *,
        patience: float = math.inf,
    ) -> None:
        self.context = context
        self.phones = phones
        self.handed_over = 0
        self.is_left: Callable[[], bool] = _never
        self.on_granted: Callable[[], None] | None = None
        self._transport = context.transport()
        self._text = text
        self._lane = lane
        self._redactor: Redactor | None = None
        self._timeout = context.timeout_for(len(phones))
        self._deadline = context.clock.now() + patience
        self._attempt: Attempt | None = None
        self._ended: DeliveryResult | None = None
        self._halted: str | None = None
        self._slot: Slot | None = None
        self._tries = 0
        self._refused_at: float | None = None
        self._retry_after = 0.0

    async def run(self) -> DeliveryResult:
        """Live: wait, attempt, and again where nothing was sent and time allows."""
        context = self.context
        while True:
            if self._halted is not None:
                return self._not_sent(self._halted)
            accepted_at, (longest, patience) = context.accepted_at, self._bounds()
            try:
                slot = await context.limiter.acquire(
                    context.key.account,
                    self._lane,
                    longest=longest,
                    patience=patience,
                    ticket=None if self._slot is None else self._slot.ticket,
                )
            except WaitTooLong as exc:
                if not self._may_ask_again(accepted_at):
                    return self._too_late(exc)
                continue
            except LimiterUnavailable as exc:
                return self._not_sent(exc.code, exc.detail, cause=exc)
            ended = await self._try_once(slot)
            if ended.verdicts is SENT or ended.first.status is not Status.NOT_SENT:
                return ended
            if not await self._may_try_again(ended):
                return ended

    def halt(self, code: str) -> bool:
        """
        Let nothing leave from now on; a further try never begins.

        Args:
            code: The word of the reason, for what was not sent.

        Returns:
            Whether nothing has left that is not known about: then its task may be cancelled,
            and `abandoned` is exact.
        """
        self._halted = self._halted or code
        return self._attempt is None or self._attempt.call_off()

    def abandoned(self) -> DeliveryResult:
        """Say what is proven once the task was cancelled."""
        if self._ended is not None and self._ended.first.status is not Status.NOT_SENT:
            return self._ended
        if self._attempt is None or not self._attempt.is_started:
            return self._not_sent(self._halted or codes.CANCELLED)
        verdict = of_failure("nobody waited for the answer", is_started=True)
        return DeliveryResult(verdict, request=self._attempt.number)

    @property
    def is_in_flight(self) -> bool:
        """Whether an attempt is under way that has been handed over."""
        return self._attempt is not None and self._attempt.is_started

    def _left(self) -> float:
        """Seconds that are left for all of it, at least 0."""
        left = self._deadline - self.context.clock.now()
        return left if left > 0 else 0.0

    def _bounds(self) -> tuple[float, float | None]:
        """
        Give the most seconds that a request may take now, and that a slot is of use within.

        The latter is the caller's time, and once refused for the rate no longer than refusals are
        borne.
        """
        now, longest = self.context.clock.now(), self._timeout
        left = self._deadline - now
        if left < longest:
            longest = left = max(left, 0.0)
        if self._refused_at is not None:
            left = min(left, max(self._bears_until() - now, 0.0))
        return longest, None if left == math.inf else left

    def _bears_until(self) -> float:
        since = max(self._refused_at or 0.0, self.context.accepted_at)
        return since + PATIENCE_WITH_REFUSALS

    def _may_ask_again(self, accepted_at: float) -> bool:
        """Somebody else was let through since it asked: then the ten minutes begin anew."""
        was_refused = self._refused_at is not None
        return was_refused and self._left() > 0 and self.context.accepted_at > accepted_at

    async def _try_once(self, slot: Slot) -> DeliveryResult:
        context, phones = self.context, self.phones
        granted_at = context.clock.now()
        left = self._deadline - granted_at
        self._slot = slot
        if self.on_granted is not None:
            self.on_granted()
        if left <= 0:
            slot.unused()  # the loop was busy: to a transport, no time at all may mean no limit
            detail = "its turn came when its time was over"
            return self._not_sent(codes.WAIT_TOO_LONG, detail)
        if self._halted is not None or self.is_left():  # a limiter may swallow a cancellation
            slot.unused()
            self.halt(codes.CANCELLED)
            return self._not_sent(self._halted or codes.CANCELLED)
        attempt = self._attempt = Attempt(next(context.numbers))
        try:
            reply = await self._transport.post(
                Body(encode_request(context.key, self._spelled(), self._text)),
                attempt,
                timeout=min(self._timeout, left),
                most=_ANSWER_BASE + _ANSWER_PER_NUMBER * len(phones),
            )
            ended = self._read(attempt, slot, reply)
        except TransportFailure as exc:
            ended = self._failed(attempt, slot, exc)
        except BaseException:
            # Cancelled, or a fault of a transport: the slot must end all the same.
            self._note(attempt, slot, self._failed(attempt, slot, None), granted_at)
            raise
        self.handed_over += attempt.is_started
        self._attempt, self._ended = None, ended
        if ended.verdicts is not SENT or context.on_request is not None:
            self._note(attempt, slot, ended, granted_at)
        return ended

    def _note(self, attempt: Attempt, slot: Slot, ended: DeliveryResult, granted_at: float) -> None:
        """Let logs and the caller's hook know of an attempt that has ended."""
        if ended.verdicts is not SENT:
            self._warn_of_unknown(attempt, ended)
        self.context.tell(lambda: self._record(attempt, slot, ended, granted_at))

    def _read(self, attempt: Attempt, slot: Slot, reply: Reply) -> DeliveryResult:
        if not attempt.is_started:
            slot.unused()
            verdict = of_failure("an answer to another request came first", is_started=False)
            return DeliveryResult(verdict, request=attempt.number)
        context = self.context
        body = context.key.hide_in(reply.body)
        answer = read_answer(reply.status, body, context.rate_statuses, self._text)
        if not isinstance(answer, Answered):
            return self._refused(attempt, slot, reply, answer)
        found = match(self.phones, answer, self._clean, self._text)
        if found.is_foreign:
            reply.discard()
            slot.lost()
        else:
            slot.answered()
            self._accepted(answer.credits)
        if found.surplus:
            what = f"{found.surplus} entries were not asked for"
            context.warn("answer.surplus", attempt.number, what)
        return DeliveryResult(found.verdicts, found.message_ids, attempt.number, answer.credits)

    def _spelled(self) -> str | Sequence[str]:
        return self.phones[0] if self._lane is _SEND else self.phones

    def _refused(
        self,
        attempt: Attempt,
        slot: Slot,
        reply: Reply,
        answer: Refused | TurnedAway | Unreadable,
    ) -> DeliveryResult:
        detail = self._clean(answer.detail) if answer.detail else None
        verdict = of_refusal(answer, detail)
        if isinstance(answer, Unreadable):
            slot.lost()
            return DeliveryResult(verdict, request=attempt.number)
        if isinstance(answer, TurnedAway):
            self._turned_away(slot, asked_pause(reply.headers, answer.retry_after))
            return DeliveryResult(verdict, request=attempt.number, retry_after=self._retry_after)
        slot.answered()
        self._accepted(answer.credits)
        return DeliveryResult(verdict, request=attempt.number, credits=answer.credits)

    def _turned_away(self, slot: Slot, retry_after: float | None) -> None:
        self._retry_after = slot.refused(retry_after)
        if self._refused_at is None:
            self._refused_at = self.context.clock.now()

    def _accepted(self, credits_left: int | None) -> None:
        self.context.accepted_at = self.context.clock.now()
        self._refused_at = None
        if credits_left is not None:
            self.context.on_credits(credits_left)

    def _failed(self, attempt: Attempt, slot: Slot, exc: TransportFailure | None) -> DeliveryResult:
        if attempt.is_started:
            slot.lost()
        else:
            slot.unused()
        verdict = of_failure(str(exc or "cancelled"), is_started=attempt.is_started)
        if exc is None and not attempt.is_started:
            verdict = Verdict(Status.NOT_SENT, self._halted or codes.CANCELLED)
        return DeliveryResult(verdict, request=attempt.number, cause=exc)

    async def _may_try_again(self, ended: DeliveryResult) -> bool:
        """Decide what follows a try that sent nothing, and wait where it is time to wait."""
        if self._halted is not None:
            return False
        if ended.first.code == codes.RATE_LIMITED:
            return True  # uses up no retry: the pause and the caller's time are the bounds
        self._tries += 1
        delay, left = backoff(self._tries, self.context.clock.jitter()), self._left()
        if left <= 0:
            ended.verdicts = Verdict(Status.NOT_SENT, codes.WAIT_TOO_LONG, ended.first.detail)
        if self._tries > self.context.retries or delay >= left:
            return False
        await self.context.clock.sleep(delay)
        return True

    def _too_late(self, exc: WaitTooLong) -> DeliveryResult:
        if self._refused_at is not None:
            detail = "turned away for the rate, and no time is left for another try"
            return self._not_sent(codes.RATE_LIMITED, detail, cause=exc)
        self._retry_after = exc.retry_after
        return self._not_sent(exc.code, exc.detail, cause=exc)

    def _not_sent(
        self, code: str, detail: str | None = None, *, cause: Exception | None = None
    ) -> DeliveryResult:
        verdict = Verdict(Status.NOT_SENT, code, detail)
        return DeliveryResult(verdict, retry_after=self._retry_after, cause=cause)

    def _clean(self, detail: str) -> str:
        if self._redactor is None:
            self._redactor = Redactor(self.context.key.reveal(), self._text, self.phones)
        return self._redactor.clean(detail)

    def _warn_of_unknown(self, attempt: Attempt, ended: DeliveryResult) -> None:
        if self.is_left():
            return
        if unknown := ended.fates(len(self.phones))[Status.UNKNOWN]:
            what = f"the fate of {unknown} of its {len(self.phones)} numbers is unknown"
            self.context.warn("request.unknown", attempt.number, what)

    def _record(
        self, attempt: Attempt, slot: Slot, ended: DeliveryResult, granted_at: float
    ) -> RequestRecord:
        context = self.context
        return RequestRecord(
            account=context.key.account,
            request=f"{context.name}-{attempt.number}",
            kind=self._lane.value,
            numbers=len(self.phones),
            fates=dict(ended.fates(len(self.phones))),
            code=None if ended.whole is None else ended.whole.code,
            waited=slot.waited,
            took=context.clock.now() - granted_at,
            credits=ended.credits,
        )
