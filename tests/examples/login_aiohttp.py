"""Login by a code in a text message: an application of aiohttp's that knows nothing of tests."""

import secrets
from collections.abc import AsyncGenerator

from aiohttp import web

from customersms_async import CustomerSMS, SendError

SMS = web.AppKey("SMS", CustomerSMS)
CODES = web.AppKey("CODES", dict[str, str])


async def client(app: web.Application) -> AsyncGenerator[None, None]:
    """Keep one client as long as the application runs; its key is in the environment."""
    async with CustomerSMS() as app[SMS]:
        yield


async def login(request: web.Request) -> web.Response:
    """Send a code."""
    phone, code = (await request.json())["phone"], f"{secrets.randbelow(10**6):06}"
    request.app[CODES][phone] = code
    try:
        await request.app[SMS].send(phone, f"Your code is {code}", timeout=5)
    except SendError as error:
        return web.json_response({"detail": error.code}, status=503)
    return web.json_response({"detail": "a code is on its way"}, status=202)


async def verify(request: web.Request) -> web.Response:
    """Check a code; each works once."""
    given = await request.json()
    if request.app[CODES].pop(given["phone"], None) != given["code"]:
        return web.json_response({"detail": "this is not the code"}, status=403)
    return web.json_response({"welcome": True})


def make_app() -> web.Application:
    """Make the application."""
    app = web.Application()
    app[CODES] = {}
    app.cleanup_ctx.append(client)
    app.add_routes([web.post("/login", login), web.post("/verify", verify)])
    return app
