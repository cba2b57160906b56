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


def stop(code):
    return Decision(Action.STOP, code)


def advice(*verdicts, numbers=10, rules=None, credits_left=None):
    """Return the advice after each of several results."""
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
def test_advice_by_result(verdicts, expected):
    """Each sequence of results speeds a run up, slows it down, or stops it with a code."""
    assert expected == advice(*verdicts)


@pytest.mark.parametrize("code", ["INVALID_PHONE", "BAD_NUMBER", "UNKNOWN_RECIPIENT"])
def test_bad_numbers_in_a_row_do_not_stop_a_run(code):
    """Three refusals that name their only number do not stop a run of single numbers."""
    refusal = Verdict(Status.REJECTED, code)

    assert [KEEP] * 5 == advice(*[refusal] * 5, numbers=1)
    assert stop(code) == advice(*[refusal] * 3, numbers=2)[-1]


@pytest.mark.parametrize(
    ("rejected", "expected"), [([2] * 9, GO), ([2] * 10, stop("TOO_MANY_REJECTED"))]
)
def test_a_share_of_rejected(rejected, expected):
    """From a hundred numbers on, a run stops once the rejected share is reached."""
    results = [[BLOCKED] * count + [SENT] * (10 - count) for count in rejected]

    assert expected == advice(*results, rules=StopRules(max_rejected=0.2))[-1]


@pytest.mark.parametrize(("balance", "expected"), [(51, GO), (50, stop("NO_CREDITS"))])
def test_a_floor(balance, expected):
    """A balance at `min_credits` stops a run; a higher one does not."""
    assert [expected] == advice(SENT, rules=StopRules(min_credits=50), credits_left=balance)


def test_a_budget():
    """Accepted numbers count one credit each while no price is known."""
    assert [GO, GO, stop("BUDGET_SPENT")] == advice(
        SENT, SENT, SENT, rules=StopRules(max_credits=30)
    )


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5))
def test_too_many_unknown_in_a_row(is_answered, most):
    """`max_unknown` unknown requests in a row stop a run; an answer resets the count."""
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
    """Add answers: balance, accepted, unknown, in flight."""
    tracker = CreditTracker()
    for answer in answers:
        tracker.add(*answer)
    return tracker


def test_a_price_from_two_balances():
    """The price is the difference of two balances per accepted message."""
    tracker = tracker_of((98, 1, 0, 0), (96, 1, 0, 0))

    assert (96, 2.0, 96, 4.0) == (tracker.balance, tracker.price, tracker.left, tracker.spent)
    assert tracker.knows_price


def test_requests_in_flight_do_not_raise_the_price():
    """A drop that requests in flight may have caused does not raise the price."""
    tracker = tracker_of((900, 100, 0, 300), (600, 100, 0, 200))

    assert 1.0 == tracker.price


def test_a_drop_without_messages_is_no_price():
    """A balance that others reduce does not raise the price of our messages."""
    tracker = tracker_of((900, 10, 0, 0), (800, 0, 0, 0))

    assert (800, 1.0) == (tracker.left, tracker.price)


def test_an_older_answer_is_not_a_top_up():
    """If answers overtake each other, the lowest balance counts, and each number once."""
    tracker = tracker_of((900, 100, 0, 0), (700, 100, 0, 100), (800, 100, 0, 0))

    assert (800, 700, 300.0) == (tracker.balance, tracker.left, tracker.spent)


def test_a_top_up_is_not_spending():
    """A balance that no order of answers explains is the result of a top-up."""
    tracker = tracker_of((900, 100, 0, 0), (9_900, 100, 0, 0), (9_800, 100, 0, 0))

    assert 9_800 == tracker.left
    assert 200.0 <= tracker.spent <= 300.0


def test_an_unknown_request_counts_as_spent():
    """Numbers without an answer count as spent until a balance shows otherwise."""
    tracker = tracker_of((900, 100, 0, 0), (None, 0, 100, 0))

    assert (800, 200.0) == (tracker.left, tracker.spent)
    tracker.add(700, 100, 0, 0)
    assert (700, 300.0) == (tracker.left, tracker.spent)


def test_without_a_balance():
    """If no balance is reported, each number counts one credit and the rest is unlimited."""
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
    """In any order of answers, no run goes below its floor or above its budget."""
    balance, floor, budget = 2_000, 1_000, 800
    controller = FlowController(StopRules(min_credits=floor, max_credits=budget), most)
    flying = []
    halted = None
    while sizes or flying:
        under_way = sum(size for size, _ in flying)
        size = sizes[0] if sizes else 0
        may = size and halted is None and controller.may_start(size, len(flying), under_way)
        if may and size <= controller.affordable(under_way):
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


def test_the_reason_for_too_few_credits():
    """BUDGET_SPENT if the budget is used up, NO_CREDITS at the floor."""
    spent = FlowController(StopRules(max_credits=10, min_credits=5), 4)
    spent.learn(DeliveryResult(SENT, credits=100), 10, 0)
    low = FlowController(StopRules(max_credits=100, min_credits=99), 4)
    low.learn(DeliveryResult(SENT, credits=99), 10, 0)

    assert ("BUDGET_SPENT", "NO_CREDITS") == (spent.code_for_shortage(), low.code_for_shortage())


def test_until_a_price_is_known_one_request_is_in_flight():
    """With a floor or a budget, one request is in flight until the price is known."""
    controller = FlowController(StopRules(min_credits=10), 4)
    controller.learn(DeliveryResult(SENT, credits=1_000), 10, 0)
    first = controller.may_start(10, 1, 10)
    controller.learn(DeliveryResult(SENT, credits=980), 10, 0)

    assert (False, True) == (first, controller.may_start(10, 1, 10))
    assert (980, math.inf) == (controller.balance, FlowController(StopRules(), 4).affordable(10))
