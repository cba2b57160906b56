"""A cancelled message: nothing leaves afterwards, and what was in flight is seen to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import anyio
import pytest

from customersms_async import LocalLimiter, OutcomeUnknown, Rate
from tests.support.callers import usage_now
from tests.support.memory import (
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

pytestmark = pytest.mark.virtual_time

PHONE = "+12125551234"


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def cancelled(sending, after):
    """Cancel after so many seconds, and give the error and its notes."""
    task = asyncio.ensure_future(sending)
    await asyncio.sleep(after)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    return getattr(caught.value, "__notes__", [])


async def test_cancelled_in_the_queue_nothing_was_sent(make_client, caplog):
    """A message that waits for its turn leaves the queue, and nothing is said."""
    gateway = MemoryTransport()
    limiter = LocalLimiter(Rate(1), clock=asyncio.get_running_loop().time)
    client = make_client(gateway, limiter=limiter)
    await client.send(PHONE, "first")

    notes = await cancelled(client.send(PHONE, "second", timeout=100), after=5)
    await asyncio.sleep(200)

    assert ([], [], 1) == (notes, warnings_of(caplog), len(gateway.began))
    usage = usage_now(limiter, client.account)
    assert (0, 0) == (usage.waiting, usage.busy)


async def test_cancelled_while_connecting_nothing_ever_leaves(make_client, caplog):
    """A message that was connecting is called off, and its slot is free again."""
    gateway = MemoryTransport(connects_slowly(10))
    client = make_client(gateway)

    notes = await cancelled(client.send(PHONE, "hello"), after=5)
    await asyncio.sleep(100)

    assert ([], [], []) == (notes, warnings_of(caplog), gateway.started)
    assert 0 == usage_now(client.limiter, client.account).busy


async def test_a_transport_that_does_not_stop_may_not_start_any_more(make_client):
    """Once cancelled, the mark of the attempt forbids the first byte, whatever a transport does."""
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
    """A message that waits for its next try never makes it."""
    gateway = MemoryTransport(then=cannot_connect())
    client = make_client(gateway, clock=LoopClock(jitter=0.99))

    notes = await cancelled(client.send(PHONE, "hello"), after=0.3)
    await asyncio.sleep(100)

    assert ([], [], 1) == (notes, warnings_of(caplog), len(gateway.began))


async def test_cancelled_in_a_pause_nothing_was_sent(make_client):
    """A message that waits out a pause never makes its next try."""
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
async def test_cancelled_in_flight_its_end_is_told(make_client, caplog, behaviour, fate):
    """The caller leaves at once with a note, and one masked warning says what became of it."""
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


async def test_what_was_in_flight_is_never_tried_again(make_client):
    """A cancelled message that turns out to have been turned away is not sent again."""
    gateway = MemoryTransport(turns_away("1"))
    client = make_client(gateway)
    sending = asyncio.create_task(client.send(PHONE, "hello"))
    await asyncio.sleep(0.02)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await asyncio.sleep(100)

    assert (1, 0) == (len(gateway.began), gateway.ledger.total())


async def test_a_fault_of_the_transport_after_the_caller_left_is_told(make_client, caplog):
    """What a broken transport raises after the cancellation is counted as unknown, and said."""

    async def behave(post):
        post.start()
        return await breaks(RuntimeError("a bug"))(post)

    await cancelled(make_client(MemoryTransport(behave)).send(PHONE, "hello"), after=0.005)
    await asyncio.sleep(1)

    assert warnings_of(caplog)[-1].endswith("the message was unknown")


async def test_cancelled_as_the_answer_comes_the_note_has_the_fate(make_client):
    """Where the answer was read in the same turn, the note says what became of the message."""
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
    """A scope of anyio ends a message, and may cancel as often as it likes."""
    gateway = MemoryTransport(accepts(takes=5))
    began_at = now()

    with anyio.move_on_after(3) as scope:
        await make_client(gateway).send(PHONE, "hello")

    assert scope.cancelled_caught
    assert 3 == pytest.approx(now() - began_at)
    await asyncio.sleep(100)
    assert 1 == gateway.ledger[PHONE]


async def test_works_in_a_task_group(make_client):
    """One message that fails cancels the others of its group, and those are told."""
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
    """Many at once each get their own receipt."""
    client = make_client(MemoryTransport())

    receipts = await asyncio.gather(*(client.send(f"+121255500{n:02}", "hi") for n in range(30)))

    assert [f"msg_121255500{n:02}" for n in range(30)] == [r.message_id for r in receipts]


async def test_thirty_at_once_on_an_idle_key_go_at_once(make_client):
    """Single messages are not paced: thirty of them wait for nothing."""
    gateway = MemoryTransport()
    client = make_client(gateway)
    began_at = now()

    await asyncio.gather(*(client.send(f"+121255500{n:02}", "hi") for n in range(30)))

    assert {began_at} == {post.began_at for post in gateway.began}


class _Swallowing:
    """A limiter that takes the first cancellation for its own."""

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
    """The cancellation is the caller's: nothing leaves, and the call ends as cancelled."""
    gateway, limiter = MemoryTransport(), _Swallowing()
    client = make_client(gateway, limiter=limiter)

    notes = await cancelled(client.send(PHONE, "hello"), after=1)

    assert ([], True, []) == (notes, limiter.has_swallowed, gateway.began)


class _Impatient(_Swallowing):
    """A limiter that times itself out once."""

    async def acquire(self, *args, **options):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.sleep(5)
        return await self._limiter.acquire(*args, **options)


async def test_a_limiter_may_time_itself_out(make_client):
    """Its own time limit cancels the task that it is in, and is no cancellation of the caller."""
    gateway = MemoryTransport()

    receipt = await make_client(gateway, limiter=_Impatient()).send(PHONE, "hello")

    assert (PHONE, 1) == (receipt.phone, len(gateway.began))


async def test_the_scope_that_cancels_it_ends_with_it(make_client):
    """Its time and that of an anyio scope end in one tick: the scope knows its cancellation."""
    for shift in (-1e-9, 0, 1e-9):
        client = make_client(MemoryTransport(hangs()), api_key=f"cspro_{shift}")
        with anyio.move_on_after(3 + shift) as scope:
            with contextlib.suppress(OutcomeUnknown):
                await client.send(PHONE, "hello", timeout=3)
            await asyncio.sleep(1)

        assert scope.cancelled_caught


def test_the_end_of_the_loop_is_the_end_of_what_goes_on(make_client, caplog):
    """Cancelled with all tasks by `asyncio.run`, a message in flight is logged as unknown."""
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
