"""
One message whose caller may leave at any time.

Rules of this module:

1. The message is delivered in the caller's own task. Once something of it has left, the delivery
   outlives that task, and goes on in one of the client's.
2. A caller that is cancelled goes at once, unless something of its own that waits does not. What
   has not left by then never will; what has is seen to its end, and logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from types import AsyncGeneratorType
from typing import cast

from .._redaction import mask_phone
from .._status import Status
from .context import DeliveryContext
from .delivery import Delivery
from .detach import Detachable
from .in_flight import InFlight
from .result import DeliveryResult

__all__ = ["deliver"]

_logger = logging.getLogger("customersms_async")


async def deliver(delivery: Delivery, context: DeliveryContext, shared: InFlight) -> DeliveryResult:
    """
    Deliver one message.

    Raises:
        asyncio.CancelledError: The caller was cancelled. Unless nothing was sent, a note says that
            the message is in flight, and its end will be logged, or what became of it by then.
    """
    run = Detachable(delivery.run(), delivery.outlives_its_caller)
    delivery.carrier = run
    shared.sends[run] = context, delivery
    try:
        delivered = await run
    except asyncio.CancelledError as exc:
        if run.is_detached:
            exc.add_note("the message was in flight: its outcome is unknown, do not send it again")
            _ = shared.spawn(context, _see_to_its_end(run, delivery, context.key.account))
            raise
        delivered = delivery.abandoned()
        if not run.is_cancelled:
            return delivered  # the client was closed
        _note(exc, delivered)
        _tell_if_unknown(delivered, delivery, context.key.account)
        raise
    finally:
        shared.sends.pop(run, None)
    if context.on_request is not None:
        await _feel_the_hook(delivered)
    return delivered


async def _feel_the_hook(delivered: DeliveryResult) -> None:
    """
    End here, with a note, where the caller's hook has cancelled the task.

    One that comes to its end before it feels that is cancelled all the same, and tells nothing.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as exc:
            _note(exc, delivered)
            raise


async def _see_to_its_end(
    run: Detachable[DeliveryResult], delivery: Delivery, account: str
) -> None:
    """Go on with a delivery whose caller has left, and log what becomes of it."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # for the type checkers: whoever awaits runs in a task
    end_of_loop = cast("AsyncGeneratorType[None]", _end_with_the_loop(task))
    await anext(end_of_loop)
    try:
        delivered = await run
    except (asyncio.CancelledError, Exception):  # noqa: BLE001  # nobody is left to be told
        delivered = delivery.abandoned()
    _tell_late(delivered, delivery, account)
    if not end_of_loop.ag_running:  # it runs where it has cancelled this task
        await anext(end_of_loop, None)


async def _end_with_the_loop(task: asyncio.Task[None]) -> AsyncGenerator[None]:
    """
    Cancel *task* where the event loop comes to its end, which closes its asynchronous generators.

    `asyncio.run` cancels all tasks before that; one that begins then is left to nobody.
    """
    try:
        yield
    except GeneratorExit:
        task.cancel()
        await asyncio.wait([task])
        raise


def _note(exc: asyncio.CancelledError, delivered: DeliveryResult) -> None:
    if delivered.first.status is not Status.NOT_SENT:
        exc.add_note(f"the message was {_fate_of(delivered)} by then")


def _tell_if_unknown(delivered: DeliveryResult, delivery: Delivery, account: str) -> None:
    if delivered.first.status is Status.UNKNOWN and delivery.is_left:
        _tell_late(delivered, delivery, account)


def _tell_late(delivered: DeliveryResult, delivery: Delivery, account: str) -> None:
    _logger.warning(
        "send to %s of account %s was cancelled in flight; the message was %s",
        mask_phone(delivery.phones[0]),
        account,
        _fate_of(delivered),
        extra={"event": "send.cancelled", "account": account},
    )


def _fate_of(delivered: DeliveryResult) -> str:
    return delivered.first.status.value.replace("_", " ")
