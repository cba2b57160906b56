"""The HTTP API for tests in other languages."""

import asyncio

import pytest

from tests.support.sandbox_client import ACCOUNT, KEY, PHONE, running, somebody_waits

NOON = 1_780_315_200.0  # 2026-06-01, 12:00 UTC
OTHER_PHONE = "+13235554567"


def ids(shown):
    return [message["id"] for message in shown["messages"]]


async def test_a_message():
    """A message has id, number, text, code, date and request, but no key."""
    async with running(clock=lambda: NOON) as (_, client):
        await client.post(text="Your code is 4711")
        await client.post(text="Your code is 4711")
        shown = await client.get("/messages/msg_123457")

    assert {
        "id": "msg_123457",
        "account": ACCOUNT,
        "at": "2026-06-01T12:00:00.000Z",
        "phone": PHONE,
        "text": "Your code is 4711",
        "code": "4711",
        "is_duplicate": True,
        "request": 2,
    } == shown


@pytest.mark.parametrize(
    ("query", "numbers", "has_more", "total"),
    [
        ({}, [0, 1, 2, 3, 4], False, 5),
        ({"limit": 2}, [3, 4], True, 5),
        ({"limit": 2, "before": "msg_123459"}, [1, 2], True, 5),
        ({"limit": 2, "after": "msg_123456"}, [1, 2], True, 5),
        ({"after": "123458"}, [3, 4], False, 5),
        ({"phone": "+1 323 555 4567"}, [1, 3], False, 2),
        ({"contains": "Bye"}, [4], False, 5),
        ({"request": 2}, [2, 3], False, 5),
        ({"key": KEY, "phone": OTHER_PHONE, "contains": "nothing"}, [], False, 2),
        ({"key": ACCOUNT, "limit": 1}, [4], True, 5),
        ({"key": ACCOUNT[-6:], "limit": 1}, [4], True, 5),
    ],
)
async def test_a_list_of_messages(query, numbers, has_more, total):
    """Messages are listed oldest first; parameters filter them; `has_more` marks further pages."""
    async with running() as (_, client):
        await client.post([PHONE, OTHER_PHONE])
        await client.post([PHONE, OTHER_PHONE])
        await client.post(text="Bye")
        shown = await client.get("/messages", **query)

    assert [f"msg_{123456 + n}" for n in numbers] == ids(shown)
    assert (has_more, total) == (shown["has_more"], shown["total"])


async def test_a_mailbox_for_each_key():
    """Messages, duplicates and conversations are listed per key."""
    async with running(keys={KEY: 9, "cspro_other": 9}) as (_, client):
        await client.post()
        await client.post(key="cspro_other")
        shown = [await client.get(path, key=KEY) for path in ("/messages", "/requests")]
        duplicates = await client.get("/duplicates")

    assert [["msg_123456"], [1]] == [ids(shown[0]), [r["id"] for r in shown[1]["requests"]]]
    assert 0 == duplicates["total"]


async def test_duplicates():
    """Repeated messages are listed with their total."""
    async with running() as (_, client):
        for _ in range(3):
            await client.post()
        shown = await client.get("/duplicates", limit=1)

    assert (["msg_123458"], True, 2) == (ids(shown), shown["has_more"], shown["total"])


async def test_conversations():
    """Numbers are listed with their newest message, the latest first."""
    async with running() as (_, client):
        for phone, text in ((PHONE, "one"), (OTHER_PHONE, "two"), (PHONE, "three")):
            await client.post(phone, text)
        shown = await client.get("/conversations")
        second = await client.get("/conversations", limit=1, page=2)
        found = [
            len((await client.get("/conversations", contains=words, key=KEY))["conversations"])
            for words in ("two", "555", "nothing")
        ]

    assert [(PHONE, 2, "three"), (OTHER_PHONE, 1, "two")] == [
        (row["phone"], row["messages"], row["newest"]["text"]) for row in shown["conversations"]
    ]
    assert [OTHER_PHONE] == [row["phone"] for row in second["conversations"]]
    assert (2, False, [1, 2, 0]) == (second["total"], second["has_more"], found)


