"""Runs of messages with different texts: shared requests, duplicates, references."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async import Message, Outcome, Status
from tests.support.client_in_memory import MemoryTransport, accepts, as_async, phones

pytestmark = pytest.mark.virtual_time

A, B, C = "+12125551234", "+13235554567", "+442071838750"


@pytest.mark.parametrize("make_input", [list, iter, as_async], ids=["list", "iterator", "async"])
async def test_equal_texts_share_a_request(make_client, make_input):
    """Messages with equal texts share a request, wherever they are in the input."""
    gateway = MemoryTransport()
    messages = [Message(A, "one"), Message(B, "two"), Message(C, "one")]

    report = await make_client(gateway).send_messages(make_input(messages))

    assert [("one", [A, C]), ("two", [B])] == [(p.text, p.phones) for p in gateway.started]
    assert [(0, A), (1, B), (2, C)] == [(o.index, o.phone) for o in report]
    assert report.ok


async def test_a_full_batch_leaves_before_the_input_ends(make_client):
    """A batch is sent as soon as it is full, before the input ends."""
    gateway = MemoryTransport()
    texts = ["one", "two"] * 5

    messages = [Message(phone, text) for phone, text in zip(phones(10), texts, strict=True)]
    await make_client(gateway).send_messages(messages, batch_size=2)

    assert ["one", "two"] * 2 == [post.text for post in gateway.started][:4]
    assert [2] * 4 + [1] * 2 == [len(batch) for batch in gateway.batches]


async def test_duplicates_are_equal_pairs(make_client):
    """A number may get two different texts, each of them once."""
    gateway = MemoryTransport()
    messages = [Message(A, "one"), Message(A, "two"), Message("+1 212 555 1234", "one")]

    report = await make_client(gateway).send_messages(messages)

    assert [Status.SENT, Status.SENT, Status.NOT_SENT] == [o.status for o in report]
    assert (2, "DUPLICATE", A) == (gateway.ledger[A], report[2].code, report[2].phone)


async def test_without_dedupe_duplicates_are_sent(make_client):
    """`dedupe=False` sends every message of the input."""
    gateway = MemoryTransport()

    await make_client(gateway).send_messages([Message(A, "one")] * 3, dedupe=False)

    assert 3 == gateway.ledger[A]


async def test_references_are_returned(make_client):
    """`Outcome.ref` is the caller's own object, also for refused messages, else None."""
    mine = object()
    messages = [Message(A, "one", ref=mine), Message("bad", "one", ref=7), Message(B, "one")]
    client = make_client(MemoryTransport())

    report = await client.send_messages(messages)
    async with client.stream_messages(messages) as bulk:
        streamed = sorted([outcome async for outcome in bulk], key=lambda o: o.index)

    assert [mine, 7, None] == [outcome.ref for outcome in report]
    assert [mine, 7, None] == [outcome.ref for outcome in streamed]


async def test_a_bad_message_is_an_outcome(make_client):
    """A bad number, a bad text and an item that is not a message are refused one by one."""
    outcome = Outcome(0, C, Status.NOT_SENT)
    items = [Message("x", "t"), Message(A, ""), Message(B, 5), "hello", None, 3, outcome]

    report = await make_client(MemoryTransport()).send_messages([*items, Message(A, "fine")])

    expected = ["INVALID_PHONE", "INVALID_MESSAGE", "INVALID_MESSAGE"] + ["INVALID_PHONE"] * 4
    assert [*expected, None] == [outcome.code for outcome in report]
    assert ["x", A, B, "hello", "None", "3", C, A] == [outcome.phone for outcome in report]
    assert [] == report.safe_to_resend()


async def test_look_ahead_limits_held_messages(make_client):
    """With a look-ahead of three, the oldest text is sent once three messages wait."""
    gateway = MemoryTransport(then=accepts(takes=10))
    read = []

    def messages():
        for number, phone in enumerate(phones(1000)):
            read.append(number)
            yield Message(phone, f"text {number}")

    run = asyncio.create_task(make_client(gateway).send_messages(messages(), look_ahead=3))
    await asyncio.sleep(5)

    assert (4, ["text 0"]) == (len(read), [post.text for post in gateway.started])
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_a_look_ahead_of_one_sends_each_as_it_comes(make_client):
    """With a look-ahead of one, no message waits for others."""
    gateway = MemoryTransport()
    messages = as_async([Message(phone, "hi") for phone in phones(3)], pause=10)

    await make_client(gateway).send_messages(messages, look_ahead=1)

    assert [10, 20, 30] == [round(post.began_at - 1000) for post in gateway.began]


@pytest.mark.parametrize("look_ahead", [0, -1, 1.5])
async def test_an_invalid_look_ahead_is_refused(make_client, look_ahead):
    """A look-ahead is an integer of at least 1."""
    with pytest.raises(ValueError, match="look_ahead"):
        await make_client(MemoryTransport()).send_messages([], look_ahead=look_ahead)


async def test_a_stopped_list_of_messages_is_reported_in_full(make_client):
    """A stopped run reports every message of a sized input."""
    messages = [Message(phone, f"text {n % 7}") for n, phone in enumerate(phones(2000))]

    report = await make_client(MemoryTransport()).send_messages(
        [*messages, Message("bad", "x")], batch_size=10, stop_after=1
    )

    assert (2001, True, "TIME_IS_UP") == (report.total, report.complete, report.stopped)
    assert report.sent + report.not_sent == 2001
    assert "INVALID_PHONE" == report[2000].code
