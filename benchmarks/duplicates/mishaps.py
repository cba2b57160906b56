"""
Mishaps of one message, on real sockets of 127.0.0.1, and how often the server received it.

A request counts if its body arrived completely, at the server or at one that it redirects to. In
the last two mishaps nothing can have been sent; a client that reports these like the others leaves
its caller in doubt.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from attrs import frozen

from benchmarks._answers import accepted
from benchmarks.duplicates.clients import Client
from tests.support.raw_server import RawServer, Request, Talk, free_port, full_backlog, http

__all__ = ["LEFT", "MISHAPS", "NEVER_LEFT", "Seen", "meet"]

PHONE: Final = "+12125550101"


@frozen
class Seen:
    """
    The results for one message.

    Attributes:
        copies: Complete bodies that arrived.
        turned_away: Those of them that were answered with 429.
        elsewhere: Those of them that were posted to another server.
        told: What the caller got: the class of the exception, or the result.
        outcome: The exception or the result itself.
    """

    copies: int
    turned_away: int
    elsewhere: int
    told: str
    outcome: object


class _Server:
    """Servers that treat every request in one way."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.turned_away = 0
        self.scheme = "http" if context is None else "https"
        self.other = RawServer(self._accept_all, context)

    async def drop(self, talk: Talk) -> None:
        await talk.request()
        talk.close()

    async def hang(self, talk: Talk) -> None:
        await talk.request()
        await talk.end()

    async def break_down(self, talk: Talk) -> None:
        while True:
            await talk.request()
            talk.say(http(503, "<h1>Service Unavailable</h1>", "Content-Type: text/html"))

    async def turn_away_once(self, talk: Talk) -> None:
        while True:
            request = await talk.request()
            if self.turned_away:
                self._accept(talk, request)
                continue
            self.turned_away += 1
            body = '{"success": false, "error": "Too many requests"}'
            talk.say(http(429, body, "Retry-After: 1", "Content-Type: application/json"))

    async def send_on(self, talk: Talk) -> None:
        while True:
            request = await talk.request()
            url = f"{self.scheme}://127.0.0.1:{self.other.port}{_path(request)}"
            talk.say(http(307, "", f"Location: {url}"))

    async def _accept_all(self, talk: Talk) -> None:
        while True:
            self._accept(talk, await talk.request())

    @staticmethod
    def _accept(talk: Talk, request: Request) -> None:
        body = accepted(_path(request), request.body)
        talk.say(http(200, body, "Content-Type: application/json"))


Play = Callable[[_Server, Talk], Awaitable[None]]
#: Mishaps in which the message arrived.
LEFT: Final[dict[str, Play]] = {
    "dropped after the POST": _Server.drop,
    "no answer": _Server.hang,
    "503": _Server.break_down,
    "307": _Server.send_on,
    "429 once": _Server.turn_away_once,
}
#: Mishaps in which it cannot have arrived.
NEVER_LEFT: Final = ("connection refused", "no connection")
MISHAPS: Final = (*LEFT, *NEVER_LEFT)


def _path(request: Request) -> str:
    return request.head.split(b" ", 2)[1].decode()


async def meet(client: Client, mishap: str, context: ssl.SSLContext) -> Seen:
    """Send one message into a mishap."""
    tls = context if client.needs_tls else None
    if mishap in NEVER_LEFT:
        return await _never_leaves(client, mishap, "http" if tls is None else "https")
    server = _Server(tls)

    async def play(talk: Talk) -> None:
        await LEFT[mishap](server, talk)

    async with server.other as other, RawServer(play, tls) as first:
        outcome = await _send(client, f"{server.scheme}://127.0.0.1:{first.port}")
        elsewhere = len(other.requests)
        copies = len(first.requests) + elsewhere
    return Seen(copies, server.turned_away, elsewhere, _told(outcome), outcome)


async def _never_leaves(client: Client, mishap: str, scheme: str) -> Seen:
    async with _nobody(mishap) as port:
        outcome = await _send(client, f"{scheme}://127.0.0.1:{port}")
    return Seen(0, 0, 0, _told(outcome), outcome)


@contextlib.asynccontextmanager
async def _nobody(mishap: str) -> AsyncIterator[int]:
    if mishap == "connection refused":
        yield free_port()
        return
    with full_backlog() as url:
        yield int(url.rstrip("/").rpartition(":")[2])


async def _send(client: Client, base: str) -> object:
    try:
        async with asyncio.timeout(60), client.open(base) as send:
            return await send(PHONE)
    except Exception as exc:  # noqa: BLE001  # the result
        return exc


def _told(outcome: object) -> str:
    if isinstance(outcome, Exception):
        return type(outcome).__name__
    return f"HTTP {outcome}" if isinstance(outcome, int) else "success"