async def test_waiting_for_a_message_that_is_there():
    """A wait is answered at once if a message matches."""
    async with running() as (_, client):
        await client.post(text="one")
        shown = await client.get("/wait", phone=PHONE, contains="n")

    assert "msg_123456" == shown["id"]


async def test_waiting_for_a_future_message():
    """A long poll ends with the first message that matches."""
    async with running() as (_, client):
        await client.post(text="one")
        wait = asyncio.create_task(client.get("/wait", key=KEY, after="msg_123456", timeout=30))
        await somebody_waits(client.sandbox)
        await client.post(text="two")
        shown = await wait

    assert "two" == shown["text"]


async def test_a_wait_that_times_out():
    """It is answered with 404 and what arrived instead."""
    async with running() as (_, client):
        await client.post()
        status, shown = await client.call("GET", "/wait", phone=OTHER_PHONE, timeout=0)

    assert (404, "NOT_FOUND", f"no message to {OTHER_PHONE} within 0 s; 1 arrived") == (
        status,
        shown["code"],
        shown["error"],
    )
    assert ["Hello"] == [message["text"] for message in shown["arrived"]]


async def test_closing_ends_a_wait():
    """Closing the sandbox ends waits instead of waiting for them."""
    async with running() as (sandbox, client):
        wait = asyncio.create_task(client.call("GET", "/wait", timeout=60))
        await somebody_waits(sandbox)
        await sandbox.__aexit__(None, None, None)

        assert 404 == (await wait)[0]


async def test_the_last_code():
    """The newest code of a number is returned, or else what arrived."""
    async with running() as (_, client):
        await client.post(text="Your code is 4711")
        shown = await client.get("/last-code", phone=PHONE)
        status, problem = await client.call("GET", "/last-code", phone=OTHER_PHONE)

    assert {"phone": PHONE, "code": "4711"} == shown
    assert (404, 1) == (status, len(problem["arrived"]))


async def test_clear():
    """Messages, requests and scripts are removed; credits are kept."""
    async with running() as (sandbox, client):
        await client.post()
        sandbox.fail_next("html")
        status, shown = await client.call("DELETE", "/messages")
        said = await client.post()

    assert (200, 0, 0) == (status, shown["messages"], shown["requests"])
    assert 96 == said["remaining_credits"]


async def test_clear_one_key():
    """Only messages of that key are removed."""
    async with running(keys={KEY: 9, "cspro_other": 9}) as (sandbox, client):
        await client.post()
        await client.post(key="cspro_other")
        await client.call("DELETE", "/messages", key=KEY)

    assert ["cspro_other"] == [message.key for message in sandbox.messages]


@pytest.mark.parametrize(
    ("fault", "fate", "status", "answer"),
    [
        ("ok", "answered", 200, "whole"),
        ("slow-body", "answered", 200, "trickle"),
        ("missing-entry", "answered", 200, "whole"),
        ("answer-lost", "lost", None, "closed"),
        ("reset-after", "lost", None, "reset"),
        ("cut-body", "lost", 200, "cut"),
        ("html", "lost", 200, "whole"),
        ("http-504", "lost", 504, "whole"),
        ("rate-limited", "refused", 429, "whole"),
        ("rate-limited-html", "refused", 429, "whole"),
        ("refuse", "refused", 200, "whole"),
        ("http-500", "failed", 500, "whole"),
        ("reset-before", "failed", None, "reset"),
    ],
)
async def test_the_fate_of_a_request(fault, fate, status, answer):
    """`fate` is what the sender of a request can know about it."""
    async with running(slow=0.001) as (sandbox, client):
        sandbox.fail_next(fault)
        await client.post()
        found = await client.get("/requests", fate=fate)
        others = await client.get("/requests", fault="bom")

    (shown,) = found["requests"]
    assert (fate, status, answer) == (shown["fate"], shown["status"], shown["answer"])
    assert [] == others["requests"]


