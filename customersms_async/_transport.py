"""
aiohttp: one POST, nothing else.

Rules of this module:

1. The payload marks its own start, and refuses to start on a connection that is closing or has
   brought an answer already. aiohttp sends headers and body together, so where the body has not
   started, the headers have not left.
2. No redirects (a 307 would post the key to another host), no middlewares, no second try.
3. The reply is asked for and read as it is, unpacked by nobody, in pieces and up to a cap: a gzip
   bomb of 1 MB is 1 GB when read whole, and older releases of aiohttp unpack 280 MB at once.
4. No local variable of a frame that may raise holds the bytes of a request or of a reply: crash
   reporters show locals.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.payload import BytesPayload

from ._ports import Attempt, Body, Reply, TransportFailure

__all__ = ["AiohttpTransport", "open_session"]

_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}


def open_session() -> aiohttp.ClientSession:
    """
    Open a session for the running event loop.

    It has no limit on connections, since the limiter has one; cookies are not kept.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class AiohttpTransport:
    """A `Transport` over an `aiohttp.ClientSession`, which it neither opens nor closes."""

    def __init__(self, session: aiohttp.ClientSession, endpoint: str) -> None:
        self._session = session
        self._endpoint = endpoint

    async def post(self, body: Body, attempt: Attempt, *, timeout: float, most: int) -> Reply:
        """Send *body* once and read the reply whole; see `Transport.post`."""
        try:
            return await self._post(_MarkedPayload(body, attempt), timeout, most)
        except Exception as exc:  # noqa: BLE001  # the mark says what it proves, not its class
            reason = _reason(exc)
        # Not chained: what aiohttp raises quotes the server, which may echo the key, and its
        # frames hold what was written and read.
        raise TransportFailure(reason)

    async def _post(self, payload: _MarkedPayload, timeout: float, most: int) -> Reply:
        async with self._session.post(
            self._endpoint,
            data=payload,
            headers=_HEADERS,
            # Without the threshold aiohttp rounds timeouts above 5 s up to a whole second.
            timeout=aiohttp.ClientTimeout(total=timeout, ceil_threshold=math.inf),
            allow_redirects=False,
            raise_for_status=False,
            middlewares=(),
            auto_decompress=False,
        ) as response:
            if not payload.is_started:
                # An answer to nothing. Nobody waits for its end: no timer of ours watches it.
                response.close()
                msg = "a stray answer came before the request was written"
                raise TransportFailure(msg)
            gathered = _Gathered(most)
            while gathered.add(await response.content.readany()):
                pass
            return Reply(
                status=response.status,
                body=gathered.whole(),
                headers=response.headers,
                discard=payload.drop_connection,
            )


class _MarkedPayload(BytesPayload):
    """The body of one attempt; opaque, and marked when the first of its bytes is written."""

    _connection: asyncio.WriteTransport  # there is one as soon as the body has started

    def __init__(self, body: Body, attempt: Attempt) -> None:
        super().__init__(body.reveal(), content_type="application/json")
        self._attempt = attempt

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        transport: asyncio.WriteTransport | None = writer.transport
        if transport is None or transport.is_closing():
            msg = "the connection was closed before the request could be written"
            raise ConnectionResetError(msg)
        protocol = transport.get_protocol()
        if isinstance(protocol, ResponseHandler) and protocol.should_close:
            msg = "the connection has brought an answer before the request was written"
            raise ConnectionResetError(msg)
        self._attempt.start()
        self._connection = transport
        await super().write_with_length(writer, content_length)

    @property
    def is_started(self) -> bool:
        return self._attempt.is_started

    def drop_connection(self) -> None:
        """Drop the connection, so that no later request reads an answer that is not its own."""
        self._connection.abort()  # to close it would wait for the peer, where there is TLS

    def __repr__(self) -> str:
        return "<request body>"


class _Gathered:
    """The pieces of a reply, which show themselves to nobody."""

    __slots__ = ("_pieces", "_room")

    def __init__(self, most: int) -> None:
        self._pieces = bytearray()
        self._room = most

    def add(self, piece: bytes) -> bool:
        """Take a piece; tell whether more may come."""
        self._pieces += piece
        self._room -= len(piece)
        if self._room < 0:
            msg = "the answer is larger than any answer to this request can be"
            raise TransportFailure(msg)
        return bool(piece)

    def whole(self) -> bytes:
        return bytes(self._pieces)


def _reason(exc: BaseException) -> str:
    """Name a failure without quoting it: its text may hold an address, never more than its kind."""
    if isinstance(exc, TransportFailure):
        return str(exc)
    if isinstance(exc, TimeoutError) and not isinstance(exc, aiohttp.ClientError):
        return "the time for this attempt was over"
    cause = exc.__cause__
    if isinstance(exc, aiohttp.ClientConnectorError) and isinstance(cause, OSError):
        # `exc.os_error` is missing from one of its kinds in older releases.
        return f"{type(exc).__name__}: {cause.strerror or cause}"
    return type(exc).__name__
