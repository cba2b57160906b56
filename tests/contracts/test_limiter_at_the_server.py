"""
A limiter as the server sees it: a thousand waiting requests, and a network with jitter.

The benchmark measures the same for peers, with more seeds (``benchmarks/limit/server.py``).
"""

from __future__ import annotations

import itertools

import pytest

from benchmarks.limit.alone import beside_each_other
from benchmarks.limit.contestants import Ours
from benchmarks.limit.server import COUNT, Network, departures, look
from tests.support.limiters_in_virtual_time import KINDS
from tests.support.sizes import sized

pytestmark = pytest.mark.virtual_time

WINDOWS = ("fixed-window", "sliding-log", "token-bucket")

#: No pacing, and no reserve.
UNPACED = {"burst": 100, "reserve": 0}

#: Each limiter with the seed of its network: all seeds in memory, one on each real store.
CELLS = [
    *itertools.product(("local", "memory"), sized((6,), (6, 10, 14))),
    *((kind, 6) for kind in KINDS if kind != "memory"),
]


async def seen(limiter, seed):
    network = Network(seed)
    return look(await departures(Ours(limiter), network), network)


@pytest.mark.parametrize(("options", "busiest"), [({}, {99, 100}), (UNPACED, {100})])
@pytest.mark.parametrize(("make_limiter", "seed"), CELLS, indirect=["make_limiter"])
async def test_no_minute_holds_more_than_the_limit(make_limiter, seed, options, busiest):
    """Paced or not, all thousand arrive, and never more than 100 within 60 seconds."""
    sight = await seen(make_limiter(**options), seed)

    assert COUNT == len(sight.arrivals)
    assert sight.busiest in busiest


@pytest.mark.parametrize(("make_limiter", "seed"), CELLS, indirect=["make_limiter"])
async def test_no_rule_refuses_a_paced_run(make_limiter, seed):
    """Five rate rules refuse a paced run nothing, the sixth at most 3; it ends by second 612."""
    sight = await seen(make_limiter(), seed)

    refused = dict(sight.refused)
    assert refused.pop("sliding-counter") <= 3
    assert dict.fromkeys(refused, 0) == refused
    assert sight.last_left <= 612


@pytest.mark.parametrize(("make_limiter", "seed"), CELLS, indirect=["make_limiter"])
async def test_windows_refuse_nothing_without_pacing(make_limiter, seed):
    """Without pacing, no window or bucket refuses anything, and the run ends by second 550."""
    sight = await seen(make_limiter(**UNPACED), seed)

    assert dict.fromkeys(WINDOWS, 0) == {rule: sight.refused[rule] for rule in WINDOWS}
    assert sight.last_left <= 550


@pytest.mark.parametrize("asks", [True, False])
async def test_processes_without_a_shared_store_learn_their_shares(asks):
    """Four processes with default limiters use the key in equal parts, with few refusals."""
    seen = await beside_each_other(4, 1, spread=30.0, asks=asks)

    assert seen.used >= 90
    assert seen.refused <= 4
    assert seen.fairness >= 0.85
