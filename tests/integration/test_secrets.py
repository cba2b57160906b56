"""The key appears nowhere, and texts and whole numbers in no log: searched, not assumed."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import json
import pickle
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import pytest

from customersms_async import (
    ConfigurationError,
    CustomerSMS,
    CustomerSMSError,
    LocalLimiter,
    Message,
    Rate,
)
from tests.support.canary import KEY, PHONE, TEXT, Net, parrot

Say = Callable[[asyncio.StreamWriter, str], Awaitable[None]]

ECHO: Final = f"Oh no: key {KEY} to {PHONE} with '{TEXT}'"
ENTRY: Final = {"phone": PHONE, "success": True, "message_id": "msg_1"}
ANSWER: Final = json.dumps({"success": True, "results": [ENTRY]})
REFUSAL: Final = json.dumps({"success": False, "error": ECHO, "code": f"BAD {KEY}"})
FAILED: Final = {"phone": PHONE, "success": False, "error": ECHO, "code": f"no_{KEY}"}
STRANGER: Final = {"phone": KEY, "success": True, "message_id": TEXT}


def saying(
    body: str, *headers: str, status: str = "200 OK", cut: int = 0, is_framed: bool = True
) -> Say:
    """Answer with *body* without its last *cut* characters; close if it was cut."""

    async def say(writer: asyncio.StreamWriter, _: str) -> None:
        framing = [f"Content-Length: {len(body)}"] if is_framed else ["Connection: close"]
        lines = [f"HTTP/1.1 {status}", *framing, *headers, "", body[: len(body) - cut]]
        writer.write("\r\n".join(lines).encode())
        if cut or not is_framed:
            writer.close()

    return say


async def reset(writer: asyncio.StreamWriter, _: str) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def close(writer: asyncio.StreamWriter, _: str) -> None:
    writer.close()


async def stall(writer: asyncio.StreamWriter, _: str) -> None:
    await asyncio.sleep(0.5)
    writer.close()


def results(*entries: object) -> str:
    return json.dumps({"success": True, "message": ECHO, "results": entries})


#: Everything a gateway may do with the key, the text and the number that it received.
TOLD: Final[dict[str, Say]] = {
    "well": saying(ANSWER),
    "well, with a message": saying(results(ENTRY)),
    "refusal": saying(REFUSAL),
    "refusal, 403": saying(REFUSAL, status="403 Forbidden"),
    "bad key": saying(json.dumps({"success": False, "error": ECHO, "code": "INVALID_API_KEY"})),
    "failed entry": saying(results(FAILED)),
    "stranger": saying(results(ENTRY, STRANGER)),
    "strangers only": saying(results(STRANGER)),
    "contradiction": saying(results(ENTRY, FAILED)),
    "page": saying(f"<html>{ECHO}</html>"),
    "page, 500": saying(f"<html>{ECHO}</html>", status="500 Oh no"),
    "page, 404": saying(f"<html>{ECHO}</html>", status=f"404 {ECHO}"),
    "cut": saying(REFUSAL, cut=5),
    "cut, silently": saying(REFUSAL, cut=5, is_framed=False),
    "notice": saying(f"Notice: {ECHO} in api.php\n{ANSWER}"),
    "notice before a refusal": saying(f"Notice: {ECHO} in api.php\n{REFUSAL}"),
    "headers": saying(ANSWER, f"X-Debug: {ECHO}", f"Set-Cookie: key={KEY}", f"Date: {ECHO}"),
    "headers of a cut answer": saying(ANSWER, f"X-Debug: {ECHO}", cut=5),
    "headers of a page": saying("x", f"X-Debug: {ECHO}", f"Retry-After: {ECHO}", status="503 No"),
    "reason": saying(ANSWER, status=f"200 {ECHO}"),
    "reason of a cut answer": saying(ANSWER, status=f"200 {ECHO}", cut=5),
    "redirect": saying("", f"Location: http://127.0.0.1/?key={KEY}", status="307 Go"),
    "rate": saying(REFUSAL, f"Retry-After: {KEY}", status=f"429 {ECHO}"),
    "bad header": saying(ANSWER, f"Bad\x01Header {ECHO}"),
    "bad status line": saying(ANSWER, status=ECHO),
    "bad encoding": saying(ECHO, "Content-Encoding: gzip"),
    "bad coding": saying(ECHO, f"Transfer-Encoding: {KEY}"),
    "bad length": saying(ECHO, f"Content-Length: {KEY}"),
    "bad chunk": saying(ECHO, "Transfer-Encoding: chunked", is_framed=False),
    "bad type": saying(ECHO, f"Content-Type: text/html; charset={KEY}"),
    "large": saying(ECHO * 5_000),
    "reset": reset,
    "close": close,
    "stall": stall,
}


def hook(_: object) -> None:
    msg = "a hook that does not work"
    raise RuntimeError(msg)


def client(endpoint: str, **options: object) -> CustomerSMS:
    settings = {
        "limiter": LocalLimiter(Rate(1_000, per=1), burst=1_000),
        "request_timeout": 0.3,
        "retries": 0,
        "on_request": hook,
    }
    return CustomerSMS(KEY, endpoint=endpoint, **settings | options)


async def use(net: Net, sms: CustomerSMS) -> None:
    """Make all calls, and show their results and errors."""
    try:
        net.value(await sms.send(PHONE, TEXT, timeout=0.8), "receipt")
    except CustomerSMSError as exc:
        net.exception(exc, "send")
    report = await sms.send_many([PHONE, "nobody"], TEXT, stop_after=0.8)
    net.value(report, "report")
    net.value(list(report), "outcomes")
    with contextlib.suppress(CustomerSMSError):
        try:
            report.raise_for_failures()
        except CustomerSMSError as exc:
            net.exception(exc, "bulk")
            raise
    async with sms.stream_messages([Message(PHONE, TEXT)], stop_after=0.8) as bulk:
        net.tasks()
        net.value(bulk, "bulk")
        async for outcome in bulk:
            net.value(outcome, "outcome")
    for value in (sms, sms.credits, sms.account, vars(sms), vars(sms)["_context"], bulk._run):
        net.value(value, "client")


class Journal:
    """Shows its arguments, and then raises."""

    def __init__(self, net: Net) -> None:
        self.net = net

    async def claim(self, batch: object) -> None:
        self.net.value(batch, "batch")

    async def release(self, batch: object) -> None:
        self.net.value(batch, "released")

    async def refuse(self, outcomes: object) -> None:
        self.net.value(outcomes, "refused")

    async def settle(self, outcomes: object) -> None:
        self.net.value(outcomes, "settled")
        raise OSError


def rows():
    yield PHONE
    raise OSError


async def cancel_in_flight(net: Net, sms: CustomerSMS) -> None:
    for call in (lambda: sms.send(PHONE, TEXT), lambda: sms.send_many(PHONE, TEXT, drain=0.01)):
        for delay in (0.0, 0.05):
            task = asyncio.ensure_future(call())
            await asyncio.sleep(delay)
            net.tasks()
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            net.exception(caught.value, "cancelled")


async def interrupt(net: Net, sms: CustomerSMS) -> None:
    for phones, journal in ((rows(), None), ([PHONE], Journal(net))):
        with pytest.raises(CustomerSMSError) as caught:
            await sms.send_many(phones, TEXT, journal=journal)
        net.exception(caught.value, "interrupted")


class Careless:
    """A limiter whose slots raise when they are released."""

    ticket = None
    waited = 0.0

    async def acquire(self, *_: object, **__: object) -> Careless:
        return self

    def answered(self, *_: object) -> None:
        msg = "a slot that does not work"
        raise RuntimeError(msg)

    lost = unused = refused = answered


async def misconfigure(net: Net) -> None:
    """Make every mistake that a constructor and `for_key` detect, with the key in scope."""
    closed = aiohttp.ClientSession()
    await closed.close()
    here = "http://127.0.0.1:9/"

    async def closed_session() -> None:
        async with CustomerSMS(KEY, endpoint=here, session=closed) as sms:
            await sms.send(PHONE, TEXT)

    async def nested_key() -> None:
        CustomerSMS("cspro_other", endpoint=here).for_key(f"{KEY}\n")

    async def make(key: object = KEY, **options: object) -> None:
        CustomerSMS(key, **{"endpoint": here} | options)

    mistakes: list[Awaitable[None]] = [
        *map(make, [f"{KEY} ", f"{KEY}\n", f"{KEY}é", [KEY], KEY.encode()]),
        make(endpoint="http://example.com/"),
        make(endpoint="nonsense"),
        make(limiter=5),
        make(retries=-1),
        make(send_timeout=0),
        make(on_request=5),
        make(session=5),
        closed_session(),
        nested_key(),
    ]
    for number, mistake in enumerate(mistakes):
        with pytest.raises(ConfigurationError) as caught:
            await mistake
        net.exception(caught.value, f"mistake {number}")
    sms = CustomerSMS(KEY, endpoint=here)
    for copier in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as refused:
            copier(sms)
        net.exception(refused.value, "copied")


async def unreachable(net: Net) -> None:
    """Connect to a closed port, to a server without TLS, and to an unknown host."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with parrot(close, reads=10) as plain:
        for endpoint in (
            f"http://127.0.0.1:{port}/",
            plain.replace("http:", "https:"),
            "https://nobody.invalid/",
        ):
            net.where = endpoint
            async with client(endpoint) as sms:
                await use(net, sms)


