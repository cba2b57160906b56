"""Cancelled messages: nothing is sent afterwards, and the fate of a message in flight is logged."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import anyio
import pytest

from customersms_async import LocalLimiter, OutcomeUnknown, Rate
from tests.support.client_in_memory import (
    LoopClock,
    MemoryTransport,
    accepts,
    breaks,
    cannot_connect,
    connects_slowly,
    hangs,
    loses_answer,
    now,
    turns_away,
)
from tests.support.limiter_callers import usage_now

pytestmark = pytest.mark.virtual_time

PHONE = "+12125551234"


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def cancelled(sending, after):
    """Cancel after the given seconds, and return the notes of the error."""
    task = asyncio.ensure_future(sending)
    await asyncio.sleep(after)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    return getattr(caught.value, "__notes__", [])


async def test_cancelled_in_the_queue_nothing_was_sent(make_client, caplog):
    """A message that is cancelled in the queue leaves it, without a note or a warning."""
    gateway = MemoryTransport()
    limiter = LocalLimiter(Rate(1), clock=asyncio.get_running_loop().time)
    client = make_client(gateway, limiter=limiter)
    await client.send(PHONE, "first")

    notes = await cancelled(client.send(PHONE, "second", timeout=100), after=5)
    await asyncio.sleep(200)

    assert ([], [], 1) == (notes, warnings_of(caplog), len(gateway.began))
    usage = usage_now(limiter, client.account)
    assert (0, 0) == (usage.waiting, usage.busy)


async def test_cancelled_while_connecting_nothing_was_sent(make_client, caplog):
    """A message that is cancelled while connecting is not sent, and its slot is free again."""
    gateway = MemoryTransport(connects_slowly(10))
    client = make_client(gateway)

    notes = await cancelled(client.send(PHONE, "hello"), after=5)
    await asyncio.sleep(100)

    assert ([], [], []) == (notes, warnings_of(caplog), gateway.started)
    assert 0 == usage_now(client.limiter, client.account).busy


async def test_a_transport_that_ignores_cancellation_cannot_start(make_client):
    """Once cancelled, the attempt refuses the first byte, even if the transport goes on."""
    refused = []

    async def behave(post):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            refused.append(post.attempt.is_called_off)
            return await accepts()(post)

    gateway = MemoryTransport(behave)
    await cancelled(make_client(gateway).send(PHONE, "hello"), after=5)
    await asyncio.sleep(1)

    assert ([True], []) == (refused, gateway.started)


async def test_cancelled_between_two_tries_nothing_was_sent(make_client, caplog):
    """A message that is cancelled before a retry does not make it."""
    gateway = MemoryTransport(then=cannot_connect())
    client = make_client(gateway, clock=LoopClock(jitter=0.99))

    notes = await cancelled(client.send(PHONE, "hello"), after=0.3)
    await asyncio.sleep(100)

    assert ([], [], 1) == (notes, warnings_of(caplog), len(gateway.began))


async def test_cancelled_in_a_pause_nothing_was_sent(make_client):
    """A message that is cancelled in a pause is not sent."""
    gateway = MemoryTransport(turns_away("20"))

    notes = await cancelled(make_client(gateway).send(PHONE, "hello"), after=5)
    await asyncio.sleep(100)

    assert ([], 1, 0) == (notes, len(gateway.began), gateway.ledger.total())


@pytest.mark.parametrize(
    ("behaviour", "fate"),
    [
        (accepts(takes=4), "sent"),
        (loses_answer(takes=4), "unknown"),
        (hangs(), "unknown"),
    ],
)
async def test_cancelled_in_flight_the_fate_is_logged(make_client, caplog, behaviour, fate):
    """The caller gets a note at once, and one masked warning reports the fate later."""
    client = make_client(MemoryTransport(behaviour))
    began_at = now()

    notes = await cancelled(client.send(PHONE, "hello"), after=2)

    assert 2 == pytest.approx(now() - began_at)
    assert ["the message was in flight: its outcome is unknown, do not send it again"] == notes
    await asyncio.sleep(100)
    said = [
        record for record in caplog.records if getattr(record, "event", None) == "send.cancelled"
    ]
    to = f"send to +12...34 of account {client.account}"
    assert [f"{to} was cancelled in flight; the message was {fate}"] == [
        record.getMessage() for record in said
    ]
    assert ["WARNING"] == [record.levelname for record in said]


async def test_a_cancelled_message_is_not_retried(make_client):
    """A cancelled message that is then rate-limited is not sent again."""
    gateway = MemoryTransport(turns_away("1"))
    client = make_client(gateway)
    sending = asyncio.create_task(client.send(PHONE, "hello"))
    await asyncio.sleep(0.02)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await asyncio.sleep(100)

    assert (1, 0) == (len(gateway.began), gateway.ledger.total())


async def test_an_error_of_the_transport_after_cancellation_is_logged(make_client, caplog):
    """An error of the transport after the cancellation counts as unknown, and is logged."""

    async def behave(post):
        post.start()
        return await breaks(RuntimeError("a bug"))(post)

    await cancelled(make_client(MemoryTransport(behave)).send(PHONE, "hello"), after=0.005)
    await asyncio.sleep(1)

    assert warnings_of(caplog)[-1].endswith("the message was unknown")


async def test_cancelled_as_the_answer_arrives_the_note_has_the_fate(make_client):
    """If the answer arrived in the same iteration, the note has the message's fate."""
    notes = set()
    for turn in range(12):
        gateway = MemoryTransport(accepts(takes=0))
        sending = asyncio.create_task(make_client(gateway).send(PHONE, "hello"))
        for _ in range(turn):
            await asyncio.sleep(0)
        sending.cancel()
        try:
            await sending
        except asyncio.CancelledError as exc:
            notes.update(getattr(exc, "__notes__", []))
        await asyncio.sleep(1)

    assert "the message was sent by then" in notes


