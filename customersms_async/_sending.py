"""
One message whose caller may leave at any time.

Rules of this module:

1. The message is delivered by a task of the client; the caller only waits for its answer.
2. A caller that is cancelled goes at once. What has not left by then never will; what has is seen
   to its end, and logged.
"""

from __future__ import annotations

import asyncio
import logging

from . import codes
from ._delivery import Delivery
from ._desk import Delivered, Desk
from ._sessions import Shared
from .errors import mask_phone

__all__ = ["deliver"]

_logger = logging.getLogger("customersms_async")


async def deliver(delivery: Delivery, desk: Desk, shared: Shared) -> Delivered:
    """
    Deliver one message in a task of its own.

    Raises:
        asyncio.CancelledError: The caller was cancelled; a note says what is known of the message,
            unless nothing was sent.
    """
    answer: asyncio.Future[Delivered] = asyncio.get_running_loop().create_future()

    def ended(task: asyncio.Task[Delivered]) -> None:
        shared.tasks.pop(task, None)
        if not answer.done():  # the task was cancelled before its first step
            answer.set_result(delivery.abandoned())

    task = shared.spawn(desk, _run_for(answer, delivery), ended)
    try:
        return await answer
    except asyncio.CancelledError as exc:
        _leave(task, delivery, desk.key.account, exc)
        raise


async def _run_for(answer: asyncio.Future[Delivered], delivery: Delivery) -> Delivered:
    """Run *delivery* and answer at once: the end of the task would come a turn later."""
    try:
        delivered = await delivery.run()
    except asyncio.CancelledError:
        delivered = delivery.abandoned()
    except Exception as exc:
        if answer.done():
            raise
        answer.set_exception(exc)
        return delivery.abandoned()
    if not answer.done():
        answer.set_result(delivered)
    return delivered


def _leave(
    task: asyncio.Task[Delivered], delivery: Delivery, account: str, exc: asyncio.CancelledError
) -> None:
    # A task that ends between the cancelling and this step of its caller has its answer.
    if task.done():
        exc.add_note(f"the message was {_fate_of(task, delivery)} by then")
    elif delivery.halt(codes.CANCELLED):
        task.cancel()
    else:
        exc.add_note("the message was in flight: its outcome is unknown, do not send it again")
        task.add_done_callback(lambda ended: _tell_late(ended, delivery, account))


def _tell_late(task: asyncio.Task[Delivered], delivery: Delivery, account: str) -> None:
    _logger.warning(
        "send to %s of account %s was cancelled in flight; the message was %s",
        mask_phone(delivery.phones[0]),
        account,
        _fate_of(task, delivery),
        extra={"event": "send.cancelled", "account": account},
    )


def _fate_of(task: asyncio.Task[Delivered], delivery: Delivery) -> str:
    """Say in words what became of a message whose task has ended, however it ended."""
    has_answer = not task.cancelled() and task.exception() is None
    delivered = task.result() if has_answer else delivery.abandoned()
    return delivered.first.status.value.replace("_", " ")
