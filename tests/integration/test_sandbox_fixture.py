"""The fixture `sms_sandbox` as tests use it, in this process."""

import asyncio
import os
import threading
import time

import attrs
import pytest
import requests

from customersms_async import CustomerSMS
from customersms_async.sandbox import Sandbox, SmsSandbox
from customersms_async.sandbox._fixture import open_account
from customersms_async.sandbox._gateway.masking import mask_key
from customersms_async.sandbox._thread import SandboxThread

PHONE = "+12125551234"


def send(phone: object = PHONE, text: str = "Your code is 4711"):
    """Send as a program does that knows only the environment, and return the answer."""
    fields = {"api_key": os.environ["CUSTOMERSMS_API_KEY"], "phone": phone, "message": text}
    return requests.post(os.environ["CUSTOMERSMS_ENDPOINT"], json=fields, timeout=10)


def test_environment_and_urls(sms_sandbox):
    """Both environment variables point to the sandbox, and its URLs are available."""
    assert (sms_sandbox.key, sms_sandbox.endpoint) == (
        os.environ["CUSTOMERSMS_API_KEY"],
        os.environ["CUSTOMERSMS_ENDPOINT"],
    )
    assert f"{sms_sandbox.url}/sms_system/api.php" == sms_sandbox.endpoint
    assert (f"{sms_sandbox.url}/", f"{sms_sandbox.url}/_sandbox/") == (
        sms_sandbox.inbox_url,
        sms_sandbox.help_url,
    )


def test_what_arrived(sms_sandbox):
    """Messages, codes, requests, duplicates and credits can be read."""
    send()
    send([PHONE, "+13235554567"])

    assert [PHONE, PHONE, "+13235554567"] == [message.phone for message in sms_sandbox.messages]
    assert [1, 2] == [request.accepted for request in sms_sandbox.requests]
    assert sms_sandbox.messages[1:2] == sms_sandbox.duplicates()
    assert ("4711", "4711", None) == (
        sms_sandbox.last_code(PHONE),
        sms_sandbox.last_code(),
        sms_sandbox.last_code("+1"),
    )
    assert (9_997, ()) == (sms_sandbox.credits, sms_sandbox.refused)
    assert sms_sandbox.messages[2:] == sms_sandbox.find(phone="+1 323 555 4567", contains="code")


async def test_an_async_test(sms_sandbox):
    """A coroutine can use the fixture, and wait without blocking its loop."""
    async with CustomerSMS() as sms:
        wait = asyncio.create_task(sms_sandbox.wait_for(phone=PHONE))
        receipt = await sms.send(PHONE, "Your code is 4711")
        message = await wait

    assert (receipt.message_id, "4711") == (message.message_id, sms_sandbox.last_code(PHONE))


def test_wait(sms_sandbox):
    """A wait returns a message that another thread sends."""
    thread = threading.Timer(0.02, send)
    thread.start()
    message = sms_sandbox.wait(phone=PHONE, contains="code")
    thread.join()

    assert "Your code is 4711" == message.text


def test_a_wait_that_times_out(sms_sandbox):
    """The error says what was awaited and what arrived instead."""
    send()
    with pytest.raises(TimeoutError) as caught:
        sms_sandbox.wait(contains="Bye", timeout=0)

    assert (
        f"no message that contains 'Bye' within 0 s; 1 arrived\n  {PHONE}: 'Your code is 4711'"
    ) == str(caught.value)


def test_a_wait_with_frozen_time(sms_sandbox, monkeypatch):
    """A wait ends in real time even if the test has stopped the clock."""
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)

    with pytest.raises(TimeoutError, match=r"^no message within 0\.01 s; 0 arrived$"):
        sms_sandbox.wait(timeout=0.01)


def test_a_wait_for_a_blocked_sandbox():
    """If a function of the test blocks the sandbox, a wait fails with that reason."""
    entered, free = threading.Event(), threading.Event()

    def latency() -> float:
        entered.set()
        free.wait(10)
        return 0.0

    sandbox = Sandbox(keys={"cspro_thread": 5}, latency=latency)
    with SandboxThread(sandbox, patience=0.0) as thread:
        mine = SmsSandbox(thread, "cspro_thread")
        fields = {"api_key": mine.key, "phone": PHONE, "message": "Hello"}
        sender = threading.Thread(
            target=requests.post, args=(mine.endpoint,), kwargs={"json": fields, "timeout": 10}
        )
        sender.start()
        entered.wait(10)
        with pytest.raises(TimeoutError, match=r"did not answer within 0 s; .* latency="):
            mine.wait(timeout=0)
        free.set()
        sender.join()


def test_a_function_that_uses_the_fixture(sms_sandbox):
    """A function passed to the sandbox may use the fixture, although it runs in another thread."""
    left: list[int] = []

    def latency() -> float:
        left.append(sms_sandbox.credits)
        sms_sandbox.credits = 7
        return 0.0

    sms_sandbox.set_faults(latency=latency)
    send()

    assert ([10_000], 6) == (left, sms_sandbox.credits)  # before the message is charged


