"""``customersms worker``."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

from cyclopts import Parameter

from ..client import CustomerSMS
from ..outbox import Outbox
from .connection import FROM_ENVIRONMENT, Connection
from .console import say
from .exits import Exit
from .interrupts import interruptible

__all__ = ["worker"]


def worker(
    *,
    outbox: Annotated[str, Parameter(help="The outbox: a path, or postgresql://...")],
    connection: Connection = FROM_ENVIRONMENT,
) -> Exit:
    """Send what applications enqueue, until Ctrl-C."""
    return asyncio.run(_work(outbox, connection))


async def _work(url: str, connection: Connection) -> Exit:
    async with Outbox(url) as outbox, connection.open() as sms:
        work = _send(outbox, sms)
        try:
            await interruptible(work, lambda: say("stopping; waiting for requests in flight"))
        except asyncio.CancelledError:
            await sms.aclose(drain=0)  # after a second Ctrl-C, requests in flight are given up
            return Exit.INTERRUPTED
    return Exit.OK


async def _send(outbox: Outbox, sms: CustomerSMS) -> None:
    async with outbox.worker(sms):
        say("sending what is enqueued; Ctrl-C stops it")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
