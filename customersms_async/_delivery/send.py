"""
One message, delivered in a task of the client while its caller waits.

Rules of this module:

1. A cancelled caller returns at once, and nothing of its message is sent after that.
2. A request that is already in flight continues in the client's task, and one warning says how it
   ended.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable

from .. import codes
from .._values.redaction import mask_phone
from .._values.status import Status
from .delivery import Delivery
from .in_flight import InFlight
from .result import DeliveryResult

__all__ = ["deliver"]

_logger = logging.getLogger("customersms_async")

_Answer = asyncio.Future[DeliveryResult]
_Callback = Callable[[asyncio.Task[None]], None]


async def deliver(delivery: Delivery, in_flight: InFlight) -> DeliveryResult:
    """
    Deliver one message.

    Raises:
        asyncio.CancelledError: The caller was cancelled. Unless nothing was sent, a note says how
            the message ended, or that it is in flight; in that case its end is logged.
    """
    answer: _Answer = asyncio.get_running_loop().create_future()
    delivery.is_left = answer.cancelled
    unbegun = functools.partial(_end_cancelled, delivery, answer, in_flight)
    run = _run(delivery, answer, in_flight, unbegun)
    task = in_flight.begin(delivery.context, run, unbegun)
    try:
        return await answer
    except asyncio.CancelledError as exc:
        _leave(exc, delivery, answer, task)
        raise


async def _run(
    delivery: Delivery, answer: _Answer, in_flight: InFlight, unbegun: _Callback
) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # for the type checkers: a coroutine runs in a task
    task.remove_done_callback(unbegun)
    try:
        delivered = await delivery.run()
        if not answer.done():
            answer.set_result(delivered)
    except Exception as exc:  # noqa: BLE001  # passed on to the caller, unless it has gone
        if not answer.done():
            answer.set_exception(exc)
    except BaseException:  # cancelled: the client was closed, or the event loop is ending
        _end_cancelled(delivery, answer, in_flight, task)
        raise
    finally:
        in_flight.forget(task)


def _end_cancelled(
    delivery: Delivery, answer: _Answer, in_flight: InFlight, task: asyncio.Task[None]
) -> None:
    """Return the result of a cancelled task."""
    in_flight.forget(task)
    if not answer.done():
        answer.set_result(delivery.abandoned())


def _leave(
    exc: asyncio.CancelledError, delivery: Delivery, answer: _Answer, task: asyncio.Task[None]
) -> None:
    """Send nothing more, and add a note to *exc* on what is proven so far."""
    if task.done() or not answer.cancelled():  # it ended in the same loop iteration
        delivered = delivery.abandoned()
        if delivered.first.status is not Status.NOT_SENT:
            exc.add_note(f"the message was {_fate_of(delivered)} by then")
        if not answer.cancelled():
            exc.__cause__ = answer.exception()
        elif delivered.first.status is Status.UNKNOWN:
            _log_end(delivery)
    elif delivery.halt(codes.CANCELLED):
        task.cancel()
    else:
        exc.add_note("the message was in flight: its outcome is unknown, do not send it again")
        task.add_done_callback(lambda _: _log_end(delivery))


def _log_end(delivery: Delivery) -> None:
    account = delivery.context.key.account
    _logger.warning(
        "send to %s of account %s was cancelled in flight; the message was %s",
        mask_phone(delivery.phones[0]),
        account,
        _fate_of(delivery.abandoned()),
        extra={"event": "send.cancelled", "account": account},
    )


def _fate_of(delivered: DeliveryResult) -> str:
    return delivered.first.status.value.replace("_", " ")
