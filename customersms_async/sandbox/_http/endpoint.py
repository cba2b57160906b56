"""
The API over HTTP: an aiohttp handler that performs decisions made elsewhere.

Rules of this module:

1. It decides nothing: it passes the body on and performs the `PlannedReply` exactly.
2. It opens no connection.
3. Every wait ends when the sandbox closes, so that requests in flight are answered at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Final

from aiohttp import web
from attrs import define

from .._gateway.replies import Ending, PlannedReply
from .service import SandboxService

__all__ = ["PATH", "PATHS", "Endpoint"]

#: Path of the API, as documented.
PATH: Final = "/sms_system/api.php"

#: It, and the short one that the documentation shows once, in its quick start guide.
PATHS: Final = (PATH, "/api.php")

#: Pieces of a slow body.
_PIECES: Final = 8

# With this option a close discards what is unsent and resets the connection.
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)


@define(eq=False)
class Endpoint:
    """
    Receives requests.

    Attributes:
        service: Decides about them.
        closing: Done when the sandbox closes.
    """

    service: SandboxService
    closing: asyncio.Future[None]

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; if the client breaks off, aiohttp cancels this without a trace."""
        loop = asyncio.get_running_loop()
        body = await request.read()
        started_at = loop.time()
        try:
            handled = self.service.receive(body, _head(request))
        except ValueError as error:
            return web.json_response({"success": False, "error": str(error)}, status=500)
        try:
            await self._pause(handled.delay)
            return await self._perform(request, handled.reply)
        finally:
            self.service.note_answered(handled.request.id, loop.time() - started_at)

    async def _perform(self, request: web.Request, reply: PlannedReply) -> web.StreamResponse:
        if reply.ending is Ending.TRICKLE:
            return await self._trickle(request, reply)
        await self._pause(reply.delay)
        if reply.ending is not Ending.WHOLE and request.transport is not None:
            _break_off(request.transport, reply)
        return web.Response(
            body=reply.body, status=reply.status, reason=reply.reason, headers=reply.headers
        )

    async def _trickle(self, request: web.Request, reply: PlannedReply) -> web.StreamResponse:
        response = web.StreamResponse(
            status=reply.status, reason=reply.reason, headers=reply.headers
        )
        response.content_length = len(reply.body)
        size = -(-len(reply.body) // _PIECES)
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            for start in range(0, len(reply.body), size):
                await self._pause(reply.delay / _PIECES)
                await response.write(reply.body[start : start + size])
        return response

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.wait((self.closing,), timeout=seconds)


def _head(request: web.Request) -> str:
    """Return the head of a request as it arrived."""
    version = f"HTTP/{request.version.major}.{request.version.minor}"
    lines = [f"{request.method} {request.path_qs} {version}".encode()]
    lines += [b"%b: %b" % header for header in request.raw_headers]
    return b"\r\n".join([*lines, b"", b""]).decode(errors="replace")


def _break_off(transport: asyncio.Transport, reply: PlannedReply) -> None:
    """End the connection as *reply* says; aiohttp drops anything returned after that."""
    if reply.ending is Ending.RESET:
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
        return
    if reply.has_status:
        transport.write(_half(reply))
    transport.close()


def _half(reply: PlannedReply) -> bytes:
    """Write the head and half of the body."""
    lines = [f"HTTP/1.1 {reply.status} {reply.reason}", f"Content-Type: {reply.content_type}"]
    if reply.ending is Ending.CUT:
        lines.append(f"Content-Length: {len(reply.body)}")
    head = "\r\n".join([*lines, "Connection: close", "", ""])
    return head.encode() + reply.body[: len(reply.body) // 2]
