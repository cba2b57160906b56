"""The synchronous client, as used by a program without an event loop, against the sandbox."""

import asyncio
import contextvars
import inspect
import os
import pickle
import threading
import time
import traceback

import pytest

import customersms_async
from customersms_async import (
    AuthenticationError,
    BulkInterrupted,
    ConfigurationError,
    InvalidPhone,
    LocalLimiter,
    Message,
    OutcomeUnknown,
    OutOfCredits,
    Rate,
    Status,
)
from customersms_async.sync import CustomerSMS

PHONE = "+12125551234"
NUMBERS = [f"+1212555{n:04d}" for n in range(250)]


@pytest.fixture
def sms(sms_sandbox):
    """A client of the sandbox."""
    with CustomerSMS() as client:
        yield client


def test_send(sms, sms_sandbox):
    """A message is sent, and the receipt is that of the asynchronous client."""
    receipt = sms.send(PHONE, "Your code is 4711", timeout=5)

    assert isinstance(receipt, customersms_async.Receipt)
    assert (PHONE, 9_999) == (receipt.phone, receipt.remaining_credits)
    assert "4711" == sms_sandbox.last_code(PHONE)
    assert 9_999 == sms.credits.amount


def test_errors(sms, sms_sandbox):
    """Errors are those of the asynchronous client."""
    sms_sandbox.credits = 0
    with pytest.raises(OutOfCredits):
        sms.send(PHONE, "Hello")
    with pytest.raises(InvalidPhone):
        sms.send("212", "Hello")

    assert () == sms_sandbox.messages


def test_send_many(sms, sms_sandbox):
    """A list is sent to, and the report has every fate."""
    report = sms.send_many([*NUMBERS, NUMBERS[0], "nonsense"], "Hello", batch_size=50)

    assert (250, 2, 252) == (report.sent, report.not_sent, report.total)
    assert (250, ()) == (len(sms_sandbox.messages), sms_sandbox.duplicates())


def test_send_messages(sms, sms_sandbox):
    """Each number gets its own text, and references are returned."""
    report = sms.send_messages(
        Message(phone, f"Hello {n}", n) for n, phone in enumerate(NUMBERS[:3])
    )

    assert [0, 1, 2] == [outcome.ref for outcome in report]
    assert {"Hello 0", "Hello 1", "Hello 2"} == {message.text for message in sms_sandbox.messages}


def test_stream_many(sms, sms_sandbox):
    """Outcomes arrive one by one, and progress can be read meanwhile."""
    with sms.stream_many(iter(NUMBERS), "Hello", batch_size=50) as bulk:
        first = next(bulk)
        waiting = bulk.progress.total
        rest = list(bulk)

    assert (Status.SENT, 249) == (first.status, len(rest))
    assert 0 < waiting <= 250 == bulk.progress.sent
    assert 250 == len(sms_sandbox.messages)


def test_stream_messages(sms):
    """A stream of messages runs to its end even if nobody takes its outcomes."""
    with sms.stream_messages([Message(PHONE, "one"), Message(PHONE, "two")]) as bulk:
        progress = bulk.finish()

    assert (2, True) == (progress.sent, progress.complete)


def test_leaving_a_stream(sms, sms_sandbox):
    """Leaving the block stops the run, and requests in flight are answered."""
    with sms.stream_many(iter(NUMBERS), "Hello", batch_size=10, max_in_flight=1) as bulk:
        next(bulk)

    assert len(sms_sandbox.messages) == bulk.progress.sent < 250
    assert f"{bulk.progress.sent} sent" in repr(bulk)
    assert bulk.progress.sent - 1 == len(bulk.leftovers)


def test_stop_from_another_thread(sms, sms_sandbox):
    """A run can be stopped from any thread; its iteration ends with the requests in flight."""
    with sms.stream_many(iter(NUMBERS), "Hello", batch_size=10, max_in_flight=1) as bulk:
        next(bulk)
        thread = threading.Thread(target=bulk.stop)
        thread.start()
        thread.join()
        outcomes = list(bulk)

    assert {"STOPPED"} >= {one.code for one in outcomes if one.status is not Status.SENT}
    assert len(sms_sandbox.messages) == bulk.progress.sent < 250


def test_outside_the_block(sms):
    """A run cannot be iterated over before or after its block."""
    bulk = sms.stream_many([PHONE], "Hello")
    with pytest.raises(RuntimeError, match=r"inside its block: with sms\.stream_many"):
        iter(bulk)
    with bulk:
        bulk.finish()
    with pytest.raises(RuntimeError, match="inside its block"):
        next(bulk)


