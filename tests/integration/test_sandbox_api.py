"""The sandbox as tests use it, with a plain HTTP client on a real socket."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from customersms_async.sandbox import Sandbox, SandboxMessage

KEY = "cspro_test"
PHONE = "+12125551234"


class Client:
    """Posts requests and returns the answers."""

    def __init__(self, session: aiohttp.ClientSession, sandbox: Sandbox) -> None:
        self.session = session
        self.sandbox = sandbox

    async def post(self, phone: object = PHONE, text: str = "Hello", key: str = KEY):
        fields = {"api_key": key, "phone": phone, "message": text}
        async with self.session.post(self.sandbox.endpoint, json=fields) as response:
            return await response.json()

    async def status(self) -> tuple[int, str | None]:
        fields = {"api_key": KEY, "phone": PHONE, "message": "Hello"}
        async with self.session.post(self.sandbox.endpoint, json=fields) as response:
            return response.status, response.headers.get("Retry-After")


@contextlib.asynccontextmanager
async def running(**options: object) -> AsyncIterator[tuple[Sandbox, Client]]:
    options.setdefault("keys", {KEY: 98})
    async with Sandbox(**options) as sandbox, aiohttp.ClientSession() as session:
        yield sandbox, Client(session, sandbox)


@pytest.mark.parametrize("phone", [PHONE, f"{PHONE},+13235554567", [PHONE, "+13235554567"]])
async def test_each_form_of_phone(phone):
    """A string, a comma-separated string and an array are answered as documented."""
    async with running() as (sandbox, client):
        said = await client.post(phone)

    count = said["total_numbers"]
    assert {
        "success": True,
        "message": "SMS sending completed",
        "total_numbers": count,
        "successful_sends": count,
        "failed_sends": 0,
        "remaining_credits": 98 - count,
        "results": [
            {"phone": message.phone, "success": True, "message_id": message.message_id}
            for message in sandbox.messages
        ],
    } == said


async def test_credits_and_keys():
    """Each key has its own credits, which can be read and set at any time."""
    async with running(keys={KEY: 2, "cspro_other": 5}) as (sandbox, client):
        await client.post([PHONE, PHONE, PHONE])
        refused = await client.post()
        sandbox.set_credits(KEY, 1)
        sandbox.set_credits("cspro_new", 1)
        carried_out = [await client.post(), await client.post(key="cspro_new")]

    assert "INSUFFICIENT_CREDITS" == refused["code"]
    assert [True, True] == [said["success"] for said in carried_out]
    assert [0, 5, 0] == [sandbox.credits_of(key) for key in (KEY, "cspro_other", "cspro_new")]


async def test_credits_of_the_only_account():
    """With one account, credits can be read and set without a key."""
    async with running(keys={KEY: 5}) as (sandbox, client):
        await client.post()
        left, sandbox.credits = sandbox.credits, 3
        await client.post()

    assert (4, 2, 2) == (left, sandbox.credits, sandbox.credits_of(KEY))


def test_credits_of_several_accounts():
    """With several accounts, the error names the methods that take a key."""
    sandbox = Sandbox(keys={KEY: 5, "cspro_other": 5})
    with pytest.raises(ValueError, match=r"one account, and this one has 2; use credits_of\(key\)"):
        sandbox.credits = 3

    assert 5 == sandbox.credits_of(KEY)


async def test_too_many_numbers():
    """A request with too many numbers is refused as a whole and costs nothing."""
    async with running(keys={KEY: 9}, most_numbers=2) as (sandbox, client):
        refused = await client.post([PHONE] * 3)
        await client.post([PHONE] * 2)

    assert (
        "TOO_MANY_NUMBERS",
        "Too many numbers: at most 2 in one request",
    ) == (refused["code"], refused["error"])
    assert (7, 3) == (sandbox.credits, len(sandbox.refused[0].phones))


async def test_a_price():
    """The price is charged for each number."""
    async with running(price=3) as (sandbox, client):
        await client.post([PHONE, PHONE])

    assert 92 == sandbox.credits_of(KEY)


async def test_what_was_received():
    """Requests, refusals, messages, duplicates and codes can be read, even after the end."""
    async with running(clock=iter(range(100)).__next__) as (sandbox, client):
        await client.post(text="Your code is 4711")
        await client.post(text="Your code is 4711")
        await client.post(key="cspro_wrong")

    assert [(1, 0, 1, 200), (2, 1, 1, 200), (3, 2, 0, 200)] == [
        (request.id, request.at, request.accepted, request.status) for request in sandbox.requests
    ]
    assert ["INVALID_API_KEY"] == [request.code for request in sandbox.refused]
    assert sandbox.messages[1:] == sandbox.duplicates()
    assert "4711" == sandbox.last_code(PHONE)


async def test_clear():
    """`clear` empties the mailbox and the script; credits are kept."""
    async with running() as (sandbox, client):
        await client.post()
        sandbox.fail_next("http-500", times=3)
        sandbox.clear()
        said = await client.post()

    assert (1, 1, 96) == (len(sandbox.messages), len(sandbox.requests), said["remaining_credits"])


async def test_a_script():
    """Faults are applied in the order of the script, with `ok` for requests without one."""
    async with running() as (sandbox, client):
        sandbox.fail_next("http-500", times=2)
        sandbox.fail_next("ok")
        sandbox.fail_next("rate-limited", retry_after=7)
        sandbox.fail_next("http-503", retry_after="soon")
        seen = [await client.status() for _ in range(6)]

    assert [(500, None), (500, None), (200, None), (429, "7"), (503, "soon"), (200, None)] == seen
    assert 2 == len(sandbox.messages)


async def test_waiting_for_a_message_that_is_there():
    """A wait returns at once if a message matches; the oldest one is returned."""
    async with running() as (sandbox, client):
        await client.post(text="one")
        await client.post(text="two")

        assert "one" == (await sandbox.wait_for(phone="+1 212 555 1234", timeout=0)).text
        assert "two" == (await sandbox.wait_for(contains="w", timeout=0)).text


async def test_waiting_for_a_future_message():
    """A wait returns the first message that matches; other waits continue."""
    async with running() as (sandbox, client):
        waits = [
            asyncio.create_task(sandbox.wait_for(contains="two")),
            asyncio.create_task(sandbox.wait_for(phone="+13235554567")),
            asyncio.create_task(sandbox.wait_for()),
        ]
        await asyncio.sleep(0)
        await client.post(text="one")
        await client.post([PHONE, "+13235554567"], text="two")
        found: list[SandboxMessage] = await asyncio.gather(*waits)

    assert [(PHONE, "two"), ("+13235554567", "two"), (PHONE, "one")] == [
        (message.phone, message.text) for message in found
    ]


async def test_messages_after_a_cancelled_wait():
    """Messages may arrive between the cancellation of a wait and its removal."""
    async with running() as (sandbox, client):
        wait = asyncio.create_task(sandbox.wait_for(contains="two"))
        await asyncio.sleep(0)
        await client.post(text="one")
        wait.cancel()
        sandbox._service.receive(b'{"api_key":"cspro_test"}')
        await client.post(text="two")

        assert wait.cancelled()


async def test_two_messages_before_a_waiter_runs():
    """A wait returns the first of two messages that arrive before it runs."""
    body = b'{"api_key":"cspro_test","phone":"+12125551234","message":"%d"}'
    async with running() as (sandbox, _client):
        wait = asyncio.create_task(sandbox.wait_for())
        await asyncio.sleep(0)
        for n in range(2):
            sandbox._service.receive(body % n)

        assert "0" == (await wait).text


async def test_a_wait_that_times_out():
    """The error says what was awaited, for how long, and what arrived instead."""
    async with running() as (sandbox, client):
        await client.post(text="Hello")
        with pytest.raises(TimeoutError) as caught:
            await sandbox.wait_for(phone=PHONE, contains="Bye", timeout=0.01)

    assert (
        "no message to +12125551234 that contains 'Bye' within 0.01 s; 1 arrived"
        "\n  +12125551234: 'Hello'"
    ) == str(caught.value)


@pytest.mark.parametrize("latency", [0.03, lambda: 0.03])
async def test_latency(latency):
    """Every answer is delayed by the latency; the message is stored before."""
    async with running(latency=latency) as (sandbox, client):
        start = time.perf_counter()
        answer = asyncio.create_task(client.post())
        await sandbox.wait_for()
        was_answered = answer.done()
        await answer

    assert not was_answered
    assert time.perf_counter() - start >= 0.02


async def test_the_limit_is_enforced():
    """Above the limit a request gets 429 and the seconds to wait."""
    now = [1000.0]
    async with running(limit=2, per=60, clock=lambda: now[0]) as (sandbox, client):
        seen = [await client.status() for _ in range(3)]
        now[0] += 60
        seen.append(await client.status())

    assert [(200, None), (200, None), (429, "60"), (200, None)] == seen
    assert ["RATE_LIMIT_EXCEEDED"] == [request.code for request in sandbox.refused]


@pytest.mark.parametrize(
    ("rule", "admitted"),
    [
        ("fixed-window", 25),
        ("sliding-log", 25),
        ("sliding-counter", 25),
        ("token-bucket", 25),
        ("gcra", 10),
        ("nginx", 21),
    ],
)
async def test_each_rate_rule(rule, admitted):
    """Each rule admits its own number of requests at once, then continues at its own pace."""
    now = [600.0]
    options = {"limit": 25, "rule": rule, "clock": lambda: now[0], "retry_after": "none"}
    async with running(**options) as (_sandbox, client):
        burst = [await client.status() for _ in range(30)]
        now[0] += 2.5  # a little more than 60 s / 25
        after = [await client.status() for _ in range(2)]

    assert [(200, None)] * admitted + [(429, None)] * (30 - admitted) == burst
    paced = rule in {"token-bucket", "gcra", "nginx"}
    assert [(200 if paced else 429, None), (429, None)] == after


async def test_closing_answers_requests_in_flight():
    """Closing ends delays, and requests in flight are still answered."""
    async with aiohttp.ClientSession() as session:
        start = time.perf_counter()
        async with Sandbox(keys={KEY: 5}, latency=30) as sandbox:
            answer = asyncio.create_task(Client(session, sandbox).post())
            await sandbox.wait_for()

        assert (await answer)["success"]
    assert time.perf_counter() - start < 5


async def test_a_sandbox_can_be_entered_again():
    """The same sandbox can be entered again, with its messages."""
    sandbox = Sandbox(keys={KEY: 5})
    for _ in range(2):
        async with sandbox, aiohttp.ClientSession() as session:
            await Client(session, sandbox).post()

    assert 2 == len(sandbox.messages)


async def test_a_sandbox_cannot_be_entered_twice():
    """Entering a running sandbox raises; leaving one that does not run does nothing."""
    sandbox = Sandbox()
    async with sandbox:
        with pytest.raises(RuntimeError, match="already running"):
            await sandbox.__aenter__()
    await sandbox.__aexit__(None, None, None)


async def test_there_is_an_address_only_while_it_runs():
    """Outside the block the address is not available."""
    with pytest.raises(RuntimeError, match="async with"):
        _ = Sandbox().endpoint


async def test_a_port_in_use():
    """If the port is in use, an error is raised, and nothing is left open."""
    async with Sandbox() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        other = Sandbox(port=port)
        with pytest.raises(OSError, match=str(port)):
            await other.__aenter__()

    assert "<Sandbox not running, 0 messages, 0 requests>" == repr(other)


@pytest.mark.parametrize(
    ("host", "start"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://127.0.0.1:"),
        pytest.param(
            "::1",
            "http://[::1]:",
            marks=pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6"),
        ),
    ],
)
async def test_the_address(host, start):
    """The URLs contain the host and port of the sandbox."""
    try:
        async with Sandbox(host=host) as sandbox:
            address = sandbox.endpoint
    except OSError as error:
        pytest.skip(f"{host} cannot be bound here: {error}")

    assert address.startswith(start)
    assert address.endswith("/sms_system/api.php")


async def test_other_paths_and_methods():
    """The API has one path and one method; others get 404 or 405."""
    async with running() as (sandbox, client):
        async with client.session.get(sandbox.endpoint) as wrong_method:
            pass
        async with client.session.post(f"{sandbox.url}/other") as wrong_path:
            pass

    assert (405, 404) == (wrong_method.status, wrong_path.status)
    assert () == sandbox.requests


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("host", "", "host"),
        ("host", 1, "host"),
        ("port", -1, "0 to 65535"),
        ("port", "80", "0 to 65535"),
        ("latency", -0.1, "seconds"),
        ("latency", float("nan"), "seconds"),
        ("limit", 0, "at least 1"),
        ("limit", True, "at least 1"),
        ("per", 0, "from 0.001"),
        ("rule", "leaky", "gcra"),
        ("rule", [], "gcra"),
        ("burst", 0, "at least 1"),
        ("refusal_status", 99, "200 to 599"),
        ("price", 0, "at least 1"),
        ("most_numbers", 0, "at least 1"),
        ("most_numbers", 10_001, "at most 10000"),
        ("slow", float("inf"), "seconds"),
        ("stall", None, "seconds"),
        ("keep", 0, "at least 1"),
        ("clock", 5, "function"),
    ],
)
def test_an_invalid_option(option, value, wanted):
    """An invalid option is refused by name, with its value and what is valid."""
    with pytest.raises(ValueError, match=f"^{option} must be .*{wanted}.*not ") as caught:
        Sandbox(**{option: value})

    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    "keys", [{}, None, "cspro_canary", {"": 1}, {"cspro_canary": -1}, {"cspro_canary": 1.5}]
)
def test_invalid_keys(keys):
    """Invalid accounts are refused, and the error does not contain the key."""
    with pytest.raises(ValueError, match=r"key|credits") as caught:
        Sandbox(keys=keys)

    assert "canary" not in str(caught.value)


def test_invalid_arguments_of_methods():
    """Unknown accounts and faults raise errors that say what is valid and hide the key."""
    sandbox = Sandbox(keys={"cspro_canary": 1})
    with pytest.raises(ValueError, match="set_credits") as unknown_key:
        sandbox.credits_of("cspro_canary2")
    with pytest.raises(ValueError, match=r"answer-lost.*not 'lost'"):
        sandbox.fail_next("lost")
    with pytest.raises(ValueError, match="from 1 to 10000, not 0"):
        sandbox.fail_next("html", times=0)
    with pytest.raises(ValueError, match="one printable line"):
        sandbox.fail_next("rate-limited", retry_after="7\r\nX-Other: 1")
    with pytest.raises(ValueError, match="not 'burts'"):
        sandbox.set_limit(5, burts=1)

    assert "canary" not in str(unknown_key.value) + repr(sandbox)


def test_options_are_read_only():
    """Assigning to an option raises an error."""
    with pytest.raises(AttributeError):
        Sandbox().limit = 5


async def test_a_price_by_segment():
    """A credit is charged for each segment and number."""
    async with running(price="segment") as (sandbox, client):
        await client.post([PHONE, "+13235554567"], "a" * 161)
        await client.post(text="a" * 160)

        assert 98 - 2 * 2 - 1 == sandbox.credits_of(KEY)


@pytest.mark.parametrize("wrong", [0.5, -1, "x", None, True])
async def test_an_invalid_result_of_the_price_function(wrong):
    """Nothing is accepted, and the answer names the option and the value."""
    async with running(price=lambda _text: wrong) as (sandbox, client):
        said = await client.post()

    reason = f"the function price must return a whole number of at least 0, not {wrong!r}"
    assert {"success": False, "error": reason} == said
    assert ((), 98) == (sandbox.messages, sandbox.credits_of(KEY))


@pytest.mark.parametrize(
    ("seconds", "delay"), [(-1, 0.0), (0.25, 0.25), (10**400, 3600.0), (float("inf"), 3600.0)]
)
def test_the_result_of_the_latency_function_is_clamped(seconds, delay):
    """The result of the function is brought into the range of a latency."""
    sandbox = Sandbox(latency=lambda: seconds)

    assert delay == sandbox._service.handler.faults.delay()


@pytest.mark.parametrize("wrong", [None, "x", float("nan"), True])
async def test_an_invalid_result_of_the_latency_function(wrong):
    """Nothing is accepted, and the answer names the option and the value."""
    async with running(latency=lambda: wrong) as (sandbox, client):
        said = await client.post()

    reason = f"the function latency must return a number of seconds, not {wrong!r}"
    assert {"success": False, "error": reason} == said
    assert ((), 98) == (sandbox.messages, sandbox.credits_of(KEY))
