"""
aiohttp: one POST and nothing else.

Rules of this module:

1. The payload marks its own start, and refuses to start on a connection that is closing or has
   already received an answer. aiohttp sends headers and body together, so if the body has not
   started, the headers have not left.
2. No redirects (a 307 would post the key to another host), no middlewares, no retries.
3. The reply is requested and read uncompressed, in pieces and up to a cap: a gzip bomb of 1 MB is
   1 GB when read whole, and older releases of aiohttp unpack 280 MB at once.
4. No local variable of a frame that may raise contains the bytes of a request or a reply: crash
   reporters show locals.
"""

from __future__ import annotations

import asyncio
import email.utils
from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.payload import BytesPayload
from yarl import URL

from .._ports.transport import Attempt, Body, Reply, TransportFailure
from .default_session import borrow_session, is_closed_soon, keeps_idle_briefly, proxy_of
from .failure_names import reason
from .time_limit import Watch

__all__ = ["AiohttpTransport"]

#: The lowest status of a refusal.
_REFUSALS: Final = 400


class AiohttpTransport:
    """
    A `Transport` over an `aiohttp.ClientSession`, which it neither opens nor closes.

    Args:
        session: A session of the running event loop.

        endpoint: The URL of the API.

        is_own: Whether `open_session` made it; otherwise its connections are borrowed.

    Raises:
        ConfigurationError: The caller's session trusts the environment, which names a proxy that
            cannot be used.
    """

    def __init__(self, session: aiohttp.ClientSession, endpoint: str, *, is_own: bool) -> None:
        self._session = session
        self._endpoint = URL(endpoint)
        self._is_own = is_own
        self._proxy = None if is_own else proxy_of(session, endpoint)
        self._watch = Watch()

    async def post(self, body: Body, attempt: Attempt, *, timeout: float, most: int) -> Reply:
        """Send *body* once and read the complete reply; see `Transport.post`."""
        keeps = self._is_own or keeps_idle_briefly(self._session)
        payload = _MarkedPayload(body, attempt)
        payload.is_last = not keeps
        session = self._session if self._is_own else borrow_session(self._session, self._proxy)
        limit = self._watch.begin(timeout, payload)
        try:
            response = await session.post(self._endpoint, data=payload, allow_redirects=False)
            try:
                content = payload.check_answer(response)
                is_here = content.is_eof() and content.total_bytes <= most  # as nearly always
                reply = Reply(
                    response.status,
                    content.read_nowait() if is_here else await _gather(content, most),
                    _headers_of(response),
                    payload.drop_connection,
                )
            finally:
                if response.connection is not None:  # not read completely, or a protocol switch
                    response.release()
                del response  # its repr shows headers: see rule 4
            if is_closed_soon(reply.headers):
                payload.drop_connection()
        except asyncio.CancelledError:
            if not self._watch.end(limit):
                raise
            why = "the time for this attempt was over"
        except Exception as exc:  # noqa: BLE001  # the mark says what it proves, not its class
            why = reason(exc)
        else:
            return reply
        finally:
            self._watch.end(limit)
            if not self._is_own:
                session.detach()
        # Not chained: aiohttp's exceptions quote the server, which may echo the key, and their
        # frames hold what was written and read.
        raise TransportFailure(why)


class _MarkedPayload(BytesPayload):
    """
    The body of one attempt; opaque, and marked when the first of its bytes is written.

    Attributes:
        answer: The part of the answer that was read, once it has begun.
        is_last: Whether the connection is not used again after its answer.
    """

    answer: aiohttp.StreamReader | None = None
    is_last = False
    _connection: asyncio.WriteTransport  # set once the body has started

    def __init__(self, body: Body, attempt: Attempt) -> None:
        super().__init__(body.content, content_type="application/json")
        self._attempt = attempt

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        transport: asyncio.WriteTransport | None = writer.transport
        if transport is None or transport.is_closing():
            msg = "the connection was closed before the request could be written"
            raise TransportFailure(msg)
        protocol = transport.get_protocol()
        if isinstance(protocol, ResponseHandler) and protocol.should_close:
            msg = "the connection received an answer before the request was written"
            raise TransportFailure(msg)
        if isinstance(protocol, ResponseHandler) and self.is_last:
            protocol.force_close()  # after its answer is read
        self._attempt.start()
        self._connection = transport
        await writer.write(self._value[:content_length])

    @property
    def is_started(self) -> bool:
        return self._attempt.is_started

    def check_answer(self, response: aiohttp.ClientResponse) -> aiohttp.StreamReader:
        """
        Return the body of the answer to this request, to be read.

        Raises:
            TransportFailure: It came before the request, which it does not answer.
        """
        if not self._attempt.is_started:
            response.close()  # its end is not awaited
            msg = "a stray answer came before the request was written"
            raise TransportFailure(msg)
        self.answer = response.content
        return response.content

    @property
    def arrived(self) -> int:
        """Bytes of the answer that have arrived, plus one for its head."""
        return 0 if self.answer is None else 1 + self.answer.total_bytes

    def drop_connection(self) -> None:
        """Drop the connection, so that no later request is sent on it."""
        self._connection.abort()  # with TLS, closing would wait for the peer

    def __repr__(self) -> str:
        return "<request body>"


def _headers_of(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    """
    Return the headers; those that may ask for a pause always include a date.

    If there is none, the time of receipt is used. Source: RFC 9110, section 6.6.1.
    """
    headers = response.headers
    if hdrs.DATE in headers or (response.status < _REFUSALS and hdrs.RETRY_AFTER not in headers):
        return headers
    dated = headers.copy()
    dated[hdrs.DATE] = email.utils.formatdate(usegmt=True)
    return dated


async def _gather(content: aiohttp.StreamReader, most: int) -> bytes:
    """Read to the end, but at most *most* bytes."""
    gathered = _Gathered(most)
    while not content.is_eof():
        gathered.add(await content.readany())
    gathered.add(content.read_nowait())
    return gathered.whole()


class _Gathered:
    """The pieces of a reply; its repr shows none of them."""

    __slots__ = ("_most", "_pieces", "_room")

    def __init__(self, most: int) -> None:
        self._pieces: list[bytes] = []
        self._most = most
        self._room = most

    def add(self, piece: bytes) -> None:
        """Add a piece, if there is room for it."""
        self._pieces.append(piece)
        self._room -= len(piece)
        if self._room < 0:
            msg = f"the answer is larger than {self._most:,} bytes, too many for this request"
            raise TransportFailure(msg)

    def whole(self) -> bytes:
        return b"".join(self._pieces)
