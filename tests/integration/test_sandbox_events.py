"""The event stream, as a browser or a program reads it."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import pytest

from customersms_async.sandbox._http.event_stream import STREAMS
from customersms_async.sandbox._http.events import KEPT
from tests.support.sandbox_client import ACCOUNT, KEY, PHONE, Client, running


class Reader:
    """Reads events and skips heartbeats."""

    def __init__(self, response) -> None:
        self.response = response
        self.signs = 0

    async def next(self, kind: str | None = None) -> tuple[str, str, object]:
        """Return id, type and data of the next event, or of the next one of a type."""
        fields: dict[str, str] = {}
        while "data" not in fields or kind not in (None, fields["event"]):
            block = (await self.response.content.readuntil(b"\n\n")).decode()
            self.signs += block == ":\n\n"
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        return fields["id"], fields["event"], json.loads(fields["data"])


@contextlib.asynccontextmanager
async def following(client: Client, last_id: str | None = None) -> AsyncIterator[Reader]:
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    url = f"{client.sandbox.url}/_sandbox/events"
    async with client.session.get(url, headers=headers) as response:
        assert 200 == response.status
        yield Reader(response)


async def test_a_request_event():
    """A request is reported with its messages and its account, whose key is masked."""
    async with running() as (_, client), following(client) as reader:
        hello = await reader.next()
        await client.post(text="Hé <script>")
        event_id, kind, data = await reader.next()

    assert "hello" == hello[1]
    assert (event_id, "request") == (f"{hello[0].split('-')[0]}-1", kind)
    assert ["Hé <script>"] == [message["text"] for message in data["messages"]]
    assert (ACCOUNT, 97, 1) == (
        data["request"]["account"],
        data["account"]["credits"],
        data["account"]["usage"]["used"],
    )


async def test_an_answer_event():
    """Once a request is answered, the duration is reported."""
    async with running(latency=0.05) as (_, client), following(client) as reader:
        await client.post()
        _, _, asked = await reader.next("request")
        _, _, answered = await reader.next("answered")

    assert (1, None) == (asked["request"]["id"], asked["request"]["took"])
    assert 1 == answered["id"]
    assert answered["took"] >= 0.05


async def test_a_request_with_an_unknown_key():
    """A request without a valid key is reported without an account."""
    async with running() as (_, client), following(client) as reader:
        await reader.next()
        await client.post(key="cspro_wrong")
        _, _, data = await reader.next()

    assert ("INVALID_API_KEY", [], None) == (
        data["request"]["code"],
        data["messages"],
        data["account"],
    )


async def test_a_large_request_is_abbreviated():
    """Of a large request, the first hundred messages and the total number are reported."""
    async with running(keys={KEY: 500}) as (_, client), following(client) as reader:
        await reader.next()
        await client.post([PHONE] * 250)
        _, _, data = await reader.next()

    assert (250, 100, 100, 250) == (
        data["request"]["numbers"],
        len(data["request"]["phones"]),
        len(data["messages"]),
        data["request"]["accepted"],
    )


@pytest.mark.parametrize(
    ("change", "kind", "shown"),
    [
        (lambda s: s.set_credits(KEY, 5), "credits", {"account": ACCOUNT, "credits": 5}),
        (lambda s: s.set_limit(7, rule="gcra"), "limit", {"limit": 7, "rule": "gcra"}),
        (lambda s: s.fail_next("html"), "faults", {"account": None, "script": ["html"]}),
        (lambda s: s.set_faults(standing="bom"), "faults", {"standing": "bom"}),
        (lambda s: s.set_faults(latency=lambda: 0.0), "faults", {"latency": "a function"}),
        (lambda s: s.clear_faults(), "faults", {"standing": None}),
        (lambda s: s.advance(60), "clock", {"ahead": 60.0}),
        (lambda s: s.clear(), "clear", {"account": None}),
        (lambda s: s.clear(KEY), "clear", {"account": ACCOUNT}),
    ],
)
async def test_a_change_event(change, kind, shown):
    """Every reader is told about a change by any of them."""
    async with running() as (sandbox, client), following(client) as reader:
        await reader.next()
        change(sandbox)
        _, told, data = await reader.next()

    assert (kind, shown) == (told, {name: data[name] for name in shown})


async def test_closing_an_account_event():
    """An account's messages are cleared, then it is removed."""
    async with running() as (sandbox, client), following(client) as reader:
        await reader.next()
        sandbox.close_account(KEY)
        told = [await reader.next() for _ in range(2)]

    assert ["clear", "closed"] == [kind for _, kind, _ in told]


async def test_a_reader_that_reconnects():
    """With its last id, a reader continues where it was, without a greeting."""
    async with running() as (_, client):
        async with following(client) as reader:
            place, _, _ = await reader.next()
        await client.post(text="one")
        await client.post(text="two")
        async with following(client, place) as reader:
            texts = [(await reader.next("request"))[2]["request"]["text"] for _ in range(2)]

    assert ["one", "two"] == texts


async def test_a_reader_of_another_run():
    """A reader with an id of another run is told to reload, then continues."""
    async with running() as (_, client), following(client, "other-1") as reader:
        first = await reader.next()
        await client.post()
        second = await reader.next()

    assert ("reload", "request") == (first[1], second[1])


async def test_a_reader_far_behind():
    """A reader that is too far behind is told to reload instead."""
    async with running() as (sandbox, client), following(client) as reader:
        await reader.next()
        for _ in range(KEPT + 1):
            sandbox.advance(0)
        told = [(await reader.next())[1]]
        sandbox.clear()
        told.append((await reader.next())[1])

    assert ["reload", "clear"] == told


async def test_heartbeats():
    """Without events, a comment is sent from time to time."""
    async with running() as (sandbox, client):
        sandbox._service.events.heartbeat = 0.001
        async with following(client) as reader:
            await reader.next()
            sandbox._service.events.heartbeat = 60
            await asyncio.sleep(0.2)
            sandbox.clear()
            await reader.next()

    assert reader.signs >= 1


async def test_a_reader_that_does_not_read():
    """A reader with a full buffer blocks neither the gateway nor other readers."""
    async with running(keys={KEY: 10_000}) as (sandbox, client):
        lazy = socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2])))
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.sendall(b"GET /_sandbox/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with following(client) as reader:
            await reader.next()
            for n in range(300):
                await client.post(text=f"{n} " + "x" * 20_000)
            seen = [(await reader.next("request"))[2]["request"]["id"] for _ in range(300)]
        lazy.close()

    assert list(range(1, 301)) == seen


async def test_closing_ends_a_stream():
    """Streams end when the sandbox is closed."""
    async with running() as (sandbox, client), following(client) as reader:
        await reader.next()
        await sandbox.__aexit__(None, None, None)

        rest = await reader.response.read()

    assert rest.replace(b":\n\n", b"") == b""


async def test_a_reader_that_leaves():
    """A reader that leaves frees its place."""
    async with running() as (_, client):
        for _ in range(STREAMS + 5):
            async with following(client) as reader:
                await reader.next()


async def test_the_number_of_streams_is_limited():
    """A stream above the limit is refused with a reason, and the others continue."""
    async with running() as (_, client), contextlib.AsyncExitStack() as stack:
        for _ in range(STREAMS):
            await stack.enter_async_context(following(client))
        status, problem = await client.call("GET", "/events")

    assert (503, "TOO_MANY_STREAMS") == (status, problem["code"])