def test_a_function_that_waits(sms_sandbox):
    """A function that waits gets an error instead of blocking the sandbox for ever."""
    said: list[str] = []

    def latency() -> float:
        with pytest.raises(RuntimeError) as caught:
            sms_sandbox.wait()
        said.append(str(caught.value))
        return 0.0

    sms_sandbox.set_faults(latency=latency)
    send()

    assert 1 == len(said)
    assert "cannot wait: it runs in the sandbox's own thread" in said[0]


async def test_a_blocking_wait_in_a_coroutine(sms_sandbox):
    """The error of a blocking wait in a coroutine suggests `await`."""
    with pytest.raises(TimeoutError, match=r"await sms_sandbox\.wait_for"):
        sms_sandbox.wait(timeout=0)


async def test_an_awaited_wait_that_times_out(sms_sandbox):
    """An awaited wait raises the same error, without that suggestion."""
    with pytest.raises(TimeoutError, match=r"0 arrived$"):
        await sms_sandbox.wait_for(timeout=0)


def test_an_awaited_wait_without_asyncio(sms_sandbox):
    """Without asyncio, as under trio, the error says what to use instead."""
    waiting = sms_sandbox.wait_for(timeout=0)
    with pytest.raises(RuntimeError, match=r"^wait_for needs asyncio; under trio, run wait in a"):
        waiting.send(None)


def test_faults(sms_sandbox):
    """Faults apply to this test's key, and can be switched off."""
    sms_sandbox.fail_next("rate-limited", retry_after=7)
    refused = send()
    sms_sandbox.set_faults(standing="http-500")
    failed = send()
    sms_sandbox.clear_faults()
    sent = send()

    assert [429, 500, 200] == [answer.status_code for answer in (refused, failed, sent)]
    assert ["RATE_LIMIT_EXCEEDED"] == [request.code for request in sms_sandbox.refused]


def test_faults_of_another_key(sms_sandbox, request):
    """Faults of one test do not apply to another's key."""
    sms_sandbox.set_faults(standing="http-500")
    thread = request.getfixturevalue("_sms_sandbox_thread")
    key = f"{sms_sandbox.key}_other"
    thread.call(lambda: thread.sandbox.set_credits(key, 5))
    fields = {"api_key": key, "phone": PHONE, "message": "Hello"}

    assert 200 == requests.post(sms_sandbox.endpoint, json=fields, timeout=10).status_code
    assert () == sms_sandbox.messages
    thread.call(lambda: thread.sandbox.close_account(key))


def test_requests_with_a_wrong_key_are_dropped(sms_sandbox, request):
    """Requests with an unknown key are dropped at the end of the test."""
    thread = request.getfixturevalue("_sms_sandbox_thread")
    fields = {"api_key": "cspro_nobody", "phone": PHONE, "message": "Hello"}
    with open_account(thread, {}) as other:
        refused = requests.post(other.endpoint, json=fields, timeout=10).json()

    assert "INVALID_API_KEY" == refused["code"]
    assert set() == thread.sandbox._service.handler.mailboxes.by_key.keys()


def test_nothing_remains_of_earlier_tests(sms_sandbox, request):
    """The shared sandbox has this test's account, and nothing of earlier tests."""
    handler = request.getfixturevalue("_sms_sandbox_thread").sandbox._service.handler
    strangers = handler.accounts.credits.keys() - {sms_sandbox.key}

    assert 1 == len(strangers)
    assert set() == handler.mailboxes.by_key.keys() | handler.limits.own.keys()
    assert {sms_sandbox.key} >= handler.faults.own.keys()


def test_there_is_no_limit_by_default(sms_sandbox):
    """The gateway's limit is enforced only if a test asks for it."""
    before = [send().status_code for _ in range(101)]
    sms_sandbox.limit(2, per=30, rate_refusal="http-503")
    after = [send().status_code for _ in range(3)]
    sms_sandbox.advance(30)

    assert [200] * 101 == before
    assert [200, 200, 503] == after
    assert (0, 2) == (sms_sandbox.usage.used, sms_sandbox.usage.free)


def test_the_clock_is_reset(request):
    """An advanced clock is reset before the next test."""
    thread = request.getfixturevalue("_sms_sandbox_thread")
    for _ in range(2):
        with open_account(thread, {}) as sandbox:
            before = thread.sandbox._service.clock.ahead
            sandbox.advance(3600)

            assert (0, 3600) == (before, thread.sandbox._service.clock.ahead)


def test_the_documented_limit(sms_sandbox):
    """Without a number, the limit is the gateway's."""
    sms_sandbox.limit()

    assert (100, 60) == (sms_sandbox.usage.limit, sms_sandbox.usage.per)


def test_credits_and_clearing(sms_sandbox):
    """Credits can be set, and clearing empties only the mailbox."""
    sms_sandbox.credits = 2
    send()
    sms_sandbox.fail_next("html", times=3)
    sms_sandbox.clear()

    assert (1, (), ()) == (sms_sandbox.credits, sms_sandbox.messages, sms_sandbox.requests)
    assert send().json()["success"]


