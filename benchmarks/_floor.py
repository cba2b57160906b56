"""The floor: one POST over a bare `asyncio.Protocol` that knows only HTTP's Content-Length."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import cast
from urllib.parse import urlsplit

__all__ = ["Connection", "connection"]

_HEAD = (
    b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)


class Connection(asyncio.Protocol):
    """A connection that carries one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._received = bytearray()
        self._loop = asyncio.get_running_loop()
        self._ends_at = 0
        self._answer: asyncio.Future[bytes]

    def data_received(self, data: bytes) -> None:
        """Return the body of an answer that has arrived completely."""
        received = self._received
        received += data
        if not self._ends_at:
            end = received.find(b"\r\n\r\n") + 4
            head = bytes(received[:end]).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            self._begins_at, self._ends_at = end, end + length
        if len(received) >= self._ends_at:
            self._answer.set_result(bytes(received[self._begins_at : self._ends_at]))
            received.clear()
            self._ends_at = 0

    async def post(self, path: str, body: bytes) -> bytes:
        """Send *body*, and return the body of the answer."""
        self._answer = self._loop.create_future()
        self._transport.write(_HEAD % (path.encode(), len(body)) + body)
        return await self._answer

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


@contextlib.asynccontextmanager
async def connection(base: str) -> AsyncIterator[Connection]:
    """Open a connection to an address."""
    address = urlsplit(base)
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(Connection, address.hostname, address.port)
    yield protocol
    protocol.close()
