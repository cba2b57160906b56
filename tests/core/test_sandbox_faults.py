"""Which fault a request gets, and the shape of a faulty answer."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async import sandbox
from customersms_async.sandbox import MAGIC_NUMBERS, Fault
from customersms_async.sandbox._gateway.accounts import Accounts
from customersms_async.sandbox._gateway.documented_answers import (
    INVALID_PHONE_NUMBER,
    completed,
    failed,
    sent,
)
from customersms_async.sandbox._gateway.fault_engine import FaultEngine
from customersms_async.sandbox._gateway.fault_script import FaultStep
from customersms_async.sandbox._gateway.faults import (
    MEANINGS,
    NOT_CARRIED_OUT,
    REJECTIONS,
    FaultPlan,
    read_fault,
)
from customersms_async.sandbox._gateway.key_limits import KeyLimits
from customersms_async.sandbox._gateway.mailboxes import Mailboxes
from customersms_async.sandbox._gateway.odd_answers import reshaped
from customersms_async.sandbox._gateway.rate_budget import KeyLimit
from customersms_async.sandbox._gateway.replies import Ending, Timing
from customersms_async.sandbox._gateway.request_handler import RequestHandler

KEY = "cspro_test"
PLAIN = "+12125551234"
PHONES = (PLAIN, "+393331234567", "+13235554567")


def make_handler() -> RequestHandler:
    return RequestHandler(
        Accounts({KEY: 1000}, lambda _text: 1),
        KeyLimits(KeyLimit()),
        FaultEngine(),
        Mailboxes(1000),
        Timing(0.5, 30.0),
        200,
    )


def body(*phones: str) -> bytes:
    return json.dumps({"api_key": KEY, "phone": phones, "message": "Hello"}).encode()


def number(fault: Fault) -> str:
    return "+1212" + next(ending for ending, other in MAGIC_NUMBERS.items() if other is fault)


def odd(fault: Fault, aimed_at: str | None = None) -> dict[str, object]:
    """Make the answer for three numbers, the last one refused, in the shape of a fault."""
    entries = [
        sent(PHONES[0], "msg_1"),
        sent(PHONES[1], "msg_2"),
        failed(PHONES[2], INVALID_PHONE_NUMBER),
    ]
    return reshaped(
        completed(entries, 7), entries, plan=FaultPlan(fault, aimed_at=aimed_at), phones=PHONES
    )


def phones(document: dict[str, object]) -> list[object]:
    return [entry["phone"] for entry in document["results"]]


def test_every_fault_has_a_number():
    """Each fault has exactly one magic number."""
    assert sorted(Fault) == sorted(MAGIC_NUMBERS.values())
    assert [f"666{n:04d}" for n in range(1, len(Fault) + 1)] == list(MAGIC_NUMBERS)


def test_the_table_in_the_documentation():
    """The documented table of magic numbers is the one in use."""
    table = re.findall(r"…(666[0-9]{4}) +(\S+) +(.*)", sandbox.__doc__ or "")

    assert [(*line, MEANINGS[line[1]]) for line in MAGIC_NUMBERS.items()] == table


def test_ordinary_numbers_cause_no_fault():
    """A request without magic numbers and without a script succeeds."""
    assert FaultPlan() == FaultEngine().plan(PHONES)


def test_magic_numbers_can_be_disabled():
    """With magic disabled, a magic number is an ordinary one."""
    assert FaultPlan() == FaultEngine(has_magic=False).plan([number(Fault.ANSWER_LOST)])


@pytest.mark.parametrize("fault", sorted(set(Fault) - REJECTIONS))
def test_a_magic_number_causes_its_fault(fault):
    """A magic number determines the fault of its request."""
    aimed = number(fault)

    assert FaultPlan(fault, aimed_at=aimed) == FaultEngine().plan([PLAIN, aimed])


def test_the_first_number_decides():
    """The first magic number determines the fault, apart from rejections of single numbers."""
    numbers = [number(Fault.REJECT), number(Fault.SLOW), number(Fault.HTML)]

    plan = FaultEngine().plan(numbers)

    assert FaultPlan(Fault.SLOW, aimed_at=numbers[1], rejected={numbers[0]: Fault.REJECT}) == plan


@pytest.mark.parametrize("fault", sorted(REJECTIONS))
def test_a_rejected_number_is_rejected_alone(fault):
    """Only the magic number is rejected; the other numbers of the request are sent."""
    aimed = number(fault)

    visit = make_handler().handle(body(PLAIN, aimed), 0.0)

    assert [PLAIN] == [message.phone for message in visit.messages]
    assert (fault, None) == (visit.request.fault, visit.request.code)


@pytest.mark.parametrize(
    ("fault", "entry"),
    [
        (Fault.REJECT, {"error": "Number is blocked", "code": "NUMBER_BLOCKED"}),
        (Fault.REJECT_BARE, {}),
    ],
)
def test_a_scripted_rejection_applies_to_every_number(fault, entry):
    """A scripted rejection fails each number, with or without a code."""
    gateway = make_handler()
    gateway.faults.common.script.append(FaultStep(fault))

    said = json.loads(gateway.handle(body(*PHONES), 0.0).reply.body)

    assert [{"phone": phone, "success": False, **entry} for phone in PHONES] == said["results"]
    assert 1000 == said["remaining_credits"]


def test_a_script_comes_before_the_numbers():
    """Each request uses one step of the script; after the last, magic numbers apply again."""
    faults = FaultEngine()
    faults.common.script.extend(
        [FaultStep(Fault.HTTP_500), FaultStep(), FaultStep(Fault.RATE_LIMITED, "7")]
    )

    plans = [faults.plan([number(Fault.BOM)]) for _ in range(4)]

    assert [Fault.HTTP_500, None, Fault.RATE_LIMITED, Fault.BOM] == [plan.fault for plan in plans]
    assert [None, None, "7", None] == [plan.retry_after for plan in plans]


@given(st.lists(st.sampled_from([*map(number, Fault), *PHONES]), min_size=1))
def test_the_same_request_meets_the_same_fault(numbers):
    """The same request gets the same fault every time."""
    assert FaultEngine().plan(numbers) == FaultEngine().plan(numbers)


@pytest.mark.parametrize("fault", sorted(Fault))
def test_what_a_fault_accepts_and_charges(fault):
    """A fault before processing accepts and charges nothing, any other as without it."""
    gateway = make_handler()
    gateway.faults.common.script.append(FaultStep(fault))
    accepted = 0 if fault in NOT_CARRIED_OUT | REJECTIONS else len(PHONES)

    visit = gateway.handle(body(*PHONES), 0.0)

    assert accepted == len(gateway.mailboxes.messages) == visit.request.accepted
    assert 1000 - accepted == gateway.accounts.credits[KEY]
    assert fault == visit.request.fault


@pytest.mark.parametrize(
    ("fault", "ending", "delay"),
    [
        (Fault.RESET_BEFORE, Ending.RESET, 0.0),
        (Fault.RESET_AFTER, Ending.RESET, 0.0),
        (Fault.ANSWER_LOST, Ending.CLOSE, 0.0),
        (Fault.STALL, Ending.CLOSE, 30.0),
        (Fault.SLOW, Ending.WHOLE, 0.5),
        (Fault.SLOW_BODY, Ending.TRICKLE, 0.5),
        (Fault.CUT_BODY, Ending.CUT, 0.0),
        (Fault.CUT_SILENT, Ending.CUT_SILENT, 0.0),
    ],
)
def test_how_a_reply_ends(fault, ending, delay):
    """Network faults change the ending and the delay of a reply."""
    visit = make_handler().handle(body(number(fault)), 0.0)

    assert (ending, delay) == (visit.reply.ending, visit.reply.delay)
    assert (visit.request.status is None) == (ending in {Ending.CLOSE, Ending.RESET})


def test_a_missing_entry():
    """The number that caused it is missing in the answer; the counts include it."""
    document = odd(Fault.MISSING_ENTRY, PHONES[1])

    assert [PHONES[0], PHONES[2]] == phones(document)
    assert 3 == document["total_numbers"]


def test_a_scripted_missing_entry():
    """If a script causes it, the first entry is missing."""
    assert [PHONES[1], PHONES[2]] == phones(odd(Fault.MISSING_ENTRY))


def test_a_duplicated_entry():
    """The number that caused it is listed twice, with the same id."""
    assert [PHONES[0], PHONES[1], PHONES[1], PHONES[2]] == phones(
        odd(Fault.DOUBLED_ENTRY, PHONES[1])
    )


def test_an_extra_entry():
    """A number that was not requested is listed among the others."""
    numbers = phones(odd(Fault.EXTRA_ENTRY, PHONES[0]))

    assert (PHONES[0], *PHONES[1:]) == (numbers[0], *numbers[2:])
    assert numbers[1] not in PHONES


def test_wrong_numbers():
    """There are as many entries as numbers, all about other numbers."""
    numbers = phones(odd(Fault.WRONG_NUMBERS))

    assert 3 == len(set(numbers) - set(PHONES))


def test_reordered_entries():
    """The entries are in reverse order."""
    assert [*reversed(PHONES)] == phones(odd(Fault.REORDERED))


def test_results_as_an_object():
    """The entries are the values of an object, in order."""
    assert list(PHONES) == [
        entry["phone"] for entry in odd(Fault.RESULTS_AS_OBJECT)["results"].values()
    ]


def test_no_results():
    """Only the list of results is missing."""
    assert completed([], 0).keys() - {"results"} == odd(Fault.NO_RESULTS).keys()


def test_false_with_results():
    """`success` is false for the request, while each entry is correct."""
    document = odd(Fault.FALSE_WITH_RESULTS)

    assert (False, "PARTIAL_FAILURE") == (document["success"], document["code"])
    assert [True, True, False] == [entry["success"] for entry in document["results"]]


@pytest.mark.parametrize(
    ("fault", "numbers"),
    [
        (Fault.INTEGER_PHONES, [12125551234, 393331234567, 13235554567]),
        (Fault.DIGIT_PHONES, ["12125551234", "393331234567", "13235554567"]),
        (Fault.SPACED_PHONES, ["+1 212 555 1234", "+39 333 123 4567", "+1 323 555 4567"]),
    ],
)
def test_other_spellings_of_a_number(fault, numbers):
    """Every number is formatted differently and keeps its digits."""
    assert numbers == phones(odd(fault))


def test_an_invalid_number_keeps_its_type():
    """A failed entry whose phone is not a number is not converted to a JSON number."""
    gateway = make_handler()
    gateway.faults.common.script.append(FaultStep(Fault.INTEGER_PHONES))

    said = json.loads(gateway.handle(body("nonsense"), 0.0).reply.body)

    assert ["nonsense"] == phones(said)


def test_zero_and_one_for_booleans():
    """Every `success` is 0 or 1."""
    document = odd(Fault.ZERO_ONE_BOOLEANS)

    assert [1, 1, 1, 0] == [
        document["success"],
        *(entry["success"] for entry in document["results"]),
    ]
    assert int is type(document["success"]) is type(document["results"][2]["success"])


def test_odd_fields():
    """Numbers and `success` are as documented; every other field has a different type."""
    document = odd(Fault.ODD_FIELDS)
    documented = completed([], 7)

    assert list(PHONES) == phones(document)
    assert all(
        type(value) is not type(document[name])
        for name, value in documented.items()
        if name not in {"success", "results"}
    )
    assert [
        {"phone": PHONES[0], "success": True, "message_id": 1, "parts": "1"},
        {
            "phone": PHONES[2],
            "success": False,
            "error": ["Invalid phone number"],
            "code": 7,
            "parts": "1",
        },
    ] == [document["results"][0], document["results"][2]]


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("answer_lost", "(did you mean 'answer-lost'?)"),
        ("rate-limited(70)", "(did you mean 'rate-limited'; its seconds go into retry_after?)"),
        ("xyz", "not 'xyz'"),
    ],
)
def test_a_misspelt_fault(given, hint):
    """The error for a misspelt fault suggests the closest name."""
    with pytest.raises(ValueError, match=re.escape(hint) + "$"):
        read_fault(given)
