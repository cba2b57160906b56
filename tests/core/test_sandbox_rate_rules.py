"""The six counting rules, on instants that the test chooses."""

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
def test_a_burst_from_rest(name, at_once):
    """A fresh key may send as much at once as its rule is known for."""
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
    """Whoever asks all the time gets the limit in each period, and one burst on top at most."""
    arrivals = [n / 20 for n in range(600 * 20)]

    count = len(admitted(name, arrivals, 100, 60.0))

    assert in_ten_minutes - 15 <= count <= in_ten_minutes


@pytest.mark.parametrize("name", RULE_NAMES)
@given(origin=ORIGINS, gaps=GAPS)
def test_retry_after_is_exact(name, origin, gaps):
    """A refused request is admitted after the seconds that were told, and not before."""
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
    """No seconds to wait means that a request is admitted now."""
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
def test_whoever_waits_as_told_is_admitted(name, origin, gaps, limit, per):
    """A wait of exactly the seconds that were told is enough, at any instant of any clock."""
    rule, now = make_rule(name, limit, per=per, burst=3), origin
    for gap in [*gaps, *[0.0] * 5]:
        now += gap + rule.retry_after(now + gap)

        assert rule.admit(now)


@given(origin=ORIGINS, gaps=GAPS)
def test_a_sliding_log_holds_in_any_period(origin, gaps):
    """No period of any phase holds more than the limit."""
    arrivals = admitted("sliding-log", instants(origin, gaps), 5, 60.0)

    assert busiest(arrivals, 59.999) <= 5


@pytest.mark.parametrize("name", RULE_NAMES)
@given(origin=ORIGINS, gaps=GAPS)
def test_what_every_rule_promises(name, origin, gaps):
    """No period holds more than the limit and what the rule lets pass at once."""
    arrivals = admitted(name, instants(origin, gaps), 5, 60.0)

    assert busiest(arrivals, 60.0) <= 5 + {"gcra": 10, "nginx": 21}.get(name, 5)


def test_a_fixed_window_forgets_at_its_edge():
    """Twice the limit passes around the edge of a window, whose phase is the clock's."""
    arrivals = [119.0] * 3 + [120.0] * 3

    assert [119.0, 119.0, 120.0, 120.0] == admitted("fixed-window", arrivals, 2, 60.0)


def test_a_sliding_counter_remembers_by_share():
    """Halfway through a window, the one before counts half."""
    arrivals = [60.0] * 100 + [150.0] * 100

    assert 150 == len(admitted("sliding-counter", arrivals, 100, 60.0))


def test_a_sliding_counter_forgets_what_is_two_windows_old():
    """After a whole window without requests the full limit is there again."""
    arrivals = [60.0] * 100 + [180.0] * 100

    assert 200 == len(admitted("sliding-counter", arrivals, 100, 60.0))


@pytest.mark.parametrize(("name", "at_once"), [("gcra", 3), ("nginx", 4)])
def test_the_burst_is_a_choice(name, at_once):
    """Rules that know a burst take another one."""
    rule = make_rule(name, 100, per=60.0, burst=3)

    assert at_once == sum(rule.admit(5.0) for _ in range(20))
