"""A worker sends what was enqueued, once, soon, and in the right lane."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time

import aiohttp
import psycopg

from customersms_async import CustomerSMS, LocalLimiter, Message, Rate, StopRules
from customersms_async.outbox import Outbox, enqueue, enqueue_async
from tests.support.outbox_gateway import KEY, Ledger


def client(ledger):
    limiter = LocalLimiter(Rate(10_000, per=1.0))
    return CustomerSMS(KEY, endpoint=ledger.endpoint, limiter=limiter)


def put(path, *messages, **options):
    """Enqueue in its own transaction."""
    connection = sqlite3.connect(path)
    for message in messages:
        enqueue(connection, message, **options)
    connection.commit()
    connection.close()


async def until(is_so):
    """Wait for something that a worker does."""
    async with asyncio.timeout(10):
        while not await is_so():  # noqa: ASYNC110  # no event across processes
            await asyncio.sleep(0.01)


async def sent_all(outbox):
    status = await outbox.queue.status()
    return not (status.queued or status.claimed or status.sending)


async def test_what_is_enqueued_is_sent(tmp_path):
    """Messages enqueued before and during the worker are sent; equal texts share a request."""
    path = tmp_path / "a.db"
    async with Ledger() as ledger, Outbox(path) as outbox, client(ledger) as sms:
        put(path, *(Message(f"+1212555000{n}", "hi", f"a-{n}") for n in range(5)))
        async with outbox.worker(sms):
            await until(lambda: sent_all(outbox))
            first = ledger.requests
            put(path, Message("+12125559999", "later", "b"))
            began_at = time.monotonic()
            await until(lambda: sent_all(outbox))
            took = time.monotonic() - began_at

    assert (1, 6) == (first, ledger.sent.total())
    assert 2 > took


async def test_urgent_messages_are_sent_singly(tmp_path):
    """Each urgent message is a request in the lane of single messages."""
    path, kinds = tmp_path / "a.db", []
    async with Ledger() as ledger, Outbox(path) as outbox:
        limiter = LocalLimiter(Rate(10_000, per=1.0))
        sms = CustomerSMS(
            KEY,
            endpoint=ledger.endpoint,
            limiter=limiter,
            on_request=lambda record: kinds.append((record.kind, record.numbers)),
        )
        async with sms:
            messages = [Message(f"+1212555000{n}", "hi", f"a-{n}") for n in range(2)]
            put(path, *messages, urgent=True)
            async with outbox.worker(sms):
                await until(lambda: sent_all(outbox))

    assert [("send", 1)] * 2 == kinds


async def test_a_worker_ignores_campaigns(tmp_path):
    """A worker sends what was enqueued, and nothing else."""
    async with Ledger() as ledger, Outbox(tmp_path / "a.db") as outbox, client(ledger) as sms:
        await outbox.campaign("tonight").add([Message("+12125550001", "hi", "a")])
        async with outbox.worker(sms):
            await asyncio.sleep(0.2)

    assert 0 == ledger.requests


async def test_a_stop_rule_pauses_the_queue(tmp_path, caplog):
    """A stopped queue is logged as ERROR, with the call that continues it."""

    async def lose(point, number):
        raise ConnectionResetError

    path = tmp_path / "a.db"
    async with Ledger(lose) as ledger, Outbox(path) as outbox, client(ledger) as sms:
        put(path, *(Message("+12125550001", f"hi {n}", f"a-{n}") for n in range(5)))
        async with outbox.worker(sms, stop=StopRules(max_unknown=2)):
            await until(lambda: _is_paused(outbox))
            await asyncio.sleep(0.2)
            held = ledger.requests

    assert 5 > held
    said = [r for r in caplog.records if getattr(r, "event", "") == "outbox.worker"]
    assert "outbox.queue.resume()" in said[0].getMessage()
    assert logging.ERROR == said[0].levelno


async def _is_paused(outbox):
    return (await outbox.queue.status()).state == "paused"


async def test_a_held_queue_is_logged_once_and_resumes(tmp_path, caplog):
    """The worker waits while the queue is held, and sends once it is resumed."""
    path = tmp_path / "a.db"
    async with Ledger() as ledger, Outbox(path) as outbox, client(ledger) as sms:
        await outbox.queue.pause()
        put(path, Message("+12125550001", "hi", "a"))
        async with outbox.worker(sms):
            await asyncio.sleep(0.2)
            assert 0 == ledger.requests
            await outbox.queue.resume()
            await until(lambda: sent_all(outbox))

    assert 1 == ledger.sent.total()
    said = [r for r in caplog.records if getattr(r, "event", "") == "outbox.worker"]
    assert 1 == len(said)


async def test_closing_the_client_first_does_not_pause_the_queue(tmp_path):
    """The queue is not paused for other workers or the next start."""
    path = tmp_path / "a.db"
    async with Ledger() as ledger, Outbox(path) as outbox, client(ledger) as sms:
        async with outbox.worker(sms):
            put(path, Message("+12125550001", "hi", "a"))
            await until(lambda: sent_all(outbox))
            await sms.aclose()
            put(path, Message("+12125550002", "hi", "b"))
            await until(lambda: sent_all(outbox))
        status = await outbox.queue.status()

    assert ("open", 2) == (status.state, ledger.sent.total())


async def test_a_client_that_cannot_send_is_logged(tmp_path, caplog):
    """The worker continues, and an ERROR names the cause."""
    session = aiohttp.ClientSession()
    await session.close()
    sms = CustomerSMS(KEY, endpoint="http://127.0.0.1:9/api.php", session=session)
    async with Outbox(tmp_path / "a.db") as outbox, outbox.worker(sms):
        await until(lambda: _is_told(caplog))

    (said,) = (r for r in caplog.records if getattr(r, "event", "") == "outbox.worker")
    assert "session is closed" in said.getMessage()


async def _is_told(caplog):
    return any(getattr(record, "event", "") == "outbox.worker" for record in caplog.records)


async def test_a_notification_wakes_a_worker(postgres_server):
    """On PostgreSQL a worker is woken by the notification of the commit."""
    url, prefix = postgres_server.url, "wake_"
    async with Ledger() as ledger, Outbox(url, prefix=prefix) as outbox, client(ledger) as sms:
        worker = outbox.worker(sms)
        async with worker:
            await asyncio.sleep(0.3)  # it is waiting by now
            async with await psycopg.AsyncConnection.connect(url) as connection:
                message = Message("+12125550001", "hi", "a")
                await enqueue_async(connection, message, prefix=prefix)
            await until(lambda: sent_all(outbox))

    assert 1 == ledger.sent.total()
