"""What the reply to an attempt proves, and how its slot is released."""

from __future__ import annotations

from collections.abc import Sequence

from .._ports.limiter import Slot
from .._ports.transport import Attempt, Reply
from .._values.redaction import Redactor
from .._values.status import SENT
from .._wire.codec import Answered, Refused, TurnedAway, Unreadable, read_answer
from .._wire.matching import Match, match_by_digits, match_in_order
from .._wire.retry_after import asked_pause
from .context import DeliveryContext
from .result import DeliveryResult
from .retry import backoff_for_rate, of_failure, of_refusal
from .slot_wait import Turn

__all__ = ["read_reply"]


def read_reply(
    turn: Turn, phones: Sequence[str], text: str, *, attempt: Attempt, slot: Slot, reply: Reply
) -> DeliveryResult:
    """
    Read a reply, and release the slot as it proves.

    Args:
        turn: The place of the request in the queue.

        phones: The numbers that were sent to, in E.164.

        text: The text that was sent; it is cut out of what the gateway says.

        attempt: What the reply came to.

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
    found = match_in_order(phones, answer.entries)
    if found is not None:
        slot.answered()
        _accepted(turn, answer.credits)
        return DeliveryResult(SENT, found.message_ids, attempt.number, answer.credits)
    redactor = Redactor(context.key.reveal(), text, phones)
    by_digits = match_by_digits(phones, answer, redactor.clean, text)
    if by_digits.turned_away is not None:
        away = by_digits.turned_away
        return _refused(turn, redactor, away, attempt=attempt, slot=slot, reply=reply)
    if by_digits.is_foreign:
        reply.discard()
        slot.lost()
    else:
        slot.answered()
        _accepted(turn, answer.credits)
    return _result(turn, by_digits, attempt, answer.credits)


def _result(turn: Turn, found: Match, attempt: Attempt, credits_left: int | None) -> DeliveryResult:
    if found.surplus:
        what = f"{found.surplus} entries were not asked for"
        turn.context.warn("answer.surplus", attempt.number, what)
    return DeliveryResult(found.verdicts, found.message_ids, attempt.number, credits_left)


def _refused(
    turn: Turn,
    redactor: Redactor,
    answer: Refused | TurnedAway | Unreadable,
    *,
    attempt: Attempt,
    slot: Slot,
    reply: Reply,
) -> DeliveryResult:
    # It names no number, so nothing shows that it answers this request and not the one before:
    # if not, the next on this connection would be given the answer to this one.
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
    context: DeliveryContext = turn.context
    context.accepted_at = context.clock.now()
    turn.refused_at = None
    if credits_left is not None:
        context.on_credits(credits_left)
