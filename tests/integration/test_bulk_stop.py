"""A bulk run that another thread stops, on real connections."""

import asyncio
import threading

from customersms_async import Status
from tests.support.raw_server import PHONE, TEXT, RawServer, answering, client


class _StoppingJournal:
    """Has another thread stop the run right before the first byte; each call takes a moment."""

    def __init__(self):
        self.calls = []
        self.stop = None

    async def claim(self, batch):
        await asyncio.sleep(0)
        self.calls.append("claim")

    async def release(self, batch):
        await asyncio.sleep(0)
        self.calls.append("release")

    async def settle(self, outcomes):
        await asyncio.sleep(0)
        self.calls.append("settle")

    async def refuse(self, outcomes):
        self.calls.append("refuse")

    def may_start(self, batch):
        thread = threading.Thread(target=self.stop)
        thread.start()
        thread.join()
        return True


async def test_a_claim_is_released_if_another_thread_stops_the_run_before_its_first_byte():
    """The stop does not interrupt the journal: a claim that is not released counts as unknown."""
    journal = _StoppingJournal()
    async with (
        RawServer(answering()) as server,
        client(server.url) as sms,
        sms.stream_many([PHONE], TEXT, journal=journal) as bulk,
    ):
        journal.stop = bulk.stop
        found = [(outcome.status, outcome.code) async for outcome in bulk]

    assert not server.requests
    assert [(Status.NOT_SENT, "STOPPED")] == found
    assert ["claim", "release"] == journal.calls
