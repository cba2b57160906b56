"""The gateway's answers as a caller sees them: fates, codes, balances, pauses, errors."""

from __future__ import annotations

import io
import json

import pytest

from customersms_async import (
    AuthenticationError,
    ConfigurationError,
    CustomerSMS,
    Message,
    OutcomeUnknown,
    OutOfCredits,
    RateLimited,
    Rejected,
    Status,
    StopRules,
)
from customersms_async._ports.transport import Reply
from tests.support.client_in_memory import MemoryTransport, accepts, answers, now, refuses

pytestmark = pytest.mark.virtual_time

PHONE = "+12125551234"
PHONES = [f"+1212555{n:04}" for n in range(1_000)]
TEXT = "Our exchange-rate limits are fair. No credits left? Your API key is invalid."


def writes(body, headers=(), status=200):
    """Answer with exactly these bytes."""

    async def behave(post):
        post.start()
        return Reply(status, body, dict(headers))

    return behave


def entries(phones, **more):
    return {"success": True, "results": [{"phone": p, "success": True} for p in phones]} | more


# --- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        {"code": "CONTENT_BLOCKED", "error": "Blocked: '...exchange-rate limits...'"},
        {"error": "Blocked: 'Our exchange-rate limits are fair.'"},
        {"error": "Rate limits are not to be spoken of"},
    ],
)
async def test_a_refusal_that_echoes_the_message_is_not_for_the_rate(make_client, refusal):
    """A refusal of the message is raised at once, and pauses nobody else on the key."""
    gateway = MemoryTransport(answers({"success": False} | refusal), accepts())
    client, began = make_client(gateway), now()

    with pytest.raises(Rejected):
        await client.send(PHONE, TEXT)
    await client.send(PHONE, TEXT)

    assert 2 == len(gateway.started)
    assert now() < began + 1


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (401, AuthenticationError),
        ("401", AuthenticationError),
        ("invalidApiKey", AuthenticationError),
        ("invalid api key", AuthenticationError),
        (402, OutOfCredits),
        ("Insufficient balance", OutOfCredits),
        ("insufficientFunds", OutOfCredits),
        ("KEYWORD_BLOCKED", Rejected),
        ("CREDIT_CARD_IN_TEXT", Rejected),
    ],
)
async def test_a_refusal_in_any_spelling(make_client, code, error):
    """A refusal raises the same error for any type and spelling of its code."""
    gateway = MemoryTransport(answers({"success": False, "error": "No", "code": code}))

    with pytest.raises(Rejected) as caught:
        await make_client(gateway).send(PHONE, TEXT)

    assert error is type(caught.value)


@pytest.mark.parametrize("code", [429, "429", 429.0, "rate-limit exceeded", "tooManyRequests"])
async def test_a_refusal_for_the_rate_in_any_spelling(make_client, code):
    """A rate limit is waited out, for any type and spelling of its code."""
    gateway = MemoryTransport(answers({"success": False, "error": "No", "code": code}), accepts())

    receipt = await make_client(gateway).send(PHONE, TEXT)

    assert (PHONE, 2) == (receipt.phone, len(gateway.started))


async def test_all_numbers_refused_for_the_rate_are_sent_again(make_client):
    """A request whose entries were all refused for the rate is repeated after a pause."""
    no = [{"phone": phone, "success": False, "code": "RATE_LIMIT"} for phone in PHONES[:2]]
    gateway = MemoryTransport(answers({"success": True, "results": no}), accepts())

    report = await make_client(gateway).send_many(PHONES[:2], TEXT)

    assert (2, 2) == (report.sent, len(gateway.started))


async def test_a_short_hint_does_not_speed_up_retries(make_client):
    """A server that always says "in a second" is asked less and less often."""
    gateway = MemoryTransport(then=writes(b"", {"RateLimit-Reset": "1"}, 429))

    with pytest.raises(RateLimited):
        await make_client(gateway).send(PHONE, TEXT, timeout=300)

    assert len(gateway.started) < 12


@pytest.mark.parametrize("code", [402, "Insufficient balance", "INVALID_API_KEY"])
async def test_numbers_refused_for_the_account_are_resent(make_client, code):
    """After a top-up or with a new key, every refused number is reached, and none twice."""
    gateway = MemoryTransport(accepts(), refuses(code), accepts())
    client = make_client(gateway)
    messages = [Message(phone, f"Hello {phone}, we open at nine") for phone in PHONES[:3]]

    first = await client.send_messages(messages, max_in_flight=1)
    second = await client.send_messages(first.safe_to_resend())

    assert (1, 1, 1) == (first.sent, first.rejected, first.not_sent)
    assert dict.fromkeys(PHONES[:3], 1) == dict(gateway.ledger)
    assert second.ok


# --- Balances, numbers, warnings ------------------------------------------------------------------


@pytest.mark.parametrize("balance", ["98", 98.0, "98.00", 98.9])
async def test_a_balance_of_any_type_is_heard(make_client, balance):
    """A balance of any type is used for receipts, for `credits` and for the floor of a run."""
    gateway = MemoryTransport(then=accepts(remaining_credits=balance))
    client = make_client(gateway)

    receipt = await client.send(PHONE, TEXT)
    report = await client.send_many(PHONES, TEXT, stop=StopRules(min_credits=98))

    assert 98 == receipt.remaining_credits == client.credits.amount
    assert "NO_CREDITS" == report.stopped


