"""Faults that the fuzz test has found, each reduced to its cause."""

from __future__ import annotations

import asyncio
import random

import anyio
import pytest

from customersms_async import CustomerSMS, LocalLimiter, Rate
from tests.support.fuzz_gateway import FuzzGateway

KEY = "cspro_fuzz"
PHONE = "+12125551234"


def client(gateway: FuzzGateway, **options: object) -> CustomerSMS:
    limiter = LocalLimiter(Rate(1_000, per=1), burst=1_000)
    return CustomerSMS(KEY, endpoint=gateway.endpoint, limiter=limiter, **options)


def gateway(*kinds: str) -> FuzzGateway:
    """Make a gateway that always behaves as one of *kinds*, or always accepts."""
    return FuzzGateway(random.Random(0), 1.0 if kinds else 0.0, kinds or None)


async def test_a_send_that_is_cancelled_as_its_answer_is_read():
    """A message cancelled right after its answer was read has a note that it was sent."""
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


async def test_an_integer_too_long_to_format():
    """An integer that Python refuses to format is one refused input, and the rest is sent."""
    async with gateway() as server, client(server) as sms:
        report = await sms.send_many([10**5_000, PHONE], "Code")

    assert ["<int>", PHONE] == [outcome.phone for outcome in report]
    assert (1, 1) == (report.not_sent, report.sent)


async def test_a_slow_input_does_not_delay_closing_the_client():
    """A run whose input is still closing when `aclose` times out is over."""

    async def rows():
        try:
            for n in range(10):
                yield f"+1212555{n:04}"
        finally:
            await asyncio.sleep(60)

    async with gateway() as server, client(server) as sms, asyncio.timeout(10):
        run = sms.stream_many(rows(), "Code", batch_size=1)
        async with run as bulk:
            first = await anext(bulk)
            await sms.aclose(0.02)
            rest = [outcome async for outcome in bulk]

    assert "STOPPED" == bulk.progress.stopped
    assert bulk.progress.total == len([first, *rest])


async def test_a_scope_around_the_client_leaves_no_connection():
    """A client whose closing is cancelled still closes its connections."""
    async with gateway("lost-mute") as server:
        with anyio.move_on_after(0.2) as scope:
            async with client(server, request_timeout=0.4) as sms:
                await sms.send(PHONE, "Code")

        assert scope.cancelled_caught
        assert await server.is_left_alone(0.5)
