"""
A gateway that misbehaves in every way, over raw sockets, and keeps a ledger of what it accepted.

It never lies: what it refuses or turns away it has not accepted. Everything else it may do, in
any phase of a request, by dice that are seeded.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self

from attrs import define, field

from tests.support import fuzz_shapes

__all__ = ["FAULTS", "FuzzGateway"]

#: Seconds after which a silent gateway closes the connection.
_SILENCE: Final = 0.6


class _ConnectionOver(Exception):
    """Nothing more is read from this connection or written to it."""


@define(eq=False)
class _Visit:
    """One request on its connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    phones: list[str]
    text: str

    def send(self, status: str, body: bytes, *headers: str, length: int | None = None) -> None:
        """Write a whole answer; *length* is announced instead of the true one."""
        length = len(body) if length is None else length
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {length}", *headers, "", ""]
        self.writer.write("\r\n".join(lines).encode() + body)

    def send_json(self, document: object, status: str = "200 OK", *headers: str) -> None:
        self.send(status, json.dumps(document).encode(), "Content-Type: application/json", *headers)

    def finish(self) -> None:
        """Close with a FIN."""
        self.writer.close()
        raise _ConnectionOver

    def reset(self) -> None:
        """Close with a RST."""
        reset(self.writer)
        raise _ConnectionOver


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a RST."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


_Fault = Callable[["FuzzGateway", _Visit], Awaitable[None]]


@define(eq=False)
class FuzzGateway:
    """
    The gateway.

    Attributes:
        dice: Decides what goes wrong.
        trouble: How likely it is that something goes wrong with a connection or a request.
        kinds: What may go wrong; everything if not given.
        ledger: How often each pair of number and text was accepted.
        faults: How often what went wrong.
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
        """Wait until no connection is open; tell whether that came true in time."""
        handlers = list(self._handlers)
        if not handlers:
            return True
        _, left = await asyncio.wait(handlers, timeout=seconds)
        return not left

    def accept(self, visit: _Visit) -> list[fuzz_shapes.Said]:
        """Accept what the request asks for, all but a few numbers at times; say who was."""
        is_partial = self.dice.random() < 0.3 * self.trouble
        said = []
        for phone in visit.phones:
            is_accepted = not (is_partial and self.dice.random() < 0.3)
            self.ledger[phone, visit.text] += is_accepted
            said.append(fuzz_shapes.Said(phone, is_accepted))
        return said

    def accept_or_not(self, visit: _Visit) -> list[fuzz_shapes.Said]:
        """Accept the request, or do not, and say in both cases that it was accepted."""
        if self.dice.random() < 0.6:
            return self.accept(visit)
        return [fuzz_shapes.Said(phone, is_accepted=True) for phone in visit.phones]

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            await self._serve(reader, writer)
        except (_ConnectionOver, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled only when the gateway is closed
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._handlers.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            name = self._choose()
            early = _EARLY.get(name)
            if early is not None:
                self.faults[name] += 1
                await early(reader, writer)
            head = await reader.readuntil(b"\r\n\r\n")
            self.arrivals.append(asyncio.get_running_loop().time())
            body = await reader.readexactly(_announced(head))
            asked: dict[str, Any] = json.loads(body)
            phones = [asked["phone"]] if isinstance(asked["phone"], str) else asked["phone"]
            self.faults[name] += 1
            await _LATE[name](self, _Visit(reader, writer, phones, asked["message"]))
            await writer.drain()

    def _choose(self) -> str:
        return self.dice.choice(self._names) if self.dice.random() < self.trouble else "none"


def _announced(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return int(next(line for line in lines if line.startswith(b"content-length:")).split(b":")[1])


async def _silence(reader: asyncio.StreamReader) -> None:
    """Say nothing until the other side leaves, or for so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SILENCE):
            while await reader.read(65_536):
                pass


# --- Before the request was read: nothing can have been accepted. --------------------------------


