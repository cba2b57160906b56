"""Plans of runs: counts, requests, segments, and what is wrong with the input."""
# ruff: noqa: RUF001  # characters that force UCS-2 are what is tested

import asyncio
import json
import tracemalloc

import pytest

from customersms_async import Message, Rate
from customersms_async.errors import ConfigurationError
from customersms_async.phones import national
from customersms_async.plan import Plan, Planner, Reason, Refusal, aplan_messages, plan_messages

A, B, C = "+12125551234", "+13235554567", "+442071838750"
LONG = "a" * 161


def phones(count):
    return [f"+1212{n:07}" for n in range(count)]


def test_an_empty_plan():
    """The plan of no messages is empty."""
    plan = plan_messages([])

    assert Plan(texts=0) == plan
    assert (0, 0, 0, 0) == (plan.total, plan.minutes, plan.seconds, plan.credits_at_least)
    expected = "0 messages, 0 requests, 0 min, 0 segments, 0 bad, 0 doubles"
    assert expected == str(plan)


def test_a_plan_as_one_line():
    """A plan prints as one line of ASCII, which mentions skipped rows if there are any."""
    plan = Plan(recipients=4_483, requests=2_698, segments=4_483, bad=461, doubles=56)
    expected = "4,483 messages, 2,698 requests, 28 min, 4,483 segments, 461 bad, 56 doubles"
    single = Plan(recipients=1, requests=1, segments=1, doubles=1, skipped=2)

    assert expected == str(plan)
    assert "1 message, 1 request, 1 min, 1 segment, 0 bad, 1 double, 2 skipped" == str(single)


def test_each_input_is_counted_once():
    """Each input is counted as a recipient, bad, a duplicate or skipped."""
    messages = [
        Message(A, "one"),
        Message("+1 212 555 1234", "one"),
        Message(A, "two"),
        Message("555", "one"),
        Message(B, " "),
        Refusal(7, "EMPTY_CELL", "has nothing under 'name'"),
        Refusal(8, "SKIPPED", "is on the list"),
        "+12125551234",
    ]
    plan = plan_messages(messages)

    assert (2, 4, 1, 1) == (plan.recipients, plan.bad, plan.doubles, plan.skipped)
    assert len(messages) == plan.total
    assert (2, 2) == (plan.texts, plan.requests)
    assert 2 == plan.credits_at_least


def test_reasons():
    """Reasons are sorted by frequency, each with the first row that it refused."""
    no_country = "has no country code; begin with + or 00, like +12125551234"
    empty = "text is empty; it needs at least one character that is not white space"
    messages = [
        Message(A, ""),
        Refusal(3, "EMPTY_CELL", "has nothing under 'name'"),
        Message("2125551234", "x", "row-4"),
        Message("2125551235", "x", "row-5"),
        None,
    ]

    assert (
        Reason("INVALID_PHONE", no_country, 2, "row-4"),
        Reason("INVALID_MESSAGE", empty, 1, 0),
        Reason("EMPTY_CELL", "has nothing under 'name'", 1, "row-3"),
        Reason("INVALID_PHONE", "must be a Message(phone, text), not NoneType", 1, 4),
    ) == plan_messages(messages).reasons


def test_reasons_are_bounded():
    """After a hundred different reasons, all others are counted together."""
    plan = plan_messages(Refusal(n, "ODD", f"reason {n}") for n in range(150))

    assert (101, 150) == (len(plan.reasons), plan.bad)
    assert Reason("ODD", "for other reasons", 50, "row-100") == plan.reasons[0]


def test_a_custom_parser():
    """Numbers are parsed by the given `parse_phone`, as the client would."""
    plan = plan_messages([Message("(212) 555-1234", "x")], parse_phone=national("US"))

    assert 1 == plan.recipients
    assert A == plan.first.phone


@pytest.mark.parametrize(
    ("options", "requests"),
    [
        ({}, 2),
        ({"batch_size": 2}, 4),
        ({"batch_size": 1}, 6),
        ({"look_ahead": 1}, 6),
        ({"look_ahead": 3, "batch_size": 2}, 4),
        ({"look_ahead": 2}, 6),
    ],
)
def test_requests(options, requests):
    """Equal texts within the look-ahead share requests of up to a batch."""
    messages = [Message(phone, "xy"[n % 2]) for n, phone in enumerate(phones(6))]

    assert requests == plan_messages(messages, **options).requests


def test_without_dedupe():
    """Without dedupe, duplicates are sent and different texts are not counted."""
    plan = plan_messages([Message(A, "one")] * 3, dedupe=False)

    assert (3, 0, None) == (plan.recipients, plan.doubles, plan.texts)