async def test_works_under_asyncio_timeout(make_client):
    """`asyncio.timeout` ends a message like any other cancellation."""
    gateway = MemoryTransport(hangs())

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await make_client(gateway).send(PHONE, "hello")

    assert 1 == len(gateway.started)
    await asyncio.sleep(100)


async def test_works_under_anyio(make_client):
    """An anyio scope ends a message, and may cancel it repeatedly."""
    gateway = MemoryTransport(accepts(takes=5))
    began_at = now()

    with anyio.move_on_after(3) as scope:
        await make_client(gateway).send(PHONE, "hello")

    assert scope.cancelled_caught
    assert 3 == pytest.approx(now() - began_at)
    await asyncio.sleep(100)
    assert 1 == gateway.ledger[PHONE]


async def test_works_in_a_task_group(make_client):
    """One failing message cancels the others of its task group, and their fates are logged."""
    gateway = MemoryTransport(loses_answer(takes=1), hangs(), connects_slowly(50))
    client = make_client(gateway)

    async def send_three():
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(client.send(f"+1212555000{number}", "hello"))

    with pytest.raises(ExceptionGroup) as caught:
        await send_three()

    assert [OutcomeUnknown] == [type(exc) for exc in caught.value.exceptions]
    assert 2 == len(gateway.started)
    await asyncio.sleep(100)


async def test_works_with_gather(make_client):
    """Each of several messages in `asyncio.gather` has its own receipt."""
    client = make_client(MemoryTransport())

    receipts = await asyncio.gather(*(client.send(f"+121255500{n:02}", "hi") for n in range(30)))

    assert [f"msg_121255500{n:02}" for n in range(30)] == [r.message_id for r in receipts]


async def test_thirty_messages_on_an_idle_key_are_sent_at_once(make_client):
    """Single messages are not paced: thirty of them are sent without waiting."""
    gateway = MemoryTransport()
    client = make_client(gateway)
    began_at = now()

    await asyncio.gather(*(client.send(f"+121255500{n:02}", "hi") for n in range(30)))

    assert {began_at} == {post.began_at for post in gateway.began}


class _Swallowing:
    """A limiter that swallows the first cancellation."""

    def __init__(self):
        self._limiter = LocalLimiter(clock=asyncio.get_running_loop().time)
        self.has_swallowed = False

    async def acquire(self, *args, **options):
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            self.has_swallowed = True
        return await self._limiter.acquire(*args, **options)


async def test_a_limiter_that_swallows_the_cancellation_sends_nothing(make_client):
    """If a limiter swallows the cancellation, nothing is sent and the call is still cancelled."""
    gateway, limiter = MemoryTransport(), _Swallowing()
    client = make_client(gateway, limiter=limiter)

    notes = await cancelled(client.send(PHONE, "hello"), after=1)

    assert ([], True, []) == (notes, limiter.has_swallowed, gateway.began)


class _Impatient(_Swallowing):
    """A limiter that runs into its own timeout once."""

    async def acquire(self, *args, **options):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.sleep(5)
        return await self._limiter.acquire(*args, **options)


async def test_a_limiter_may_have_its_own_timeout(make_client):
    """A limiter's own `asyncio.timeout` is not taken for a cancellation by the caller."""
    gateway = MemoryTransport()

    receipt = await make_client(gateway, limiter=_Impatient()).send(PHONE, "hello")

    assert (PHONE, 1) == (receipt.phone, len(gateway.began))


async def test_an_anyio_scope_that_ends_with_the_timeout(make_client):
    """If an anyio scope ends in the same tick as the timeout, it catches its cancellation."""
    for shift in (-1e-9, 0, 1e-9):
        client = make_client(MemoryTransport(hangs()), api_key=f"cspro_{shift}")
        with anyio.move_on_after(3 + shift) as scope:
            with contextlib.suppress(OutcomeUnknown):
                await client.send(PHONE, "hello", timeout=3)
            await asyncio.sleep(1)

        assert scope.cancelled_caught


def test_the_end_of_the_loop_ends_a_message_in_flight(make_client, caplog):
    """If the loop ends, a message in flight is logged as unknown."""
    clients = []

    async def main():
        clients.append(make_client(MemoryTransport(hangs())))
        tasks.add(asyncio.create_task(clients[0].send(PHONE, "hello")))
        await asyncio.sleep(0.01)

    tasks = set()
    asyncio.run(main())

    assert tasks.pop().cancelled()
    assert ["the message was unknown"] == [said.partition("; ")[2] for said in warnings_of(caplog)]
    assert repr(clients[0]).endswith(": 0 tasks, 0 runs>")
