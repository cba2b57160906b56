"""How long refusals for the rate hold everyone on a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async._limit.pause import RateLimitPause


def test_no_pause_from_the_start():
    """A key that was never refused does not wait."""
    assert RateLimitPause().until == float("-inf")


def test_refusals_in_a_row_double_the_pause():
    """Each refusal of a request let go after the pause began doubles it, up to a minute."""
    pause, lengths = RateLimitPause(), []
    for _ in range(9):
        now = max(pause.until, 0.0)
        pause.refused(now, granted_at=now, retry_after=None)
        lengths.append(pause.until - now)

    assert [1, 2, 4, 8, 16, 32, 60, 60, 60] == lengths


def test_an_acceptance_makes_the_next_pause_short():
    """Once a request was let through, the next refusal is met with a short pause again."""
    pause = RateLimitPause()
    for now in (0.0, 10.0, 20.0):
        pause.refused(now, granted_at=now, retry_after=None)
    pause.accepted()

    pause.refused(100.0, granted_at=100.0, retry_after=None)

    assert 101.0 == pause.until


def test_refusals_of_requests_under_way_do_not_escalate():
    """Requests that were let go before the pause began tell nothing new when they are refused."""
    pause = RateLimitPause()
    pause.refused(10.0, granted_at=5.0, retry_after=None)

    for granted_at in (5.0, 6.0, 9.99):
        pause.refused(10.0, granted_at, retry_after=None)

    assert 11.0 == pause.until


@pytest.mark.parametrize(
    ("asked", "until"), [(0.0, 10.0), (7.0, 17.0), (600.0, 610.0), (9e9, 610.0)]
)
def test_the_gateway_may_say_how_long(asked, until):
    """The pause is as long as the gateway asks for, and ten minutes at most."""
    pause = RateLimitPause()
    pause.refused(10.0, granted_at=5.0, retry_after=asked)

    assert until == pause.until


REFUSALS = st.lists(
    st.tuples(
        st.floats(0, 100),  # after the one before
        st.floats(0, 200),  # how long it was under way
        st.one_of(st.none(), st.floats(0, 1e6)),
        st.booleans(),
    ),
    max_size=30,
)


@given(REFUSALS)
def test_a_pause_never_ends_earlier(refusals):
    """Whatever is refused or accepted, in any order, a pause is only ever moved later."""
    pause, now = RateLimitPause(), 0.0
    for gap, took, retry_after, is_accepted in refusals:
        now += gap
        before = pause.until
        if is_accepted:
            pause.accepted()
        else:
            pause.refused(now, now - took, retry_after)

        assert before <= pause.until <= max(before, now + 600)
