"""``customersms worker``."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

from cyclopts import Parameter

from ..outbox import Outbox
from .connection import Connection
from .console import say
from .exits import Exit
from .interrupts import interruptible

__all__ = ["worker"]


def worker(
    *,
    outbox: Annotated[str, Parameter(help="The outbox: a path, or postgresql://...")],
    connection: Connection | None = None,
) -> Exit:
    """Send what applications enqueue, until Ctrl-C."""
    return asyncio.run(_work(outbox, connection or Connection()))


async def _work(url: str, connection: Connection) -> Exit:
    async with Outbox(url) as outbox, connection.open() as sms, outbox.worker(sms):
        say("sending what is enqueued; Ctrl-C ends it")
        forever = asyncio.Event().wait()
        with contextlib.suppress(asyncio.CancelledError):
            await interruptible(
                forever, lambda: say("waiting for the answers of what is under way")
            )
    return Exit.OK
