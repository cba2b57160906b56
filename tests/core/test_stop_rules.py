"""When a run goes on, slows down or stops, and what its credits allow."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async._bulk.credit_tracker import CreditTracker
from customersms_async._bulk.flow_control import FlowController
from customersms_async._bulk.stop_rules import Action, Decision, RunCounts, StopRules, decide_action
from customersms_async._delivery.result import DeliveryResult
from customersms_async._values.status import SENT, Status, Verdict

LOST = Verdict(Status.UNKNOWN, "ANSWER_LOST")
BLOCKED = Verdict(Status.REJECTED, "BLOCKED")
OTHER = Verdict(Status.REJECTED, "OTHER")
KEY = Verdict(Status.REJECTED, "INVALID_API_KEY")
CREDIT = Verdict(Status.REJECTED, "INSUFFICIENT_CREDITS")
STOPPED = Verdict(Status.NOT_SENT, "STOPPED")

GO = Decision(Action.SPEED_UP)
KEEP = Decision(Action.KEEP_ON)
SLOW = Decision(Action.SLOW_DOWN)


def stop(word):
    return Decision(Action.STOP, word)


def advice(*verdicts, numbers=10, rules=None, credits_left=None):
    """Say what follows from each of some results, one after another."""
    counts, rules = RunCounts(), rules or StopRules()
    given_advice = []
    for verdict in verdicts:
        result = DeliveryResult(verdict, credits=credits_left)
        counts.add(result, numbers)
        given_advice.append(decide_action(result, rules, counts))
    return given_advice


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([SENT, SENT], [GO, GO]),
        ([[SENT, BLOCKED]], [GO]),
        ([[SENT, LOST]], [GO]),
        ([BLOCKED, OTHER, BLOCKED], [KEEP, KEEP, KEEP]),
        ([STOPPED], [KEEP]),
        ([LOST, LOST, SENT, LOST], [SLOW, SLOW, GO, SLOW]),
        ([[LOST, LOST]], [SLOW]),
        ([LOST, STOPPED, LOST, LOST], [SLOW, KEEP, SLOW, stop("TOO_MANY_UNKNOWN")]),
        ([BLOCKED, BLOCKED, BLOCKED], [KEEP, KEEP, stop("BLOCKED")]),
        ([BLOCKED, LOST, BLOCKED, BLOCKED], [KEEP, SLOW, KEEP, stop("BLOCKED")]),
        ([BLOCKED, BLOCKED, SENT, BLOCKED], [KEEP, KEEP, GO, KEEP]),
        ([BLOCKED, BLOCKED, [SENT, BLOCKED], BLOCKED], [KEEP, KEEP, GO, KEEP]),
        ([KEY], [stop("INVALID_API_KEY")]),
        ([[SENT, KEY]], [stop("INVALID_API_KEY")]),
        ([CREDIT], [stop("NO_CREDITS")]),
        ([[SENT, CREDIT]], [stop("NO_CREDITS")]),
        ([Verdict(Status.NOT_SENT, "CONNECT_FAILED")], [stop("CONNECT_FAILED")]),
        ([Verdict(Status.NOT_SENT, "RATE_LIMITED")], [stop("RATE_LIMITED")]),
        ([Verdict(Status.NOT_SENT, "LIMITER_UNAVAILABLE")], [stop("LIMITER_UNAVAILABLE")]),
    ],
)
def test_what_follows(verdicts, expected):
    """Each result, in its order, makes a run faster or slower, or stops it with a word."""
    assert expected == advice(*verdicts)


@pytest.mark.parametrize("word", ["INVALID_PHONE", "BAD_NUMBER", "UNKNOWN_RECIPIENT"])
def test_a_refusal_that_names_its_only_number_says_nothing_of_the_next(word):
    """A list with three landlines in a row is not stopped, whatever the batch size."""
    refusal = Verdict(Status.REJECTED, word)

    assert [KEEP] * 5 == advice(*[refusal] * 5, numbers=1)
    assert stop(word) == advice(*[refusal] * 3, numbers=2)[-1]


@pytest.mark.parametrize(
    ("rejected", "expected"), [([2] * 9, GO), ([2] * 10, stop("TOO_MANY_REJECTED"))]
)
def test_a_share_of_rejected(rejected, expected):
    """The share counts from a hundred numbers on, and stops a run where it is reached."""
    results = [[BLOCKED] * count + [SENT] * (10 - count) for count in rejected]

    assert expected == advice(*results, rules=StopRules(max_rejected=0.2))[-1]


@pytest.mark.parametrize(("balance", "expected"), [(51, GO), (50, stop("NO_CREDITS"))])
def test_a_floor(balance, expected):
    """A balance at the floor stops a run; one above it does not."""
    assert [expected] == advice(SENT, rules=StopRules(min_credits=50), credits_left=balance)


def test_a_budget():
    """What was accepted, at a credit each where no price is known, is what was spent."""
    assert [GO, GO, stop("BUDGET_SPENT")] == advice(
        SENT, SENT, SENT, rules=StopRules(max_credits=30)
    )


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5))
def test_too_many_unknown_in_a_row(is_answered, most):
    """As many unknown requests in a row as were allowed end the run; an answer starts the count."""
    in_a_row = 0
    verdicts = [SENT if answered else LOST for answered in is_answered]
    for answered, said in zip(
        is_answered, advice(*verdicts, rules=StopRules(max_unknown=most)), strict=True
    ):
        in_a_row = 0 if answered else in_a_row + 1
        expected = stop("TOO_MANY_UNKNOWN") if in_a_row >= most else SLOW

        assert (GO if answered else expected) == said


# --- Credits --------------------------------------------------------------------------------------


def tracker_of(*answers):
    """Enter answers: balance, accepted, unknown, in flight."""
    tracker = CreditTracker()
    for answer in answers:
        tracker.add(*answer)
    return tracker


def test_a_price_is_what_a_balance_fell_by():
    """A message of two credits costs two, once two balances were heard."""
    tracker = tracker_of((98, 1, 0, 0), (96, 1, 0, 0))

    assert (96, 2.0, 96, 4.0) == (tracker.balance, tracker.price, tracker.left, tracker.spent)
    assert tracker.knows_price


def test_a_fall_may_have_other_causes():
    """What is in flight may have been charged already, so no price is taken for too dear."""
    tracker = tracker_of((900, 100, 0, 300), (600, 100, 0, 200))

    assert 1.0 == tracker.price


def test_a_fall_without_a_message_is_no_price():
    """What others spend lowers the balance, and makes no message of ours dearer."""
    tracker = tracker_of((900, 10, 0, 0), (800, 0, 0, 0))

    assert (800, 1.0) == (tracker.left, tracker.price)


def test_an_older_answer_is_no_topping_up():
    """Answers that overtake each other give the lowest balance, and count each number once."""
    tracker = tracker_of((900, 100, 0, 0), (700, 100, 0, 100), (800, 100, 0, 0))

    assert (800, 700, 300.0) == (tracker.balance, tracker.left, tracker.spent)


def test_topping_up_is_not_spending():
    """A balance that no order of answers explains is a new one."""
    tracker = tracker_of((900, 100, 0, 0), (9_900, 100, 0, 0), (9_800, 100, 0, 0))

    assert 9_800 == tracker.left
    assert 200.0 <= tracker.spent <= 300.0


def test_an_unknown_request_may_have_been_paid():
    """Until a balance tells, numbers without an answer count as spent."""
    tracker = tracker_of((900, 100, 0, 0), (None, 0, 100, 0))

    assert (800, 200.0) == (tracker.left, tracker.spent)
    tracker.add(700, 100, 0, 0)
    assert (700, 300.0) == (tracker.left, tracker.spent)


def test_no_balance_at_all():
    """Where no balance is named, each number costs one credit, and nothing is left to know."""
    tracker = tracker_of((None, 10, 0, 0), (None, 10, 0, 0))

    assert (None, math.inf, 20.0) == (tracker.balance, tracker.left, tracker.spent)
    assert math.inf == tracker.room_for(math.inf, 10)
    assert 0 == tracker.room_for(5, 10)


@given(
    st.lists(st.integers(1, 100), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
    st.integers(1, 16),
    st.integers(1, 3),
)
def test_a_floor_and_a_budget_hold_in_any_order_of_answers(sizes, dice, most, price):
    """Whatever overtakes what, no run goes below its floor or above its budget."""
    balance, floor, budget = 2_000, 1_000, 800
    controller = FlowController(StopRules(min_credits=floor, max_credits=budget), most)
    flying = []
    halted = None
    while sizes or flying:
        under_way = sum(size for size, _ in flying)
        size = sizes[0] if sizes else 0
        may = size and halted is None and controller.may_start(size, len(flying), under_way)
        if may and size <= controller.room(under_way):
            balance -= price * size
            flying.append((sizes.pop(0), balance))
        elif flying:
            size, said = flying.pop(dice.randrange(len(flying)))
            under_way = sum(size for size, _ in flying)
            result = DeliveryResult(SENT, credits=said)
            halted = controller.learn(result, size, under_way) or halted
        else:
            break

    if price == 1:
        assert balance >= 2_000 - budget
    assert balance >= min(floor, 2_000 - budget) - 2 * 100


def test_what_does_not_allow_one_more():
    """The budget is named where it is spent, else the floor."""
    spent = FlowController(StopRules(max_credits=10, min_credits=5), 4)
    spent.learn(DeliveryResult(SENT, credits=100), 10, 0)
    low = FlowController(StopRules(max_credits=100, min_credits=99), 4)
    low.learn(DeliveryResult(SENT, credits=99), 10, 0)

    assert ("BUDGET_SPENT", "NO_CREDITS") == (spent.word_for_shortage(), low.word_for_shortage())


def test_until_a_price_is_known_one_request_is_in_flight():
    """A run with a floor or a budget finds out what a number costs before it hurries."""
    controller = FlowController(StopRules(min_credits=10), 4)
    controller.learn(DeliveryResult(SENT, credits=1_000), 10, 0)
    first = controller.may_start(10, 1, 10)
    controller.learn(DeliveryResult(SENT, credits=980), 10, 0)

    assert (False, True) == (first, controller.may_start(10, 1, 10))
    assert (980, math.inf) == (controller.balance, FlowController(StopRules(), 4).room(10))
