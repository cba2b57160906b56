"""The fixture `sms_sandbox` and clients that were made before it, in it, or for another test."""

import asyncio
import os
import threading
import time

import pytest

from customersms_async import (
    AuthenticationError,
    ConfigurationError,
    CustomerSMS,
    LocalLimiter,
    Rate,
    WaitTooLong,
)
from customersms_async.sandbox._fixture import open_account

PHONE = "+12125551234"
ELSEWHERE = "https://gateway.invalid/sms_system/api.php"


@pytest.fixture(scope="module")
def old_client() -> CustomerSMS:
    """A client that the application made before any test, for a gateway on another machine."""
    return CustomerSMS("cspro_real", endpoint=ELSEWHERE)


OUT_OF_REACH = (
    r"^the endpoint of the CustomerSMS made at .*test_fixture_and_client\.py:\d+ is out of reach: "
    r"a test with the fixture sms_sandbox can reach this machine only\. .* function scope; "
    r"one that a module makes at import is replaced by "
    r"monkeypatch\.setattr\('module\.sms', CustomerSMS\(\)\)$"
)


async def test_an_older_client_cannot_send(old_client, sms_sandbox):
    """A client that was made before the fixture cannot send; the error names it."""
    with pytest.raises(ConfigurationError, match=OUT_OF_REACH):
        await old_client.send(PHONE, "Hello")

    assert () == sms_sandbox.requests


async def test_an_older_client_cannot_send_in_bulk(old_client, sms_sandbox):
    """A bulk run of such a client does not start."""
    with pytest.raises(ConfigurationError, match=OUT_OF_REACH):
        await old_client.send_many([PHONE], "Hello")

    assert () == sms_sandbox.requests


async def test_an_older_client_of_another_account(old_client, sms_sandbox):
    """`for_key` of such a client cannot send either."""
    with pytest.raises(ConfigurationError, match=OUT_OF_REACH):
        await old_client.for_key("cspro_other").send(PHONE, "Hello")

    assert () == sms_sandbox.requests


async def test_a_new_client_for_another_machine(sms_sandbox):
    """A client that a test makes for another machine cannot send."""
    with pytest.raises(ConfigurationError, match=OUT_OF_REACH):
        await CustomerSMS(endpoint=ELSEWHERE).send(PHONE, "Hello")

    assert () == sms_sandbox.requests


def test_an_older_client_in_another_thread(old_client, sms_sandbox):
    """The restriction to this machine applies to all threads."""
    errors: list[BaseException] = []

    def send() -> None:
        try:
            asyncio.run(old_client.send(PHONE, "Hello"))
        except ConfigurationError as error:
            errors.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()

    assert 1 == len(errors)
    assert () == sms_sandbox.requests


async def test_a_client_that_outlives_its_test(request):
    """The error for an old key names the test that it belonged to."""
    thread = request.getfixturevalue("_sms_sandbox_thread")
    with open_account(thread, {}, name="tests/test_it.py::test_first") as first:
        sms = CustomerSMS(first.key, endpoint=first.endpoint)
    async with sms:
        with pytest.raises(AuthenticationError) as caught:
            await sms.send(PHONE, "Hello")
    thread.call(lambda: thread.sandbox.clear(first.key))

    assert (
        "Invalid or inactive API key: it belonged to tests/test_it.py::test_first, which has "
        "ended; make a new client in each test"
    ) == caught.value.detail


async def test_many_numbers(sms_sandbox):
    """30 requests are sent at once, since the client's own limit is off."""
    numbers = [f"+1212555{n:04d}" for n in range(3_000)]
    began_at = time.monotonic()
    async with CustomerSMS() as sms:
        report = await sms.send_many(numbers, "We open at nine")

    assert (3_000, 3_000) == (report.sent, len(sms_sandbox.messages))
    assert time.monotonic() - began_at < 8  # about one second; 13 with the limit


async def test_more_messages_than_the_limit_allows(sms_sandbox):
    """More than a hundred single messages are sent within one minute."""
    async with CustomerSMS() as sms:
        await asyncio.gather(*(sms.send(PHONE, f"{n}", timeout=20) for n in range(120)))

    assert 120 == len(sms_sandbox.messages)


async def test_advancing_the_clock_ends_a_pause(sms_sandbox):
    """Advancing the sandbox's clock ends the pause of a rate-limited client."""
    sms_sandbox.limit(1)
    async with CustomerSMS() as sms:
        await sms.send(PHONE, "one")
        run = asyncio.create_task(sms.send_many([PHONE], "two"))
        while not sms_sandbox.refused:  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(0.01)
        with pytest.raises(WaitTooLong):
            await sms.send(PHONE, "three", timeout=1)
        sms_sandbox.advance(60)
        report = await asyncio.wait_for(run, 10)

    assert 1 == report.sent
    assert ["one", "two"] == [message.text for message in sms_sandbox.messages]


async def test_an_explicit_limiter_is_used(sms_sandbox):
    """A limiter that a test gives to its client is used."""
    limiter = LocalLimiter(Rate(1, per=60))
    async with CustomerSMS(limiter=limiter) as sms:
        await sms.send(PHONE, "one")
        with pytest.raises(WaitTooLong):
            await sms.send(PHONE, "two", timeout=1)

    assert 1 == len(sms_sandbox.messages)


def test_a_limiter_from_the_environment_is_ignored(sms_sandbox, monkeypatch, tmp_path):
    """A limiter named in the environment is not used with the fixture."""
    monkeypatch.setenv("CUSTOMERSMS_LIMITER", f"sqlite:///{tmp_path}/limiter.db")

    assert "Unlimited" in type(CustomerSMS().limiter).__name__


def test_other_variables_are_unchanged(sms_sandbox):
    """The fixture sets the variables for key and endpoint, and no others."""
    ours = {name for name in os.environ if name.startswith("CUSTOMERSMS_")}

    assert {"CUSTOMERSMS_API_KEY", "CUSTOMERSMS_ENDPOINT"} >= ours - {"CUSTOMERSMS_TEST_LOOP"}
