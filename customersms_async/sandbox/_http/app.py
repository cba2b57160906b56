"""
The application: the API, the calls that control it, the stream of events, and the pages.

Rules of this module:

1. Every request passes the `OriginPolicy`, and every answer carries its headers.
2. Pages are served from memory and contain no secrets.
3. Errors are JSON; they name the value and what would be right, with keys masked.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Final, cast

from aiohttp import web
from aiohttp.typedefs import Middleware

from .endpoint import PATHS, Endpoint
from .event_stream import EventStream
from .json_answers import json_answer, problem
from .origin_policy import SAFE_HEADERS, OriginPolicy
from .pages import Handler, help_handler, pages
from .parameters import NotFound, Parameters, read_object
from .routes import EVENTS, PREFIX, ROUTES, Route
from .service import SandboxService

__all__ = ["make_app"]

#: Bytes of a request; an array of a million numbers fits, so that it gets a proper error.
_LARGEST_BODY: Final = 32 * 1024 * 1024


#: Paths whose answers are streams or long polls.
_STAYING: Final = frozenset({EVENTS, *(PREFIX + route.path for route in ROUTES if route.waits)})


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
    app.router.add_get(EVENTS, EventStream(service, closing).get, allow_head=False)
    for path in (PREFIX, f"{PREFIX}/"):
        app.router.add_get(path, help_handler)
    for path, response in pages().items():
        app.router.add_get(path, response)
    return app


def _gate(policy: OriginPolicy, service: SandboxService) -> Middleware:
    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        stays = request.path in _STAYING
        reason = policy.objection(request.method, request.headers, stays=stays)
        if reason is not None:
            return problem(service, 403, "NOT_ALLOWED", reason)
        try:
            return await handler(request)
        except web.HTTPException as error:
            if not request.path.startswith(PREFIX):
                raise
            hint = f"{request.method} {request.path}: {error.reason}; see {PREFIX}/ for all calls"
            return problem(service, error.status, "NOT_SERVED", hint)

    return gate


async def _add_safe_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in SAFE_HEADERS.items():
        response.headers[name] = value


def _handler(route: Route, service: SandboxService, closing: asyncio.Future[None]) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            given = await _parameters(request, route)
            more = (closing,) if route.waits else ()
            found = cast("Callable[..., object]", route.answer)(service, given, *more)
            return json_answer(service, await found if inspect.isawaitable(found) else found)
        except NotFound as error:
            reason, *arrived = error.args
            return problem(service, 404, "NOT_FOUND", reason, *arrived)
        except ValueError as error:
            return problem(service, 400, "INVALID_VALUE", str(error))

    return answer


async def _parameters(request: web.Request, route: Route) -> Parameters:
    values: dict[str, object] = dict(request.query)
    if route.method == "POST":
        values |= read_object(await request.read())
    given = Parameters(values | request.match_info)
    given.check(route.parameters)
    return given
