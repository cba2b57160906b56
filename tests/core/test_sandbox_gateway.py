"""Accounts, credits and answers of the sandbox, without a network."""

import json
import time
from collections.abc import Iterable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async.sandbox._gateway.accounts import MOST_CLOSED, MOST_NUMBERS, Accounts
from customersms_async.sandbox._gateway.fault_engine import FaultEngine
from customersms_async.sandbox._gateway.fault_script import FaultStep
from customersms_async.sandbox._gateway.key_limits import KeyLimits
from customersms_async.sandbox._gateway.mailboxes import Mailboxes
from customersms_async.sandbox._gateway.masking import mask_key
from customersms_async.sandbox._gateway.message_query import MessageQuery
from customersms_async.sandbox._gateway.rate_budget import KeyLimit
from customersms_async.sandbox._gateway.records import SandboxMessage, SandboxRequest
from customersms_async.sandbox._gateway.replies import Timing
from customersms_async.sandbox._gateway.request_handler import RequestHandler
from customersms_async.sandbox._gateway.request_parser import ParsedRequest, parse_request

KEY = "cspro_canary"


def make_handler(
    credits_left: int = 98, *, price=lambda _text: 1, limit=None, keep=1000, status=200
):
    return RequestHandler(
        Accounts({KEY: credits_left}, price),
        KeyLimits(KeyLimit(limit=limit)),
        FaultEngine(),
        Mailboxes(keep),
        Timing(0.0, 0.0),
        status,
    )


def body(phone: object, message: object = "Hello", key: object = KEY) -> bytes:
    return json.dumps({"api_key": key, "phone": phone, "message": message}).encode()


def answer(gateway: RequestHandler, sent: bytes, now: float = 0.0) -> dict[str, object]:
    return json.loads(gateway.handle(sent, now).reply.body)


def message(phone: str = "+12125551234", text: str = "Hello") -> SandboxMessage:
    return SandboxMessage(phone, text, "msg_1", KEY, 0.0, 1)


def make_mailboxes(*messages: SandboxMessage) -> Mailboxes:
    """Make mailboxes with the given messages, each with its own id."""
    book = Mailboxes(10)
    request = SandboxRequest(1, 0.0, KEY, (), "", len(messages), None, 200, None)
    numbered = [attrs.evolve(m, message_id=f"msg_{n}") for n, m in enumerate(messages, 1)]
    book.record(request, numbered)
    return book


def phones(entries: Iterable[dict[str, object]]) -> list[object]:
    return [entry["phone"] for entry in entries]


def test_the_documented_answer_byte_for_byte():
    """Fields, their order and the first message ids are as documented."""
    reply = make_handler(100).handle(body(["+12125551234", "+13235554567"]), 0.0).reply

    assert (
        b'{"success":true,"message":"SMS sending completed","total_numbers":2,'
        b'"successful_sends":2,"failed_sends":0,"remaining_credits":98,"results":['
        b'{"phone":"+12125551234","success":true,"message_id":"msg_123456"},'
        b'{"phone":"+13235554567","success":true,"message_id":"msg_123457"}]}'
    ) == reply.body
    assert (200, "application/json") == (reply.status, reply.content_type)


def test_the_documented_refusal_byte_for_byte():
    """An unknown key gets the documented refusal."""
    reply = make_handler().handle(body("+12125551234", key="cspro_other"), 0.0).reply

    assert (
        b'{"success":false,"error":"Invalid or inactive API key","code":"INVALID_API_KEY"}'
    ) == reply.body


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"", "INVALID_JSON"),
        (b"api_key=cspro_canary", "INVALID_JSON"),
        (b'{"api_key":"\xff"}', "INVALID_JSON"),
        (b'{"x":' + b"[" * 100_000, "INVALID_JSON"),
        (b"[]", "INVALID_REQUEST"),
        (body(12125551234), "INVALID_REQUEST"),
        (body(["+12125551234", 1]), "INVALID_REQUEST"),
        (body("+12125551234", None), "INVALID_REQUEST"),
        (b"{}", "MISSING_FIELD"),
        (body("+12125551234", key=""), "MISSING_FIELD"),
        (body([]), "MISSING_FIELD"),
        (body(" , "), "MISSING_FIELD"),
        (body("+12125551234", ""), "MISSING_FIELD"),
    ],
)
def test_an_invalid_request(sent, code):
    """A request that cannot be parsed or lacks a field is refused, without echoing the key."""
    gateway = make_handler()

    said = answer(gateway, sent)

    assert (False, code) == (said["success"], said["code"])
    assert ["success", "error", "code"] == list(said)
    assert KEY not in str(said)
    assert [code] == [request.code for request in gateway.mailboxes.refused()]


