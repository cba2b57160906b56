"""The outbox for programs without an event loop."""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

import customersms_async
import customersms_async.sync
from customersms_async import LocalLimiter, Message, Rate, Status
from customersms_async.outbox import Added, CampaignHeld, enqueue
from customersms_async.sync import CustomerSMS, Outbox
from tests.support.outbox_gateway import KEY, Ledger


@pytest.fixture
def ledger():
    """Run a gateway in its own thread."""
    ledger, loop, ready, over = Ledger(), asyncio.new_event_loop(), threading.Event(), None

    async def serve():
        nonlocal over
        over = asyncio.Event()
        async with ledger:
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    yield ledger
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


@pytest.fixture
def sms(ledger):
    """Make a client for it."""
    limiter = LocalLimiter(Rate(10_000, per=1.0))
    with CustomerSMS(KEY, endpoint=ledger.endpoint, limiter=limiter) as client:
        yield client


@pytest.fixture
def outbox(tmp_path):
    """Open an outbox."""
    with Outbox(tmp_path / "a.db") as opened:
        yield opened


FORKING = """
import os, sys
from customersms_async.sync import Outbox

with Outbox(sys.argv[1], prefix=sys.argv[2]) as outbox:
    print(outbox.queue.status().state, flush=True)
    child = os.fork()
    if not child:
        try:
            outbox.queue.status()
        except RuntimeError as exc:
            print(exc, flush=True)
        outbox.close()
        os._exit(0)
    os.waitpid(child, 0)
    print(outbox.queue.status().state)
"""


def people(count):
    return (Message(f"+1212{n:07}", "hi", f"row-{n}") for n in range(count))


def test_a_campaign_from_its_list_to_its_export(outbox, sms, ledger, tmp_path):
    """Each call has the result of the asynchronous outbox."""
    campaign = outbox.campaign("tonight")

    assert Added(queued=600) == campaign.add(people(600))
    assert (600, "tonight") == (campaign.plan().recipients, campaign.name)
    progress = campaign.send(sms, max_in_flight=4)
    assert (600, 600, True) == (progress.sent, ledger.sent.total(), progress.complete)
    assert 600 == len(list(campaign.outcomes(Status.SENT))) == campaign.status().sent
    assert [f"row-{n}" for n in range(600)] == [line.ref for line in campaign.lines()]
    assert 600 == campaign.export(tmp_path / "result.csv")
    assert (["row-1"], ["row-1"]) == (
        campaign.mark_sent(["row-1"]),
        campaign.send_again(["row-1"]),
    )
    assert ["row-1"] == campaign.withdraw(["row-1"])
    assert 6 == outbox.purge(older_than=dt.timedelta(seconds=-1))


@pytest.mark.parametrize("wrong", [None, customersms_async.CustomerSMS("cspro_wrong")])
def test_a_client_of_the_wrong_kind(outbox, wrong):
    """The error names the expected class and the given one."""
    with pytest.raises(TypeError, match=r"must be a customersms_async\.sync\.CustomerSMS, not "):
        outbox.campaign("tonight").send(wrong)


def test_an_iterable_that_raises(outbox):
    """Rows before the error were added; the error is raised in the caller's thread."""
    threads = set()

    def rows():
        threads.add(threading.current_thread())
        yield from people(10)
        raise LookupError("row 11")

    campaign = outbox.campaign("tonight")
    with pytest.raises(LookupError, match="row 11"):
        campaign.add(rows())

    assert {threading.current_thread()} == threads
    assert Added(known=10, queued=2) == campaign.add(people(12))


def test_pause_adopt_and_cancel(outbox, sms):
    """A program without a loop can pause, resume, adopt and cancel."""
    campaign = outbox.campaign("tonight")
    campaign.add(people(2))

    campaign.pause("lunch")
    with pytest.raises(CampaignHeld, match="lunch"):
        campaign.send(sms)
    with pytest.raises(CampaignHeld, match="lunch"):
        campaign.check()
    campaign.resume()
    campaign.check(sms)
    campaign.adopt(sms)
    outbox.adopt()

    assert 2 == campaign.cancel()


def test_a_worker_sends_what_is_enqueued(outbox, sms, ledger, tmp_path):
    """The worker runs in the background until the outbox is closed."""
    outbox.start_worker(sms)
    connection = sqlite3.connect(tmp_path / "a.db")
    enqueue(connection, Message("+12125550001", "hi", "a"))
    connection.commit()
    connection.close()

    until = time.monotonic() + 10
    while not outbox.queue.status().sent and time.monotonic() < until:
        time.sleep(0.02)

    assert 1 == ledger.sent.total()


def test_a_forked_child_opens_its_own(database):
    """The child of a process with an open outbox is told so, and leaves the connections alone."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, *database],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    said = "the outbox was opened before this process was forked; open one in the child"
    assert ["open", said, "open"] == done.stdout.splitlines()


async def test_it_is_refused_in_an_event_loop(tmp_path):
    """Within an event loop the error says to use the asynchronous outbox."""
    with pytest.raises(RuntimeError, match="runs an event loop"):
        Outbox(tmp_path / "a.db").adopt()


def test_repr_and_schema(tmp_path):
    """Reprs and the schema are those of the asynchronous outbox."""
    outbox = Outbox(tmp_path / "a.db")

    assert "<sync Outbox on sqlite>" == repr(outbox)
    assert "<sync Campaign 'x'>" == repr(outbox.campaign("x"))
    assert "CREATE TABLE sms_message" in outbox.schema()


def test_an_unknown_attribute_of_the_module():
    """A name that does not exist raises AttributeError despite lazy loading."""
    with pytest.raises(AttributeError, match="has no attribute 'Outbx'"):
        _ = customersms_async.sync.Outbx