async def break_off_large(net: Net) -> None:
    """Reset the connection while a body of several hundred kilobytes is being written."""
    phones = [f"+1212{n:07}" for n in range(10_000)]
    for reads in (1, 5_000, 100_000):
        async with parrot(reset, reads=reads) as endpoint, client(endpoint) as sms:
            report = await sms.send_many(phones, TEXT * 100, batch_size=10_000)
            net.value(report[0], "large")
            try:
                await sms.send(PHONE, TEXT * 20_000)
            except CustomerSMSError as exc:
                net.exception(exc, "large")


async def everything(net: Net) -> None:
    """Run every scenario."""
    with net.spread():
        for name, say in TOLD.items():
            net.where = name
            async with parrot(say) as endpoint, client(endpoint) as sms:
                await use(net, sms)
        net.where = "in between"
        async with parrot(stall) as endpoint, client(endpoint) as sms:
            await cancel_in_flight(net, sms)
            await interrupt(net, sms)
        net.where = "careless limiter"
        async with (
            parrot(saying(REFUSAL)) as endpoint,
            client(endpoint, limiter=Careless()) as sms,
        ):
            with pytest.raises(RuntimeError) as broke:
                await sms.send(PHONE, TEXT)
            net.exception(broke.value, "careless")
        await unreachable(net)
        net.where = "large"
        await break_off_large(net)
        net.where = "mistakes"
        await misconfigure(net)
        net.where = "forgotten"
        async with parrot(saying(ANSWER)) as endpoint:
            await client(endpoint, on_request=None).send(PHONE, TEXT)
            for _ in range(3):
                await asyncio.sleep(0.02)
                gc.collect()


NETS: Final[list[Net]] = []


async def caught() -> Net:
    """Run every scenario once, for both tests."""
    if not NETS:
        NETS.append(Net())
        await everything(NETS[0])
    return NETS[0]


async def test_the_key_appears_nowhere():
    """The key is in no log, warning, exception, frame, repr, pickle or task."""
    net = await caught()

    assert len(net.shown) > 1_000
    assert [] == net.found("key")


async def test_no_log_contains_texts_or_numbers():
    """No record of any logger, at any level, contains a text or a whole number."""
    net = await caught()

    assert len(net.logged) > 500
    assert [] == net.found_in_logs("text")
    assert [] == net.found_in_logs("phone")