def test_invalid_arguments(sms):
    """Invalid input is refused before anything is opened."""
    with pytest.raises(TypeError, match="iterable"):
        sms.send_many(7, "Hello")
    with pytest.raises(TypeError, match="iterable"):
        sms.stream_many(None, "Hello")
    with pytest.raises(TypeError, match="no option 'batches'"):
        sms.send_many([PHONE], "Hello", batches=3)
    with pytest.raises(ConfigurationError, match="api_key is empty"):
        CustomerSMS("")


def test_another_account(sms, sms_sandbox, request):
    """`for_key` shares the limiter, and keeps attributes of a subclass."""

    class Mine(CustomerSMS):
        tenant = "none"

    with Mine() as mine:
        mine.tenant = "one"
        other = mine.for_key("cspro_nobody_knows")
        with pytest.raises(AuthenticationError):
            other.send(PHONE, "Hello")
        other.close()
        mine.send(PHONE, "Hello")
    thread = request.getfixturevalue("_sms_sandbox_thread")
    thread.call(lambda: thread.sandbox.clear("cspro_nobody_knows"))

    assert ("one", True) == (other.tenant, other.limiter is mine.limiter)
    assert mine.account != other.account
    assert 1 == len(sms_sandbox.messages)
    with pytest.raises(ConfigurationError, match="api_key is empty"):
        sms.for_key("")


def test_a_client_that_was_closed(sms):
    """A closed client opens a new session with the next call."""
    sms.send(PHONE, "one")
    sms.close()

    assert sms.send(PHONE, "two").message_id


def test_it_hides_the_key(sms_sandbox):
    """No repr, pickle or frame of an error contains the key."""
    key = "cspro_Canary42Xyz"
    sms = CustomerSMS(key)
    with pytest.raises(ConfigurationError) as wrong:
        CustomerSMS(f"'{key}'")
    with pytest.raises(ConfigurationError) as wrong_too:
        sms.for_key(f"'{key}'")
    shown = [
        repr({name: value for name, value in frame.f_locals.items() if name != "self"})
        for caught in (wrong, wrong_too)
        for frame, _ in traceback.walk_tb(caught.tb)
        if "customersms_async" in frame.f_code.co_filename
    ]

    assert f"<sync CustomerSMS account {sms.account} at" in repr(sms)
    assert "Canary" not in repr(sms) + repr(vars(sms))
    assert shown
    assert [] == [one for one in shown if "Canary" in one]
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(sms)


@pytest.mark.parametrize("name", ["__init__", "for_key", "send", "send_many", "send_messages",
                                  "stream_many", "stream_messages"])  # fmt: skip
def test_signatures_equal_the_asynchronous_client(name):
    """Parameters have the same names, order and defaults, except for `session`."""

    def parameters(kind: type) -> list[tuple[str, object]]:
        found = inspect.signature(getattr(kind, name)).parameters.values()
        return [(one.name, one.default) for one in found if one.name != "session"]

    assert parameters(customersms_async.CustomerSMS) == parameters(CustomerSMS)


