"""Messages with texts of their own: sharing of requests, doubles, references."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async import Message, Outcome, Status
from tests.support.memory import MemoryTransport, accepts, as_async, phones

pytestmark = pytest.mark.virtual_time

A, B, C = "+12125551234", "+13235554567", "+442071838750"


@pytest.mark.parametrize("make_input", [list, iter, as_async], ids=["list", "iterator", "async"])
async def test_equal_texts_share_a_request(make_client, make_input):
    """Messages of one text leave together, wherever they stand."""
    gateway = MemoryTransport()
    messages = [Message(A, "one"), Message(B, "two"), Message(C, "one")]

    report = await make_client(gateway).send_messages(make_input(messages))

    assert [("one", [A, C]), ("two", [B])] == [(p.text, p.phones) for p in gateway.started]
    assert [(0, A), (1, B), (2, C)] == [(o.index, o.phone) for o in report]
    assert report.ok


async def test_a_full_batch_leaves_before_the_input_ends(make_client):
    """As soon as a text has enough numbers, its request leaves."""
    gateway = MemoryTransport()
    texts = ["one", "two"] * 5

    messages = [Message(phone, text) for phone, text in zip(phones(10), texts, strict=True)]
    await make_client(gateway).send_messages(messages, batch_size=2)

    assert ["one", "two"] * 2 == [post.text for post in gateway.started][:4]
    assert [2] * 4 + [1] * 2 == [len(batch) for batch in gateway.batches]


async def test_doubles_are_equal_pairs(make_client):
    """One number may get two texts, and each of them once."""
    gateway = MemoryTransport()
    messages = [Message(A, "one"), Message(A, "two"), Message("+1 212 555 1234", "one")]

    report = await make_client(gateway).send_messages(messages)

    assert [Status.SENT, Status.SENT, Status.NOT_SENT] == [o.status for o in report]
    assert (2, "DUPLICATE", A) == (gateway.ledger[A], report[2].code, report[2].phone)


async def test_without_dedupe_doubles_are_sent(make_client):
    """`dedupe=False` takes the messages as they are."""
    gateway = MemoryTransport()

    await make_client(gateway).send_messages([Message(A, "one")] * 3, dedupe=False)

    assert 3 == gateway.ledger[A]


async def test_references_come_back(make_client):
    """`Outcome.ref` is the caller's own object, also for what was refused; others have none."""
    mine = object()
    messages = [Message(A, "one", ref=mine), Message("bad", "one", ref=7), Message(B, "one")]
    client = make_client(MemoryTransport())

    report = await client.send_messages(messages)
    async with client.stream_messages(messages) as bulk:
        streamed = sorted([outcome async for outcome in bulk], key=lambda o: o.index)

    assert [mine, 7, None] == [outcome.ref for outcome in report]
    assert [mine, 7, None] == [outcome.ref for outcome in streamed]


async def test_a_bad_message_is_an_outcome(make_client):
    """A bad number, a bad text and what is no message are refused one by one."""
    outcome = Outcome(0, C, Status.NOT_SENT)
    items = [Message("x", "t"), Message(A, ""), Message(B, 5), "hello", None, 3, outcome]

    report = await make_client(MemoryTransport()).send_messages([*items, Message(A, "fine")])

    expected = ["INVALID_PHONE", "INVALID_MESSAGE", "INVALID_MESSAGE"] + ["INVALID_PHONE"] * 4
    assert [*expected, None] == [outcome.code for outcome in report]
    assert ["x", A, B, "hello", "None", "3", C, A] == [outcome.phone for outcome in report]
    assert [] == report.safe_to_resend()


async def test_look_ahead_bounds_what_is_held_back(make_client):
    """With a look-ahead of three, the oldest text leaves as soon as three messages wait."""
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
    """Nothing waits for a twin."""
    gateway = MemoryTransport()
    messages = as_async([Message(phone, "hi") for phone in phones(3)], pause=10)

    await make_client(gateway).send_messages(messages, look_ahead=1)

    assert [10, 20, 30] == [round(post.began_at - 1000) for post in gateway.began]


@pytest.mark.parametrize("look_ahead", [0, -1, 1.5])
async def test_a_nonsense_look_ahead_is_refused(make_client, look_ahead):
    """It is a whole number of at least 1."""
    with pytest.raises(ValueError, match="look_ahead"):
        await make_client(MemoryTransport()).send_messages([], look_ahead=look_ahead)


async def test_a_stopped_list_of_messages_is_reported_to_its_end(make_client):
    """A sized input keeps its promise for messages as well."""
    messages = [Message(phone, f"text {n % 7}") for n, phone in enumerate(phones(2000))]

    report = await make_client(MemoryTransport()).send_messages(
        [*messages, Message("bad", "x")], batch_size=10, stop_after=1
    )

    assert (2001, True, "TIME_IS_UP") == (report.total, report.complete, report.stopped)
    assert report.sent + report.not_sent == 2001
    assert "INVALID_PHONE" == report[2000].code
