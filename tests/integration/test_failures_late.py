"""A blocked event loop: an answer that has arrived counts, even if it is read late."""

from __future__ import annotations

import asyncio
import time

import pytest

from customersms_async import OutcomeUnknown
from tests.support.far_server import in_a_thread
from tests.support.raw_server import PHONE, TEXT, Talk, accepted, client, http

LONG = b" " * 60_000  # more data after the answer than one read returns


@pytest.mark.parametrize("rest", [b"", LONG], ids=["short", "long"])
async def test_an_answer_that_arrived_while_the_loop_was_blocked(rest):
    """An answer in the socket counts, although the loop was blocked beyond the timeout."""

    async def play(talk: Talk) -> None:
        while True:
            await talk.request()
            await asyncio.sleep(0.1)
            talk.say(http(200, accepted([PHONE]) + rest))

    with in_a_thread(play) as server:
        async with client(server.url) as sms:
            sending = asyncio.create_task(sms.send(PHONE, TEXT, timeout=0.6))
            await server.until(lambda: server.requests)
            time.sleep(0.8)  # noqa: ASYNC251  # blocks the loop on purpose

            assert PHONE == (await sending).phone


async def test_half_an_answer_is_not_waited_for():
    """If half an answer arrived before the timeout, the rest is not awaited."""

    async def play(talk: Talk) -> None:
        await talk.request()
        talk.say(http(200, accepted([PHONE]))[:-9])
        await talk.end()

    with in_a_thread(play) as server:
        async with client(server.url) as sms:
            sending = asyncio.create_task(sms.send(PHONE, TEXT, timeout=0.4))
            await server.until(lambda: server.requests)
            time.sleep(0.6)  # noqa: ASYNC251  # blocks the loop on purpose
            began_at = time.monotonic()
            with pytest.raises(OutcomeUnknown):
                await sending

            assert time.monotonic() - began_at < 0.2


async def test_a_batch_whose_process_was_stopped():
    """An answer for a large batch that is already in the socket is read completely."""
    numbers = [f"+1212555{n:04}" for n in range(100)]
    answer = accepted(numbers) + b" " * 40_000

    async def play(talk: Talk) -> None:
        await talk.request()
        talk.say(http(200, answer))
        await talk.end()

    with in_a_thread(play) as server:
        async with client(server.url, request_timeout=0.4) as sms:
            run = asyncio.create_task(sms.send_many(numbers, TEXT))
            await server.until(lambda: server.requests)
            time.sleep(0.6)  # noqa: ASYNC251  # like a stopped process

            assert 100 == (await run).sent
