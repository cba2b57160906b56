"""What the reply to an attempt proves, and how its slot is released."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from .._ports.limiter import Slot
from .._ports.transport import Attempt, Reply
from .._values.redaction import Redactor
from .._wire.codec import Answered, Refused, TurnedAway, Unreadable, read_answer
from .._wire.matching import match
from .._wire.retry_after import asked_pause
from .context import DeliveryContext
from .result import DeliveryResult
from .retry import backoff_for_rate, of_failure, of_refusal
from .slot_wait import Turn

__all__ = ["ReplyReader"]


@define(eq=False)
class ReplyReader:
    """
    Reads the replies to the attempts of one request.

    Attributes:
        context: What it shares with other requests of its account.
        text: The text that was sent, cut out of what the gateway says.
        turn: Its place in the queue.
    """

    context: DeliveryContext
    text: str
    turn: Turn
    _phones: Sequence[str] = field(default=(), init=False)
    _redactor: Redactor | None = field(default=None, init=False)

    def read(
        self, phones: Sequence[str], attempt: Attempt, slot: Slot, reply: Reply
    ) -> DeliveryResult:
        """
        Read a reply, and release the slot as it proves.

        Args:
            phones: The numbers that were sent to, in E.164.

            attempt: What the reply came to.

            slot: Its slot.

            reply: The reply.
        """
        if not attempt.is_started:
            slot.unused()
            verdict = of_failure("an answer to another request came first", is_started=False)
            return DeliveryResult(verdict, request=attempt.number)
        context, self._phones = self.context, phones
        body = context.key.hide_in(reply.body)
        answer = read_answer(reply.status, body, context.rate_statuses, self.text)
        if not isinstance(answer, Answered):
            return self._refused(attempt, slot, reply, answer)
        found = match(phones, answer, self._clean, self.text)
        if found.turned_away is not None:
            return self._refused(attempt, slot, reply, found.turned_away)
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

    def _refused(
        self,
        attempt: Attempt,
        slot: Slot,
        reply: Reply,
        answer: Refused | TurnedAway | Unreadable,
    ) -> DeliveryResult:
        # It names no number, so nothing shows that it answers this request and not the one before:
        # if not, the next on this connection would be given the answer to this one.
        reply.discard()
        detail = self._clean(answer.detail) if answer.detail else None
        verdict = of_refusal(answer, detail)
        if isinstance(answer, Unreadable):
            slot.lost()
            return DeliveryResult(verdict, request=attempt.number)
        if isinstance(answer, TurnedAway):
            own = backoff_for_rate(self.turn.refusals)
            self.turn.turned_away(slot, asked_pause(reply.headers, answer.retry_after, own))
            pause = self.turn.retry_after
            return DeliveryResult(verdict, request=attempt.number, retry_after=pause)
        slot.answered()
        self._accepted(answer.credits)
        return DeliveryResult(verdict, request=attempt.number, credits=answer.credits)

    def _accepted(self, credits_left: int | None) -> None:
        self.context.accepted_at = self.context.clock.now()
        self.turn.refused_at = None
        if credits_left is not None:
            self.context.on_credits(credits_left)

    def _clean(self, detail: str) -> str:
        """Cut key, text and numbers out of the gateway's words."""
        if self._redactor is None:  # it costs, and is rarely needed
            self._redactor = Redactor(self.context.key.reveal(), self.text, self._phones)
        return self._redactor.clean(detail)