def _early(
    count: int, end: Callable[[asyncio.StreamWriter], None], *, silent: bool = False
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if count:
            await reader.readexactly(count)
        if silent:
            await _silence(reader)
        end(writer)
        raise _ConnectionOver

    return break_off


_EARLY: Final = {
    "early-rst": _early(0, reset),
    "early-fin": _early(0, lambda writer: writer.close()),
    "early-rst-in-head": _early(30, reset),
    "early-fin-in-head": _early(30, lambda writer: writer.close()),
    "early-rst-in-body": _early(280, reset),
    "early-fin-in-body": _early(280, lambda writer: writer.close()),
    "early-silence": _early(30, reset, silent=True),
}


# --- Refused, truthfully. ------------------------------------------------------------------------


def _refusal(document: object, status: str = "200 OK", *headers: str) -> _Fault:
    async def refuse(_: FuzzGateway, visit: _Visit) -> None:
        if document is None:
            visit.send(status, b"<html>no</html>", "Content-Type: text/html", *headers)
        else:
            visit.send_json(document, status, *headers)

    return refuse


def _no(error: str, code: str) -> dict[str, object]:
    return {"success": False, "error": error, "code": code}


_NOW: Final = "Retry-After: 0"
_REFUSALS: Final[dict[str, _Fault]] = {
    "refused": _refusal(_no("Blocked text", "BLOCKED")),
    "refused-422": _refusal(_no("Bad number", "BAD_NUMBER"), "422 Unprocessable Entity"),
    "refused-500": _refusal(_no("No route", "NO_ROUTE"), "500 Internal Server Error"),
    "refused-key": _refusal(_no("Invalid or inactive API key", "INVALID_API_KEY")),
    "refused-credit": _refusal(_no("No credits", "INSUFFICIENT_CREDITS")),
    "refused-page": _refusal(None, "403 Forbidden"),
    "rate-429": _refusal(_no("Slow down", "RATE_LIMIT_EXCEEDED"), "429 Too Many Requests", _NOW),
    "rate-429-page": _refusal(None, "429 Too Many Requests", _NOW),
    "rate-429-date": _refusal(
        None,
        "429 Too Many Requests",
        "Retry-After: Fri, 07 Nov 2014 23:59:59 GMT",
        "Date: Fri, 07 Nov 2014 23:59:59 GMT",
    ),
    "rate-200": _refusal(_no("Rate limit exceeded", "RATE_LIMIT_EXCEEDED"), "200 OK", _NOW),
}


# --- Handed over; what came of it cannot be read. ------------------------------------------------


def _page(status: str, *headers: str) -> _Fault:
    async def answer(gateway: FuzzGateway, visit: _Visit) -> None:
        gateway.accept_or_not(visit)
        visit.send(status, b"<html>oh no</html>", "Content-Type: text/html", *headers)

    return answer


def _raw(make: Callable[[bytes], bytes], end: Callable[[_Visit], None]) -> _Fault:
    async def answer(gateway: FuzzGateway, visit: _Visit) -> None:
        said = gateway.accept_or_not(visit)
        visit.writer.write(make(json.dumps(fuzz_shapes.documented(said)).encode()))
        await visit.writer.drain()
        await asyncio.sleep(gateway.dice.random() * 0.01)
        end(visit)

    return answer


def _head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join((status, *lines, "", "")).encode()


async def _mute(gateway: FuzzGateway, visit: _Visit) -> None:
    gateway.accept_or_not(visit)
    await _silence(visit.reader)
    visit.finish()


async def _stall_in_body(gateway: FuzzGateway, visit: _Visit) -> None:
    gateway.accept_or_not(visit)
    visit.send("200 OK", b'{"success": true, "results": [', length=1_000)
    await _silence(visit.reader)
    visit.reset()


def _gone(end: Callable[[_Visit], None]) -> _Fault:
    async def leave(gateway: FuzzGateway, visit: _Visit) -> None:
        gateway.accept_or_not(visit)
        await asyncio.sleep(gateway.dice.random() * 0.01)
        end(visit)

    return leave


_CHUNKED: Final = _head("Transfer-Encoding: chunked")
_LOST: Final[dict[str, _Fault]] = {
    "lost-500": _page("500 Internal Server Error"),
    "lost-502": _page("502 Bad Gateway"),
    "lost-503": _page("503 Service Unavailable", "Retry-After: 0"),
    "lost-408": _page("408 Request Timeout"),
    "lost-301": _page("301 Moved Permanently", "Location: /sms_system/api.php"),
    "lost-302": _page("302 Found", "Location: /elsewhere"),
    "lost-307": _page("307 Temporary Redirect", "Location: /sms_system/api.php"),
    "lost-308": _page("308 Permanent Redirect", "Location: /sms_system/api.php"),
    "lost-page": _page("200 OK"),
    "lost-fin": _gone(_Visit.finish),
    "lost-rst": _gone(_Visit.reset),
    "lost-mute": _mute,
    "lost-stall-in-body": _stall_in_body,
    "lost-empty": _raw(lambda _: _head("Content-Length: 0"), lambda _: None),
    "lost-204": _raw(lambda _: _head(status="HTTP/1.1 204 No Content"), lambda _: None),
    "lost-cut-head": _raw(lambda _: b"HTTP/1.1 200 OK\r\nContent-Le", _Visit.finish),
    "lost-cut-length": _raw(
        lambda b: _head(f"Content-Length: {len(b)}") + b[: len(b) // 2], _Visit.finish
    ),
    "lost-cut-rst": _raw(
        lambda b: _head(f"Content-Length: {len(b)}") + b[: len(b) // 2], _Visit.reset
    ),
    "lost-cut-chunk": _raw(
        lambda b: _CHUNKED + b"%x\r\n" % len(b) + b[: len(b) // 2], _Visit.finish
    ),
    "lost-cut-before-end": _raw(
        lambda b: _CHUNKED + b"%x\r\n%b" % (len(b) // 2, b[: len(b) // 2]), _Visit.finish
    ),
    "lost-cut-silent": _raw(
        lambda b: _head("Connection: close") + b[: len(b) * 2 // 3], _Visit.finish
    ),
    "lost-status-line": _raw(lambda _: b"HTTP/1.1 two hundred\r\n\r\n", _Visit.finish),
    "lost-headers": _raw(lambda _: _head("Bad\x01Header nothing"), _Visit.finish),
    "lost-noise": _raw(lambda _: b"\x00\xff\x16\x03\x01 what?", _Visit.finish),
    "lost-gzip": _raw(
        lambda b: (
            (cut := gzip.compress(b)[:-20])
            and _head("Content-Encoding: gzip", f"Content-Length: {len(cut)}") + cut
        ),
        _Visit.finish,
    ),
    "lost-bomb": _raw(
        lambda _: (
            (bomb := gzip.compress(bytes(4_000_000)))
            and _head("Content-Encoding: gzip", f"Content-Length: {len(bomb)}") + bomb
        ),
        _Visit.finish,
    ),
    "lost-nested": _raw(
        lambda _: _head("Content-Length: 60000") + b'{"results":[' * 5_000, lambda _: None
    ),
}


# --- Carried out, and answered oddly. ------------------------------------------------------------


def _shape(make: fuzz_shapes.Shape) -> _Fault:
    async def answer(gateway: FuzzGateway, visit: _Visit) -> None:
        document = make(gateway.accept(visit), gateway.dice)
        visit.send_json(document)

    return answer


def _wrapped(wrap: Callable[[bytes], bytes], *headers: str) -> _Fault:
    async def answer(gateway: FuzzGateway, visit: _Visit) -> None:
        body = wrap(json.dumps(fuzz_shapes.documented(gateway.accept(visit))).encode())
        visit.send("200 OK", body, *headers)

    return answer


async def _slow(gateway: FuzzGateway, visit: _Visit) -> None:
    said = gateway.accept(visit)
    await asyncio.sleep(gateway.dice.random() * 0.1)
    visit.send_json(fuzz_shapes.documented(said))


async def _in_pieces(gateway: FuzzGateway, visit: _Visit) -> None:
    body = json.dumps(fuzz_shapes.documented(gateway.accept(visit))).encode()
    visit.writer.write(_CHUNKED)
    for begin in range(0, len(body), 1 + len(body) // 4):
        piece = body[begin : begin + 1 + len(body) // 4]
        visit.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await asyncio.sleep(0.001)
    visit.writer.write(b"0\r\n\r\n")


def _stray(document: object, status: str, *, stays: bool) -> _Fault:
    """Answer well, then say something that nobody asked for."""

    async def answer(gateway: FuzzGateway, visit: _Visit) -> None:
        visit.send_json(fuzz_shapes.documented(gateway.accept(visit)))
        await asyncio.sleep(gateway.dice.random() * 0.02)
        visit.send_json(document, status)
        if not stays:
            visit.finish()

    return answer


_STRANGERS: Final = [fuzz_shapes.Said(f"+1500555{n:04}", is_accepted=True) for n in range(3)]
_STRAYS: Final[dict[str, _Fault]] = {
    "stray-others": _stray(fuzz_shapes.documented(_STRANGERS), "200 OK", stays=True),
    "stray-408": _stray(None, "408 Request Timeout", stays=True),
    "stray-refusal-then-fin": _stray(_no("Go", "SHUTTING_DOWN"), "200 OK", stays=False),
    "stray-429-then-fin": _stray(_no("Go", "RATE_LIMIT"), "429 Too Many Requests", stays=False),
}

_LATE: Final[dict[str, _Fault]] = {
    "none": _shape(lambda said, _: fuzz_shapes.documented(said)),
    **_REFUSALS,
    **_LOST,
    **_STRAYS,
    **{f"shape-{name}": _shape(make) for name, make in fuzz_shapes.SHAPES.items()},
    "shape-php-notice": _wrapped(lambda b: b"Notice: Undefined index in {main}\n" + b),
    "shape-byte-order-mark": _wrapped(lambda b: b"\xef\xbb\xbf" + b),
    "shape-html-type": _wrapped(bytes, "Content-Type: text/html"),
    "shape-gzip": _wrapped(gzip.compress, "Content-Encoding: gzip"),
    "shape-slow": _slow,
    "shape-in-pieces": _in_pieces,
}

#: Everything that may go wrong.
FAULTS: Final = tuple(name for name in (*_EARLY, *_LATE) if name != "none")
