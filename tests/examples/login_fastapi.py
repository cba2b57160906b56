"""Login by a code in a text message: an application of FastAPI's that knows nothing of tests."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Body, FastAPI, HTTPException, Request

from customersms_async import CustomerSMS, InvalidPhone, NotSent, OutcomeUnknown, Rejected

Text = Annotated[str, Body()]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """Keep one client as long as the application runs; its key is in the environment."""
    async with CustomerSMS() as sms:
        app.state.sms, app.state.codes = sms, {}
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/login", status_code=202)
async def login(request: Request, phone: Annotated[str, Body(embed=True)]) -> dict[str, str]:
    """Send a code."""
    code = f"{secrets.randbelow(10**6):06}"
    request.app.state.codes[phone] = code
    try:
        await request.app.state.sms.send(phone, f"Your code is {code}", timeout=5)
    except InvalidPhone as error:
        raise HTTPException(422, error.reason) from None
    except Rejected as error:
        raise HTTPException(422, error.code) from None
    except NotSent:
        raise HTTPException(503, "please try again") from None
    except OutcomeUnknown:
        return {"detail": "if no code arrives within a minute, ask for a new one"}
    return {"detail": "a code is on its way"}


@app.post("/verify")
async def verify(request: Request, phone: Text, code: Text) -> dict[str, bool]:
    """Check a code; each works once."""
    if request.app.state.codes.get(phone) != code:
        raise HTTPException(403, "this is not the code")
    del request.app.state.codes[phone]
    return {"welcome": True}
