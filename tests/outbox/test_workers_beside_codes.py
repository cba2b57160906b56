"""Three workers of one campaign and a process that sends login codes: one limit, nobody starves."""

from __future__ import annotations

import os
import signal

import pytest

from customersms_async import FileLimiter
from customersms_async.postgres import PostgresLimiter
from tests.support.outbox_gateway import BATCH
from tests.support.sizes import sized
from tests.support.workers_beside_codes import RATE, SLOT, watch

CODES = sized(20, 250)

#: Seconds for which a new store waits for what its members remember.
ROLL_CALL = 3.0

#: Slots that 99 of 100 codes wait at most on a quiet machine, at 20 % of the rate and with members
#: in several processes; and the seconds that a machine takes which runs the rest of the suite.
MOST_SLOTS, BUSY = 3.0, 1.5

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


async def test_three_workers_beside_login_codes(make_engine, make_limiter, tmp_path):
    """The limit holds, codes do not queue behind the campaign, a killed worker's part goes on."""
    seen = await watch(make_engine, make_limiter, CODES, tmp_path)

    status = seen.status
    assert [signal.SIGKILL, 0, 0, 0] == seen.ended
    assert (0, 0) == (seen.refused, seen.doubled)
    assert (0, 0, 0) == (status.queued, status.claimed, status.sending)
    assert seen.numbers == status.sent + status.unknown
    assert 4 * BATCH >= status.unknown
    assert status.sent <= seen.reached
    assert CODES == len(seen.waits)
    assert ROLL_CALL + 1.0 > seen.first
    p99 = seen.waits[len(seen.waits) * 99 // 100]
    assert MOST_SLOTS * SLOT + BUSY > p99, seen.waits
