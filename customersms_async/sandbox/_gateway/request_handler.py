"""
From the body of a request to the reply: the order of the gateway's decisions.

Rules of this module:

1. The key is checked first, then the limit, then whether the request is complete and can be paid:
   a request without a valid key counts against no limit.
2. Faults only happen to requests that pass these checks; a refused one uses up no step of a script
   and draws no random number.
3. No clock, no network; randomness is seeded.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from attrs import define, evolve, field, frozen

from .accounts import MOST_NUMBERS, Accounts, ReceivedRequest, SendResult
from .documented_answers import RATE_LIMIT_EXCEEDED, GatewayRefusal, completed
from .fault_engine import FaultEngine
from .faults import NOT_CARRIED_OUT, Fault, FaultPlan
from .key_limits import KeyLimits
from .mailboxes import Mailboxes
from .odd_answers import reshaped
from .records import SandboxMessage, SandboxRequest
from .replies import PlannedReply, Timing, corrupted, document_reply, refusal_for, refusal_reply
from .request_parser import ParsedRequest, parse_request

__all__ = ["HandledRequest", "RequestHandler"]

_REJECTIONS: Final = {
    Fault.REJECT: GatewayRefusal("Number is blocked", "NUMBER_BLOCKED"),
    Fault.REJECT_BARE: GatewayRefusal(),
}


@frozen
class HandledRequest:
    """
    One request with everything that resulted from it.

    Attributes:
        reply: What is sent over the wire.
        request: What is kept about it.
        messages: The accepted messages.
        delay: Seconds before the answer.
    """

    reply: PlannedReply
    request: SandboxRequest
    messages: list[SandboxMessage]
    delay: float = 0.0


@define(eq=False)
class RequestHandler:
    """
    The whole gateway except network and clock.

    Attributes:
        accounts: Who may send, and what it costs.
        limits: The rate limit of each key.
        faults: What goes wrong.
        mailboxes: What is kept of messages and requests.
        timing: How long the slow faults take.
        refusal_status: HTTP status of a refusal; not documented.
    """

    accounts: Accounts
    limits: KeyLimits
    faults: FaultEngine
    mailboxes: Mailboxes
    timing: Timing
    refusal_status: int
    _ids: Iterator[int] = field(init=False, repr=False, factory=lambda: itertools.count(1))

    def handle(self, body: bytes, now: float) -> HandledRequest:
        """
        Process the request with this body, arrived at *now*, and record it.

        Raises:
            ValueError: A callback returned an invalid value; nothing was accepted.
        """
        parsed = parse_request(body)
        delay = self.faults.delay(parsed.key)
        handled = evolve(self._decide(parsed, now), delay=delay)
        self.mailboxes.record(handled.request, handled.messages)
        return handled

    def _decide(self, parsed: ParsedRequest, now: float) -> HandledRequest:
        refusal = self.accounts.refuse_sender(parsed)
        if refusal is not None:
            return self._refuse(parsed, now, refusal=refusal, plan=FaultPlan())
        refusal = self._too_fast(parsed.key, now) or self.accounts.refuse_request(parsed)
        if refusal is not None:
            return self._refuse(parsed, now, refusal=refusal, plan=FaultPlan())
        plan = self.faults.plan(parsed.phones, parsed.key)
        refusal = refusal_for(plan)
        if refusal is not None:
            return self._refuse(parsed, now, refusal=refusal, plan=plan)
        return self._carry_out(parsed, now, plan=plan)

    def _too_fast(self, key: str, now: float) -> GatewayRefusal | None:
        plan = self.limits.of(key).refusal(now)
        refusal = refusal_for(plan) if plan else None
        return refusal and evolve(refusal, code=RATE_LIMIT_EXCEEDED.code)

    def _refuse(
        self, parsed: ParsedRequest, now: float, *, refusal: GatewayRefusal, plan: FaultPlan
    ) -> HandledRequest:
        reply = refusal_reply(refusal, status=self.refusal_status)
        received = ReceivedRequest(parsed, next(self._ids), now)
        return _handled(received, reply, plan=plan, code=refusal.code)

    def _carry_out(self, parsed: ParsedRequest, now: float, *, plan: FaultPlan) -> HandledRequest:
        rejected = {phone: _REJECTIONS[fault] for phone, fault in plan.rejected.items()}
        received = ReceivedRequest(parsed, next(self._ids), now, rejected)
        if plan.fault in NOT_CARRIED_OUT:
            return _handled(
                received, corrupted(PlannedReply(), plan=plan, timing=self.timing), plan=plan
            )
        result = self.accounts.carry_out(received)
        reply = corrupted(_answer(result, plan, parsed), plan=plan, timing=self.timing)
        return _handled(received, reply, plan=plan, messages=result.messages)


def _answer(result: SendResult, plan: FaultPlan, parsed: ParsedRequest) -> PlannedReply:
    document = completed(result.entries, result.remaining)
    return document_reply(reshaped(document, result.entries, plan=plan, phones=parsed.phones))


def _handled(
    received: ReceivedRequest,
    reply: PlannedReply,
    *,
    plan: FaultPlan,
    messages: list[SandboxMessage] | None = None,
    code: str | None = None,
) -> HandledRequest:
    accepted = messages or []
    request = SandboxRequest(
        id=received.id,
        at=received.at,
        key=received.parsed.key,
        phones=received.parsed.phones[:MOST_NUMBERS],
        text=received.parsed.text,
        accepted=len(accepted),
        fault=plan.fault,
        status=reply.status if reply.has_status else None,
        code=code,
        ending=reply.ending,
    )
    return HandledRequest(reply, request, accepted)
