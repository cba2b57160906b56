"""
What a message costs: CPU time of the client's process, beside bare aiohttp in the same run.

Bounds: one `send` at most 1.25 × the same POST with aiohttp and orjson; a bulk run of 1,000
numbers a request at most 2 × a loop over aiohttp that only counts.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp
import orjson
from _gateway import gateway

from customersms_async import CustomerSMS, LocalLimiter, Rate

ROUNDS = 11
SENDS = 400
NUMBERS = 100_000
BATCH = 1_000
KEY = "cspro_bench"
TEXT = "We open at nine"


async def bare_sends(session: aiohttp.ClientSession, url: str) -> None:
    """The obvious code: one POST a message, orjson on both sides."""
    for i in range(SENDS):
        body = orjson.dumps({"api_key": KEY, "phone": f"+1212{i:07d}", "message": TEXT})
        headers = {"Content-Type": "application/json"}
        async with session.post(url, data=body, headers=headers) as response:
            assert orjson.loads(await response.read())["success"]


async def our_sends(sms: CustomerSMS) -> None:
    """The same with `CustomerSMS.send`."""
    for i in range(SENDS):
        await sms.send(f"+1212{i:07d}", TEXT)


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
    for label, column in (("ours", 0), ("bare", 1)):
        micros = sorted(1e6 * row[column] / unit for row in rounds)
        print(
            f"{name:5} {label}  {micros[0]:8.3f} {statistics.median(micros):8.3f} {micros[-1]:8.3f} µs"
        )
    print(f"{name:5} ratio {ratio:.3f}")
    return ratio


async def main() -> int:
    """Measure, print a table, and fail where a bound is not kept."""
    limiter = LocalLimiter(Rate(1_000_000, per=1), burst=1_000_000)
    with gateway() as url:
        async with (
            aiohttp.ClientSession() as session,
            CustomerSMS(KEY, endpoint=url, limiter=limiter) as sms,
        ):
            print(
                f"CPU of the client; min, median, max of {ROUNDS} rounds; Python {sys.version.split()[0]}, "
                f"aiohttp {aiohttp.__version__}"
            )
            one = await pair(
                "send", SENDS, lambda: our_sends(sms), lambda: bare_sends(session, url)
            )
            many = await pair(
                "bulk", NUMBERS, lambda: our_bulk(sms), lambda: bare_bulk(session, url)
            )
    return int(one > 1.25 or many > 2)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
