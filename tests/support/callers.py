"""Callers of a limiter, as its tests let them come and go."""

from __future__ import annotations

import asyncio

from customersms_async import Lane

KEY = "account-1"
SEND, BULK = Lane.SEND, Lane.BULK


def now():
    return asyncio.get_running_loop().time()


async def take(limiter, lane=SEND, *, longest=30.0, **options):
    return await limiter.acquire(KEY, lane, longest=longest, **options)


async def take_all(limiter, count, lane=SEND):
    """Take so many at once; all of them must be free."""
    return await asyncio.gather(*(take(limiter, lane) for _ in range(count)))


def queue_up(limiter, lane, names, into, **options):
    """Let callers wait, each of which notes its name when it is served and is answered at once."""

    async def one(name):
        slot = await take(limiter, lane, **options)
        into.append((name, now()))
        slot.answered()

    return [asyncio.create_task(one(name)) for name in names]


def names(served):
    return [name for name, _ in served]
