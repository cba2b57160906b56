"""
What may go wrong with one connection of a gateway, in any phase of a request.

Nothing here is a lie: a refused request is not accepted, and a false claim of acceptance cannot be
read as an answer.
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
from typing import Final

from attrs import define

from tests.support import fuzz_shapes

__all__ = ["EARLY", "LATE", "ConnectionOver", "Visit"]

#: Seconds after which a silent gateway closes the connection.
_SILENCE: Final = 0.6


class ConnectionOver(Exception):
    """Nothing more is read from this connection or written to it."""


@define(eq=False)
class Visit:
    """One request on its connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    phones: list[str]
    text: str
    dice: random.Random
    trouble: float
    ledger: Counter[tuple[str, str]]

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
        raise ConnectionOver

    def reset(self) -> None:
        """Close with a RST."""
        reset(self.writer)
        raise ConnectionOver

    def accept(self) -> list[fuzz_shapes.Said]:
        """Accept the request, sometimes without a few numbers; return who was accepted."""
        is_partial = self.dice.random() < 0.3 * self.trouble
        said = []
        for phone in self.phones:
            is_accepted = not (is_partial and self.dice.random() < 0.3)
            self.ledger[phone, self.text] += is_accepted
            said.append(fuzz_shapes.Said(phone, is_accepted))
        return said

    def accept_or_not(self) -> list[fuzz_shapes.Said]:
        """Accept the request or not, and claim in both cases that it was accepted."""
        if self.dice.random() < 0.6:
            return self.accept()
        return [fuzz_shapes.Said(phone, is_accepted=True) for phone in self.phones]


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a RST."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


_Fault = Callable[[Visit], Awaitable[None]]


async def _silence(reader: asyncio.StreamReader) -> None:
    """Stay silent until the other side leaves, or for the longest time."""
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
        raise ConnectionOver

    return break_off


EARLY: Final = {
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
    async def refuse(visit: Visit) -> None:
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


# --- Handed over; the answer cannot be read. -----------------------------------------------------


def _page(status: str, *headers: str) -> _Fault:
    async def answer(visit: Visit) -> None:
        visit.accept_or_not()
        visit.send(status, b"<html>oh no</html>", "Content-Type: text/html", *headers)

    return answer


def _raw(make: Callable[[bytes], bytes], end: Callable[[Visit], None]) -> _Fault:
    async def answer(visit: Visit) -> None:
        said = visit.accept_or_not()
        visit.writer.write(make(json.dumps(fuzz_shapes.documented(said)).encode()))
        await visit.writer.drain()
        await asyncio.sleep(visit.dice.random() * 0.01)
        end(visit)

    return answer


def _head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join((status, *lines, "", "")).encode()


async def _mute(visit: Visit) -> None:
    visit.accept_or_not()
    await _silence(visit.reader)
    visit.finish()


async def _stall_in_body(visit: Visit) -> None:
    visit.accept_or_not()
    visit.send("200 OK", b'{"success": true, "results": [', length=1_000)
    await _silence(visit.reader)
    visit.reset()


def _gone(end: Callable[[Visit], None]) -> _Fault:
    async def leave(visit: Visit) -> None:
        visit.accept_or_not()
        await asyncio.sleep(visit.dice.random() * 0.01)
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
    "lost-fin": _gone(Visit.finish),
    "lost-rst": _gone(Visit.reset),
    "lost-mute": _mute,
    "lost-stall-in-body": _stall_in_body,
    "lost-empty": _raw(lambda _: _head("Content-Length: 0"), lambda _: None),
    "lost-204": _raw(lambda _: _head(status="HTTP/1.1 204 No Content"), lambda _: None),
    "lost-cut-head": _raw(lambda _: b"HTTP/1.1 200 OK\r\nContent-Le", Visit.finish),
    "lost-cut-length": _raw(
        lambda b: _head(f"Content-Length: {len(b)}") + b[: len(b) // 2], Visit.finish
    ),
    "lost-cut-rst": _raw(
        lambda b: _head(f"Content-Length: {len(b)}") + b[: len(b) // 2], Visit.reset
    ),
    "lost-cut-chunk": _raw(
        lambda b: _CHUNKED + b"%x\r\n" % len(b) + b[: len(b) // 2], Visit.finish
    ),
    "lost-cut-before-end": _raw(
        lambda b: _CHUNKED + b"%x\r\n%b" % (len(b) // 2, b[: len(b) // 2]), Visit.finish
    ),
    "lost-cut-silent": _raw(
        lambda b: _head("Connection: close") + b[: len(b) * 2 // 3], Visit.finish
    ),
    "lost-status-line": _raw(lambda _: b"HTTP/1.1 two hundred\r\n\r\n", Visit.finish),
    "lost-headers": _raw(lambda _: _head("Bad\x01Header nothing"), Visit.finish),
    "lost-noise": _raw(lambda _: b"\x00\xff\x16\x03\x01 what?", Visit.finish),
    "lost-gzip": _raw(
        lambda b: (
            (cut := gzip.compress(b)[:-20])
            and _head("Content-Encoding: gzip", f"Content-Length: {len(cut)}") + cut
        ),
        Visit.finish,
    ),
    "lost-bomb": _raw(
        lambda _: (
            (bomb := gzip.compress(bytes(4_000_000)))
            and _head("Content-Encoding: gzip", f"Content-Length: {len(bomb)}") + bomb
        ),
        Visit.finish,
    ),
    "lost-nested": _raw(
        lambda _: _head("Content-Length: 60000") + b'{"results":[' * 5_000, lambda _: None
    ),
}


# --- Carried out, and answered oddly. ------------------------------------------------------------


def _shape(make: fuzz_shapes.Shape) -> _Fault:
    async def answer(visit: Visit) -> None:
        document = make(visit.accept(), visit.dice)
        visit.send_json(document)

    return answer


def _wrapped(wrap: Callable[[bytes], bytes], *headers: str) -> _Fault:
    async def answer(visit: Visit) -> None:
        body = wrap(json.dumps(fuzz_shapes.documented(visit.accept())).encode())
        visit.send("200 OK", body, *headers)

    return answer


async def _slow(visit: Visit) -> None:
    said = visit.accept()
    await asyncio.sleep(visit.dice.random() * 0.1)
    visit.send_json(fuzz_shapes.documented(said))


async def _in_pieces(visit: Visit) -> None:
    body = json.dumps(fuzz_shapes.documented(visit.accept())).encode()
    visit.writer.write(_CHUNKED)
    for begin in range(0, len(body), 1 + len(body) // 4):
        piece = body[begin : begin + 1 + len(body) // 4]
        visit.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await asyncio.sleep(0.001)
    visit.writer.write(b"0\r\n\r\n")


def _stray(document: object, status: str, *, stays: bool) -> _Fault:
    """Answer normally, then send something unrequested."""

    async def answer(visit: Visit) -> None:
        visit.send_json(fuzz_shapes.documented(visit.accept()))
        await asyncio.sleep(visit.dice.random() * 0.02)
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

LATE: Final[dict[str, _Fault]] = {
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
