"""Records for ``on_request``, and log lines about requests."""

from __future__ import annotations

import logging

from .._ports.hooks import RequestRecord
from .._ports.limiter import Lane
from .._values.attempt_ids import request_name
from .._values.status import Status
from .context import DeliveryContext
from .result import DeliveryResult

__all__ = ["call_hook", "log_not_sent", "warn_of_unknown"]

_logger = logging.getLogger("customersms_async")


def call_hook(
    context: DeliveryContext,
    ended: DeliveryResult,
    *,
    lane: Lane,
    numbers: int,
    is_final: bool,
    waited: float,
    took: float,
) -> None:
    """Call the caller's hook with a record of an attempt, or of a request without one."""
    if context.on_request is None:
        return
    record = RequestRecord(
        account=context.key.account,
        request=request_name(context.name, ended.request) or "",
        kind=lane.value,
        numbers=numbers,
        fates=dict(ended.fates(numbers)),
        code=ended.first.code if numbers == 1 or ended.whole is not None else None,
        is_final=is_final,
        waited=waited,
        took=took,
        credits=ended.credits,
    )
    try:
        context.on_request(record)
    except Exception:
        # A hook only observes; its bugs must not affect a message.
        _logger.exception("on_request raised", extra={"event": "hook.failed"})


def warn_of_unknown(context: DeliveryContext, ended: DeliveryResult, numbers: int) -> None:
    """Log an attempt that left the fate of any number unknown."""
    if unknown := ended.fates(numbers)[Status.UNKNOWN]:
        what = f"the fate of {unknown} of its {numbers} numbers is unknown"
        context.warn("request.unknown", ended.request, what)


def log_not_sent(context: DeliveryContext, ended: DeliveryResult) -> None:
    """Log a request that ended before an attempt."""
    verdict = ended.first
    request, account = request_name(context.name, ended.request), context.key.account
    _logger.info(
        "request %s of account %s was not sent: %s%s",
        request,
        account,
        verdict.code,
        f", {verdict.detail}" if verdict.detail else "",
        extra={
            "event": "request.not_sent",
            "request": request,
            "account": account,
            "code": verdict.code,
        },
    )