def test_the_status_of_refusals_can_be_set():
    """The HTTP status of a refusal, which is undocumented, can be configured."""
    assert 401 == make_handler(status=401).handle(body("+1", key="x"), 0.0).reply.status


@pytest.mark.parametrize(
    "phone",
    [
        ["+12125551234", "+13235554567"],
        "+12125551234,+13235554567",
        " +12125551234 , +13235554567, ",
    ],
)
def test_the_forms_of_phone(phone):
    """An array and a comma-separated string have the same effect."""
    assert ("+12125551234", "+13235554567") == parse_request(body(phone)).phones


@pytest.mark.parametrize(
    "phone",
    [
        "12125551234",
        "+0212555123",
        "+123456",
        "+1234567890123456",
        "+1 2125551234",
        "+\uff11\uff12\uff13\uff14\uff15\uff16\uff17",
    ],
)
def test_an_invalid_number(phone):
    """A number that is not in E.164 fails alone and costs nothing; the others are sent."""
    said = answer(make_handler(98), body([phone, "+12125551234"]))

    assert {
        "phone": phone,
        "success": False,
        "error": "Invalid phone number",
        "code": "INVALID_PHONE_NUMBER",
    } == said["results"][0]
    assert (True, 2, 1, 1, 97) == tuple(
        said[name]
        for name in (
            "success",
            "total_numbers",
            "successful_sends",
            "failed_sends",
            "remaining_credits",
        )
    )


def test_credits_that_run_out_in_an_array():
    """Numbers are sent in order while credits last; each later entry fails with a code."""
    numbers = [f"+1212555{n:04d}" for n in range(5)]

    said = answer(make_handler(3), body(numbers))

    assert [True, True, True, False, False] == [entry["success"] for entry in said["results"]]
    assert {
        "phone": numbers[3],
        "success": False,
        "error": "Insufficient credits",
        "code": "INSUFFICIENT_CREDITS",
    } == said["results"][3]
    assert 0 == said["remaining_credits"]


def test_an_account_that_cannot_pay_at_all():
    """A request without credits for any message is refused as a whole."""
    said = answer(make_handler(0), body("+12125551234"))

    assert {
        "success": False,
        "error": "Insufficient credits",
        "code": "INSUFFICIENT_CREDITS",
    } == said


