"""Threads, hanging journals, resending of messages, and warnings."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading

import pytest

from customersms_async import (
    ConfigurationError,
    CustomerSMS,
    Lane,
    LocalLimiter,
    Message,
    Rate,
    Status,
)
from customersms_async.sandbox import Sandbox
from tests.support.client_in_memory import MemoryJournal, MemoryTransport, accepts
from tests.support.limiter_callers import now
from tests.support.sizes import sized

FAST = 100_000


async def test_one_client_in_many_threads() -> None:
    """Loops of several threads can open, send and close on one client at the same time."""
    failures: list[Exception] = []
    limiter = LocalLimiter(Rate(FAST, per=1), burst=FAST)
    async with Sandbox(keys={"cspro_threads": FAST}) as sandbox:
        sms = CustomerSMS("cspro_threads", endpoint=sandbox.endpoint, limiter=limiter)

        async def use() -> None:
            await asyncio.gather(*(sms.send("+12125550123", f"{n}") for n in range(3)))
            await sms.aclose()

        def run() -> None:
            try:
                for _ in range(8):
                    asyncio.run(use())
            except Exception as exc:  # noqa: BLE001  # any error fails the test
                failures.append(exc)

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            threads = [threading.Thread(target=run) for _ in range(4)]
            for thread in threads:
                thread.start()
            await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        finally:
            sys.setswitchinterval(interval)

        assert [] == failures
        assert 4 * 8 * 3 == len(sandbox.messages)


@pytest.mark.virtual_time
async def test_a_hanging_claim_does_not_block_a_stopped_run(make_client) -> None:
    """A stopped run waits `drain` seconds for the journal's claim, and sends nothing."""
    gateway, journal = MemoryTransport(), MemoryJournal()

    async def claim(batch):
        await asyncio.sleep(10_000)

    journal.claim = claim
    report = await make_client(gateway).send_many(
        ["+12125550123"], "hi", journal=journal, stop_after=1, drain=2
    )

    assert 1 == report.not_sent
    assert "TIME_IS_UP" == report.stopped == report[0].code
    assert 0 == gateway.ledger.total()


@pytest.mark.virtual_time
async def test_resending_messages(make_client) -> None:
    """`safe_to_resend` of a run over messages has each message's own text."""
    gateway = MemoryTransport()
    client = make_client(gateway)
    messages = [Message(f"+1212555010{n}", f"Hello {n}", ref=n) for n in range(5)]
    stopped = client.stream_messages(messages)
    stopped.stop()
    async with stopped as bulk:
        outcomes = [outcome async for outcome in bulk]
    report = await client.send_messages(outcomes)

    assert {Status.NOT_SENT} == {outcome.status for outcome in outcomes}
    assert 5 == report.sent
    assert [0, 1, 2, 3, 4] == sorted(outcome.ref for outcome in report)
    assert [] == report.safe_to_resend()
    assert "Hello" not in repr(outcomes)


@pytest.mark.virtual_time
async def test_a_report_of_messages_can_be_resent(make_client) -> None:
    """A report keeps the texts of messages that were not sent, and of no others."""
    client = make_client(MemoryTransport())
    messages = [Message(f"+1212555010{n}", f"Hello {n}") for n in range(3)]

    report = await client.send_messages(messages, stop_after=1e-9, look_ahead=1)

    assert [None, "Hello 1", "Hello 2"] == [outcome.text for outcome in report]
    assert 2 == (await client.send_messages(report.safe_to_resend())).sent


@pytest.mark.virtual_time
async def test_a_stopped_stream_waits_for_its_consumer(make_client) -> None:
    """A stopped run over a sized input holds only a few batches of outcomes."""
    client = make_client(MemoryTransport())
    numbers = [f"+1212{n:07d}" for n in range(20_000)]
    most = taken = 0
    async with client.stream_many(numbers, "hi", dedupe=False) as bulk:
        async for _ in bulk:
            taken += 1
            if taken == 50:
                bulk.stop()
            most = max(most, bulk.progress.total - taken)

    assert 20_000 == taken
    assert most < 3_000


async def test_a_cancelled_send_is_logged_once(caplog) -> None:
    """The fate of a message that was cancelled in flight is logged once."""
    limiter = LocalLimiter(Rate(FAST, per=1), burst=FAST)
    caplog.set_level(logging.WARNING, "customersms_async")
    async with (
        Sandbox(keys={"cspro_once": 5}, latency=1.0) as sandbox,
        CustomerSMS("cspro_once", endpoint=sandbox.endpoint, limiter=limiter) as sms,
    ):
        task = asyncio.create_task(sms.send("+12126660002", "hi"))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert ["send.cancelled"] == [record.event for record in caplog.records]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limiter", LocalLimiter),
        ("on_request", 0),
        ("on_request", asyncio.sleep),
        ("rate_limit_statuses", 429.5),
    ],
)
def test_invalid_objects_are_refused_early(name, value) -> None:
    """A class in place of an object, a number and an async hook are refused at once."""
    with pytest.raises(ConfigurationError, match=name):
        CustomerSMS("cspro_wrong", **{name: value})


def test_an_empty_endpoint_is_not_the_real_gateway(monkeypatch) -> None:
    """An empty endpoint is refused, and does not mean the real gateway."""
    monkeypatch.setenv("CUSTOMERSMS_ENDPOINT", "")

    with pytest.raises(ConfigurationError, match="CUSTOMERSMS_ENDPOINT is set but empty"):
        CustomerSMS("cspro_empty")


async def test_the_error_for_an_unknown_option_lists_the_known_ones() -> None:
    """A misspelt option raises an error that lists the valid ones."""
    sms = CustomerSMS("cspro_options")

    with pytest.raises(TypeError, match="no option 'timeout'; the options are batch_size, max"):
        await sms.send_many([], "hi", timeout=5)  # type: ignore[call-arg]  # the mistake that is tested
    with pytest.raises(TypeError, match=r"no option 'lane'; (?!.*lane)"):  # an option of the outbox
        await sms.send_many([], "hi", lane=Lane.SEND)  # type: ignore[call-arg]  # the same


def test_a_run_that_is_never_entered_warns() -> None:
    """A run that is never entered gives a warning, as a forgotten `await` does."""
    with pytest.warns(RuntimeWarning, match="never entered, so nothing was sent"):
        CustomerSMS("cspro_forgotten").stream_many([], "hi")


@pytest.mark.virtual_time
async def test_200_000_people_in_21_minutes(make_client) -> None:
    """With answers within 2 s, a run sends 10,000 messages per minute at the default limit."""
    count = sized(20_000, 200_000)
    gateway = MemoryTransport(then=accepts(takes=2))
    began_at = now()
    numbers = (f"+1212{n:07d}" for n in range(count))
    report = await make_client(gateway).send_many(numbers, "We open at nine", dedupe=False)

    assert count == report.sent
    assert count // 100 == report.requests
    assert now() - began_at <= 60 * (count // 10_000 + 1)


@pytest.mark.virtual_time
async def test_the_end_of_the_loop_completes_a_stopped_run(make_client) -> None:
    """If its tasks are cancelled, a stopped run without a consumer still completes."""
    numbers = [f"+1212{n:07d}" for n in range(20_000)]
    async with make_client(MemoryTransport()).stream_many(numbers, "hi", dedupe=False) as bulk:
        await anext(bulk)
        bulk.stop()
        await asyncio.sleep(10)
        held_back = bulk.progress
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(1)
        ended = bulk.progress

    assert held_back.total < 3_000
    assert not held_back.complete
    assert ended.complete
    assert 20_000 == ended.total
