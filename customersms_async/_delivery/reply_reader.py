"""What the reply to an attempt proves, and how its slot is released."""

from __future__ import annotations

from collections.abc import Sequence

from .._ports.limiter import Slot
from .._ports.transport import Attempt, Reply
from .._values.redaction import Redactor
from .._values.status import SENT
from .._wire.codec import Answered, Refused, TurnedAway, Unreadable, read_answer
from .._wire.matching import accepted_in_order, match_by_digits
from .._wire.retry_after import asked_pause
from .result import DeliveryResult
from .retry import backoff_for_rate, of_failure, of_refusal
from .slot_wait import Turn

__all__ = ["read_reply"]


def read_reply(
    turn: Turn, phones: Sequence[str], text: str, *, attempt: Attempt, slot: Slot, reply: Reply
) -> DeliveryResult:
    """
    Read a reply, and release the slot accordingly.

    Args:
        turn: The request's turn in the queue.

        phones: The numbers that were sent to, in E.164.

        text: The text that was sent; it is removed from the gateway's texts.

        attempt: The attempt that got the reply.

        slot: Its slot.

        reply: The reply.
    """
    if not attempt.is_started:
        slot.unused()
        verdict = of_failure("an answer to another request came first", is_started=False)
        return DeliveryResult(verdict, request=attempt.number)
    context = turn.context
    body = context.key.hide_in(reply.body)
    answer = read_answer(reply.status, body, context.rate_statuses, text)
    if not isinstance(answer, Answered):
        redactor = Redactor(context.key.reveal(), text, phones)
        return _refused(turn, redactor, answer, attempt=attempt, slot=slot, reply=reply)
    message_ids = accepted_in_order(phones, answer.entries)
    if message_ids is not None:
        slot.answered()
        _accepted(turn, answer.credits)
        return DeliveryResult(SENT, message_ids, attempt.number, answer.credits)
    redactor = Redactor(context.key.reveal(), text, phones)
    found = match_by_digits(phones, answer, redactor.clean, text)
    if found.turned_away is not None:
        away = found.turned_away
        return _refused(turn, redactor, away, attempt=attempt, slot=slot, reply=reply)
    if found.is_foreign:
        reply.discard()
        slot.lost()
    else:
        slot.answered()
        _accepted(turn, answer.credits)
    if found.surplus:
        what = f"{found.surplus} entries were not requested"
        context.warn("answer.surplus", attempt.number, what)
    return DeliveryResult(found.verdicts, found.message_ids, attempt.number, answer.credits)


def _refused(
    turn: Turn,
    redactor: Redactor,
    answer: Refused | TurnedAway | Unreadable,
    *,
    attempt: Attempt,
    slot: Slot,
    reply: Reply,
) -> DeliveryResult:
    # It contains no number, so it may be the answer to the previous request: then the next request
    # on this connection would get the answer to this one.
    reply.discard()
    detail = redactor.clean(answer.detail) if answer.detail else None
    verdict = of_refusal(answer, detail)
    if isinstance(answer, Unreadable):
        slot.lost()
        return DeliveryResult(verdict, request=attempt.number)
    if isinstance(answer, TurnedAway):
        own = backoff_for_rate(turn.refusals)
        turn.turned_away(slot, asked_pause(reply.headers, answer.retry_after, own))
        return DeliveryResult(verdict, request=attempt.number, retry_after=turn.retry_after)
    slot.answered()
    _accepted(turn, answer.credits)
    return DeliveryResult(verdict, request=attempt.number, credits=answer.credits)


def _accepted(turn: Turn, credits_left: int | None) -> None:
    context = turn.context
    context.accepted_at = context.clock.now()
    turn.refused_at = None
    if credits_left is not None:
        context.on_credits(credits_left)
