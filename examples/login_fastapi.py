"""
Login by a code in a text message, with FastAPI.

    CUSTOMERSMS_LIMITER=sqlite:///sms.limit uvicorn examples.login_fastapi:app --workers 2

The limiter's file is what lets both workers share the limit of the key. On SIGTERM uvicorn answers
the requests that it has taken, and then the client is closed: nobody is left without an answer.
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
    """Keep one client as long as the worker runs; its key is in the environment."""
    app.state.codes = LoginCodes()
    async with CustomerSMS() as sms:
        await sms.ready()
        app.state.sms = sms
        yield
    app.state.codes.close()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, bool]:
    """Say that the worker serves."""
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
    except NotSent as error:  # overload, or no way to the gateway: trying again doubles nothing
        wait = {"Retry-After": str(math.ceil(error.retry_after) or 60)}
        raise HTTPException(503, error.code, wait) from None
    except OutcomeUnknown:  # perhaps on its way: a second message is for the person to ask for
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
