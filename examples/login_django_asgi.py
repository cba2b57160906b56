"""
Login with a code by text message, with Django under ASGI, in one file.

    CUSTOMERSMS_LIMITER=sqlite:///sms.limit \
        uvicorn examples.login_django_asgi:application --workers 2

Django has no hook for the start and end of a worker; `application` gets both from the server, by
the ASGI lifespan protocol, and keeps the client open in between.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from customersms_async import CustomerSMS, InvalidPhone, NotSent, OutcomeUnknown, SendError
from customersms_async.phones import normalize_phone
from examples.login_codes import LoginCodes

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "testserver"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_hex(),
)
sms = CustomerSMS()  # opens nothing before its first call
codes = LoginCodes()


async def health(_: HttpRequest) -> JsonResponse:
    """Report that the worker is up."""
    return JsonResponse({"ok": True})


@require_POST
async def login(request: HttpRequest) -> JsonResponse:
    """Send a code."""
    try:
        number = normalize_phone(json.loads(request.body)["phone"])
        await sms.send(number, f"Your code is {codes.make(number)}", timeout=5)
    except InvalidPhone as error:
        return JsonResponse({"detail": error.reason}, status=422)
    except OutcomeUnknown:  # it may be on its way: let the person request another
        detail = "if no code arrives within a minute, ask for a new one"
        return JsonResponse({"detail": detail}, status=202)
    except NotSent as error:  # overload, or the gateway is down: a retry sends nothing twice
        wait = {"Retry-After": str(math.ceil(error.retry_after) or 60)}
        return JsonResponse({"detail": error.code}, status=503, headers=wait)
    except SendError as error:  # the gateway said no, to the number or to us
        return JsonResponse({"detail": error.code}, status=502)
    return JsonResponse({"detail": "a code is on its way"}, status=202)


@require_POST
async def verify(request: HttpRequest) -> JsonResponse:
    """Check a code; each works once."""
    given = json.loads(request.body)
    if not codes.check(normalize_phone(given["phone"]), given["code"]):
        return JsonResponse({"detail": "this is not the code"}, status=403)
    return JsonResponse({"welcome": True})


urlpatterns = [path("health", health), path("login", login), path("verify", verify)]
django = get_asgi_application()

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def lifespan(receive: Receive, send: Send) -> None:
    """Open the client before the first request, and close it after the last one."""
    await receive()
    async with sms:
        await sms.ready()
        await send({"type": "lifespan.startup.complete"})
        await receive()
    codes.close()
    await send({"type": "lifespan.shutdown.complete"})


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """Serve as the ASGI application."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        await django(scope, receive, send)
