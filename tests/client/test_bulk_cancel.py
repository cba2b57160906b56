"""Cancelled runs: requests in flight are awaited; the caller is cancelled at every await."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from customersms_async import Status
from tests.support.client_in_memory import (
    MemoryJournal,
    MemoryTransport,
    accepts,
    as_async,
    cannot_connect,
    connects_slowly,
    hangs,
    loses_answer,
    now,
    phones,
    turns_away,
)
from tests.support.limiter_callers import usage_now

pytestmark = pytest.mark.virtual_time


async def test_a_cancelled_run_waits_for_requests_in_flight(make_client):
    """A cancelled call ends once the request in flight is answered, with counts in a note."""
    gateway = MemoryTransport(then=accepts(takes=4))
    run = asyncio.create_task(make_client(gateway).send_many(phones(50), "hi", batch_size=10))
    await asyncio.sleep(1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await run

    assert 1004 == pytest.approx(now())
    assert 10 == gateway.ledger.total()
    counts = "10 sent, 0 rejected, 0 unknown, 40 not sent, stopped: CANCELLED"
    assert [f"the bulk run was cancelled: {counts}"] == caught.value.__notes__


async def test_a_cancelled_run_waits_no_longer_than_drain(make_client):
    """A request without an answer after `drain` seconds is unknown."""
    gateway = MemoryTransport(then=hangs())
    client = make_client(gateway)
    run = asyncio.create_task(client.send_many(phones(50), "hi", batch_size=10, drain=3))
    await asyncio.sleep(1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await run

    assert 1004 == pytest.approx(now())
    assert "10 unknown, 40 not sent" in caught.value.__notes__[0]
    assert 0 == usage_now(client.limiter, client.account).in_flight


async def test_a_second_cancellation_only_ends_the_wait(make_client):
    """After a second cancellation the request goes on, and the journal gets its fate."""
    gateway = MemoryTransport(then=accepts(takes=4))
    journal = MemoryJournal()
    client = make_client(gateway)
    run = asyncio.create_task(client.send_many(phones(20), "hi", batch_size=10, journal=journal))
    await asyncio.sleep(1)
    run.cancel()
    await asyncio.sleep(1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert 1002 == pytest.approx(now())
    await asyncio.sleep(10)
    assert [Status.SENT] * 10 == [outcome.status for outcome in journal.settled]
    assert repr(client).endswith(": 0 tasks, 0 runs>")


async def test_a_cancelled_run_does_not_wait_for_connecting(make_client):
    """A run whose request was not handed over yet ends at once."""
    gateway = MemoryTransport(then=connects_slowly(100))
    run = asyncio.create_task(make_client(gateway).send_many(phones(50), "hi"))
    await asyncio.sleep(1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await asyncio.sleep(200)

    assert [] == gateway.started


async def test_a_complete_run_has_no_note(make_client):
    """A cancellation has no note if the run was complete."""
    gateway = MemoryTransport()

    async def run():
        async with make_client(gateway).stream_many(phones(3), "hi") as bulk:
            await bulk.finish()
            await asyncio.sleep(100)

    task = asyncio.create_task(run())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task

    assert [] == getattr(caught.value, "__notes__", [])


async def test_an_anyio_scope_may_cancel_repeatedly(make_client):
    """A request in flight goes on while anyio cancels its caller again and again."""
    gateway = MemoryTransport(then=accepts(takes=4))
    journal = MemoryJournal()
    client = make_client(gateway)

    with anyio.move_on_after(1) as scope:
        await client.send_many(phones(20), "hi", batch_size=10, journal=journal)
    await asyncio.sleep(10)

    assert scope.cancelled_caught
    assert [Status.SENT] * 10 == [outcome.status for outcome in journal.settled]
    assert set(phones(10)) == set(gateway.ledger)


async def test_a_timeout_around_a_stream(make_client):
    """`asyncio.timeout` ends a stream, and what was handed over was handed over once."""
    gateway = MemoryTransport(then=accepts(takes=1))
    seen = []

    async def run():
        async with (
            asyncio.timeout(5),
            make_client(gateway).stream_many(phones(500), "hi", batch_size=10) as bulk,
        ):
            async for outcome in bulk:
                seen.append(outcome.index)  # noqa: PERF401  # the loop ends by a cancellation

    with pytest.raises(TimeoutError):
        await run()

    assert len(seen) == len(set(seen))
    assert set(gateway.ledger.values()) == {1}


async def test_the_end_of_the_loop_ends_a_run(make_client):
    """A run ends if all tasks are cancelled at once, as at the end of `asyncio.run`."""
    gateway = MemoryTransport(then=hangs())
    client = make_client(gateway)
    run = asyncio.create_task(client.send_many(phones(50), "hi", batch_size=10))
    await asyncio.sleep(1)

    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.wait(others)

    assert repr(client).endswith(": 0 tasks, 0 runs>")
    assert 0 == usage_now(client.limiter, client.account).in_flight
    assert run.cancelled()


async def test_a_source_that_hangs_while_closing_blocks_no_reader(make_client):
    """A reader ends even if the generator hangs while it is closed."""

    async def numbers():
        try:
            for phone in phones(3):
                yield phone
                await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1000)

    client = make_client(MemoryTransport())
    async with client.stream_many(numbers(), "hi", batch_size=1) as bulk:
        await anext(bulk)
        await client.aclose(drain=1)
        rest = [outcome async for outcome in bulk]

    assert [] == rest
    assert not bulk.progress.complete


@pytest.mark.parametrize("behaviour", [accepts(), accepts(takes=2.5), hangs()])
async def test_a_source_that_closes_slowly_does_not_hold_a_cancelled_run(make_client, behaviour):
    """After a cancellation, the input has `drain` seconds to clean up."""

    async def numbers():
        try:
            for phone in phones(3):
                yield phone
            await asyncio.sleep(3)
        finally:
            await asyncio.sleep(1000)

    client = make_client(MemoryTransport(then=behaviour))
    run = asyncio.create_task(client.send_many(numbers(), "hi", batch_size=1, drain=2))
    await asyncio.sleep(1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert 1003 == pytest.approx(now())
    assert repr(client).endswith(": 0 tasks, 0 runs>")


async def test_cancelled_during_cleanup_it_waits_for_drain(make_client):
    """A block cancelled while its input cleans up waits for `drain` seconds more."""

    async def numbers():
        try:
            for phone in phones(30):
                yield phone
        finally:
            await asyncio.sleep(1000)

    async def leave():
        async with make_client(MemoryTransport()).stream_many(
            numbers(), "hi", batch_size=1, drain=3
        ) as bulk:
            await anext(bulk)

    run = asyncio.create_task(leave())
    await asyncio.sleep(100)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert 1103 == pytest.approx(now())


async def test_cancelled_at_the_end_of_a_block_it_drains(make_client):
    """A block cancelled while it exits waits up to `drain` seconds for requests in flight."""
    gateway = MemoryTransport(then=hangs())
    client = make_client(gateway)

    async def leave():
        async with client.stream_many(phones(20), "hi", batch_size=10, drain=3):
            await asyncio.sleep(1)

    run = asyncio.create_task(leave())
    await asyncio.sleep(2)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert 1005 == pytest.approx(now())
    assert repr(client).endswith(": 0 tasks, 0 runs>")


def _scenarios() -> dict[str, Callable[..., Awaitable[object]]]:
    def send(client, journal):
        return client.send("+12120000000", "hi")

    def send_many(client, journal):
        return client.send_many(phones(6), "hi", batch_size=2, journal=journal)

    def send_async(client, journal):
        return client.send_many(as_async(phones(6), 0.01), "hi", batch_size=2, journal=journal)

    async def stream(client, journal):
        async with client.stream_many(phones(6), "hi", batch_size=2, journal=journal) as bulk:
            async for _ in bulk:
                await asyncio.sleep(0)

    async def client_block(client, journal):
        async with client:
            await client.send_many(phones(6), "hi", batch_size=2, journal=journal)

    return {f.__name__: f for f in (send, send_many, send_async, stream, client_block)}


_GATEWAYS = {
    "accepts": list,
    "loses": lambda: [accepts(), loses_answer()],
    "no-connection": lambda: [cannot_connect(), accepts(), cannot_connect()],
    "turned-away": lambda: [turns_away("1"), accepts(), turns_away()],
    "slow": lambda: [connects_slowly(0.5)],
}


class _Cutter:
    """Cancels a task before the k-th iteration of the loop, and again in some later ones."""

    def __init__(self, task: asyncio.Task[object], step: int, again: int) -> None:
        self._task = task
        self._turns = range(step, step + 1 + again)
        self._turn = 0
        self.has_cancelled = False
        task.get_loop().before_turn = self._before_turn

    def _before_turn(self) -> None:
        if self._turn in self._turns and not self._task.done():
            self.has_cancelled = True
            self._task.cancel()
        self._turn += 1


@pytest.mark.parametrize("again", [0, 1])
@pytest.mark.parametrize("gateway", _GATEWAYS)
@pytest.mark.parametrize("scenario", _scenarios())
async def test_cancelled_at_any_step_nothing_is_lost_or_sent_twice(
    make_client, scenario, gateway, again
):
    """All guarantees hold in every scenario if cancelled at any iteration of the loop."""
    step, is_over = 0, False
    while not is_over:
        transport = MemoryTransport(*_GATEWAYS[gateway]())
        journal = MemoryJournal()
        client = make_client(transport, api_key=f"cspro_{step}")
        task = asyncio.ensure_future(_scenarios()[scenario](client, journal))
        cut = _Cutter(task, step, again)
        await asyncio.wait([task])
        await asyncio.sleep(100)
        is_over = not cut.has_cancelled

        assert {1} >= set(transport.ledger.values())
        assert journal.is_balanced
        for outcome in journal.settled:
            was_sent = transport.ledger[outcome.phone] == 1
            assert outcome.status is Status.UNKNOWN or was_sent == (outcome.status is Status.SENT)
        assert 0 == usage_now(client.limiter, client.account).in_flight
        assert 0 == usage_now(client.limiter, client.account).waiting
        assert repr(client).endswith(": 0 tasks, 0 runs>")
        assert {asyncio.current_task()} == asyncio.all_tasks()
        step += 1

    assert step > 3
