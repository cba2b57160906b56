"""Three workers of one campaign beside a process that sends login codes, under one limit."""

from __future__ import annotations

import os
import signal

import pytest

from customersms_async import FileLimiter
from customersms_async.postgres import PostgresLimiter
from tests.support.outbox_gateway import BATCH
from tests.support.sizes import sized
from tests.support.workers_beside_codes import FAST, watch

CODES = sized(20, 250)

#: Seconds that the roll call of a new store takes.
ROLL_CALL = 3.0

#: The most slots that 99 of 100 codes may wait, plus seconds for a machine that runs the rest of
#: the suite. A reservation is final for half a second, which is four slots of this fast limit;
#: `benchmarks.bench_outbox` measures at the gateway's rate, where it is less than one.
MOST_SLOTS, BUSY = 7.0, 1.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]


@pytest.fixture
def make_limiter(kind, database, tmp_path):
    """Make the limiters of all processes, in the database or in a file beside it."""
    url, prefix = database
    if kind == "sqlite":
        return lambda: FileLimiter(str(tmp_path / "limit"), FAST)
    return lambda: PostgresLimiter(url, FAST, table=f"{prefix}limit")


async def test_three_workers_beside_login_codes(make_engine, make_limiter, tmp_path):
    """The limit holds, codes are not delayed, and a killed worker's claims are taken over."""
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
    assert MOST_SLOTS + BUSY * 98 / FAST.per > p99, seen.waits
