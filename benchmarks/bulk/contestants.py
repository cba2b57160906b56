"""
One text to many numbers, as each client's documentation sends it, one request at a time.

Each gets the URL, the numbers (generated one by one, so that none needs to keep them) and the batch
size, and returns what remains at the end: a report, a list of dicts, or two counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import aiohttp
import msgspec
import orjson
import requests

from benchmarks import _floor
from benchmarks._answers import PATH
from customersms_async import CustomerSMS, LocalLimiter, Rate

__all__ = [
    "CONTESTANTS",
    "COUNTED",
    "KEEPERS",
    "OURS",
    "OURS_WITHOUT_DEDUPE",
    "STREAMED",
    "Contestant",
    "numbers",
]

KEY: Final = "cspro_0123456789abcdef0123456789abcdef"
TEXT: Final = "We open at nine"
_JSON: Final = {"Content-Type": "application/json"}

Contestant = Callable[[str, Iterator[str], int], Awaitable[object]]


def numbers(count: int) -> Iterator[str]:
    """Yield *count* different numbers."""
    return (f"+1212{number:07d}" for number in range(count))


def _payload(phones: Sequence[str]) -> dict[str, Any]:
    return {"api_key": KEY, "phone": phones, "message": TEXT}


def _batches(phones: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(islice(phones, size)):
        yield batch


def _client(base: str) -> CustomerSMS:
    limiter = LocalLimiter(Rate(1_000_000, per=0.001), burst=1_000_000)  # no limit
    return CustomerSMS(KEY, endpoint=base + PATH, limiter=limiter)


async def _send_many(base: str, phones: Iterator[str], size: int) -> object:
    async with _client(base) as sms:
        report = await sms.send_many(phones, TEXT, batch_size=size, max_in_flight=1)
    assert report.ok
    return report


async def _send_many_without_dedupe(base: str, phones: Iterator[str], size: int) -> object:
    async with _client(base) as sms:
        report = await sms.send_many(phones, TEXT, batch_size=size, max_in_flight=1, dedupe=False)
    assert report.ok
    return report


async def _stream_many(base: str, phones: Iterator[str], size: int) -> object:
    sent = 0
    async with _client(base) as sms:
        run = sms.stream_many(phones, TEXT, batch_size=size, max_in_flight=1, dedupe=False)
        async with run as bulk:
            async for outcome in bulk:
                sent += outcome.message_id is not None
    return sent


async def _requests_to_dicts(base: str, phones: Iterator[str], size: int) -> object:
    results: list[dict[str, Any]] = []
    with requests.Session() as session:
        for batch in _batches(phones, size):
            response = session.post(base + PATH, json=_payload(batch))
            results.extend(response.json()["results"])
    return results


async def _aiohttp_to_dicts(base: str, phones: Iterator[str], size: int) -> object:
    results: list[dict[str, Any]] = []
    async with aiohttp.ClientSession() as session:
        for batch in _batches(phones, size):
            async with session.post(base + PATH, json=_payload(batch)) as response:
                results.extend((await response.json())["results"])
    return results


async def _aiohttp_counts(base: str, phones: Iterator[str], size: int) -> object:
    sent = failed = 0
    async with aiohttp.ClientSession() as session:
        for batch in _batches(phones, size):
            body = orjson.dumps(_payload(batch))
            async with session.post(base + PATH, data=body, headers=_JSON) as response:
                for result in orjson.loads(await response.read())["results"]:
                    if result["success"]:
                        sent += 1
                    else:
                        failed += 1
    return sent, failed


class _Entry(msgspec.Struct, gc=False):
    phone: str
    success: bool
    message_id: str


class _Answer(msgspec.Struct, gc=False):
    results: list[_Entry]


async def _floor_counts(base: str, phones: Iterator[str], size: int) -> object:
    sent = 0
    decoder = msgspec.json.Decoder(_Answer)
    async with _floor.connection(base) as connection:
        for batch in _batches(phones, size):
            answer = await connection.post(PATH, msgspec.json.encode(_payload(batch)))
            sent += [entry.success for entry in decoder.decode(answer).results].count(True)
    return sent


OURS = "send_many → Report"
OURS_WITHOUT_DEDUPE = "send_many → Report, dedupe=False"
STREAMED = "stream_many → outcomes, dedupe=False"
COUNTED = "aiohttp, orjson → two counts"

CONTESTANTS: Final[dict[str, Contestant]] = {
    OURS: _send_many,
    OURS_WITHOUT_DEDUPE: _send_many_without_dedupe,
    STREAMED: _stream_many,
    COUNTED: _aiohttp_counts,
    "aiohttp → dicts": _aiohttp_to_dicts,
    "requests → dicts": _requests_to_dicts,
    "the floor: a bare protocol, typed decode → one count": _floor_counts,
}
#: Clients that keep something for each number.
KEEPERS: Final = (OURS_WITHOUT_DEDUPE, "aiohttp → dicts", "requests → dicts")
