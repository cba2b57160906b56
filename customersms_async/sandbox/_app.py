"""
The wire: an aiohttp application that performs what was decided elsewhere.

Rules of this module:

1. It decides nothing: bytes in, a `Reply` out, which it performs to the letter.
2. It connects to nobody.
3. Every wait ends when the sandbox closes, so that what is in flight is answered at once.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

import attrs
from aiohttp import web

from ._exchange import Exchange, Visit
from ._replies import Ending, Reply

__all__ = ["PATH", "Desk", "make_app"]

#: Path of the API, as documented.
PATH = "/sms_system/api.php"

#: Bytes; an array of a million numbers fits.
LARGEST_BODY = 32 * 1024 * 1024

#: Pieces in which a slow body comes.
PIECES = 8

# With this option a close discards what is unsent and resets the connection.
_LINGER_ZERO = struct.pack("ii", 1, 0)


@attrs.define(eq=False)
class Desk:
    """
    Where requests come in.

    Attributes:
        exchange: Who decides.

        clock: Gives the instant of arrival, in seconds.

        latency: Gives the seconds before each answer.

        announce: Told of each request as soon as it was carried out, before it is answered.

        closing: Done once the sandbox closes.
    """

    exchange: Exchange
    clock: Callable[[], float]
    latency: Callable[[], float]
    announce: Callable[[Visit], None]
    closing: asyncio.Future[None]

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        try:
            body = await request.read()
        except (ConnectionError, web.RequestPayloadError):
            return web.Response(status=400)  # nobody is there to read it
        visit = self.exchange.handle(body, self.clock())
        self.announce(visit)
        await self._pause(self.latency())
        return await self._perform(request, visit.reply)

    async def _perform(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply.ending is Ending.TRICKLE:
            return await self._trickle(request, reply)
        await self._pause(reply.delay)
        if reply.ending is not Ending.WHOLE and request.transport is not None:
            _break_off(request.transport, reply)
        return web.Response(body=reply.body, status=reply.status, headers=reply.headers)

    async def _trickle(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        response.content_length = len(reply.body)
        size = -(-len(reply.body) // PIECES)
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            for start in range(0, len(reply.body), size):
                await self._pause(reply.delay / PIECES)
                await response.write(reply.body[start : start + size])
        return response

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.wait((self.closing,), timeout=seconds)


def make_app(desk: Desk) -> web.Application:
    """Make the application with the one route of the API."""
    app = web.Application(client_max_size=LARGEST_BODY)
    app.router.add_post(PATH, desk.post)
    return app


def _break_off(transport: asyncio.Transport, reply: Reply) -> None:
    """End the connection as *reply* says; aiohttp drops what is returned after that."""
    if reply.ending is Ending.RESET:
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
        return
    if reply.has_status:
        transport.write(_half(reply))
    transport.close()


def _half(reply: Reply) -> bytes:
    """Write the head and half of the body."""
    lines = [f"HTTP/1.1 {reply.status} OK", f"Content-Type: {reply.content_type}"]
    if reply.ending is Ending.CUT:
        lines.append(f"Content-Length: {len(reply.body)}")
    head = "\r\n".join([*lines, "Connection: close", "", ""])
    return head.encode() + reply.body[: len(reply.body) // 2]
