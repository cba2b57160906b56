"""Sending one message: its receipt, its errors, its time."""

from __future__ import annotations

import asyncio
import pickle

import msgspec
import pytest

from customersms_async import (
    AuthenticationError,
    ConfigurationError,
    ConnectFailed,
    InvalidMessage,
    InvalidPhone,
    LimiterUnavailable,
    NotSent,
    OutcomeUnknown,
    OutOfCredits,
    Receipt,
    Rejected,
    SendError,
    Status,
)
from customersms_async._ports.transport import TransportFailure
from tests.support.client_in_memory import (
    MemoryTransport,
    accepts,
    answers,
    breaks,
    cannot_connect,
    hangs,
    loses_answer,
    refuses,
    reply,
    strays,
)
from tests.support.limiter_callers import usage_now

pytestmark = pytest.mark.virtual_time

PHONE = "+12125551234"
TEXT = "Your code is 4711"


async def test_a_receipt(make_client):
    """An accepted message gives a receipt with its id and the balance."""
    gateway = MemoryTransport(credits=98)

    records = []
    client = make_client(gateway, on_request=records.append)

    receipt = await client.send("+1 (212) 555-1234", TEXT)

    assert Receipt(PHONE, "msg_12125551234", 97, records[0].request) == receipt
    assert 1 == gateway.ledger[PHONE]


async def test_a_number_is_sent_as_a_string(make_client):
    """One number is sent as documented, with key and text."""
    gateway = MemoryTransport()

    await make_client(gateway).send(PHONE, TEXT)

    assert ([PHONE], TEXT, "cspro_test") == (
        gateway.started[0].phones,
        gateway.started[0].text,
        gateway.started[0].key,
    )


async def test_an_answer_without_id_and_balance_is_a_receipt(make_client):
    """Fields that the answer leaves out are None in the receipt."""
    gateway = MemoryTransport(
        answers({"success": True, "results": [{"phone": 12125551234, "success": 1}]})
    )

    receipt = await make_client(gateway).send(PHONE, TEXT)

    assert Receipt(PHONE, None, None, receipt.request) == receipt


@pytest.mark.parametrize(
    ("behaviour", "kind", "status", "code"),
    [
        (cannot_connect(), ConnectFailed, Status.NOT_SENT, "CONNECT_FAILED"),
        (strays(), ConnectFailed, Status.NOT_SENT, "CONNECT_FAILED"),
        (refuses("INVALID_API_KEY"), AuthenticationError, Status.REJECTED, "INVALID_API_KEY"),
        (refuses("INSUFFICIENT_CREDITS"), OutOfCredits, Status.REJECTED, "INSUFFICIENT_CREDITS"),
        (refuses("BLOCKED_TEXT"), Rejected, Status.REJECTED, "BLOCKED_TEXT"),
        (accepts(refuse=[PHONE]), Rejected, Status.REJECTED, "NO_ROUTE"),
        (answers([], 401), AuthenticationError, Status.REJECTED, "HTTP_401"),
        (loses_answer(), OutcomeUnknown, Status.UNKNOWN, "ANSWER_LOST"),
        (hangs(), OutcomeUnknown, Status.UNKNOWN, "ANSWER_LOST"),
        (answers("hello"), OutcomeUnknown, Status.UNKNOWN, "ANSWER_UNREADABLE"),
        (
            answers({"success": True, "results": []}),
            OutcomeUnknown,
            Status.UNKNOWN,
            "MISSING_IN_ANSWER",
        ),
    ],
    ids=[
        "no-connection",
        "stray-answer",
        "key",
        "credits",
        "text",
        "entry",
        "http-401",
        "lost",
        "hangs",
        "unreadable",
        "missing",
    ],
)
async def test_each_cause_has_its_error(make_client, behaviour, kind, status, code):
    """Every way to end without a receipt raises one class, with fate, code and number."""
    client = make_client(MemoryTransport(then=behaviour))

    with pytest.raises(SendError) as caught:
        await client.send(PHONE, TEXT)

    assert (kind, status, code, (PHONE,)) == (
        type(caught.value),
        caught.value.status,
        caught.value.code,
        caught.value.phones,
    )


@pytest.mark.parametrize("behaviour", [cannot_connect(), loses_answer(), refuses("NO")])
async def test_errors_mask_the_number_and_hide_the_text(make_client, behaviour):
    """An error is one line without the whole number or the text, and survives a pickle."""
    with pytest.raises(SendError) as caught:
        await make_client(MemoryTransport(then=behaviour)).send(PHONE, TEXT)

    said = str(caught.value)
    assert "+12...34" in said
    assert not any(secret in said for secret in (PHONE[1:], TEXT, "cspro_test", "\n"))
    assert said == str(pickle.loads(pickle.dumps(caught.value)))


