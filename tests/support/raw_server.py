"""
A TCP server that follows a script, and records every byte that arrives.

Requests are counted from the bytes, even those that the script has not read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Self

from attrs import frozen

from customersms_async import CustomerSMS, LocalLimiter, Rate

KEY = "cspro_canary"
PHONE = "+12125551234"
OTHER = "+13235554567"
TEXT = "Your code is 4711"

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@frozen
class Request:
    """One request whose body arrived completely."""

    head: bytes
    body: bytes

    @property
    def phones(self) -> list[str]:
        given = json.loads(self.body)["phone"]
        return [given] if isinstance(given, str) else given


class Talk:
    """One connection, as a script sees it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.received = bytearray()
        self.reader = _Recorder(self.received)
        self.writer: asyncio.StreamWriter

    async def request(self) -> Request:
        """Read one request, or raise `asyncio.IncompleteReadError` if it does not arrive."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        return Request(head, await self.reader.readexactly(int(found[1]) if found else 0))

    def say(self, content: bytes) -> None:
        self.writer.write(content)

    def close(self) -> None:
        """Close with FIN."""
        self.writer.close()

    def reset(self) -> None:
        """Reset with RST."""
        transport = self.writer.transport
        if transport.is_closing():
            return
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as copy:
            copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    def deafen(self) -> None:
        """Read nothing from now on."""
        self.writer.transport.pause_reading()

    async def end(self) -> None:
        """Read until the other side has closed."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()

    def requests(self) -> Iterator[Request]:
        return (Request(head, body) for head, length, body in self._pieces() if len(body) == length)

    @property
    def has_bare_head(self) -> bool:
        """Whether a head arrived completely, but no byte of the body that it announced."""
        return any(length and not body for _, length, body in self._pieces())

    def _pieces(self) -> Iterator[tuple[bytes, int, bytes]]:
        head, end, rest = bytes(self.received).partition(b"\r\n\r\n")
        while end:
            found = _LENGTH.search(head)
            length = int(found[1]) if found else 0
            yield head, length, rest[:length]
            head, end, rest = rest[length:].partition(b"\r\n\r\n")


class _Recorder(asyncio.StreamReader):
    def __init__(self, received: bytearray) -> None:
        super().__init__(limit=2**24)
        self._received = received

    def feed_data(self, data: bytes) -> None:
        self._received += data
        super().feed_data(data)


Play = Callable[[Talk], Awaitable[None]]


class RawServer:
    """The server and what it received."""

    def __init__(
        self, play: Play, context: ssl.SSLContext | None = None, *, buffer: int = 0
    ) -> None:
        self._play = play
        self._context = context
        self._buffer = buffer
        self._tasks: list[asyncio.Task[None]] = []
        self.talks: list[Talk] = []
        self.port = 0

    @property
    def url(self) -> str:
        scheme = "http" if self._context is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}/sms_system/api.php"

    @property
    def requests(self) -> list[Request]:
        """Every request whose body arrived completely."""
        return [request for talk in self.talks for request in talk.requests()]

    @property
    def received(self) -> bytes:
        return b"".join(talk.received for talk in self.talks)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(5):
            while not is_so():  # noqa: ASYNC110  # there is no event
                await asyncio.sleep(0.001)

    async def listen(self, port: int = 0) -> None:
        # Explicitly TCP, since only then asyncio disables Nagle's algorithm.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._buffer:  # bytes that are received for a script that reads nothing
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
        listener.bind(("127.0.0.1", port))
        self.port = listener.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, sock=listener, ssl=self._context)

    async def stop_listening(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for talk in self.talks:
            talk.writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)  # lets the aborted transports close
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        talk = Talk(0)

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            talk.writer = writer
            talk.number = len(self.talks) + 1
            self.talks.append(talk)
            self._tasks.append(asyncio.get_running_loop().create_task(self._converse(talk)))

        return asyncio.StreamReaderProtocol(talk.reader, connected)

    async def _converse(self, talk: Talk) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._play(talk)
        await talk.end()


def http(status: object, body: bytes | str = b"", *headers: str) -> bytes:
    """Make an answer with its Content-Length."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + content


def accepted(phones: Sequence[str], left: int = 7) -> bytes:
    """Make the documented answer that accepts all numbers."""
    results = [
        {"phone": phone, "success": True, "message_id": f"m-{phone[-4:]}"} for phone in phones
    ]
    answer = {"success": True, "results": results, "remaining_credits": left}
    return json.dumps(answer).encode()


def answering(*answers: bytes) -> Play:
    """Send the answers one per request, then documented ones."""
    waiting = list(answers)

    async def play(talk: Talk) -> None:
        while True:
            request = await talk.request()
            talk.say(waiting.pop(0) if waiting else http(200, accepted(request.phones)))

    return play


def tunnel_to(server: RawServer) -> Play:
    """Act as a proxy that opens a tunnel to *server* for any host."""

    async def play(talk: Talk) -> None:
        await talk.reader.readuntil(b"\r\n\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        talk.say(b"HTTP/1.1 200 Connected\r\n\r\n")
        try:
            await asyncio.gather(_pipe(talk.reader, writer), _pipe(reader, talk.writer))
        finally:
            writer.transport.abort()

    return play


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while content := await reader.read(65_536):
            writer.write(content)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def client(endpoint: str, **options: object) -> AsyncIterator[CustomerSMS]:
    """A client with its own limiter and with retries, to see that nothing is repeated."""
    options = {"limiter": LocalLimiter(Rate(1000, per=1)), "send_timeout": 2.0, **options}
    async with CustomerSMS(KEY, endpoint=endpoint, **options) as sms:
        yield sms


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """Return the URL of a listener that accepts no further connection."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def free_port() -> int:
    """Find a port on which nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
