"""
One message whose caller may leave at any time.

Rules of this module:

1. The message is delivered in the caller's own task. Once something of it has left, the delivery
   outlives that task, and goes on in one of the client's.
2. A caller that is cancelled goes at once. What has not left by then never will; what has is seen
   to its end, and logged.
"""

from __future__ import annotations

import asyncio
import logging

from ._columns import SENT
from ._delivery import Delivery
from ._desk import Delivered, Desk
from ._detaching import Detachable
from ._sessions import Shared
from .errors import mask_phone

__all__ = ["deliver"]

_logger = logging.getLogger("customersms_async")


async def deliver(delivery: Delivery, desk: Desk, shared: Shared) -> Delivered:
    """
    Deliver one message.

    Raises:
        asyncio.CancelledError: The caller was cancelled; a note says what is known of the message,
            unless nothing was sent.
    """
    run = Detachable(delivery.run(), delivery.outlives_its_caller)
    delivery.interrupt = run.interrupt
    shared.sends[run] = desk
    try:
        delivered = await run
    except asyncio.CancelledError as exc:
        if run.is_detached:
            exc.add_note("the message was in flight: its outcome is unknown, do not send it again")
            _ = shared.spawn(desk, _see_to_its_end(run, delivery, desk, shared))
        elif run.value is not None:
            exc.add_note(f"the message was {_fate_of(run.value)} by then")
        elif not run.is_cancelled:
            return delivery.abandoned()  # the client was closed
        raise
    finally:
        if not run.is_detached:
            shared.sends.pop(run, None)
    if delivered.verdicts is not SENT and delivery.is_halted:
        raise asyncio.CancelledError  # something below made light of it
    if desk.on_request is not None:
        await _feel_the_hook(delivered)
    return delivered


async def _feel_the_hook(delivered: Delivered) -> None:
    """
    End here, with a note, where the caller's hook has cancelled the task.

    One that comes to its end before it feels that is cancelled all the same, and tells nothing.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as exc:
            exc.add_note(f"the message was {_fate_of(delivered)} by then")
            raise


async def _see_to_its_end(
    run: Detachable[Delivered], delivery: Delivery, desk: Desk, shared: Shared
) -> None:
    """Go on with a delivery whose caller has left, and log what becomes of it."""
    try:
        delivered = await run
    except (asyncio.CancelledError, Exception):  # noqa: BLE001  # nobody is left to be told
        delivered = run.value or delivery.abandoned()
    finally:
        shared.sends.pop(run, None)
    _tell_late(delivered, delivery, desk.key.account)


def _tell_late(delivered: Delivered, delivery: Delivery, account: str) -> None:
    _logger.warning(
        "send to %s of account %s was cancelled in flight; the message was %s",
        mask_phone(delivery.phones[0]),
        account,
        _fate_of(delivered),
        extra={"event": "send.cancelled", "account": account},
    )


def _fate_of(delivered: Delivered) -> str:
    return delivered.first.status.value.replace("_", " ")