def test_names_equal_the_asynchronous_client():
    """Every public name of the asynchronous client is there, with `close` for `aclose`."""

    def offered(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert offered(customersms_async.CustomerSMS) - {"aclose"} == offered(CustomerSMS) - {"close"}


async def test_a_thread_with_an_event_loop(sms_sandbox):
    """A call in a thread with an event loop raises an error, sends nothing, and can be closed."""
    sms = CustomerSMS()
    with pytest.raises(RuntimeError, match=r"await customersms_async\.CustomerSMS instead"):
        sms.send(PHONE, "Hello")
    with pytest.raises(RuntimeError, match="event loop"):
        sms.send_many([PHONE], "Hello")
    bulk = sms.stream_many([PHONE], "Hello")
    with pytest.raises(RuntimeError, match="event loop"):
        bulk.__enter__()
    await asyncio.to_thread(bulk.__enter__)
    bulk.__exit__(None, None, None)
    sms.close()

    assert len(sms_sandbox.messages) <= 1


def test_a_call_within_a_hook(sms_sandbox):
    """A hook that calls the client gets an error instead of a deadlock."""
    errors: list[str] = []

    def on_request(_record: object) -> None:
        try:
            sms.send(PHONE, "again")
        except RuntimeError as error:
            errors.append(str(error))

    with CustomerSMS(on_request=on_request) as sms:
        sms.send(PHONE, "Hello")

    assert 1 == len(errors)
    assert ["Hello"] == [message.text for message in sms_sandbox.messages]


def test_closing_within_a_hook(sms_sandbox):
    """A hook that closes the client gets an error instead of a deadlock."""
    errors: list[str] = []

    def on_request(_record: object) -> None:
        try:
            sms.close()
        except RuntimeError as error:
            errors.append(str(error))

    with CustomerSMS(on_request=on_request) as sms:
        sms.send(PHONE, "Hello")

    assert ["on_request" in error for error in errors] == [True]
    assert ["Hello"] == [message.text for message in sms_sandbox.messages]


def test_progress_within_a_hook(sms_sandbox):
    """A hook may read the counts of a run."""
    seen: list[int] = []

    def on_request(_record: object) -> None:
        seen.append(bulk.progress.total)

    with CustomerSMS(on_request=on_request) as sms:  # noqa: SIM117  # the run needs the client
        with sms.stream_many([PHONE, "+12125550124"], "Hello") as bulk:
            outcomes = list(bulk)

    assert [0] == seen  # the outcomes of a request count once its hooks have been called
    assert 2 == len(outcomes)


def test_a_frozen_clock(sms_sandbox, monkeypatch):
    """While a test freezes the clock, a call still ends at its timeout."""
    sms_sandbox.fail_next("stall")
    now = time.monotonic
    began = now()
    with CustomerSMS() as sms, monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: 0.0)  # as freezegun does
        with pytest.raises(OutcomeUnknown):
            sms.send(PHONE, "Hello", timeout=0.2)

    assert now() - began < 20


def test_many_threads(sms, sms_sandbox):
    """Twenty threads send with one client, and every message arrives once."""

    def work(n: int) -> None:
        for k in range(10):
            sms.send(PHONE, f"{n} {k}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (200, ()) == (len(sms_sandbox.messages), sms_sandbox.duplicates())


def test_the_context_of_the_caller(sms_sandbox):
    """A hook sees the context variables of the calling thread, such as a request id."""
    trace_id = contextvars.ContextVar("trace_id", default="none")
    seen: list[str] = []
    with CustomerSMS(on_request=lambda _record: seen.append(trace_id.get())) as sms:
        trace_id.set("seven")
        sms.send(PHONE, "Hello")

    assert ["seven"] == seen


def test_a_shared_limiter(sms_sandbox):
    """A limiter can be shared by threads and asynchronous clients."""
    limiter = LocalLimiter(Rate(1, per=60))
    with CustomerSMS(limiter=limiter) as sms:
        sms.send(PHONE, "Hello")

        async def send() -> None:
            async with customersms_async.CustomerSMS(limiter=limiter) as other:
                await other.send(PHONE, "Hello", timeout=1)

        with pytest.raises(customersms_async.WaitTooLong):
            asyncio.run(send())

    assert 1 == len(sms_sandbox.messages)


def test_usage_and_ready(sms):
    """`usage` and `ready` are those of the asynchronous client."""
    sms.ready()
    before = sms.usage()
    sms.send(PHONE, "Hello")

    assert (0, 0, None) == (before.in_flight, before.waiting, before.paused_until)


def test_a_client_from_the_environment(sms_sandbox, monkeypatch):
    """Key and endpoint are read from the same variables as in the asynchronous client."""
    assert os.environ["CUSTOMERSMS_ENDPOINT"] in repr(CustomerSMS())
    monkeypatch.delenv("CUSTOMERSMS_API_KEY")
    with pytest.raises(ConfigurationError, match="CUSTOMERSMS_API_KEY"):
        CustomerSMS()


class Broken(Exception):
    """Raised by the caller's iterable."""


def broken(count: int):
    yield from NUMBERS[:count]
    raise Broken


@pytest.mark.parametrize("count", [0, 120])
def test_an_iterable_that_raises(sms, sms_sandbox, count):
    """The error is the cause of `BulkInterrupted`, whose report has everything done so far."""
    with pytest.raises(BulkInterrupted) as caught:
        sms.send_many(broken(count), "Hello")

    assert isinstance(caught.value.__cause__, Broken)
    assert count == caught.value.report.total
    assert len(sms_sandbox.messages) == caught.value.report.sent
