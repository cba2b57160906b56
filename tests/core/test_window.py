"""The window that proves the cap, against a server that counts each arrival."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from customersms_async._limit.config import Rate
from customersms_async._limit.window import GRACE, MARGIN, Window
from customersms_async.errors import ConfigurationError

PERIOD = 60.0 + MARGIN


def window(limit=3, per=60.0):
    return Window(Rate(limit, per=per))


# --- The rate -------------------------------------------------------------------------------------


def test_the_documented_limit_is_the_default():
    """Without a word, the limit is 100 requests a minute."""
    assert (100, 60.0) == (Rate().limit, Rate().per)


@pytest.mark.parametrize("limit", [0, -1, 1.0, True, "100", None, math.nan])
def test_a_limit_that_makes_no_sense(limit):
    """A limit that is no whole number from 1 is refused by name and value."""
    with pytest.raises(ConfigurationError) as caught:
        Rate(limit)

    assert f"limit must be a whole number of at least 1, not {limit!r}" == str(caught.value)


@pytest.mark.parametrize("per", [0, -1.0, math.inf, math.nan, True, "60", None])
def test_a_period_that_makes_no_sense(per):
    """A period that is no finite number above 0 is refused by name and value."""
    with pytest.raises(ConfigurationError) as caught:
        Rate(per=per)

    assert f"per must be a number above 0, not {per!r}" == str(caught.value)


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_a_split_rate_adds_up_to_no_more(limit, parts):
    """The parts of a rate together never exceed it, and waste less than one request a part."""
    if parts > limit:
        return
    part = Rate(limit, per=7).split(parts)

    assert limit - parts < part.limit * parts <= limit
    assert 7 == part.per


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (0, "parts must be a whole number of at least 1, not 0"),
        (2.0, "parts must be a whole number of at least 1, not 2.0"),
        (6, "parts must be at most the limit, 5, not 6"),
    ],
)
def test_a_split_that_makes_no_sense(parts, said):
    """A rate is split into at least one part, and into no more parts than it has requests."""
    with pytest.raises(ConfigurationError) as caught:
        Rate(5).split(parts)

    assert said == str(caught.value)


# --- One lease ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "until"),
    [
        (lambda w, lease: w.answered(lease, 10.0), 10.0 + PERIOD),
        (lambda w, lease: w.lost(lease, 10.0), 10.0 + GRACE + PERIOD),
        (lambda w, lease: None, 30.0 + GRACE + PERIOD),
    ],
    ids=["answered", "lost", "never ended"],
)
def test_until_when_a_slot_is_busy(end, until):
    """A slot is free a period after the answer, later where the server may count later still."""
    w = window(limit=1)
    end(w, w.take(0.0, longest=30.0))

    assert until == w.opens_at(10.0)
    assert not w.is_free(math.nextafter(until, 0))
    assert w.is_free(until)


def test_an_unused_slot_is_free_at_once():
    """A request of which nothing left costs nothing."""
    w = window(limit=1)
    w.unused(w.take(0.0, longest=30.0))

    assert w.is_free(0.0)
    assert 0.0 == w.opens_at(0.0)


def test_a_late_answer_still_counts():
    """An answer that comes after the lease ran out makes the slot busy once more."""
    w = window(limit=1)
    lease = w.take(0.0, longest=1.0)
    assert w.is_free(1.0 + GRACE + PERIOD)

    w.answered(lease, 100.0)

    assert not w.is_free(100.0)
    assert 100.0 + PERIOD == w.opens_at(100.0)


def test_what_never_ends_comes_back():
    """Slots whose requests died without a word are all free again after the longest time."""
    w = window(limit=3)
    for _ in range(3):
        w.take(0.0, longest=30.0)

    assert 3 == w.busy(1.0)
    assert 0 == w.busy(30.0 + GRACE + PERIOD)
    assert 0 == w.in_flight


def test_dead_leases_do_not_use_up_the_reserve():
    """A slot that a dead request held is free for bulk runs too, which leave some to others."""
    w = window(limit=3)
    w.take(0.0, longest=30.0)

    assert not w.is_free(94.0, spare=2)
    assert w.is_free(30.0 + GRACE + PERIOD, spare=2)


def test_in_flight_and_busy():
    """A request that ended is in flight no longer, while its slot is still busy."""
    w = window()
    first = w.take(0.0, longest=30.0)
    w.take(0.0, longest=30.0)
    w.answered(first, 1.0)

    assert (1, 2) == (w.in_flight, w.busy(1.0))


# --- When the next slot is free -------------------------------------------------------------------


def test_next_free_now():
    """Where a slot is free, the next free instant is now."""
    assert 5.0 == window().next_free_at(5.0)


def test_next_free_unknown_while_all_are_in_flight():
    """Nobody knows when a slot is free while every request is under way."""
    w = window(limit=1)
    w.take(0.0, longest=30.0)

    assert w.next_free_at(1.0) is None


def test_next_free_once_one_has_ended():
    """The slot of a request that ended is free for certain at a known instant."""
    w = window(limit=2)
    w.answered(w.take(0.0, longest=30.0), 3.0)
    w.take(0.0, longest=30.0)

    assert 3.0 + PERIOD == w.next_free_at(4.0)


def test_next_free_where_one_answer_came_too_late():
    """Where a late answer makes one slot too many busy, two must end before one is free."""
    w = window(limit=1)
    late = w.take(0.0, longest=1.0)
    second = w.take(70.0, longest=1.0)
    w.answered(late, 71.0)

    assert w.next_free_at(72.0) is None
    w.answered(second, 72.0)
    assert 72.0 + PERIOD == w.next_free_at(72.0) == w.opens_at(72.0)


def test_opens_with_a_reserve():
    """Where bulk runs leave slots to others, as many more must be free."""
    w = window(limit=3)
    for at in (1.0, 2.0, 3.0):
        w.answered(w.take(at, longest=30.0), at)

    assert 1.0 + PERIOD == w.opens_at(4.0)
    assert 2.0 + PERIOD == w.opens_at(4.0, spare=1)
    assert 3.0 + PERIOD == w.opens_at(4.0, spare=2)


def test_opens_where_a_request_that_never_ends_frees_its_slot_first():
    """A lease that runs out before the slot of an answered request is free opens the window."""
    w = window(limit=2)
    w.take(0.0, longest=1.0)
    w.answered(w.take(10.0, longest=30.0), 20.0)

    assert 1.0 + GRACE + PERIOD == w.opens_at(21.0)


# --- Any course of events -------------------------------------------------------------------------

SECONDS = st.floats(0, 100, allow_nan=False).map(lambda s: round(s, 3))
ENDS = st.sampled_from(["answered", "answered", "answered", "lost", "unused", "never"])
REQUESTS = st.lists(
    st.tuples(
        SECONDS.map(lambda s: s / 10),  # after the one before
        SECONDS.map(lambda s: s / 5),  # how long it is under way
        st.floats(0, 1),  # when the server counts it: at the grant, at the end, or between
        ENDS,
    ),
    max_size=60,
)


def run(limit, per, requests, longest=20.0):
    """
    Let each request go as soon as it may.

    Returns:
        The window, when the server counts each, the ends that lie ahead, and the last instant.
    """
    w, now = Window(Rate(limit, per=per)), 0.0
    arrivals, ahead = [], []
    for gap, took, share, end in requests:
        now += gap
        ahead = settle(w, ahead, now)
        while not w.is_free(now):
            opens = w.opens_at(now)
            now = min([opens, *(at for at, _, _ in ahead)])
            ahead = settle(w, ahead, now)
        lease = w.take(now, longest)
        if end != "unused":
            # What is lost may be counted up to the grace after its end, but never later.
            wait = GRACE if end in ("lost", "never") else 0.0
            arrivals.append(now + share * (took + wait))
        ahead.append((now + took, end, lease))
    return w, arrivals, ahead, now


def settle(w, ahead, now):
    """End what is due, in its order."""
    for at, end, lease in sorted(item for item in ahead if item[0] <= now):
        if end == "unused":
            w.unused(lease)
        elif end != "never":
            getattr(w, end)(lease, at)
    return [item for item in ahead if item[0] > now]


def busiest(arrivals, per):
    """Count the most arrivals in any half-open period; each begins at an arrival."""
    return max((sum(at <= other < at + per for other in arrivals) for at in arrivals), default=0)


@given(st.integers(1, 5), st.sampled_from([1.0, 7.5, 60.0]), REQUESTS)
@example(1, 60.0, [(0.0, 20.0, 0.0, "answered"), (0.0, 0.0, 0.0, "answered")] * 3)
@example(2, 60.0, [(0.0, 20.0, 1.0, "lost"), (0.0, 0.0, 0.0, "answered")] * 5)
def test_the_cap_holds_whatever_the_network_does(limit, per, requests):
    """No period holds more arrivals than the limit, wherever in its life the server counts each."""
    _, arrivals, _, _ = run(limit, per, requests)

    assert busiest(arrivals, per) <= limit


@given(st.integers(1, 5), REQUESTS, st.integers(0, 4))
def test_opens_at_is_exact(limit, requests, spare):
    """Where nothing ends meanwhile, a slot is free at the instant named and not before."""
    w, _, _, now = run(limit, 7.5, requests)
    spare = min(spare, limit - 1)
    opens = w.opens_at(now, spare)

    assert opens == now or not w.is_free(math.nextafter(opens, 0), spare)
    assert w.is_free(opens, spare)


@given(st.integers(1, 5), REQUESTS, st.integers(0, 30), st.lists(SECONDS, min_size=31, max_size=31))
@example(3, [], 4, [0.0] * 31)
@example(2, [(0.0, 0.0, 0.0, "lost")], 3, [0.0] * 31)
def test_earliest_is_a_lower_bound(limit, requests, ahead, takes):
    """A newcomer behind so many others never has its slot before the instant that was named."""
    requests = [request for request in requests if request[3] != "unused"]
    w, _, flying, now = run(limit, 7.5, requests)
    named = w.earliest(now, ahead)

    for took in [*takes[:ahead], None]:
        flying = settle(w, flying, now)
        while not w.is_free(now):
            now = min([w.opens_at(now), *(at for at, _, _ in flying)])
            flying = settle(w, flying, now)
        if took is not None:
            flying.append((now + took / 10, "answered", w.take(now, 20.0)))

    assert named <= now + 1e-6


@pytest.mark.parametrize(
    ("ahead", "at"), [(0, 0.0), (2, 0.0), (3, PERIOD), (5, PERIOD), (6, 2 * PERIOD)]
)
def test_earliest_from_rest(ahead, at):
    """A rested window lets its limit go at once, and as many again each period."""
    assert at == window(limit=3).earliest(0.0, ahead)


def test_earliest_where_a_slot_comes_round_before_another_opens():
    """Behind a slot that is busy for long, a slot that is free now may be had twice before."""
    w = window(limit=2)
    w.lost(w.take(0.0, longest=30.0), 0.0)

    assert 0.0 == w.earliest(0.0, 0)
    assert PERIOD == w.earliest(0.0, 1)


def test_earliest_with_one_in_flight():
    """A request under way may be answered this instant, so its slot may open a period from now."""
    w = window(limit=1)
    w.take(0.0, longest=30.0)

    assert 5.0 + PERIOD == w.earliest(5.0, 0)
    assert 30.0 + GRACE + PERIOD == w.earliest(90.0, 0)
