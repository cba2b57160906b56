"""
Many accounts of one client at once, and many that are idle: ``make bench-limit``.

Three hundred accounts on each kind of store, fifteen hundred with 1,024 file descriptors and
answers of one second, over HTTP to 127.0.0.1; and the memory of ten thousand accounts, used and
then idle for two look-backs, in virtual time. The results go to
``benchmarks/results/limit_many.json`` and ``.md``.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from itertools import repeat

from benchmarks import _virtual
from benchmarks._results import Bound, Result, Row, Table
from benchmarks.limit_shared.gateway import gateway
from benchmarks.limit_shared.runs import place
from benchmarks.limit_shared.worker import LIMITERS
from customersms_async import CustomerSMS, Lane, Limiter, LocalLimiter

KINDS = ("local", "redis", "postgres", "file")
ACCOUNTS, TENANTS, DESCRIPTORS, IDLE = 300, 1_500, 1_024, 10_000

#: Twice the time after which no account remembers anything, in seconds.
LOOK_BACKS = 2 * (80 + 1 + 5 + 60.1)


async def send(limiter: Limiter, endpoint: str, accounts: int) -> tuple[Counter[str], float]:
    """Send a message from each account at once; count the results."""
    async with CustomerSMS("cspro_0", endpoint=endpoint, limiter=limiter) as sms:
        await sms.ready()
        clients = [sms.for_key(f"cspro_{number}") for number in range(accounts)]
        began_at = time.perf_counter()
        ends = await asyncio.gather(
            *(one.send("+12125550123", "Your code is 4711", timeout=30) for one in clients),
            return_exceptions=True,
        )
        took = time.perf_counter() - began_at
    return Counter(type(end).__name__ for end in ends), took


def at_once(kind: str, accounts: int, answer: float) -> Row:
    """Send from many accounts of one client at once, with answers after *answer* seconds."""
    with gateway(answer, answer) as log:
        if kind == "local":
            ends, took = asyncio.run(send(LocalLimiter(), log.url, accounts))
        else:
            with place(kind) as here:
                limiter = LIMITERS[kind](here.address)
                ends, took = asyncio.run(send(limiter, log.url, accounts))
    sent = ends.pop("Receipt", 0)
    return {
        "limiter": kind,
        "accounts at once": accounts,
        "answers after, s": answer,
        "sent": sent,
        "failed": ends.total(),
        "why": ", ".join(ends) or None,
        "seconds": took,
    }


def memory(name: str, make: Callable[[], Limiter]) -> Row:
    """Use ten thousand accounts once, then leave them idle."""

    async def use() -> tuple[int, int, int]:
        limiter = make()
        await one(limiter, "first")
        before = held()
        for number in range(IDLE):
            await one(limiter, f"account-{number}")
        used = held()
        await asyncio.sleep(LOOK_BACKS)
        for _ in repeat(None, 3):  # accounts are checked when somebody asks
            await one(limiter, "first")
            await asyncio.sleep(LOOK_BACKS)
        return before, used, held()

    async def one(limiter: Limiter, account: str) -> None:
        (await limiter.acquire(account, Lane.SEND, longest=1.0)).answered()

    def held() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    before, used, after = _virtual.run(use)
    tracemalloc.stop()
    return {
        "limiter": name,
        "bytes an account, in use": (used - before) / IDLE,
        "bytes an account, idle": max(after - before, 0) / IDLE,
    }


def main() -> int:
    """Measure, write the results, and fail if a bound is missed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = [at_once(kind, ACCOUNTS, 0.05) for kind in KINDS]
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, most))
    many.append(at_once("local", TENANTS, 1.0))
    idle = [memory("LocalLimiter", lambda: LocalLimiter(clock=asyncio.get_running_loop().time))]
    bounds = [
        Bound(
            f"{row['limiter']}, {row['accounts at once']} at once: failed", float(row["failed"]), 0
        )  # type: ignore[arg-type]  # a count
        for row in many
    ]
    bounds += [
        Bound(
            f"{row['limiter']}: bytes an account, idle", float(row["bytes an account, idle"]), 100
        )  # type: ignore[arg-type]  # a number
        for row in idle
    ]
    return Result(
        name="limit_many",
        title="Many accounts of one client",
        packages=("customersms-async", "redis", "asyncpg"),
        tables={
            "many": Table(
                "Accounts at once", many, f"The last row with {DESCRIPTORS:,} descriptors."
            ),
            "idle": Table("Accounts that are idle", idle, f"{IDLE:,} accounts, used once each."),
        },
        bounds=bounds,
    ).publish()


if __name__ == "__main__":
    sys.exit(main())
