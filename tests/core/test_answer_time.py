"""The estimate of how long answers take, and the time that is reserved for an answer."""

import math

import pytest

from customersms_async._delivery.answer_time import AnswerTime
from customersms_async._delivery.time_budget import TimeBudget


def learnt(*answers):
    known = AnswerTime()
    for seconds in answers:
        known.heard(seconds)
    return known


@pytest.mark.parametrize(("within", "kept"), [(30, 0.25), (0.5, 0.25), (0.2, 0.1)])
def test_before_the_first_answer(within, kept):
    """Without any answer so far, 0.25 s is reserved, or half of a shorter timeout."""
    assert kept == AnswerTime().needed(within)


def test_even_answers_need_little_more_than_they_take():
    """If every answer takes 0.3 s, little more than 0.3 s is reserved."""
    assert 0.35 == pytest.approx(learnt(*[0.3] * 60).needed(2), abs=0.01)


def test_quick_answers_need_the_floor():
    """If answers take milliseconds, 0.25 s is still reserved."""
    assert 0.25 == learnt(*[0.005] * 60).needed(2)


def test_spread_answers_need_four_deviations():
    """If answers alternate between 0.2 and 0.4 s, the mean plus four times 0.1 s is reserved."""
    assert 0.7 == pytest.approx(learnt(*[0.2, 0.4] * 60).needed(2), abs=0.1)


def test_a_lost_answer_counts_half_as_long_again():
    """An answer that is missing after two seconds counts as one of three seconds."""
    known = learnt(*[0.3] * 60)
    known.lost(2)

    assert known.needed(2) > 2
    assert known.mean == pytest.approx(0.3 + (3 - 0.3) / 8)


def test_a_connection_lost_at_once_is_no_quick_answer():
    """A lost answer never lowers the estimate."""
    known = learnt(*[0.3] * 60)
    before = known.needed(2)
    known.lost(0.01)

    assert before == pytest.approx(known.needed(2), abs=0.001)


def test_an_answer_quicker_than_usual_makes_nothing_slower():
    """After a slow first answer, as on a new connection, the estimate only falls."""
    known, needed = learnt(0.8), []
    for _ in range(20):
        needed.append(known.needed(9))
        known.heard(0.1)

    assert sorted(needed, reverse=True) == needed
    assert needed[-1] < 0.5


def test_one_probe_at_a_time_and_account():
    """An account gets a probe if it has none in flight, or if the time of that probe is over."""
    known = AnswerTime()

    first = known.begin_probe("ann", 10.0, 2.0)
    during = known.begin_probe("ann", 11.0, 2.0)
    other = known.begin_probe("ben", 11.0, 0.4)
    after = known.begin_probe("ann", 12.0, 2.0)

    assert (0.25, None, 0.1, 0.25) == (first, during, other, after)


def budget(within, answers=None, attempt=30.0):
    return TimeBudget(
        answers=answers or AnswerTime(),
        account="ann",
        within=within,
        ends_at=within,
        attempt=attempt,
    )


def test_a_bulk_run_has_all_the_time():
    """Without a time limit, nothing is reserved for the answer."""
    time = budget(math.inf)

    assert (math.inf, 0.0, True) == (time.patience(5.0), time.kept(), time.is_enough(5.0))


def test_no_more_is_kept_than_an_attempt_may_take():
    """No more time is reserved than the timeout of one attempt."""
    assert 1.0 == budget(20.0, learnt(9.0), attempt=1.0).kept()


def test_a_probe_ends_with_its_message():
    """Once a probe's message has ended, the next message may be the probe."""
    known = learnt(9.0)
    one, other = budget(2.0, known), budget(2.0, known)
    first, during = one.patience(0.0), other.patience(0.0)
    one.end()
    other.end()

    assert (0.25, True) == (first, during < 0)
    assert 0.25 == other.patience(0.1)
    assert 1.9 == pytest.approx(one.tried_for(0.1) - 0.1, abs=0.2)