WARNING = (
    b"<br />\n<b>Warning</b>: headers already sent in <b>/srv/{api}.php</b> on line <b>7</b>\n"
)


@pytest.mark.parametrize("before", [b"", WARNING])
@pytest.mark.parametrize("after", [b"", WARNING])
async def test_warnings_around_an_answer(make_client, before, after):
    """PHP warnings before and after an answer do not affect fates."""

    async def behave(post):
        reply = await accepts()(post)
        return Reply(reply.status, before + reply.body + after)

    report = await make_client(MemoryTransport(then=behave)).send_many(PHONES, TEXT)

    assert (1_000, True) == (report.sent, report.ok)


@pytest.mark.parametrize("spell", [int, float, lambda phone: f"{phone[1:]}.0"])
async def test_numbers_of_another_type(make_client, spell):
    """A number that is returned as a JSON number, int or float, is matched."""

    async def behave(post):
        post.start()
        return Reply(200, json.dumps(entries(map(spell, post.phones))).encode())

    report = await make_client(MemoryTransport(then=behave)).send_many(PHONES, TEXT)

    assert 1_000 == report.sent


# --- Pauses ---------------------------------------------------------------------------------------

DATE = "Sun, 22 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"success": false, "code": "RATE_LIMIT", "retry_after": 15}', {}),
        (b'{"success": false, "code": "RATE_LIMIT", "error": {"retryAfter": "15"}}', {}),
        (b"", {"RateLimit-Reset": "15"}),
        (b"", {"RateLimit": '"default";r=0;t=15'}),
        (b"", {"X-RateLimit-Reset": "15"}),
        (b"", {"X-RateLimit-Reset": "1795348815", "Date": DATE}),
    ],
)
async def test_a_pause_is_kept_in_any_form(make_client, body, headers):
    """A rate limit with a pause of 15 seconds costs one request and 15 seconds."""
    gateway = MemoryTransport(writes(body, headers, 429), accepts())

    began = now()

    await make_client(gateway).send(PHONE, TEXT)

    assert 2 == len(gateway.started)
    assert 15 <= now() - began < 16


# --- Texts of errors ------------------------------------------------------------------------------


async def test_the_status_of_an_unreadable_answer_is_shown(make_client):
    """The detail of an unreadable answer contains its HTTP status and size."""
    gateway = MemoryTransport(writes(b"<html>" + b" " * 53, (), 502))

    with pytest.raises(OutcomeUnknown) as caught:
        await make_client(gateway).send(PHONE, TEXT)

    assert "HTTP status 502, 59 bytes" in str(caught.value)


async def test_a_short_text_garbles_no_error(make_client):
    """The text of an error is not redacted because a short message happens to occur in it."""
    gateway = MemoryTransport(refuses("NO", "Invalid sender at 127.0.0.1:6379 on 2026-11-28"))

    with pytest.raises(Rejected) as caught:
        await make_client(gateway).send(PHONE, "a")

    assert "Invalid sender at 127.0.0.1:6379 on 2026-11-28" == caught.value.detail


# --- Printing, JSON, CSV, configuration -----------------------------------------------------------


async def test_results_are_printed_and_written_anywhere(make_client):
    """A report can be printed to an ASCII stream, and exported as JSON and CSV."""
    refused = {"phone": PHONE, "success": False, "error": "Il numero è bloccato"}
    gateway = MemoryTransport(answers({"success": True, "results": [refused]}))
    client = make_client(gateway)

    report = await client.send_many([PHONE, "número"], TEXT)
    stream, file = io.TextIOWrapper(io.BytesIO(), encoding="ascii"), io.StringIO()
    for value in (report, report[0], report[1], client):
        print(value, repr(value), file=stream)  # which is what is tested
    report.to_csv(file)

    assert report.to_dict() == json.loads(json.dumps(report.to_dict()))
    assert '="+12125551234"' in file.getvalue().replace('""', '"')


async def test_a_trunk_zero_does_not_duplicate_a_person(make_client):
    """A number with a trunk 0 is refused, so that nobody gets two messages."""
    gateway = MemoryTransport()

    report = await make_client(gateway).send_many(
        ["+44 7700 900123", "+44 07700 900123", "+4407700900123", '"+447700900123"'], TEXT
    )

    assert {"+447700900123": 1} == dict(gateway.ledger)
    assert [None, "INVALID_PHONE", "INVALID_PHONE", "DUPLICATE"] == [o.code for o in report]
    assert [Status.SENT] + [Status.NOT_SENT] * 3 == [o.status for o in report]


@pytest.mark.parametrize("key", ['"cspro_canary"', "${SMS_KEY}", "cspro_canary\n"])
def test_a_key_with_quotes_from_an_env_file(key):
    """The error says what is wrong with the key, without showing it."""
    with pytest.raises(ConfigurationError, match=r"quotes|placeholder|white space") as caught:
        CustomerSMS(key)

    assert "canary" not in str(caught.value)