async def test_a_failure_keeps_its_cause(make_client):
    """The underlying exception is in `__cause__`."""
    with pytest.raises(OutcomeUnknown) as caught:
        await make_client(MemoryTransport(loses_answer())).send(PHONE, TEXT)

    assert isinstance(caught.value.__cause__, TransportFailure)


async def test_nothing_that_may_have_been_sent_is_a_builtin_error(make_client):
    """`except TimeoutError` and `except OSError` never catch a message in flight."""
    with pytest.raises(OutcomeUnknown) as caught:
        await make_client(MemoryTransport(hangs())).send(PHONE, TEXT)

    assert not isinstance(caught.value, TimeoutError | OSError | ValueError)


async def test_secrets_are_removed_from_the_detail(make_client):
    """The gateway's error text is kept, without key, text and whole numbers."""
    gateway = MemoryTransport(refuses("NO", f"key cspro_test may not say {TEXT!r} to {PHONE}"))

    with pytest.raises(Rejected) as caught:
        await make_client(gateway).send(PHONE, TEXT)

    assert "key [hidden] may not say '[hidden]' to +...34" == caught.value.detail


@pytest.mark.parametrize("phone", ["", "hello", "2125551234", None, 12125551234])
async def test_a_bad_number_is_refused_before_any_io(make_client, phone):
    """A bad number raises InvalidPhone, and nothing is sent."""
    gateway = MemoryTransport()

    with pytest.raises(InvalidPhone):
        await make_client(gateway).send(phone, TEXT)

    assert [] == gateway.began


@pytest.mark.parametrize("text", ["", " \n", None, b"hello", "\ud800"])
async def test_a_bad_text_is_refused_before_any_io(make_client, text):
    """A bad text raises InvalidMessage, and nothing is sent."""
    gateway = MemoryTransport()

    with pytest.raises(InvalidMessage):
        await make_client(gateway).send(PHONE, text)

    assert [] == gateway.began


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), "5", True])
async def test_a_bad_timeout_is_refused_before_any_io(make_client, timeout):
    """A timeout must be a finite number of seconds above 0."""
    gateway = MemoryTransport()

    with pytest.raises(ConfigurationError, match="timeout must be"):
        await make_client(gateway).send(PHONE, TEXT, timeout=timeout)

    assert [] == gateway.began


async def test_a_custom_parser_is_used(make_client):
    """`parse_phone` converts the given number to E.164."""
    gateway = MemoryTransport()

    receipt = await make_client(gateway, parse_phone=lambda phone: "+1" + phone).send(
        "2125551234", TEXT
    )

    assert PHONE == receipt.phone


class _AwayLimiter:
    """A shared limiter whose store is unavailable."""

    async def acquire(self, *args, **options):
        raise LimiterUnavailable("LIMITER_UNAVAILABLE", (), "the store does not answer")


async def test_an_unavailable_limiter_sends_nothing(make_client):
    """If the store of the limiter is unavailable, nothing is sent."""
    gateway = MemoryTransport()

    with pytest.raises(LimiterUnavailable) as caught:
        await make_client(gateway, limiter=_AwayLimiter()).send(PHONE, TEXT)

    assert [] == gateway.began
    assert (PHONE,) == caught.value.phones
    assert "the store does not answer" == caught.value.detail


async def test_an_unexpected_error_of_the_transport_is_passed_on(make_client):
    """An unexpected error of the transport reaches the caller, and the slot is free again."""
    client = make_client(MemoryTransport(breaks(RuntimeError("a bug"))))

    with pytest.raises(RuntimeError, match="a bug"):
        await client.send(PHONE, TEXT)

    assert 0 == usage_now(client.limiter, client.account).busy


async def test_a_foreign_answer_drops_the_connection(make_client):
    """An answer about other numbers only is unknown, and its connection is not reused."""
    dropped = []

    async def behave(post):
        post.start()
        entry = {"phone": "+49301234567", "success": True}
        answer = reply({"success": True, "results": [entry]})
        return msgspec.structs.replace(answer, discard=lambda: dropped.append(True))

    with pytest.raises(OutcomeUnknown):
        await make_client(MemoryTransport(behave)).send(PHONE, TEXT)

    assert [True] == dropped


async def test_closing_the_client_ends_a_waiting_message(make_client):
    """Closing the client ends a waiting message with an error that says it was not sent."""
    client = make_client(MemoryTransport(then=cannot_connect(100.0)))
    sending = asyncio.create_task(client.send(PHONE, TEXT, timeout=20))
    await asyncio.sleep(1)

    await client.aclose(drain=2)
    with pytest.raises(NotSent) as caught:
        await sending

    assert "CANCELLED" == caught.value.code