async def test_a_list_of_requests():
    """Requests of all senders are listed oldest first, in pages."""
    async with running() as (_, client):
        for key in (KEY, "cspro_wrong", KEY):
            await client.post([PHONE, OTHER_PHONE], key=key)
        shown = await client.get("/requests", limit=2)
        before = await client.get("/requests", before=2)
        after = await client.get("/requests", after=1, limit=1)

    assert [(2, 0, "INVALID_API_KEY"), (3, 2, None)] == [
        (request["id"], request["accepted"], request["code"]) for request in shown["requests"]
    ]
    assert ([1], [2]) == tuple([r["id"] for r in page["requests"]] for page in (before, after))
    assert (2, True, 3) == (after["requests"][0]["numbers"], after["has_more"], after["total"])


@pytest.mark.parametrize("path", ["/messages", "/requests"])
async def test_paging_from_the_beginning(path):
    """With `after=0`, pages begin with the oldest entry."""
    async with running() as (_, client):
        for _n in range(3):
            await client.post()
        first = await client.get(path, after=0, limit=2)
        _, rest = next(iter(first.values()))
        second = await client.get(path, after=rest["id"], limit=2)

    assert (2, True) == (len(next(iter(first.values()))), first["has_more"])
    assert (1, False) == (len(next(iter(second.values()))), second["has_more"])


async def test_the_duration_of_an_answer():
    """`took` is in the list and in the single request, also after clearing."""
    async with running(latency=0.02) as (sandbox, client):
        await client.post()
        (listed,) = (await client.get("/requests"))["requests"]
        alone = await client.get("/requests/1")
        sandbox.clear()
        await client.post()
        again = await client.get("/requests/2")

    assert listed["took"] == alone["took"] >= 0.02
    assert again["took"] >= 0.02


async def test_a_raw_request_and_answer():
    """Both are shown verbatim without the key, even an answer that was lost."""
    async with running() as (sandbox, client):
        sandbox.fail_next("answer-lost")
        await client.post("+12125551234", "Hé \u05d0")
        shown = await client.get("/requests/1")

    head, _, body = shown["raw_request"].partition("\r\n\r\n")
    assert head.startswith("POST /sms_system/api.php HTTP/1.1\r\nHost: 127.0.0.1:")
    assert body.startswith(f'{{"api_key": "{ACCOUNT}", "phone": "+12125551234", "message": "H')
    assert shown["raw_answer"].startswith("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    assert '"message_id":"msg_123456"' in shown["raw_answer"]


async def test_no_key_is_shown():
    """No answer contains a key, wherever a program has put it."""
    async with running() as (sandbox, client):
        await client.post()
        await client.post(phone=KEY, text=f"my key is {KEY}")
        await client.post(key="cspro_canary_of_a_stranger")
        await client.raw("POST", "/sms_system/api.php?key=" + KEY, {"api_key": KEY})
        paths = ["/status", "/messages", "/requests", "/conversations", "/faults", "/limit"]
        paths += [f"/requests/{n}" for n in range(1, 5)]
        answers = [await client.raw("GET", f"/_sandbox{path}") for path in paths]
        answers += [await client.raw("GET", f"/_sandbox/usage?key={KEY}")]
        answers += [await client.raw("GET", f"/_sandbox/usage?key={KEY}x")]
        answers += [await client.raw("GET", f"/_sandbox/usage?{KEY}=x")]

    assert [200] * 11 + [404, 400] == [status for status, _ in answers]
    assert [] == [text for _, text in answers if "canary" in text]
    assert 4 == len(sandbox.requests)


async def test_the_overview():
    """The overview has accounts, unknown keys, counts, clock, faults and limit."""
    async with running(limit=100, clock=lambda: NOON, standing="bom") as (_, client):
        await client.post()
        await client.post(key="cspro_wrong")
        shown = await client.get("/status")

    mine, stranger = shown["accounts"]
    assert (ACCOUNT, 97, 1, 0, 1) == (
        mine["account"],
        mine["credits"],
        mine["messages"],
        mine["duplicates"],
        mine["usage"]["used"],
    )
    assert (None, 0) == (stranger["credits"], stranger["messages"])
    assert (1, 2, 50_000, "bom", 100, "2026-06-01T12:00:00.000Z") == (
        shown["messages"],
        shown["requests"],
        shown["keep"],
        shown["faults"]["standing"],
        shown["limit"]["limit"],
        shown["clock"]["now"],
    )
