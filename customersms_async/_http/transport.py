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
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.payload import BytesPayload
from attrs import define

from .._ports.transport import Attempt, Body, Reply, TransportFailure

__all__ = ["AiohttpTransport", "open_session"]

_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}

_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=None)

#: What a session of ours has of itself, and one of the caller's must be told each time.
_FOR_ANY_SESSION: Final[dict[str, Any]] = {
    "headers": _HEADERS,
    "timeout": _NO_TIMEOUT,
    "raise_for_status": False,
    "middlewares": (),
    "auto_decompress": False,
}


def open_session() -> aiohttp.ClientSession:
    """
    Open a session for the running event loop.

    It has no limit on connections, since the limiter has one; cookies are not kept.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        timeout=_NO_TIMEOUT,
        auto_decompress=False,
    )


class AiohttpTransport:
    """
    A `Transport` over an `aiohttp.ClientSession`, which it neither opens nor closes.

    Args:
        session: The session, of the running event loop.

        endpoint: The URL of the API.

        is_own: Whether `open_session` made it, with the headers of all our requests.
    """

    def __init__(self, session: aiohttp.ClientSession, endpoint: str, *, is_own: bool) -> None:
        self._session = session
        self._endpoint = endpoint
        self._options: dict[str, Any] = {} if is_own else _FOR_ANY_SESSION
        self._watch = _Watch()

    async def post(self, body: Body, attempt: Attempt, *, timeout: float, most: int) -> Reply:
        """Send *body* once and read the reply whole; see `Transport.post`."""
        limit = self._watch.begin(timeout)
        try:
            return await self._post(_MarkedPayload(body, attempt), most)
        except asyncio.CancelledError:
            if not self._watch.end(limit):
                raise
            reason = "the time for this attempt was over"
        except Exception as exc:  # noqa: BLE001  # the mark says what it proves, not its class
            reason = _reason(exc)
        finally:
            self._watch.end(limit)
        # Not chained: what aiohttp raises quotes the server, which may echo the key, and its
        # frames hold what was written and read.
        raise TransportFailure(reason)

    async def _post(self, payload: _MarkedPayload, most: int) -> Reply:
        response = await self._session.post(
            self._endpoint, data=payload, allow_redirects=False, **self._options
        )
        if not payload.is_started:
            # An answer to nothing: nobody waits for its end.
            response.close()
            msg = "a stray answer came before the request was written"
            raise TransportFailure(msg)
        try:
            content = response.content
            is_here = content.is_eof() and content.total_bytes <= most  # came at once, as most do
            return Reply(
                response.status,
                content.read_nowait() if is_here else await _gather(content, most),
                response.headers,
                payload.drop_connection,
            )
        except BaseException:
            response.release()
            raise


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
        await writer.write(self._value[:content_length])

    @property
    def is_started(self) -> bool:
        return self._attempt.is_started

    def drop_connection(self) -> None:
        """Drop the connection, so that no later request reads an answer that is not its own."""
        self._connection.abort()  # to close it would wait for the peer, where there is TLS

    def __repr__(self) -> str:
        return "<request body>"


@define(eq=False)
class _Limit:
    """How long the attempt in one task may take."""

    task: asyncio.Task[Any]
    cancellations: int  # of the task, before
    ends_at: float
    is_over: bool = False


class _Watch:
    """
    Ends attempts whose time is over, in every phase alike, by cancelling their tasks.

    One timer for all: one timer per request, aiohttp's or that of `asyncio.timeout`, costs a
    fifteenth of the whole request.
    """

    __slots__ = ("_fires_at", "_limits", "_loop", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits: set[_Limit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = math.inf

    def begin(self, timeout: float) -> _Limit:
        """Limit what the running task does from now on, until `end`."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # for the type checkers: a coroutine runs in a task
        limit = _Limit(task, task.cancelling(), self._loop.time() + timeout)
        self._limits.add(limit)
        if limit.ends_at < self._fires_at:
            self._arm(limit.ends_at)
        return limit

    def end(self, limit: _Limit) -> bool:
        """
        End a limit.

        Returns:
            Whether the task was cancelled since its time was over, and by nothing else.
        """
        self._limits.discard(limit)
        if not limit.is_over:
            return False
        limit.is_over = False
        return limit.task.uncancel() <= limit.cancellations

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._fires_at = self._loop.call_at(at, self._look), at

    def _look(self) -> None:
        """End what is late, and come back for the next, which may be the one of now."""
        self._timer, self._fires_at = None, math.inf
        now = self._loop.time()  # uvloop counts in milliseconds, and may be here before the instant
        for limit in [one for one in self._limits if one.ends_at <= now]:
            self._limits.discard(limit)
            limit.is_over = True
            limit.task.cancel()
        next_end = min((limit.ends_at for limit in self._limits), default=math.inf)
        if next_end < math.inf:
            self._arm(next_end)


async def _gather(content: aiohttp.StreamReader, most: int) -> bytes:
    """Read to the end, and no more than *most* bytes."""
    gathered = _Gathered(most)
    while not content.is_eof():
        gathered.add(await content.readany())
    gathered.add(content.read_nowait())
    return gathered.whole()


class _Gathered:
    """The pieces of a reply, which show themselves to nobody."""

    __slots__ = ("_pieces", "_room")

    def __init__(self, most: int) -> None:
        self._pieces: list[bytes] = []
        self._room = most

    def add(self, piece: bytes) -> None:
        """Take a piece, where there is room for it."""
        self._pieces.append(piece)
        self._room -= len(piece)
        if self._room < 0:
            msg = "the answer is larger than any answer to this request can be"
            raise TransportFailure(msg)

    def whole(self) -> bytes:
        return b"".join(self._pieces)


def _reason(exc: BaseException) -> str:
    """Name a failure without quoting it: its text may hold an address, never more than its kind."""
    if isinstance(exc, TransportFailure):
        return str(exc)
    cause = exc.__cause__
    if isinstance(exc, aiohttp.ClientConnectorError) and isinstance(cause, OSError):
        # `exc.os_error` is missing from one of its kinds in older releases.
        return f"{type(exc).__name__}: {cause.strerror or cause}"
    return type(exc).__name__
