"""Three workers of one campaign and a process that sends login codes: one limit, nobody starves."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from customersms_async import CustomerSMS, FileLimiter, Message, Rate
from customersms_async.outbox import Campaign
from customersms_async.postgres import PostgresLimiter
from customersms_async.sandbox import Sandbox
from tests.support.outbox_gateway import BATCH, KEY, StrikingHost, in_a_child, work

#: As at the gateway, but shorter: 20 requests in any 6 seconds.
RATE, NUMBERS, CODES = Rate(20, per=6.0), 160, 12

#: Seconds for which a new store waits for what its members remember.
ROLL_CALL = 3.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]


@pytest.fixture
def make_limiter(kind, database, tmp_path):
    """Make the limiters of all processes, in the database or beside it."""
    url, prefix = database
    if kind == "sqlite":
        return lambda: FileLimiter(str(tmp_path / "limit"), RATE)
    return lambda: PostgresLimiter(url, RATE, table=f"{prefix}limit")


async def send_codes(endpoint, limiter, out):
    """Send a code now and then, and write down how long each took."""
    async with limiter, CustomerSMS(KEY, endpoint=endpoint, limiter=limiter) as sms:
        for number in range(CODES):
            began_at = time.monotonic()
            await sms.send(f"+1646555{number:04}", "Your code is 4711", timeout=10)
            out.open("a").write(f"{time.monotonic() - began_at}\n")
            await asyncio.sleep(0.5)


async def send_campaign(engine, endpoint, limiter):
    """Work on the campaign as one process of several does."""
    async with limiter:
        await work(engine, endpoint, limiter, max_in_flight=2, lease=2.0)


async def until_sent(campaign, count):
    """Wait until so many are sent."""
    async with asyncio.timeout(60):
        while (await campaign.status()).sent < count:  # noqa: ASYNC110  # of other processes
            await asyncio.sleep(0.05)


async def buried(pid):
    """Wait for the end of a process; give its status."""
    async with asyncio.timeout(60):
        while True:
            found, how = os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222  # it does not wait
            if found:
                return how
            await asyncio.sleep(0.05)


async def test_three_workers_beside_login_codes(make_engine, make_limiter, tmp_path):
    """The limit holds, codes do not queue behind the campaign, a killed worker's part goes on."""
    engine = make_engine()
    await engine.open()
    campaign = Campaign(StrikingHost(engine, 2.0), "tonight")
    people = [Message(f"+1212{n:07}", "hi", f"row-{n}") for n in range(NUMBERS)]
    await campaign.add(people, batch_size=BATCH)
    async with Sandbox(keys={KEY: 10_000}, limit=20, per=6.0, latency=0.1) as sandbox:
        workers = []
        for _ in range(3):
            own, limiter = make_engine(), make_limiter()
            workers.append(
                in_a_child(lambda e=own, m=limiter: send_campaign(e, sandbox.endpoint, m))
            )
        out = tmp_path / "codes"
        codes = in_a_child(lambda: send_codes(sandbox.endpoint, make_limiter(), out))
        await until_sent(campaign, NUMBERS // 4)
        os.kill(workers[0], signal.SIGKILL)
        ended = [await buried(pid) for pid in [*workers, codes]]
        status = await campaign.status()

    sent = [message.phone for message in sandbox.messages]
    first, *waits = (float(line) for line in out.read_text().split())
    assert [signal.SIGKILL, 0, 0, 0] == ended
    assert () == sandbox.refused
    assert [] == list(sandbox.duplicates())
    assert (0, 0, 0) == (status.queued, status.claimed, status.sending)
    assert NUMBERS == status.sent + status.unknown
    assert 2 * BATCH >= status.unknown
    assert status.sent <= sum(phone.startswith("+1212") for phone in sent)
    assert CODES == 1 + len(waits)
    assert ROLL_CALL + 1.0 > first
    assert 2.5 > max(waits), waits
