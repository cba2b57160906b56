"""
What the server sees of a limiter: a thousand requests wait at once, the network has its jitter.

The benchmark asks the same of the peers, and of more seeds (``benchmarks/limit/server.py``).
"""

from __future__ import annotations

import pytest

from benchmarks.limit.contestants import Ours
from benchmarks.limit.server import COUNT, Network, departures, look
from customersms_async.sandbox._gateway.rate_rules import RULE_NAMES

pytestmark = pytest.mark.virtual_time

WINDOWS = ("fixed-window", "sliding-log", "token-bucket")

# With these the run begins in the middle of the server's minute. At its edge, a sliding counter
# refuses a few: it takes the burst and the minute after it for one minute.
SEEDS = (6, 10, 14)


async def seen(limiter, seed):
    network = Network(seed)
    return look(await departures(Ours(limiter), network), network)


@pytest.mark.parametrize("options", [{}, {"burst": 100}])
@pytest.mark.parametrize("seed", SEEDS)
async def test_no_minute_holds_more_than_the_limit(make_limiter, seed, options):
    """Paced or not, all thousand arrive, and never more than 100 within 60 seconds."""
    sight = await seen(make_limiter(**options), seed)

    assert (COUNT, 100) == (len(sight.arrivals), sight.busiest)


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_rule_refuses_a_paced_run(make_limiter, seed):
    """A bulk run is refused by none of six counting rules, and has left by second 612."""
    sight = await seen(make_limiter(), seed)

    assert dict.fromkeys(RULE_NAMES, 0) == sight.refused
    assert sight.last_left <= 612


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_counted_window_refuses_nothing_without_pacing(make_limiter, seed):
    """Who turns pacing off is refused by no window and no bucket, and has left by second 550."""
    sight = await seen(make_limiter(burst=100), seed)

    assert dict.fromkeys(WINDOWS, 0) == {rule: sight.refused[rule] for rule in WINDOWS}
    assert sight.last_left <= 550
