"""
The application: the API, the calls that control it, the stream of events, and the pages.

Rules of this module:

1. Every request passes the `OriginPolicy`, and every answer carries its headers.
2. Pages are served from memory and contain no secrets.
3. Errors are JSON; they name the value and what would be right, with keys masked.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, cast

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware
from attrs import define

from .._gateway.masking import veiled_json
from .endpoint import PATHS, Endpoint
from .events import written
from .help import help_page
from .origin_policy import SAFE_HEADERS, OriginPolicy
from .parameters import NotFound, Parameters, read_object
from .routes import EVENTS, PREFIX, ROUTES, Route
from .service import SandboxService

__all__ = ["STREAMS", "make_app"]

#: Bytes of a request; an array of a million numbers fits, so that it gets a proper error.
_LARGEST_BODY: Final = 32 * 1024 * 1024

#: Event streams open at once.
STREAMS: Final = 32

#: Seconds between two writes to a stream, so that many events share a write.
_PACE: Final = 0.05

#: Milliseconds after which a browser reopens a broken stream.
_RETRY: Final = 1000

#: Paths whose answers are streams or long polls.
_STAYING: Final = frozenset({EVENTS, *(PREFIX + route.path for route in ROUTES if route.waits)})

_KINDS: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(
    service: SandboxService, policy: OriginPolicy, closing: asyncio.Future[None]
) -> web.Application:
    """
    Make the application.

    Args:
        service: Answers the calls.

        policy: Decides which requests may come in.

        closing: Done when the sandbox closes; ends every wait.
    """
    app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[_gate(policy, service)])
    app.on_response_prepare.append(_add_safe_headers)
    for path in PATHS:
        app.router.add_post(path, Endpoint(service, closing).post)
    for route in ROUTES:
        app.router.add_route(route.method, PREFIX + route.path, _handler(route, service, closing))
    app.router.add_get(EVENTS, Stream(service, closing).get, allow_head=False)
    for path in (PREFIX, f"{PREFIX}/"):
        app.router.add_get(path, _help)
    for path, response in _pages().items():
        app.router.add_get(path, response)
    return app


def _gate(policy: OriginPolicy, service: SandboxService) -> Middleware:
    @web.middleware
    async def gate(request: web.Request, handler: _Handler) -> web.StreamResponse:
        stays = request.path in _STAYING
        reason = policy.objection(request.method, request.headers, stays=stays)
        if reason is not None:
            return _problem(service, 403, "NOT_ALLOWED", reason)
        try:
            return await handler(request)
        except web.HTTPException as error:
            if not request.path.startswith(PREFIX):
                raise
            hint = f"{request.method} {request.path}: {error.reason}; see {PREFIX}/ for all calls"
            return _problem(service, error.status, "NOT_SERVED", hint)

    return gate


async def _add_safe_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in SAFE_HEADERS.items():
        response.headers[name] = value


def _handler(route: Route, service: SandboxService, closing: asyncio.Future[None]) -> _Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            given = await _parameters(request, route)
            more = (closing,) if route.waits else ()
            found = cast("Callable[..., object]", route.answer)(service, given, *more)
            return _json(service, await found if inspect.isawaitable(found) else found)
        except NotFound as error:
            reason, *arrived = error.args
            return _problem(service, 404, "NOT_FOUND", reason, *arrived)
        except ValueError as error:
            return _problem(service, 400, "INVALID_VALUE", str(error))

    return answer


async def _parameters(request: web.Request, route: Route) -> Parameters:
    values: dict[str, object] = dict(request.query)
    if route.method == "POST":
        values |= read_object(await request.read())
    given = Parameters(values | request.match_info)
    given.check(route.parameters)
    return given


def _json(service: SandboxService, shown: object, status: int = 200) -> web.Response:
    return web.Response(
        text=_hidden(service, msgspec.json.encode(shown).decode()) + "\n",
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _hidden(service: SandboxService, words: str) -> str:
    return veiled_json(words, service.handler.gateway.credits)


def _problem(
    service: SandboxService, status: int, code: str, reason: str, *arrived: object
) -> web.Response:
    shown: dict[str, object] = {"error": reason, "code": code}
    return _json(service, shown | ({"arrived": arrived[0]} if arrived else {}), status)


@define(eq=False)
class Stream:
    """
    The stream of events over HTTP.

    Attributes:
        service: Publishes the events.
        closing: Ends every stream.
    """

    service: SandboxService
    closing: asyncio.Future[None]
    _open: int = 0

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Send events until the reader disconnects or the sandbox closes."""
        if self._open >= STREAMS:
            reason = f"{STREAMS} streams are open; close one"
            return _problem(self.service, 503, "TOO_MANY_STREAMS", reason)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
            }
        )
        self._open += 1
        try:
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                await self._follow(response, request.headers.get("Last-Event-ID"))
        finally:
            self._open -= 1
        return response

    async def _follow(self, response: web.StreamResponse, last_id: str | None) -> None:
        events = self.service.events
        place = events.position(last_id)
        note = "reload" if place is None else "hello"
        place = events.newest if place is None else place
        first = self._note(note, place) if last_id is None or note == "reload" else "\n"
        await self._write(response, f"retry: {_RETRY}\n{first}")
        while not self.closing.done():
            place = await self._catch_up(response, place)
            await asyncio.wait((self.closing,), timeout=_PACE)
            await events.wait(place, self.closing)

    async def _catch_up(self, response: web.StreamResponse, place: int) -> int:
        """Write new events, or a heartbeat if there are none; return the new place."""
        events = self.service.events
        new = events.after(place)
        if new is None:
            await self._write(response, self._note("reload", events.newest))
            return events.newest
        await self._write(response, "".join(map(events.words, new)) or ":\n\n")
        return place + len(new)

    def _note(self, kind: str, place: int) -> str:
        event_id = self.service.events.id_of(place)
        return written(kind, {"event": event_id}, event_id)

    async def _write(self, response: web.StreamResponse, words: str) -> None:
        await response.write(_hidden(self.service, words).encode())


async def _help(request: web.Request) -> web.StreamResponse:
    page = help_page(f"{request.scheme}://{request.host}")
    return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-store"})


def _pages() -> Mapping[str, _Handler]:
    """Read the pages into memory: the inbox at ``/`` and every file under ``/static``."""
    folder = Path(__file__).parents[1] / "static"
    files = {path.name: path for path in folder.iterdir() if path.suffix in _KINDS}
    pages = {f"/static/{name}": _page(path) for name, path in files.items()}
    return pages | {"/": _page(files["inbox.html"])}


def _page(path: Path) -> _Handler:
    text, kind = path.read_text("utf-8"), _KINDS[path.suffix]

    async def page(_request: web.Request) -> web.StreamResponse:
        headers = {"Cache-Control": "no-cache"}
        return web.Response(text=text, content_type=kind, headers=headers)

    return page
