"""The six rate rules, at times that the test sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async.sandbox._gateway.rate_rules import RULE_NAMES, RuleName, make_rule

GAPS = st.lists(st.floats(0, 20), min_size=1, max_size=80)
ORIGINS = st.floats(0, 1e6)


def admitted(name: RuleName, instants: list[float], limit: int, per: float) -> list[float]:
    rule = make_rule(name, limit, per=per)
    return [now for now in instants if rule.admit(now)]


def instants(origin: float, gaps: list[float]) -> list[float]:
    return [origin + sum(gaps[:n]) for n in range(len(gaps))]


def busiest(arrivals: list[float], per: float) -> int:
    """Count the most arrivals in any half-open period."""
    return max(
        sum(1 for other in arrivals if at <= other < at + per * (1 - 1e-8)) for at in arrivals
    )


@pytest.mark.parametrize(
    ("name", "at_once"),
    [
        ("fixed-window", 100),
        ("sliding-log", 100),
        ("sliding-counter", 100),
        ("token-bucket", 100),
        ("gcra", 10),
        ("nginx", 21),
    ],
)
def test_the_burst_of_a_fresh_key(name, at_once):
    """A fresh key may send as many requests at once as its rule allows."""
    assert at_once == len(admitted(name, [120.0] * 300, 100, 60.0))


@pytest.mark.parametrize(
    ("name", "in_ten_minutes"),
    [
        ("fixed-window", 1000),
        ("sliding-log", 1000),
        ("sliding-counter", 1000),
        ("token-bucket", 1100),
        ("gcra", 1010),
        ("nginx", 1021),
    ],
)
def test_the_rate_in_the_long_run(name, in_ten_minutes):
    """Constant requests get the limit in each period, plus one burst at most."""
    arrivals = [n / 20 for n in range(600 * 20)]

    count = len(admitted(name, arrivals, 100, 60.0))

    assert in_ten_minutes - 15 <= count <= in_ten_minutes


@pytest.mark.parametrize("name", RULE_NAMES)
@given(origin=ORIGINS, gaps=GAPS)
def test_retry_after_is_exact(name, origin, gaps):
    """A refused request is admitted after `retry_after` seconds, and not earlier."""
    arrivals = instants(origin, gaps)
    rule = make_rule(name, 5, per=60.0, burst=3)
    while rule.admit(arrivals[0]):
        pass
    for now in arrivals:
        wait = rule.retry_after(now)
        if wait > 1e-3:
            assert not rule.admit(now)
            assert rule.retry_after(now + wait - 1e-3) > 0
            assert rule.admit(now + wait + 1e-6)
            return


@pytest.mark.parametrize("name", RULE_NAMES)
@given(origin=ORIGINS, gaps=GAPS)
def test_retry_after_agrees_with_admit(name, origin, gaps):
    """`retry_after` is 0 exactly if a request is admitted at present."""
    rule = make_rule(name, 5, per=60.0, burst=3)
    for now in instants(origin, gaps):
        wait = rule.retry_after(now)
        has_room = rule.admit(now)

        assert has_room == (wait <= 0)


@pytest.mark.parametrize("name", RULE_NAMES)
@given(
    origin=st.floats(0, 2e9),
    gaps=st.lists(st.floats(0, 20), max_size=20),
    limit=st.integers(1, 200),
    per=st.floats(0.001, 1e5),
)
def test_waiting_for_retry_after_is_enough(name, origin, gaps, limit, per):
    """Waiting exactly `retry_after` seconds is enough, at any time of any clock."""
    rule, now = make_rule(name, limit, per=per, burst=3), origin
    for gap in [*gaps, *[0.0] * 5]:
        now += gap + rule.retry_after(now + gap)

        assert rule.admit(now)


@given(origin=ORIGINS, gaps=GAPS)
def test_a_sliding_log_holds_in_any_period(origin, gaps):
    """With a sliding log, no period exceeds the limit, wherever it begins."""
    arrivals = admitted("sliding-log", instants(origin, gaps), 5, 60.0)

    assert busiest(arrivals, 59.999) <= 5


@pytest.mark.parametrize("name", RULE_NAMES)
@given(origin=ORIGINS, gaps=GAPS)
def test_the_bound_of_every_rule(name, origin, gaps):
    """No period has more requests than the limit plus the burst of the rule."""
    arrivals = admitted(name, instants(origin, gaps), 5, 60.0)

    assert busiest(arrivals, 60.0) <= 5 + {"gcra": 10, "nginx": 21}.get(name, 5)


def test_a_fixed_window_allows_twice_the_limit():
    """At the edge of a fixed window, twice the limit is admitted."""
    arrivals = [119.0] * 3 + [120.0] * 3

    assert [119.0, 119.0, 120.0, 120.0] == admitted("fixed-window", arrivals, 2, 60.0)


def test_a_sliding_counter_weighs_the_previous_window():
    """Halfway through a window, the previous window counts half."""
    arrivals = [60.0] * 100 + [150.0] * 100

    assert 150 == len(admitted("sliding-counter", arrivals, 100, 60.0))


def test_a_sliding_counter_forgets_older_windows():
    """After a full window without requests, the full limit is available."""
    arrivals = [60.0] * 100 + [180.0] * 100

    assert 200 == len(admitted("sliding-counter", arrivals, 100, 60.0))


@pytest.mark.parametrize(("name", "at_once"), [("gcra", 3), ("nginx", 4)])
def test_a_custom_burst(name, at_once):
    """The burst of rules that have one can be set."""
    rule = make_rule(name, 100, per=60.0, burst=3)

    assert at_once == sum(rule.admit(5.0) for _ in range(20))
