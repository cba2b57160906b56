"""Threads, hanging journals, messages that are sent again, and callers that are told once."""

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
from tests.support.callers import now
from tests.support.memory import MemoryJournal, MemoryTransport, accepts
from tests.support.sizes import sized

FAST = 100_000


async def test_one_client_in_many_threads() -> None:
    """Loops of other threads may open, send and close on one client at the same time."""
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
            except Exception as exc:  # noqa: BLE001  # any is a failure of the test
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
async def test_a_claim_that_hangs_does_not_hold_a_stopped_run(make_client) -> None:
    """A stopped run waits for the journal's claim as long as `drain`, and has sent nothing."""
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
async def test_messages_go_straight_into_another_run(make_client) -> None:
    """What `safe_to_resend` gives after a run over messages has their own texts."""
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
async def test_a_report_of_messages_can_be_sent_again(make_client) -> None:
    """A report keeps the texts of what was not sent, and of nothing else."""
    client = make_client(MemoryTransport())
    messages = [Message(f"+1212555010{n}", f"Hello {n}") for n in range(3)]

    report = await client.send_messages(messages, stop_after=1e-9, look_ahead=1)

    assert [None, "Hello 1", "Hello 2"] == [outcome.text for outcome in report]
    assert 2 == (await client.send_messages(report.safe_to_resend())).sent


@pytest.mark.virtual_time
async def test_a_streamed_rest_is_handed_over_no_faster_than_it_is_taken(make_client) -> None:
    """A stopped run over a sized input holds no more outcomes than a batch or so."""
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
    """One warning tells what became of a message whose caller was cancelled in flight."""
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
def test_what_would_fail_later_is_refused_now(name, value) -> None:
    """A class for an object, a number for a hook and a hook never awaited are refused."""
    with pytest.raises(ConfigurationError, match=name):
        CustomerSMS("cspro_wrong", **{name: value})


def test_an_empty_endpoint_is_not_the_real_gateway(monkeypatch) -> None:
    """A variable that failed to be set does not mean the gateway that costs money."""
    monkeypatch.setenv("CUSTOMERSMS_ENDPOINT", "")

    with pytest.raises(ConfigurationError, match="CUSTOMERSMS_ENDPOINT is set but empty"):
        CustomerSMS("cspro_empty")


async def test_an_unknown_option_is_named_beside_the_known_ones() -> None:
    """A misspelt option is refused with what there is."""
    sms = CustomerSMS("cspro_options")

    with pytest.raises(TypeError, match="no option 'timeout'; the options are batch_size, max"):
        await sms.send_many([], "hi", timeout=5)  # type: ignore[call-arg]  # that is the mistake
    with pytest.raises(TypeError, match=r"no option 'lane'; (?!.*lane)"):  # of an outbox alone
        await sms.send_many([], "hi", lane=Lane.SEND)  # type: ignore[call-arg]  # the same


def test_a_run_that_is_never_entered_warns() -> None:
    """As a forgotten `await` does."""
    with pytest.warns(RuntimeWarning, match="never entered, so nothing was sent"):
        CustomerSMS("cspro_forgotten").stream_many([], "hi")


@pytest.mark.virtual_time
async def test_200_000_people_in_21_minutes(make_client) -> None:
    """With a gateway that answers within 2 s, the default limit reaches 10,000 a minute."""
    count = sized(20_000, 200_000)
    gateway = MemoryTransport(then=accepts(takes=2))
    began_at = now()
    numbers = (f"+1212{n:07d}" for n in range(count))
    report = await make_client(gateway).send_many(numbers, "We open at nine", dedupe=False)

    assert count == report.sent
    assert count // 100 == report.requests
    assert now() - began_at <= 60 * (count // 10_000 + 1)


@pytest.mark.virtual_time
async def test_the_end_of_the_loop_waits_for_no_reader(make_client) -> None:
    """A stopped run whose outcomes nobody takes still gives each number a fate when it is ended."""
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
