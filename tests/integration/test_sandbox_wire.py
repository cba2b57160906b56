"""Every fault, as a raw client on a real socket sees it."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

import pytest

from customersms_async.sandbox import MAGIC_NUMBERS, Fault, Sandbox

KEY = "cspro_test"
PLAIN = ["+12125551234", "+13235554567"]


@contextlib.asynccontextmanager
async def connected(sandbox: Sandbox):
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def request(phones: list[str], *, connection: str = "close") -> bytes:
    body = json.dumps({"api_key": KEY, "phone": phones, "message": "Hello"}).encode()
    head = (
        "POST /sms_system/api.php HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nConnection: {connection}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def exchanged(sandbox: Sandbox, phones: list[str] = PLAIN) -> tuple[bytes, bytes]:
    """Send one request, read until the connection ends, and return head and body."""
    async with connected(sandbox) as (reader, writer):
        writer.write(request(phones))
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return head, body


@contextlib.asynccontextmanager
async def failing(fault: str, **options: object) -> AsyncIterator[Sandbox]:
    async with Sandbox(keys={KEY: 98}, slow=0.02, stall=0.02, **options) as sandbox:
        sandbox.fail_next(fault)
        yield sandbox


def length(head: bytes) -> int:
    line = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    return int(line.split(b":")[1])


@pytest.mark.parametrize("fault", ["answer-lost", "stall"])
async def test_an_answer_that_never_comes(fault):
    """The messages are accepted, and the connection is closed without a byte."""
    async with failing(fault) as sandbox:
        assert (b"", b"") == await exchanged(sandbox)

    assert PLAIN == [message.phone for message in sandbox.messages]
    assert [(Fault(fault), None)] == [(seen.fault, seen.status) for seen in sandbox.requests]


@pytest.mark.parametrize(("fault", "accepted"), [("reset-before", 0), ("reset-after", 2)])
async def test_a_reset(fault, accepted):
    """The connection is reset without a byte, before or after the messages are accepted."""
    async with failing(fault) as sandbox:
        with pytest.raises(ConnectionResetError):
            await exchanged(sandbox)

    assert accepted == len(sandbox.messages)


async def test_a_stall_is_silent():
    """Nothing is sent during the stall, and closing the sandbox ends it."""
    async with Sandbox(keys={KEY: 98}, stall=30) as sandbox, contextlib.AsyncExitStack() as stack:
        sandbox.fail_next("stall")
        reader, writer = await stack.enter_async_context(connected(sandbox))
        writer.write(request(PLAIN))
        await sandbox.wait_for()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(), 0.02)
        await sandbox.__aexit__(None, None, None)

        assert b"" == await reader.read()


async def test_a_slow_answer():
    """The answer is complete and arrives after the delay."""
    async with failing("slow") as sandbox:
        start = time.perf_counter()
        _, body = await exchanged(sandbox)

    assert time.perf_counter() - start >= 0.01  # half, as uvloop rounds each wait
    assert json.loads(body)["success"]


async def test_a_slow_body():
    """The answer arrives in pieces, the last one after the delay; its length was announced."""
    async with failing("slow-body") as sandbox, connected(sandbox) as (reader, writer):
        start = time.perf_counter()
        writer.write(request(PLAIN))
        head = await reader.readuntil(b"\r\n\r\n")
        first = await reader.read(length(head))
        rest = await reader.read()

    assert time.perf_counter() - start >= 0.01  # half, as uvloop rounds each wait
    assert 0 < len(first) < length(head) == len(first + rest)
    assert json.loads(first + rest)["success"]


@pytest.mark.parametrize("fault", ["slow", "slow-body", "answer-lost", "html"])
async def test_a_client_that_leaves(fault):
    """A client that leaves before its answer does not affect the next one."""
    async with failing(fault, latency=0.02) as sandbox:
        async with connected(sandbox) as (_, writer):
            writer.write(request(PLAIN))
            await sandbox.wait_for()
        await asyncio.sleep(0.05)
        _, body = await exchanged(sandbox)

    assert json.loads(body)["success"]
    assert 4 == len(sandbox.messages)


async def test_a_cut_body():
    """Half of the announced body arrives, then the connection ends."""
    async with failing("cut-body") as sandbox:
        head, body = await exchanged(sandbox)

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert length(head) // 2 == len(body)
    assert 2 == len(sandbox.messages)


async def test_a_silently_cut_body():
    """Half of the body arrives, and nothing in the head shows that it is cut."""
    async with failing("cut-silent") as sandbox:
        head, body = await exchanged(sandbox)

    assert b"content-length" not in head.lower()
    assert b"chunked" not in head.lower()
    assert body.startswith(b'{"success":true')
    assert not body.endswith(b"}")
    assert 2 == len(sandbox.messages)


@pytest.mark.parametrize(
    ("fault", "status", "accepted"),
    [
        ("http-500", 500, 0),
        ("http-503", 503, 0),
        ("rate-limited-html", 429, 0),
        ("http-504", 504, 2),
        ("html", 200, 2),
    ],
)
async def test_a_page_instead_of_json(fault, status, accepted):
    """An HTML page arrives, with the status and the effect of the fault."""
    async with failing(fault) as sandbox:
        head, body = await exchanged(sandbox)

    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"text/html" in head
    assert body.startswith(b"<html>")
    assert (accepted, status) == (len(sandbox.messages), sandbox.requests[0].status)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("rate-limited", 429, "RATE_LIMIT_EXCEEDED"),
        ("rate-limited-200", 200, "RATE_LIMIT_EXCEEDED"),
        ("refuse", 200, "MESSAGE_BLOCKED"),
    ],
)
async def test_a_refused_request(fault, status, code):
    """A JSON refusal arrives, and nothing is accepted."""
    async with failing(fault) as sandbox:
        head, body = await exchanged(sandbox)

    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert code == json.loads(body)["code"] == sandbox.refused[0].code
    assert () == sandbox.messages


async def test_an_empty_answer():
    """Status 200 without a body arrives."""
    async with failing("empty") as sandbox:
        head, body = await exchanged(sandbox)

    assert (0, b"", 2) == (length(head), body, len(sandbox.messages))


@pytest.mark.parametrize(
    ("fault", "prefix", "kind"),
    [
        ("php-notice", b"<br />\n<b>Notice</b>", b"text/html"),
        ("bom", b"\xef\xbb\xbf", b"application/json"),
        ("html-type", b"{", b"text/html"),
    ],
)
async def test_json_with_a_prefix_or_another_type(fault, prefix, kind):
    """The answer is complete, after a prefix or with another Content-Type."""
    async with failing(fault) as sandbox:
        head, body = await exchanged(sandbox)

    assert body.startswith(prefix)
    assert kind in head
    assert 2 == json.loads(body[body.index(b"{") :])["successful_sends"]


@pytest.mark.parametrize(
    ("fault", "count"),
    [
        ("missing-entry", 1),
        ("extra-entry", 3),
        ("doubled-entry", 3),
        ("wrong-numbers", 2),
        ("reordered", 2),
        ("integer-phones", 2),
        ("digit-phones", 2),
        ("spaced-phones", 2),
        ("zero-one-booleans", 2),
        ("odd-fields", 2),
        ("results-as-object", 2),
        ("false-with-results", 2),
        ("reject", 2),
        ("reject-bare", 2),
        ("no-results", 0),
    ],
)
async def test_an_unusual_shape(fault, count):
    """The answer is JSON of another shape than documented."""
    async with failing(fault) as sandbox:
        _, odd = await exchanged(sandbox)
        _, documented = await exchanged(sandbox)

    assert count == len(json.loads(odd).get("results", []))
    assert json.loads(odd).get("results") != json.loads(documented)["results"]
    assert [Fault(fault), None] == [seen.fault for seen in sandbox.requests]


@pytest.mark.parametrize(("ending", "fault"), MAGIC_NUMBERS.items())
async def test_a_magic_number_over_the_wire(ending, fault):
    """A magic number has the effect that the table describes."""
    async with Sandbox(keys={KEY: 98}, slow=0.001, stall=0.001) as sandbox:
        with contextlib.suppress(ConnectionResetError):
            await exchanged(sandbox, [*PLAIN, f"+39333{ending}"])

    assert [fault] == [seen.fault for seen in sandbox.requests]


async def test_magic_numbers_can_be_disabled():
    """Without magic every number is an ordinary one."""
    async with Sandbox(keys={KEY: 98}, magic=False) as sandbox:
        _, body = await exchanged(sandbox, [f"+1212{ending}" for ending in MAGIC_NUMBERS])

    assert len(MAGIC_NUMBERS) == json.loads(body)["successful_sends"]


async def test_a_connection_is_kept():
    """Several requests use one connection; pipelined ones are answered in order."""
    async with Sandbox(keys={KEY: 98}) as sandbox, connected(sandbox) as (reader, writer):
        writer.write(request(PLAIN[:1], connection="keep-alive") + request(PLAIN[1:]))
        answers = (await reader.read()).split(b"HTTP/1.1 200 OK\r\n")[1:]

    numbers = [json.loads(answer.partition(b"\r\n\r\n")[2])["results"] for answer in answers]
    assert PLAIN == [entries[0]["phone"] for entries in numbers]


async def test_an_incomplete_request(caplog):
    """An incomplete request is ignored without an error, and the sandbox continues."""
    async with Sandbox(keys={KEY: 98}) as sandbox:
        async with connected(sandbox) as (_, writer):
            writer.write(request(PLAIN)[:-5])
            await writer.drain()
        _, body = await exchanged(sandbox)

    assert 96 == json.loads(body)["remaining_credits"]
    assert 1 == len(sandbox.requests)
    assert [] == caplog.records