def test_minutes():
    """The duration follows the pace of a bulk run, which is just below the limit."""
    plan = Plan(requests=980)

    assert 600 == pytest.approx(plan.seconds)
    assert 10 == plan.minutes
    assert 5 == plan.at(Rate(200, per=60)).minutes
    assert Rate(10, per=30) == plan_messages([], rate=Rate(10, per=30)).rate


def test_segments():
    """Segments are counted over all messages, as written and with replacements."""
    plan = plan_messages([Message(A, LONG), Message(B, "it’s" + "a" * 70), Message(C, "я")])

    assert (5, 4, 2) == (plan.segments, plan.segments_swapped, plan.ucs2)
    assert [("’", "'", 1), ("я", None, 1)] == [(f.char, f.swap, f.messages) for f in plan.forcing]


def test_forcing_characters_are_counted_by_message():
    """Characters that force UCS-2 are sorted by the number of messages that have them."""
    plan = plan_messages([Message(A, "–"), Message(B, "’’ 1"), Message(C, "’’ 1")])

    assert [("’", 2), ("–", 1)] == [(f.char, f.messages) for f in plan.forcing]
    assert "RIGHT SINGLE QUOTATION MARK" == plan.forcing[0].name


def test_forcing_characters_are_bounded():
    """A thousand characters are told apart, and those go on being counted."""
    texts = [chr(0x4E00 + n) for n in range(1_001)]
    plan = plan_messages(Message(A, text) for text in [*texts, texts[0] + "!"])

    assert 1_000 == len(plan.forcing)
    assert (texts[0], 2) == (plan.forcing[0].char, plan.forcing[0].messages)
    assert 1_002 == plan.ucs2


def test_samples():
    """The samples are the first message, the longest, and the first with most segments."""
    short, long, dear = "Hi", "a" * 100, "я" * 90
    messages = [Message(A, short), Message(B, long), Message(C, dear), Message(A, dear + "!")]
    plan = plan_messages(messages)

    assert messages[:3] == [plan.first, plan.longest, plan.dearest]


def test_a_plan_of_the_messages_so_far():
    """A plan covers the messages added so far, and more can be added."""
    planner = Planner(batch_size=2)
    plans = []
    for phone in (A, B, C):
        planner.add(Message(phone, "one"))
        plans.append((planner.plan().recipients, planner.plan().requests))

    assert [(1, 1), (2, 1), (3, 2)] == plans


def test_an_async_iterable():
    """An async iterable, as of a database cursor, gives the same plan."""

    async def messages():
        for phone in (A, B, A):
            yield Message(phone, "one")

    plan = asyncio.run(aplan_messages(messages(), batch_size=1))

    assert (2, 2, 1) == (plan.recipients, plan.requests, plan.doubles)


def test_memory_is_bounded_without_dedupe():
    """Different texts without dedupe take no more memory than the look-ahead."""
    planner = Planner(dedupe=False, look_ahead=100)
    numbers = phones(10)
    planner.add(Message(A, "begin"))
    tracemalloc.start()
    for n in range(5_000):
        planner.add(Message(numbers[n % 10], f"text {n}"))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 200_000 > used
    assert 5_001 == planner.plan().requests


def test_to_dict():
    """A plan as JSON contains no number and no text."""
    plan = plan_messages([Message(B, "my secret ’"), Message("555", "x", "row-2")])
    given = json.loads(json.dumps(plan.to_dict()))

    assert "secret" not in str(given)
    assert B not in str(given)
    assert (1, 1, 1) == (given["recipients"], given["bad"], given["minutes"])
    assert [{"char": "’", "name": "RIGHT SINGLE QUOTATION MARK", "swap": "'", "messages": 1}] == (
        given["forcing"]
    )
    assert [1] == [reason["count"] for reason in given["reasons"]]


def test_texts_and_numbers_are_not_shown():
    """The repr of a plan contains no text and no number."""
    shown = repr(plan_messages([Message(A, "secret"), Refusal(2, "X", "x", B)]))

    assert "secret" not in shown
    assert B not in repr(Refusal(2, "X", "x", B))


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"look_ahead": 0}, {"look_ahead": "1"}])
def test_options_out_of_range(options):
    """The error for an invalid option names it."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Planner(**options)


def test_a_refusal_has_the_reference_of_its_row():
    """A refusal has the reference that a good row would have, and its str names the row."""
    refusal = Refusal(17, "NO_PHONE", "has no number")

    assert ("row-17", "row 17: has no number") == (refusal.ref, str(refusal))
