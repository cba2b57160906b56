"""Event loops that end during a run, and clients that serve several loops."""

from __future__ import annotations

import asyncio
import threading

import pytest

from customersms_async import LocalLimiter, Status, StopRules
from tests.support.client_in_memory import (
    MemoryJournal,
    MemoryTransport,
    accepts,
    as_async,
    connects_slowly,
    hangs,
    phones,
)
from tests.support.limiter_callers import usage_now
from tests.support.sizes import sized


def _cancel_others():
    """Cancel all tasks but the current one, as the end of `asyncio.run` does."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    return others


class _Ending:
    """Cancels all tasks but the current one and its own before the k-th iteration of the loop."""

    def __init__(self, step, *own):
        self._spared = {asyncio.current_task(), *own}
        self._left = step
        self.has_ended = False
        asyncio.get_running_loop().before_turn = self._before_turn

    def _before_turn(self):
        if self._left == 0:
            for task in asyncio.all_tasks() - self._spared:
                self.has_ended = True
                task.cancel()
        self._left -= 1


@pytest.mark.virtual_time
@pytest.mark.parametrize("behaviour", [accepts(), connects_slowly(0.1), hangs()])
@pytest.mark.parametrize("make_input", [list, as_async])
async def test_tasks_cancelled_at_any_step_lose_nothing(make_client, make_input, behaviour):
    """If the client's tasks are cancelled at any iteration, every number has a fate."""
    for step in range(40):
        gateway = MemoryTransport(then=behaviour)
        client = make_client(gateway, api_key=f"cspro_{step}", request_timeout=1)
        _Ending(step)

        report = await client.send_many(
            make_input(phones(8)), "hi", batch_size=2, stop=StopRules(max_unknown=9)
        )
        _Ending(-1)  # cannot take effect any more

        assert len(report) == report.total <= 8
        for outcome in report:
            was_sent = gateway.ledger[outcome.phone] == 1
            assert outcome.status is Status.UNKNOWN or was_sent == (outcome.status is Status.SENT)
        assert 0 == usage_now(client.limiter, client.account).in_flight


@pytest.mark.virtual_time
async def test_a_long_list_is_reported_as_the_loop_ends(make_client):
    """A run that reports the rest of a list finishes at once when its task is cancelled."""
    count = sized(6_000, 20_000)
    endings = []
    for step in range(3, sized(10, 30)):
        client = make_client(MemoryTransport(), api_key=f"cspro_{step}")
        bulk = client.stream_many(["bad"] * count, "hi")
        async with bulk:
            finishing = asyncio.create_task(bulk.finish())
            await asyncio.sleep(0)
            bulk.stop()
            endings.append(_Ending(step, finishing))
            progress = await finishing
            _Ending(-1)  # cannot take effect any more

        assert count == progress.total
    assert sum(ending.has_ended for ending in endings) >= 2


@pytest.mark.virtual_time
@pytest.mark.parametrize("step", range(8))
async def test_a_message_whose_task_is_cancelled_has_a_fate(make_client, step):
    """If the client's task is cancelled, the caller is told what is proven."""
    gateway = MemoryTransport(connects_slowly(5))
    client = make_client(gateway)
    sending = asyncio.create_task(client.send("+12125551234", "hi", timeout=20))
    _Ending(step, sending)

    (ended,) = await asyncio.gather(sending, return_exceptions=True)

    fate = getattr(ended, "status", Status.SENT)
    assert fate is Status.UNKNOWN or gateway.ledger.total() == (fate is Status.SENT)
    assert fate is not Status.NOT_SENT or gateway.started == []


@pytest.mark.virtual_time
async def test_the_end_of_the_loop_settles_claims(make_client):
    """A run that ends with its loop settles its claims, and leaves no task behind."""
    gateway = MemoryTransport(then=hangs())
    client = make_client(gateway)
    journal = MemoryJournal()
    run = asyncio.create_task(client.send_many(phones(4), "hi", journal=journal))
    await asyncio.sleep(1)

    await asyncio.wait(_cancel_others())

    assert run.cancelled()
    assert repr(client).endswith(": 0 tasks, 0 runs>")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_in_a_hook_loses_no_number(make_client, interruption):
    """It leaves the loop at once, and the run it interrupts still accounts for every number."""
    ends = []

    def interrupt(record):
        raise interruption

    async def main():
        client = make_client(MemoryTransport(), on_request=interrupt)
        bulk = client.stream_many(phones(20), "hi", batch_size=5)
        try:
            async with bulk:
                await bulk.finish()
        finally:
            ends.append(bulk.progress)

    with pytest.raises(interruption):
        asyncio.run(main())

    assert [(5, 20, 0)] == [(end.sent, end.total, end.waiting) for end in ends]


@pytest.mark.parametrize("is_tenant", [False, True])
def test_closing_in_one_loop_stops_the_runs_of_another(make_client, is_tenant):
    """`aclose` stops runs in loops of other threads without touching their tasks."""
    gateway = MemoryTransport(then=accepts(takes=0.2))
    is_running = threading.Event()
    reports = []
    clients = []

    async def main():
        root = make_client(gateway, limiter=LocalLimiter())
        client = root.for_key("cspro_tenant") if is_tenant else root
        clients.append(client)
        async with client.stream_many(phones(50), "hi", batch_size=1) as bulk:
            asyncio.get_running_loop().call_later(0.05, is_running.set)
            reports.append(await bulk.finish())

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    is_running.wait(5)
    asyncio.run(clients[0].aclose())
    thread.join(10)

    assert "STOPPED" == reports[0].stopped
    assert 50 == reports[0].total
    assert reports[0].sent == gateway.ledger.total() < 50
