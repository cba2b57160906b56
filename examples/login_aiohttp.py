"""
Login with a code by text message, with aiohttp.web.

    python -m examples.login_aiohttp 8000

On SIGTERM aiohttp accepts no new connections, finishes open requests, and closes the client.
"""

import math
import sys
from collections.abc import AsyncGenerator

from aiohttp import web

from customersms_async import CustomerSMS, InvalidPhone, NotSent, OutcomeUnknown, SendError
from customersms_async.phones import normalize_phone
from examples.login_codes import LoginCodes

SMS = web.AppKey("SMS", CustomerSMS)
CODES = web.AppKey("CODES", LoginCodes)


async def open_both(app: web.Application) -> AsyncGenerator[None, None]:
    """Keep one client open while the application runs; its key is in the environment."""
    async with CustomerSMS() as sms:
        app[SMS], app[CODES] = sms, LoginCodes()
        await sms.ready()
        yield
    app[CODES].close()


async def health(_: web.Request) -> web.Response:
    """Report that the application is up."""
    return web.json_response({"ok": True})


async def login(request: web.Request) -> web.Response:
    """Send a code."""
    try:
        number = normalize_phone((await request.json())["phone"])
        code = request.app[CODES].make(number)
        await request.app[SMS].send(number, f"Your code is {code}", timeout=5)
    except InvalidPhone as error:
        return web.json_response({"detail": error.reason}, status=422)
    except OutcomeUnknown:  # it may be on its way: let the person request another
        detail = "if no code arrives within a minute, ask for a new one"
        return web.json_response({"detail": detail}, status=202)
    except NotSent as error:  # overload, or the gateway is down: a retry sends nothing twice
        wait = {"Retry-After": str(math.ceil(error.retry_after) or 60)}
        return web.json_response({"detail": error.code}, status=503, headers=wait)
    except SendError as error:  # the gateway said no, to the number or to us
        return web.json_response({"detail": error.code}, status=502)
    return web.json_response({"detail": "a code is on its way"}, status=202)


async def verify(request: web.Request) -> web.Response:
    """Check a code; each works once."""
    given = await request.json()
    if not request.app[CODES].check(normalize_phone(given["phone"]), given["code"]):
        return web.json_response({"detail": "this is not the code"}, status=403)
    return web.json_response({"welcome": True})


def make_app() -> web.Application:
    """Make the application."""
    app = web.Application()
    app.cleanup_ctx.append(open_both)
    app.add_routes([web.post("/login", login), web.post("/verify", verify)])
    app.add_routes([web.get("/health", health)])
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(sys.argv[1]))