@pytest.mark.sms_sandbox(script="500, 500", standing="http-503", limit=9)
def test_what_clear_keeps(sms_sandbox):
    """`clear` removes the script; a standing fault and the limit are kept."""
    sms_sandbox.clear()
    after = send().status_code
    sms_sandbox.clear_faults()

    assert (503, 200, 9) == (after, send().status_code, sms_sandbox.usage.limit)


@pytest.mark.sms_sandbox(credits=3, limit=5, rule="gcra", burst=2, script="500, ok")
def test_the_marker(sms_sandbox):
    """The marker sets credits, limit and faults of one test."""
    seen = [send().status_code for _ in range(3)]

    assert [500, 200, 429] == seen
    assert (2, "gcra", 2) == (
        sms_sandbox.credits,
        sms_sandbox.usage.rule,
        sms_sandbox.usage.capacity,
    )


@pytest.mark.sms_sandbox(rule="nginx")
def test_a_marker_with_a_rule_only(sms_sandbox):
    """A rule without a limit means the gateway's limit."""
    assert 100 == sms_sandbox.usage.limit


@pytest.mark.sms_sandbox
def test_the_marker_requests_the_fixture():
    """A test with the marker uses the fixture even without naming it."""
    assert 200 == send().status_code


def test_the_repr(sms_sandbox):
    """The repr shows what arrived, shortened to one line, without the key."""
    empty = repr(sms_sandbox)
    send(text="x" * 100)

    assert f"<sms_sandbox {sms_sandbox.url}, 0 messages, 0 requests>" == empty
    assert (
        f"<sms_sandbox {sms_sandbox.url}, 1 message, 1 request, the newest {PHONE}: '{'x' * 60}…'>"
    ) == repr(sms_sandbox)


def test_the_summary(sms_sandbox):
    """The summary has the messages, and which request had which fault."""
    send()
    sms_sandbox.fail_next("answer-lost")
    with pytest.raises(requests.ConnectionError):
        send(text="Hello")
    sms_sandbox.credits = 0
    send()

    assert (
        f"2 accepted, 3 requests at {sms_sandbox.url}\n"
        f"  {PHONE}  'Your code is 4711'\n"
        f"  {PHONE}  'Hello'\n"
        "  request 2: answer-lost\n"
        "  request 3: INSUFFICIENT_CREDITS"
    ) == sms_sandbox.summary().replace(
        f"request {sms_sandbox.requests[1].id}", "request 2"
    ).replace(f"request {sms_sandbox.requests[2].id}", "request 3")


def test_a_summary_with_unknown_keys(request):
    """The summary counts requests with an old key since the test began, with the key masked."""
    thread = request.getfixturevalue("_sms_sandbox_thread")

    def post(key: str) -> None:
        fields = {"api_key": key, "phone": PHONE, "message": "Hello"}
        requests.post(thread.sandbox.endpoint, json=fields, timeout=10)

    post("cspro_old")
    with open_account(thread, {}) as sandbox:
        before = sandbox.summary()
        post("cspro_old")
        post("cspro_old")
        after = sandbox.summary()
    thread.call(lambda: thread.sandbox.clear("cspro_old"))

    assert f"0 accepted, 0 requests at {sandbox.url}" == before
    assert (
        f"{before}\n  2 requests with the key {mask_key('cspro_old')}, which has no account: "
        "is its client older than this test?"
    ) == after


def test_many_threads(sms_sandbox):
    """Threads can send and read at the same time without losing anything."""
    counts: list[int] = []

    def work(n: int) -> None:
        for _ in range(10):
            send(text=f"{n}")
            counts.append(len(sms_sandbox.messages))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 60 == len(sms_sandbox.messages) == max(counts)
    assert 54 == len(sms_sandbox.duplicates())


def test_after_the_end():
    """After the end messages can still be read, and no thread is left."""
    with SandboxThread(Sandbox(keys={"cspro_thread": 5})) as thread:
        mine = SmsSandbox(thread, "cspro_thread")
        fields = {"api_key": mine.key, "phone": PHONE, "message": "Hello"}
        requests.post(mine.endpoint, json=fields, timeout=10)

    assert ["Hello"] == [message.text for message in mine.messages]
    assert "1 message" in repr(mine)
    assert not thread._thread.is_alive()


def test_closing_answers_requests_in_flight():
    """A request that waits for its answer gets it when the sandbox closes."""
    answers: list[int] = []
    with SandboxThread(Sandbox(keys={"cspro_thread": 5}, latency=60)) as thread:
        mine = SmsSandbox(thread, "cspro_thread")
        fields = {"api_key": mine.key, "phone": PHONE, "message": "Hello"}

        def post() -> None:
            answers.append(requests.post(mine.endpoint, json=fields, timeout=10).status_code)

        sender = threading.Thread(target=post)
        sender.start()
        mine.wait()
    sender.join()

    assert [200] == answers


def test_a_port_in_use(sms_sandbox):
    """If the port is in use, the error is raised where the thread was started."""
    port = int(sms_sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match=str(port)), SandboxThread(Sandbox(port=port)):
        pass


def test_results_are_immutable(sms_sandbox):
    """Results are immutable, and do not change while the test goes on."""
    send()
    (message,) = sms_sandbox.messages
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        message.text = "other"
