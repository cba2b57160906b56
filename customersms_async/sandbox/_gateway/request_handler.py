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

from .accounts import MOST_NUMBERS, Gateway, Order, OrderJob, OrderResult, read_order
from .answers import RATE_LIMIT_EXCEEDED, GatewayRefusal, completed
from .fault_engine import Faults
from .faults import NOT_CARRIED_OUT, Fault, FaultPlan
from .mailboxes import Mailboxes, SandboxMessage, SandboxRequest
from .rate_budget import Budget, KeyLimit, SandboxUsage
from .replies import PlannedReply, Timing, document_reply, refusal_for, refusal_reply, spoilt
from .shapes import shaped

__all__ = ["Limits", "RequestHandler", "Visit"]

_REJECTIONS: Final = {
    Fault.REJECT: GatewayRefusal("Number is blocked", "NUMBER_BLOCKED"),
    Fault.REJECT_BARE: GatewayRefusal(),
}


@define(eq=False)
class Limits:
    """
    The rate limits, counted separately for each key.

    Attributes:
        common: The limit of every key without its own.
        own: The limits of single keys.
        budgets: What each key has used.
    """

    common: KeyLimit
    own: dict[str, KeyLimit] = field(init=False, factory=dict[str, KeyLimit], repr=False)
    budgets: dict[str, Budget] = field(init=False, factory=dict[str, Budget], repr=False)

    def set(self, limit: KeyLimit, key: str | None = None) -> None:
        """
        Limit one key, or all keys without their own limit.

        Their earlier requests no longer count.
        """
        if key is None:
            self.common = limit
            self.budgets = {key: self.budgets[key] for key in self.own if key in self.budgets}
        else:
            self.own[key] = limit
            self.budgets.pop(key, None)

    def forget(self, key: str) -> None:
        """Forget the limit of *key* and its use."""
        self.own.pop(key, None)
        self.budgets.pop(key, None)

    def of(self, key: str) -> Budget:
        """Return the budget of *key*."""
        if key not in self.budgets:
            self.budgets[key] = Budget(self.limit_of(key))
        return self.budgets[key]

    def limit_of(self, key: str | None) -> KeyLimit:
        """Return the limit of *key*, or that of all."""
        return self.common if key is None else self.own.get(key, self.common)

    def usage(self, key: str, now: float) -> SandboxUsage:
        """Return the use of *key* at *now*; an unknown key leaves no trace."""
        return (self.budgets.get(key) or Budget(self.limit_of(key))).usage(now)


@frozen
class Visit:
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
        gateway: Accounts.
        limits: The rate limit.
        faults: What goes wrong.
        mailboxes: The memory of messages and requests.
        timing: How long the slow faults take.
        refusal_status: HTTP status of a refusal; not documented.
    """

    gateway: Gateway
    limits: Limits
    faults: Faults
    mailboxes: Mailboxes
    timing: Timing
    refusal_status: int
    _ids: Iterator[int] = field(init=False, repr=False, factory=lambda: itertools.count(1))

    def handle(self, body: bytes, now: float) -> Visit:
        """
        Process the request with this body, arrived at *now*, and record it.

        Raises:
            ValueError: A callback returned an invalid value; nothing was accepted.
        """
        order = read_order(body)
        delay = self.faults.delay(order.key)
        visit = evolve(self._visit(order, now), delay=delay)
        self.mailboxes.record(visit.request, visit.messages)
        return visit

    def _visit(self, order: Order, now: float) -> Visit:
        stranger = self.gateway.unknown_sender(order)
        if stranger is not None:
            return self._refuse(order, now, refusal=stranger, plan=FaultPlan())
        refusal = self._too_fast(order.key, now) or self.gateway.objection(order)
        if refusal is not None:
            return self._refuse(order, now, refusal=refusal, plan=FaultPlan())
        plan = self.faults.plan(order.phones, order.key)
        refusal = refusal_for(plan)
        if refusal is not None:
            return self._refuse(order, now, refusal=refusal, plan=plan)
        return self._carry_out(order, now, plan=plan)

    def _too_fast(self, key: str, now: float) -> GatewayRefusal | None:
        plan = self.limits.of(key).refusal(now)
        refusal = refusal_for(plan) if plan else None
        return refusal and evolve(refusal, code=RATE_LIMIT_EXCEEDED.code)

    def _refuse(
        self, order: Order, now: float, *, refusal: GatewayRefusal, plan: FaultPlan
    ) -> Visit:
        reply = refusal_reply(refusal, status=self.refusal_status)
        job = OrderJob(order, next(self._ids), now)
        return _visit(job, reply, plan=plan, code=refusal.code)

    def _carry_out(self, order: Order, now: float, *, plan: FaultPlan) -> Visit:
        rejected = {phone: _REJECTIONS[fault] for phone, fault in plan.rejected.items()}
        job = OrderJob(order, next(self._ids), now, rejected)
        if plan.fault in NOT_CARRIED_OUT:
            return _visit(job, spoilt(PlannedReply(), plan=plan, timing=self.timing), plan=plan)
        result = self.gateway.carry_out(job)
        reply = spoilt(_answer(result, plan, order), plan=plan, timing=self.timing)
        return _visit(job, reply, plan=plan, messages=result.messages)


def _answer(result: OrderResult, plan: FaultPlan, order: Order) -> PlannedReply:
    document = completed(result.entries, result.remaining)
    return document_reply(shaped(document, result.entries, plan=plan, phones=order.phones))


def _visit(
    job: OrderJob,
    reply: PlannedReply,
    *,
    plan: FaultPlan,
    messages: list[SandboxMessage] | None = None,
    code: str | None = None,
) -> Visit:
    accepted = messages or []
    request = SandboxRequest(
        id=job.request,
        at=job.at,
        key=job.order.key,
        phones=job.order.phones[:MOST_NUMBERS],
        text=job.order.text,
        accepted=len(accepted),
        fault=plan.fault,
        status=reply.status if reply.has_status else None,
        code=code,
        ending=reply.ending,
    )
    return Visit(reply, request, accepted)
