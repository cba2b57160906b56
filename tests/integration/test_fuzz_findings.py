"""What the fuzz has found, each reduced to the one thing that went wrong."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.support.fuzz_gateway import FuzzGateway

from customersms_async import CustomerSMS, LocalLimiter, Rate

KEY = "cspro_fuzz"
PHONE = "+12125551234"


def client(gateway: FuzzGateway, **options: object) -> CustomerSMS:
    limiter = LocalLimiter(Rate(1_000, per=1), burst=1_000)
    return CustomerSMS(KEY, endpoint=gateway.endpoint, limiter=limiter, **options)


def gateway(*kinds: str) -> FuzzGateway:
    """Make a gateway that always does one of *kinds*, or always answers well."""
    return FuzzGateway(random.Random(0), 1.0 if kinds else 0.0, kinds or None)


async def test_a_send_that_is_cancelled_as_its_answer_is_read():
    """Whoever is cancelled between the answer and his next step hears that it was sent."""
    calls: list[asyncio.Task[object]] = []
    async with (
        gateway() as server,
        client(server, on_request=lambda _: calls[0].cancel()) as sms,
    ):
        calls.append(asyncio.ensure_future(sms.send(PHONE, "Code")))
        with pytest.raises(asyncio.CancelledError) as caught:
            await calls[0]

    assert 1 == server.ledger[PHONE, "Code"]
    assert ["the message was sent by then"] == caught.value.__notes__
