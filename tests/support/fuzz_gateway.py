"""
A gateway that misbehaves in every way, over raw sockets, and keeps a ledger of what it accepted.

It never lies: it has not accepted what it refuses. It may do anything else, in any phase of a
request, at random with a seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from types import TracebackType
from typing import Any, Final, Self

from attrs import define, field

from tests.support.fuzz_faults import EARLY, LATE, ConnectionOver, Visit

__all__ = ["FAULTS", "FuzzGateway"]

#: Everything that may go wrong.
FAULTS: Final = tuple(name for name in (*EARLY, *LATE) if name != "none")


@define(eq=False)
class FuzzGateway:
    """
    The gateway.

    Attributes:
        dice: Decides what goes wrong.
        trouble: The probability that something goes wrong with a connection or a request.
        kinds: What may go wrong; everything by default.
        ledger: How often each pair of number and text was accepted.
        faults: How often each fault occurred.
        arrivals: When each request arrived, in the loop's seconds.
    """

    dice: random.Random
    trouble: float = 0.5
    kinds: tuple[str, ...] | None = None
    ledger: Counter[tuple[str, str]] = field(factory=Counter)
    faults: Counter[str] = field(factory=Counter)
    arrivals: list[float] = field(factory=list)
    _server: asyncio.Server | None = None
    _handlers: set[asyncio.Task[None]] = field(factory=set)
    _names: list[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._names = list(self.kinds or FAULTS)

    @property
    def endpoint(self) -> str:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}/sms_system/api.php"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0, backlog=1024)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        if self._handlers:
            await asyncio.wait(self._handlers)

    async def is_left_alone(self, seconds: float = 2.0) -> bool:
        """Wait until no connection is open; return whether that happened in time."""
        handlers = list(self._handlers)
        if not handlers:
            return True
        _, left = await asyncio.wait(handlers, timeout=seconds)
        return not left

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionOver, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled only when the gateway is closed
        except RuntimeError:
            if not writer.is_closing():  # uvloop's word for a connection that is gone
                raise
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._handlers.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            name = self._choose()
            early = EARLY.get(name)
            if early is not None:
                self.faults[name] += 1
                await early(reader, writer)
            head = await reader.readuntil(b"\r\n\r\n")
            self.arrivals.append(asyncio.get_running_loop().time())
            body = await reader.readexactly(_announced(head))
            asked: dict[str, Any] = json.loads(body)
            phones = [asked["phone"]] if isinstance(asked["phone"], str) else asked["phone"]
            self.faults[name] += 1
            visit = Visit(
                reader, writer, phones, asked["message"], self.dice, self.trouble, self.ledger
            )
            await LATE[name](visit)
            await writer.drain()

    def _choose(self) -> str:
        return self.dice.choice(self._names) if self.dice.random() < self.trouble else "none"


def _announced(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return int(next(line for line in lines if line.startswith(b"content-length:")).split(b":")[1])
