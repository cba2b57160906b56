"""What the caller, the hook and the logs learn about each request, under one id."""

from __future__ import annotations

import asyncio
import logging

import pytest

from customersms_async import (
    ConnectFailed,
    LimiterUnavailable,
    LocalLimiter,
    OutcomeUnknown,
    Rate,
    SendError,
    Status,
    WaitTooLong,
)
from tests.support.client_in_memory import (
    MemoryTransport,
    cannot_connect,
    connects_slowly,
    hangs,
    loses_answer,
    phones,
    turns_away,
)

pytestmark = pytest.mark.virtual_time

PHONE = "+12125551234"


def local(limit, per=60.0):
    return LocalLimiter(Rate(limit, per=per), clock=asyncio.get_running_loop().time)


def ends(records):
    return [(record.code, record.is_final) for record in records]


class _AwayLimiter:
    """A shared limiter whose store is unavailable."""

    async def acquire(self, *args, **options):
        raise LimiterUnavailable("LIMITER_UNAVAILABLE", (), "the store does not answer")


async def test_each_attempt_is_reported_and_the_last_is_final(make_client):
    """Two failed connections and an answer give three records, the last one final."""
    records = []
    gateway = MemoryTransport(cannot_connect(), cannot_connect())

    receipt = await make_client(gateway, on_request=records.append).send(PHONE, "hello")

    assert [("CONNECT_FAILED", False), ("CONNECT_FAILED", False), (None, True)] == ends(records)
    assert receipt.request == records[-1].request
    assert 3 == len({record.request for record in records})


@pytest.mark.parametrize(
    ("behaviour", "kind"), [(cannot_connect(), ConnectFailed), (loses_answer(), OutcomeUnknown)]
)
async def test_an_error_has_the_id_of_its_request(make_client, caplog, behaviour, kind):
    """The id is that of the last attempt, as in the record and in the log."""
    records = []
    client = make_client(MemoryTransport(then=behaviour), retries=1, on_request=records.append)

    with pytest.raises(kind) as caught:
        await client.send(PHONE, "hello")

    assert caught.value.request == records[-1].request
    assert records[-1].is_final
    logged = [record.request for record in caplog.records if hasattr(record, "request")]
    assert logged == [caught.value.request] * (kind is OutcomeUnknown)


async def test_a_message_that_ends_in_the_queue_is_reported(make_client, caplog):
    """A message without a slot in time gives one record without an attempt, and a log line."""
    caplog.set_level(logging.INFO, "customersms_async")
    records = []
    client = make_client(MemoryTransport(hangs()), limiter=local(1), on_request=records.append)
    first = asyncio.create_task(client.send(PHONE, "hello", timeout=30))
    await asyncio.sleep(0)

    with pytest.raises(WaitTooLong) as caught:
        await client.send(PHONE, "hello", timeout=5)

    (record,) = records
    assert ("send", 1, "WAIT_TOO_LONG", True) == (
        record.kind,
        record.numbers,
        record.code,
        record.is_final,
    )
    assert ({Status.NOT_SENT: 1}, 0.0, client.account) == (
        record.fates,
        record.took,
        record.account,
    )
    (line,) = [one for one in caplog.records if one.levelno == logging.INFO]
    assert ("request.not_sent", record.request, "WAIT_TOO_LONG") == (
        line.event,
        line.request,
        line.code,
    )
    assert record.request == caught.value.request
    assert "was not sent: WAIT_TOO_LONG, its turn comes in" in line.getMessage()
    await asyncio.gather(first, return_exceptions=True)


async def test_the_waiting_time_of_a_message_without_attempts(make_client):
    """Without an attempt, `waited` is the time since the request began."""
    records = []
    client = make_client(
        MemoryTransport(hangs()), limiter=local(1, per=1.0), on_request=records.append
    )
    first = asyncio.create_task(client.send(PHONE, "hello", timeout=50))
    await asyncio.sleep(1)
    with pytest.raises(WaitTooLong):
        await client.send(PHONE, "hello", timeout=5)

    assert 4.75 == pytest.approx(records[0].waited)
    await asyncio.gather(first, return_exceptions=True)


async def test_an_unavailable_limiter_is_reported(make_client):
    """A store that does not answer gives one record."""
    records = []
    client = make_client(MemoryTransport(), limiter=_AwayLimiter(), on_request=records.append)

    with pytest.raises(LimiterUnavailable) as caught:
        await client.send(PHONE, "hello")

    assert [("LIMITER_UNAVAILABLE", True)] == ends(records)
    assert caught.value.request == records[0].request


async def test_a_message_that_ends_between_attempts_is_reported(make_client):
    """A rate limit without time for another attempt gives a second, final record."""
    records = []
    client = make_client(MemoryTransport(turns_away("30")), on_request=records.append)

    with pytest.raises(SendError):
        await client.send(PHONE, "hello", timeout=10)

    assert [("RATE_LIMITED", False), ("RATE_LIMITED", True)] == ends(records)


@pytest.mark.parametrize("behaviour", [connects_slowly(5), hangs(), turns_away("20")])
async def test_a_cancelled_message_has_one_final_record(make_client, behaviour):
    """A message cancelled while waiting, connecting or in flight has one final record."""
    records = []
    client = make_client(MemoryTransport(behaviour), on_request=records.append)
    sending = asyncio.create_task(client.send(PHONE, "hello", timeout=60))
    await asyncio.sleep(1)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await asyncio.sleep(100)

    assert [True] == [record.is_final for record in records if record.is_final]
    assert records[-1].is_final


async def test_each_request_of_a_run_has_one_final_record(make_client):
    """In an outage too, the record of a retried request is not final, and the last one is."""
    records = []
    gateway = MemoryTransport(*[cannot_connect()] * 6)
    client = make_client(gateway, on_request=records.append, retries=1)

    report = await client.send_many(phones(4), "hi", batch_size=2)

    assert 4 == report.sent
    assert [(None, True)] * 2 == [end for end in ends(records) if end[1]]
    assert [("CONNECT_FAILED", False)] * 6 == [end for end in ends(records) if not end[1]]
    assert {outcome.request for outcome in report} == {
        record.request for record in records if record.is_final
    }


async def test_requests_queued_by_a_stopped_run_are_reported(make_client):
    """Each request that a stopped run had begun has one final record."""
    records = []
    client = make_client(MemoryTransport(), limiter=local(2), on_request=records.append)
    async with client.stream_many(phones(4), "hi", batch_size=1) as bulk:
        await anext(bulk)
        await asyncio.sleep(1)
        bulk.stop()

    codes = [record.code for record in records if record.is_final]
    assert [None, "STOPPED"] == codes
    assert {"bulk"} == {record.kind for record in records}
