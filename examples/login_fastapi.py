"""
Login with a code by text message, with FastAPI.

    CUSTOMERSMS_LIMITER=sqlite:///sms.limit uvicorn examples.login_fastapi:app --workers 2

Both workers share the limit of the key through the limiter's file. On SIGTERM uvicorn finishes the
requests that it has accepted, and then the client is closed: no one is left without an answer.
"""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Body, FastAPI, HTTPException, Request

from customersms_async import CustomerSMS, InvalidPhone, NotSent, OutcomeUnknown, SendError
from customersms_async.phones import normalize_phone
from examples.login_codes import LoginCodes

Text = Annotated[str, Body()]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """Keep one client open while the worker runs; its key is in the environment."""
    app.state.codes = LoginCodes()
    async with CustomerSMS() as sms:
        await sms.ready()
        app.state.sms = sms
        yield
    app.state.codes.close()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, bool]:
    """Report that the worker is up."""
    return {"ok": True}


@app.post("/login", status_code=202)
async def login(request: Request, phone: Annotated[str, Body(embed=True)]) -> dict[str, str]:
    """Send a code."""
    try:
        number = normalize_phone(phone)
        code = request.app.state.codes.make(number)
        await request.app.state.sms.send(number, f"Your code is {code}", timeout=5)
    except InvalidPhone as error:
        raise HTTPException(422, error.reason) from None
    except NotSent as error:  # overload, or the gateway is down: a retry sends nothing twice
        wait = {"Retry-After": str(math.ceil(error.retry_after) or 60)}
        raise HTTPException(503, error.code, wait) from None
    except OutcomeUnknown:  # it may be on its way: let the person request another
        return {"detail": "if no code arrives within a minute, ask for a new one"}
    except SendError as error:  # the gateway said no, to the number or to us
        raise HTTPException(502, error.code) from None
    return {"detail": "a code is on its way"}


@app.post("/verify")
async def verify(request: Request, phone: Text, code: Text) -> dict[str, bool]:
    """Check a code; each works once."""
    if not request.app.state.codes.check(normalize_phone(phone), code):
        raise HTTPException(403, "this is not the code")
    return {"welcome": True}
