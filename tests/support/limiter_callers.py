"""Callers of a limiter, for its tests."""

from __future__ import annotations

import asyncio
import random

from customersms_async import Lane

KEY = "account-1"
SEND, BULK = Lane.SEND, Lane.BULK


def now():
    return asyncio.get_running_loop().time()


async def take(limiter, lane=SEND, *, longest=30.0, **options):
    return await limiter.acquire(KEY, lane, longest=longest, **options)


async def take_all(limiter, count, lane=SEND, **options):
    """Take *count* slots at once."""
    return await asyncio.gather(*(take(limiter, lane, **options) for _ in range(count)))


async def usage_of(limiter):
    """Return the usage of the account."""
    return await limiter.usage(KEY)


def usage_now(limiter, account=KEY):
    """Return the usage of a limiter in memory, which needs no wait and no loop."""
    try:
        limiter.usage(account).send(None)
    except StopIteration as answer:
        return answer.value
    raise AssertionError("it waits")


def queue_up(limiter, lane, names, into, **options):
    """Queue callers, each of which records its name when served and is answered at once."""

    async def one(name):
        slot = await take(limiter, lane, **options)
        into.append((name, now()))
        slot.answered()

    return [asyncio.create_task(one(name)) for name in names]


def names(served):
    return [name for name, _ in served]


async def served_beside_messages(sends, bulks):
    """Send messages as fast as the limit allows beside a bulk run; return who was served."""
    served, dice = [], random.Random(1)

    async def one(limiter, lane):
        slot = await take(limiter, lane)
        served.append(lane)
        await asyncio.sleep(dice.uniform(0.02, 1.0))
        slot.answered()

    async def run():
        while True:
            await one(bulks, BULK)

    tasks = [asyncio.create_task(run()) for _ in range(8)]
    await asyncio.sleep(20)
    for _ in range(1_000):
        tasks.append(asyncio.create_task(one(sends, SEND)))
        await asyncio.sleep(0.6)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return served[60:]
