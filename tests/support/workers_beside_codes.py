"""Three workers of one campaign, one of them killed, beside a process that sends login codes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from attrs import frozen

from customersms_async import CustomerSMS, FileLimiter, Message, Rate
from customersms_async.outbox import Campaign
from customersms_async.outbox._core.campaigns import CampaignStatus
from customersms_async.outbox._core.engine import Engine
from customersms_async.postgres import PostgresLimiter
from customersms_async.sandbox import Sandbox
from tests.support.outbox_gateway import BATCH, KEY, context_of, in_a_child, work

__all__ = ["FAST", "LATENCY", "SHARE", "Seen", "watch"]

#: A limiter that processes share.
Shared: TypeAlias = FileLimiter | PostgresLimiter

#: The rate of the gateway, with a fifth of the period.
FAST: Final = Rate(100, per=12.0)

#: The codes' part of the rate, and the gateway's answer time in seconds.
SHARE: Final = 0.2
LATENCY: Final = 0.05

#: Numbers per code, so that the campaign lasts longer than the codes.
NUMBERS_A_CODE: Final = 24

#: Periods of the limit after which the campaign has stopped.
PATIENCE: Final = 20


@frozen
class Seen:
    """
    The results.

    Attributes:
        ended: How the workers and the process with the codes ended.
        first: Seconds of the first code, with a new store.
        waits: Sorted waits of the other codes, in paced slots.
        numbers: The numbers of the campaign.
        status: The status of the campaign.
        doubled: Messages that the gateway accepted twice.
        refused: Requests that it refused.
        reached: Numbers of the campaign that it accepted.
    """

    ended: Sequence[int]
    first: float
    waits: Sequence[float]
    numbers: int
    status: CampaignStatus
    doubled: int
    refused: int
    reached: int


async def watch(
    make_engine: Callable[[], Engine],
    make_limiter: Callable[[], Shared],
    codes: int,
    folder: Path,
    rate: Rate = FAST,
) -> Seen:
    """Run all processes until the campaign is sent."""
    engine, numbers = make_engine(), codes * NUMBERS_A_CODE
    await engine.open()
    campaign = Campaign(context_of(engine, 2.0), "tonight")
    people = (Message(f"+1212{n:07}", "hi", f"row-{n}") for n in range(numbers))
    await campaign.add(people, batch_size=BATCH)
    out, slot = folder / "codes", rate.per / 98
    async with Sandbox(
        keys={KEY: 10**6}, limit=rate.limit, per=rate.per, latency=LATENCY
    ) as sandbox:
        children = [
            in_a_child(lambda: _send_campaign(make_engine(), make_limiter(), sandbox.endpoint))
            for _ in range(3)
        ]
        children.append(
            in_a_child(lambda: _send_codes(make_limiter(), sandbox.endpoint, codes, slot, out))
        )
        async with asyncio.timeout(PATIENCE * rate.per):
            await _until_sent(campaign, numbers // 4)
            os.kill(children[0], signal.SIGKILL)
            ended = [await _buried(pid) for pid in children]
        status = await campaign.status()
    await engine.aclose()
    first, *waits = (float(line) for line in out.read_text("utf-8").split())
    return Seen(
        ended=ended,
        first=first,
        waits=sorted(wait / slot for wait in waits),
        numbers=numbers,
        status=status,
        doubled=len(list(sandbox.duplicates())),
        refused=len(sandbox.refused),
        reached=sum(message.phone.startswith("+1212") for message in sandbox.messages),
    )


async def _send_campaign(engine: Engine, limiter: Shared, endpoint: str) -> None:
    """Work on the campaign, as one of several processes."""
    async with limiter:
        await work(engine, endpoint, limiter, max_in_flight=4, lease=2.0)


async def _send_codes(limiter: Shared, endpoint: str, codes: int, slot: float, out: Path) -> None:
    """Send one code, then the others at random times, and record how long each waited."""
    dice = random.Random(1)
    async with limiter, CustomerSMS(KEY, endpoint=endpoint, limiter=limiter) as sms:

        async def send(number: int) -> float:
            began_at = time.monotonic()
            await sms.send(f"+1646555{number:04}", "Your code is 4711", timeout=10)
            return time.monotonic() - began_at - LATENCY

        waits = [await send(0)]
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number in range(1, codes + 1):
                tasks.append(group.create_task(send(number)))
                await asyncio.sleep(dice.expovariate(SHARE / slot))
        waits += [task.result() for task in tasks]
    await asyncio.to_thread(out.write_text, "\n".join(map(str, waits)), "utf-8")


async def _until_sent(campaign: Campaign, count: int) -> None:
    while (await campaign.status()).sent < count:  # noqa: ASYNC110  # other processes
        await asyncio.sleep(0.05)


async def _buried(pid: int) -> int:
    """Wait for a process to end; return its status."""
    while True:
        found, how = os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222  # WNOHANG does not block
        if found:
            return how
        await asyncio.sleep(0.05)
