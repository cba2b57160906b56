"""
Login with a code by text message, with Django under WSGI, in one file.

    CUSTOMERSMS_LIMITER=sqlite:///sms.limit \
        gunicorn examples.login_django_wsgi:application --workers 2 --threads 8

The synchronous client may be created at import: it opens nothing before its first call, and each
worker that gunicorn forks has its own loop. On SIGTERM gunicorn lets its threads finish their
requests; the client is closed when the worker exits.
"""

from __future__ import annotations

import json
import math
import secrets

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from customersms_async import InvalidPhone, NotSent, OutcomeUnknown, SendError
from customersms_async.phones import normalize_phone
from customersms_async.sync import CustomerSMS
from examples.login_codes import LoginCodes

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "testserver"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_hex(),
)
sms = CustomerSMS()
codes = LoginCodes()


def health(_: HttpRequest) -> JsonResponse:
    """Report that the worker is up."""
    return JsonResponse({"ok": True})


@require_POST
def login(request: HttpRequest) -> JsonResponse:
    """Send a code."""
    try:
        number = normalize_phone(json.loads(request.body)["phone"])
        sms.send(number, f"Your code is {codes.make(number)}", timeout=5)
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
def verify(request: HttpRequest) -> JsonResponse:
    """Check a code; each works once."""
    given = json.loads(request.body)
    if not codes.check(normalize_phone(given["phone"]), given["code"]):
        return JsonResponse({"detail": "this is not the code"}, status=403)
    return JsonResponse({"welcome": True})


urlpatterns = [path("health", health), path("login", login), path("verify", verify)]
application = get_wsgi_application()
