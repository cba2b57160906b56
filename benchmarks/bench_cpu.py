"""
What a message costs: CPU time of the client's process, beside bare aiohttp in the same run.

Bounds: one `send` at most 1.25 × the same POST with aiohttp and orjson; a bulk run of 1,000
numbers a request at most 2 × a loop over aiohttp that only counts.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp
import orjson

from benchmarks._gateway import gateway
from customersms_async import CustomerSMS, LocalLimiter, Rate

ROUNDS = 151
SENDS = 60
NUMBERS = 10_000
BATCH = 1_000
KEY = "cspro_bench"
TEXT = "We open at nine"


async def bare_sends(session: aiohttp.ClientSession, url: str, in_flight: int) -> None:
    """The obvious code: one POST a message, orjson on both sides."""
    headers = {"Content-Type": "application/json"}

    async def worker(begin: int) -> None:
        for i in range(begin, SENDS, in_flight):
            body = orjson.dumps({"api_key": KEY, "phone": f"+1212{i:07d}", "message": TEXT})
            async with session.post(url, data=body, headers=headers) as response:
                assert orjson.loads(await response.read())["success"]

    await asyncio.gather(*map(worker, range(in_flight)))


async def our_sends(sms: CustomerSMS, in_flight: int) -> None:
    """The same with `CustomerSMS.send`."""

    async def worker(begin: int) -> None:
        for i in range(begin, SENDS, in_flight):
            await sms.send(f"+1212{i:07d}", TEXT)

    await asyncio.gather(*map(worker, range(in_flight)))


async def bare_bulk(session: aiohttp.ClientSession, url: str) -> None:
    """The obvious code: arrays of numbers, and nothing kept but two counts."""
    sent = failed = 0
    numbers = [f"+1212{i:07d}" for i in range(NUMBERS)]
    for begin in range(0, NUMBERS, BATCH):
        phones = numbers[begin : begin + BATCH]
        body = orjson.dumps({"api_key": KEY, "phone": phones, "message": TEXT})
        headers = {"Content-Type": "application/json"}
        async with session.post(url, data=body, headers=headers) as response:
            for result in orjson.loads(await response.read())["results"]:
                if result["success"]:
                    sent += 1
                else:
                    failed += 1
    assert sent == NUMBERS


async def our_bulk(sms: CustomerSMS) -> None:
    """The same with `CustomerSMS.send_many`: a fate kept for each number, doubles dropped."""
    numbers = [f"+1212{i:07d}" for i in range(NUMBERS)]
    report = await sms.send_many(numbers, TEXT, batch_size=BATCH, max_in_flight=1)
    assert report.sent == NUMBERS


async def cpu(work: Callable[[], Awaitable[None]]) -> float:
    """Seconds of CPU that *work* takes in this process."""
    gc.collect()
    begin = time.process_time()
    await work()
    return time.process_time() - begin


async def pair(
    name: str, unit: int, ours: Callable[[], Awaitable[None]], bare: Callable[[], Awaitable[None]]
) -> float:
    """Run both in turns; print and give the median of the ratios."""
    await ours()
    await bare()
    rounds = [(await cpu(ours), await cpu(bare)) for _ in range(ROUNDS)]
    ratio = statistics.median(a / b for a, b in rounds)
    columns = [sorted(1e6 * row[column] / unit for row in rounds) for column in (0, 1)]
    ours_us, bare_us = (statistics.median(column) for column in columns)
    print(f"| {name} | {ours_us:.2f} µs | {bare_us:.2f} µs | {ratio:.2f} |")
    return ratio


async def main() -> int:
    """Measure, print a table, and fail where a bound is not kept."""
    limiter = LocalLimiter(Rate(1_000_000, per=1), burst=1_000_000)
    python, library = sys.version.split()[0], aiohttp.__version__
    print(f"CPU of the client, medians of {ROUNDS} rounds; Python {python}, aiohttp {library}\n")
    print("| what | ours | bare aiohttp | ratio, median |\n| --- | --- | --- | --- |")
    with gateway() as url:
        async with (
            aiohttp.ClientSession() as bare,
            CustomerSMS(KEY, endpoint=url, limiter=limiter) as sms,
        ):
            sends = [
                await pair(
                    f"one send, {n} in flight",
                    SENDS,
                    functools.partial(our_sends, sms, n),
                    functools.partial(bare_sends, bare, url, n),
                )
                for n in (1, 10)
            ]
            many = await pair(
                "bulk, a number",
                NUMBERS,
                functools.partial(our_bulk, sms),
                functools.partial(bare_bulk, bare, url),
            )
    return int(sends[0] > 1.25 or many > 2)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
