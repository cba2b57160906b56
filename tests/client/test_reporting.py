"""What a caller, its hook and the logs hear of each request, by one and the same short id."""

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
from tests.support.memory import (
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
    """A shared limiter whose store does not answer."""

    async def acquire(self, *args, **options):
        raise LimiterUnavailable("LIMITER_UNAVAILABLE", (), "the store does not answer")


async def test_each_attempt_is_told_and_the_last_is_final(make_client):
    """Two failed connections and an answer are three records, of which the last ends it."""
    records = []
    gateway = MemoryTransport(cannot_connect(), cannot_connect())

    receipt = await make_client(gateway, on_request=records.append).send(PHONE, "hello")

    assert [("CONNECT_FAILED", False), ("CONNECT_FAILED", False), (None, True)] == ends(records)
    assert receipt.request == records[-1].request
    assert 3 == len({record.request for record in records})


@pytest.mark.parametrize(
    ("behaviour", "kind"), [(cannot_connect(), ConnectFailed), (loses_answer(), OutcomeUnknown)]
)
async def test_an_error_names_its_request(make_client, caplog, behaviour, kind):
    """The id is that of the last attempt, in the record and in the log."""
    records = []
    client = make_client(MemoryTransport(then=behaviour), retries=1, on_request=records.append)

    with pytest.raises(kind) as caught:
        await client.send(PHONE, "hello")

    assert caught.value.request == records[-1].request
    assert records[-1].is_final
    logged = [record.request for record in caplog.records if hasattr(record, "request")]
    assert logged == [caught.value.request] * (kind is OutcomeUnknown)


async def test_what_ends_in_the_queue_is_told(make_client, caplog):
    """A message that gets no slot in time is one record without an attempt, and one line."""
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


async def test_what_waits_and_gives_up_says_how_long_it_waited(make_client):
    """Without an attempt, the seconds since the request began are those that it waited."""
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


async def test_a_limiter_that_is_away_is_told(make_client):
    """A store that does not answer is one record."""
    records = []
    client = make_client(MemoryTransport(), limiter=_AwayLimiter(), on_request=records.append)

    with pytest.raises(LimiterUnavailable) as caught:
        await client.send(PHONE, "hello")

    assert [("LIMITER_UNAVAILABLE", True)] == ends(records)
    assert caught.value.request == records[0].request


async def test_what_ends_between_two_attempts_is_told(make_client):
    """Turned away, and then without time for another try: the second record ends it."""
    records = []
    client = make_client(MemoryTransport(turns_away("30")), on_request=records.append)

    with pytest.raises(SendError):
        await client.send(PHONE, "hello", timeout=10)

    assert [("RATE_LIMITED", False), ("RATE_LIMITED", True)] == ends(records)


@pytest.mark.parametrize("behaviour", [connects_slowly(5), hangs(), turns_away("20")])
async def test_what_is_cancelled_has_one_final_record(make_client, behaviour):
    """Whether it waits, connects or is in flight: one record says how it ended."""
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
    """Through an outage too: what is tried again is not final, and what is given up is."""
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


async def test_what_a_stopped_run_had_in_the_queue_is_told(make_client):
    """Each request of a run that was begun has one final record."""
    records = []
    client = make_client(MemoryTransport(), limiter=local(2), on_request=records.append)
    async with client.stream_many(phones(4), "hi", batch_size=1) as bulk:
        await anext(bulk)
        await asyncio.sleep(1)
        bulk.stop()

    codes = [record.code for record in records if record.is_final]
    assert [None, "STOPPED"] == codes
    assert {"bulk"} == {record.kind for record in records}
