"""
One message, delivered in a task of the client while its caller waits.

Rules of this module:

1. A cancelled caller returns at once, and nothing of its message is sent after that.
2. A request that is already in flight continues in the client's task, and one warning says how it
   ended.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Self

import msgspec

from .. import codes
from .._values.redaction import mask_phone
from .._values.status import Status
from .delivery import Delivery
from .in_flight import InFlight, begun
from .result import DeliveryResult

__all__ = ["Sending"]

_logger = logging.getLogger("customersms_async")

_Answer = asyncio.Future[DeliveryResult]


class Sending(msgspec.Struct, eq=False):
    """
    The delivery of one message, from its start until its caller has the answer or leaves.

    As a context manager it gives the answer, to be awaited in the block. Unless nothing was sent, a
    cancellation of the caller gets a note that says how the message ended, or that it is in flight;
    in that case its end is logged.
    """

    delivery: Delivery
    answer: _Answer
    task: asyncio.Task[None]

    @classmethod
    def begin(cls, delivery: Delivery, in_flight: InFlight) -> Self:
        """Start the delivery in a task of its own."""
        answer: _Answer = asyncio.get_running_loop().create_future()
        delivery.is_left = answer.cancelled
        task = in_flight.begin(delivery.context, _run(delivery, answer, in_flight))
        return cls(delivery, answer, task)

    def __enter__(self) -> _Answer:
        return self.answer

    def __exit__(
        self, kind: object, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(exc, asyncio.CancelledError):
            self._leave(exc)

    def _leave(self, exc: asyncio.CancelledError) -> None:
        """Send nothing more, and add a note to *exc* on what is proven so far."""
        delivery, answer = self.delivery, self.answer
        if self.task.done() or not answer.cancelled():  # it ended in the same loop iteration
            delivered = delivery.abandoned()
            if delivered.first.status is not Status.NOT_SENT:
                exc.add_note(f"the message was {_fate_of(delivered)} by then")
            if not answer.cancelled():
                exc.__cause__ = answer.exception()
            elif delivered.first.status is Status.UNKNOWN:
                _log_end(delivery)
        elif delivery.halt(codes.CANCELLED):
            self.task.cancel()
        else:
            exc.add_note("the message was in flight: its outcome is unknown, do not send it again")
            self.task.add_done_callback(lambda _: _log_end(delivery))


async def _run(delivery: Delivery, answer: _Answer, in_flight: InFlight) -> None:
    try:
        await begun()
        delivered = await delivery.run()
        if not answer.done():
            answer.set_result(delivered)
    except Exception as exc:  # noqa: BLE001  # passed on to the caller, unless it has gone
        if not answer.done():
            answer.set_exception(exc)
    except BaseException:  # cancelled: the client was closed, or the event loop is ending
        if not answer.done():
            answer.set_result(delivery.abandoned())
        raise
    finally:
        in_flight.forget_current()


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