def test_a_price_by_text():
    """The price can depend on the text; credits that do not pay for one more remain."""
    gateway = make_handler(5, price=lambda text: len(text) // 10 + 1)

    said = answer(gateway, body(["+12125551234"] * 4, "x" * 15))

    assert (2, 2, 1) == (said["successful_sends"], said["failed_sends"], said["remaining_credits"])


@given(
    st.lists(st.sampled_from(["+12125551234", "+13235554567", "nonsense"]), min_size=1),
    st.integers(1, 20),
)
def test_credits_add_up(numbers, credits_left):
    """The credits charged equal the numbers accepted, and every number has an entry in order."""
    gateway = make_handler(credits_left)

    said = answer(gateway, body(numbers))

    accepted = [entry for entry in said["results"] if entry["success"]]
    assert numbers == phones(said["results"])
    assert phones(accepted) == [message.phone for message in gateway.mailboxes.messages]
    assert credits_left - len(accepted) == said["remaining_credits"]
    assert len(numbers) == said["successful_sends"] + said["failed_sends"]


def test_the_limit_counts_each_key_and_each_request():
    """An array counts as one request, each key separately; an unknown key uses up no budget."""
    gateway = make_handler(limit=2)
    gateway.accounts.credits["cspro_second"] = 10
    strangers = [answer(gateway, body("+12125551234", key="x"))["code"] for _ in range(3)]

    firsts = [answer(gateway, body(["+12125551234"] * 5))["success"] for _ in range(3)]
    second = answer(gateway, body("+12125551234", key="cspro_second"))["success"]

    assert ["INVALID_API_KEY"] * 3 == strangers
    assert [True, True, False] == firsts
    assert second


def test_a_refusal_for_the_rate():
    """Above the limit, a request gets 429, a code and the rounded-up seconds to wait."""
    gateway = make_handler(limit=1)
    gateway.handle(body("+12125551234"), 10.0)

    visit = gateway.handle(body("+12125551234"), 20.5)

    assert (429, "50") == (visit.reply.status, visit.reply.retry_after)
    assert (429, "RATE_LIMIT_EXCEEDED", 0) == (
        visit.request.status,
        visit.request.code,
        visit.request.accepted,
    )


def test_a_refused_request_uses_up_no_step():
    """A step of the script is kept for a request that would be processed."""
    gateway = make_handler()
    gateway.faults.common.script.append(FaultStep())

    gateway.handle(body([]), 0.0)

    assert 1 == len(gateway.faults.common.script)


def test_a_stored_message():
    """A message has its number, text, id, key, time and request; its repr hides the key."""
    gateway = make_handler()
    gateway.handle(b"", 1.0)
    gateway.handle(body("+12125551234", "Hi"), 2.5)

    remembered = gateway.mailboxes.messages[0]

    assert SandboxMessage("+12125551234", "Hi", "msg_123456", KEY, 2.5, 2) == remembered
    assert KEY not in repr(remembered) + repr(gateway.mailboxes.requests[1]) + repr(gateway)


def test_memory_is_bounded():
    """The oldest messages are dropped first, and requests by the number of their messages."""
    gateway = make_handler(10_000, keep=10)

    for n in range(6):
        gateway.handle(body(["+12125551234"] * 4, f"text {n}"), float(n))

    assert 10 == len(gateway.mailboxes.messages)
    assert "text 5" == gateway.mailboxes.messages[-1].text
    assert [5, 6] == [request.id for request in gateway.mailboxes.requests]


def test_the_newest_request_is_always_stored():
    """A request with more numbers than the limit is stored until the next one."""
    gateway = make_handler(10_000, keep=10)

    gateway.handle(body(["+12125551234"] * 50), 0.0)

    assert [1] == [request.id for request in gateway.mailboxes.requests]


def test_masked_keys_differ():
    """Each key has a different mask that does not contain it, whatever the key."""
    names = {mask_key(key) for key in (KEY, "cspro_other", "", "\ud800")}

    assert 4 == len(names)
    assert KEY not in names
    assert KEY not in repr(ParsedRequest(KEY))


def test_the_newest_code_of_a_number():
    """The code is that of the newest message with a code to the same number."""
    book = make_mailboxes(
        message(text="code 1111"),
        message(text="code 2222"),
        message(text="no code"),
        message("+13235554567", "code 3333"),
    )

    assert "2222" == book.last_code("+1 (212) 555-1234")


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        (MessageQuery(), True),
        (MessageQuery("0012125551234"), False),
        (MessageQuery("+1 212 555 1234"), True),
        (MessageQuery("+12125551234", "ell"), True),
        (MessageQuery(contains="bye"), False),
    ],
)
def test_a_query(query, fits):
    """A query matches by the digits of the number and a part of the text."""
    assert fits == query.matches(message())


def test_duplicates_are_repeats_of_number_and_text():
    """Each message after the first with the same number and text is a duplicate."""
    book = make_mailboxes(message(), message(text="Bye"), message("+13235554567"), message())

    assert ["msg_4"] == [repeat.message_id for repeat in book.duplicates()]


def test_a_closed_account():
    """A request for a closed account is refused with the reason until it is opened again."""
    gateway = make_handler()
    gateway.accounts.close(KEY, "it belonged to a test")
    closed = answer(gateway, body("+12125551234"))
    gateway.accounts.open(KEY, 5)
    opened = answer(gateway, body("+12125551234"))
    gateway.accounts.close(KEY, None)

    assert (
        "INVALID_API_KEY",
        "Invalid or inactive API key: it belonged to a test",
    ) == (closed["code"], closed["error"])
    assert opened["success"]
    assert "Invalid or inactive API key" == answer(gateway, body("+12125551234"))["error"]


def test_a_million_numbers():
    """A request with a million numbers is refused within three seconds of processor time."""
    handler = make_handler(2_000_000)
    sent = body([f"+1212{n:07d}" for n in range(1_000_000)])
    began_at = time.process_time()
    said = answer(handler, sent)

    assert "TOO_MANY_NUMBERS" == said["code"]
    assert time.process_time() - began_at < 3
    assert MOST_NUMBERS == len(handler.mailboxes.requests[0].phones)


def test_reasons_of_closed_accounts_are_bounded():
    """The reasons of closed accounts are kept for the newest only."""
    accounts = make_handler().accounts
    for n in range(MOST_CLOSED + 2):
        accounts.close(f"cspro_{n}", "it has ended")

    assert MOST_CLOSED == len(accounts.closed)
    assert "cspro_2" == next(iter(accounts.closed))
