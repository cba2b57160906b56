"""
CPU time of one grant.

*Contended*: a thousand callers wait at once for 100 a minute, from the first task that is made to
the last that ends. The ten minutes are virtual, so that only work is counted.

*Uncontended*: one caller uses idle keys, a few times each, on asyncio's own loop. Ours is told
about the answer as well.

All take turns within a round, so that a slower machine affects all of them.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping

from aiolimiter import AsyncLimiter

from benchmarks import _virtual
from benchmarks.limit.contestants import LIMIT, LONGEST, PER, Contestant
from benchmarks.limit.peers import CLOCKS
from benchmarks.limit.server import COUNT
from customersms_async import Lane, LocalLimiter, Rate

__all__ = ["contended", "uncontended"]

#: Idle keys, and grants per key: fewer than may leave at once in any lane.
_KEYS, _GRANTS = 1_000, 8


async def _no_request(caller: int) -> None:
    """Answer at once."""


def contended(make: Callable[[], Contestant]) -> float:
    """Return the microseconds per grant with `COUNT` waiters."""

    async def main() -> float:
        contestant = make()
        gc.collect()
        began_at = time.process_time()
        await contestant.for_each(_no_request, COUNT)
        seconds = time.process_time() - began_at
        contestant.close()
        return 1e6 * seconds / COUNT

    return _virtual.run(main, clocks=CLOCKS)


async def _timed(asked: Callable[[str], Awaitable[object]]) -> float:
    keys = [f"key-{number}" for number in range(_KEYS)]
    for key in keys:  # create what is created on first use
        await asked(key)
    gc.collect()
    began_at = time.process_time()
    for key in keys:
        for _ in range(_GRANTS):
            await asked(key)
    return 1e6 * (time.process_time() - began_at) / (_KEYS * _GRANTS)


async def _ours(lane: Lane) -> float:
    acquire = LocalLimiter(Rate(LIMIT, per=PER)).acquire

    async def ask(key: str) -> None:
        (await acquire(key, lane, longest=LONGEST)).answered()

    return await _timed(ask)


async def _aiolimiter() -> float:
    limiters = {f"key-{number}": AsyncLimiter(LIMIT, PER) for number in range(_KEYS)}

    async def ask(key: str) -> None:
        await limiters[key].acquire()

    return await _timed(ask)


def uncontended() -> Mapping[str, float]:
    """Return the microseconds per grant on an idle key: ours in each lane, and aiolimiter's."""
    return {
        "LocalLimiter, send lane": asyncio.run(_ours(Lane.SEND)),
        "LocalLimiter, bulk lane": asyncio.run(_ours(Lane.BULK)),
        "aiolimiter": asyncio.run(_aiolimiter()),
    }
