"""
From the body of a request to the reply: the order in which the gateway decides.

Rules of this module:

1. First who asks, then the limit, then whether the request is complete and can be paid: a request
   without a valid key counts against nobody's limit.
2. Only a request that has come so far meets a fault; a step of the script is not used up by one
   that is turned away before.
3. No clock, no dice, no network.
"""

import itertools
import math
from collections.abc import Iterator

import attrs

from ._answers import RATE_LIMITED, Refusal, completed
from ._faults import NOT_CARRIED_OUT, Fault, Faults, Plan
from ._gateway import Gateway, Job, Order, Result, read_order
from ._ledger import Ledger, SandboxMessage, SandboxRequest
from ._replies import Reply, Timing, document_reply, refusal_for, refusal_reply, spoilt
from ._rules import Rule, RuleName, make_rule
from ._shapes import shaped

__all__ = ["Exchange", "Limits", "Visit"]

_REJECTIONS = {
    Fault.REJECT: Refusal("Number is blocked", "NUMBER_BLOCKED"),
    Fault.REJECT_BARE: Refusal(),
}


@attrs.define(eq=False)
class Limits:
    """
    The rate limit, counted for each key apart.

    Attributes:
        limit: Requests in a period; none for no limit.

        per: The period in seconds.

        rule: How they are counted.

        burst: As in `make_rule`.

        tells_when: Whether a refusal says after how many seconds to come again.
    """

    limit: int | None
    per: float
    rule: RuleName
    burst: int | None
    tells_when: bool
    _rules: dict[str, Rule] = attrs.field(init=False, factory=dict[str, Rule], repr=False)

    def refusal(self, key: str, now: float) -> Refusal | None:
        """Count a request of *key*, or refuse it."""
        if self.limit is None:
            return None
        if key not in self._rules:
            self._rules[key] = make_rule(self.rule, self.limit, per=self.per, burst=self.burst)
        rule = self._rules[key]
        if rule.admit(now):
            return None
        seconds = str(math.ceil(rule.retry_after(now))) if self.tells_when else None
        return attrs.evolve(RATE_LIMITED, retry_after=seconds)


@attrs.frozen
class Visit:
    """
    One request with all that came of it.

    Attributes:
        reply: What goes over the wire.

        request: What is remembered of it.

        messages: What was accepted.
    """

    reply: Reply
    request: SandboxRequest
    messages: list[SandboxMessage]


@attrs.define(eq=False)
class Exchange:
    """
    The whole gateway but for the wire and the clock.

    Attributes:
        gateway: Accounts.

        limits: The rate limit.

        faults: What goes wrong.

        ledger: What is remembered.

        timing: How long the slow faults take.

        refusal_status: HTTP status of a refusal; the documentation does not tell.
    """

    gateway: Gateway
    limits: Limits
    faults: Faults
    ledger: Ledger
    timing: Timing
    refusal_status: int
    _ids: Iterator[int] = attrs.field(init=False, repr=False, factory=lambda: itertools.count(1))

    def handle(self, body: bytes, now: float) -> Visit:
        """Carry out the request with that body, arrived at *now*, and remember it."""
        visit = self._visit(read_order(body), now)
        self.ledger.record(visit.request, visit.messages)
        return visit

    def _visit(self, order: Order, now: float) -> Visit:
        refusal = (
            self.gateway.unknown_sender(order)
            or self.limits.refusal(order.key, now)
            or self.gateway.objection(order)
        )
        if refusal is not None:
            return self._refuse(order, now, refusal=refusal, plan=Plan())
        plan = self.faults.plan(order.phones)
        refusal = refusal_for(plan)
        if refusal is not None:
            return self._refuse(order, now, refusal=refusal, plan=plan)
        return self._carry_out(order, now, plan=plan)

    def _refuse(self, order: Order, now: float, *, refusal: Refusal, plan: Plan) -> Visit:
        reply = refusal_reply(refusal, status=self.refusal_status)
        job = Job(order, next(self._ids), now)
        return _visit(job, reply, plan=plan, code=refusal.code)

    def _carry_out(self, order: Order, now: float, *, plan: Plan) -> Visit:
        rejected = {phone: _REJECTIONS[fault] for phone, fault in plan.rejected.items()}
        job = Job(order, next(self._ids), now, rejected)
        if plan.fault in NOT_CARRIED_OUT:
            return _visit(job, spoilt(Reply(), plan=plan, timing=self.timing), plan=plan)
        result = self.gateway.carry_out(job)
        reply = spoilt(_answer(result, plan, order), plan=plan, timing=self.timing)
        return _visit(job, reply, plan=plan, messages=result.messages)


def _answer(result: Result, plan: Plan, order: Order) -> Reply:
    document = completed(result.entries, result.remaining)
    return document_reply(shaped(document, result.entries, plan=plan, phones=order.phones))


def _visit(
    job: Job,
    reply: Reply,
    *,
    plan: Plan,
    messages: list[SandboxMessage] | None = None,
    code: str | None = None,
) -> Visit:
    accepted = messages or []
    request = SandboxRequest(
        id=job.request,
        at=job.at,
        key=job.order.key,
        phones=job.order.phones,
        text=job.order.text,
        accepted=len(accepted),
        fault=plan.fault,
        status=reply.status if reply.has_status else None,
        code=code,
    )
    return Visit(reply, request, accepted)
