"""What an attempt proves, and what may follow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async import codes
from customersms_async._bulk.concurrency import AdaptiveConcurrency
from customersms_async._delivery.retry import (
    backoff,
    has_no_credits,
    is_key_refused,
    of_failure,
    of_refusal,
)
from customersms_async._limit.pause import RateLimitPause
from customersms_async._values.status import SENT, Status, Verdict
from customersms_async._wire.codec import Refused, TurnedAway, Unreadable

# --- What is proven -------------------------------------------------------------------------------


def test_a_body_that_never_started_was_not_sent():
    """Where no byte of the body was written, nothing was sent."""
    assert Verdict(Status.NOT_SENT, "CONNECT_FAILED", "refused") == of_failure(
        "refused", is_started=False
    )


def test_a_body_that_started_may_have_been_sent():
    """Where a byte of the body was written, and no answer came, nobody knows."""
    assert Verdict(Status.UNKNOWN, "ANSWER_LOST", "timeout") == of_failure(
        "timeout", is_started=True
    )


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Refused("BLOCKED", "raw", 7), Verdict(Status.REJECTED, "BLOCKED", "clean")),
        (TurnedAway("HTTP_429", "raw"), Verdict(Status.NOT_SENT, "RATE_LIMITED", "clean")),
        (Unreadable("raw"), Verdict(Status.UNKNOWN, "ANSWER_UNREADABLE", "clean")),
    ],
)
def test_an_answer_about_the_whole_request(answer, verdict):
    """A refusal is final, one for the rate was not sent, and what cannot be read proves nothing."""
    assert verdict == of_refusal(answer, "clean")


@pytest.mark.parametrize(
    "code",
    [
        "INVALID_API_KEY",
        "APIKEY_EXPIRED",
        "UNAUTHORIZED",
        "UNAUTHORISED",
        "AUTHENTICATION_FAILED",
        "HTTP_401",
    ],
)
def test_a_refused_key(code):
    """A refusal that names the key, or says who may not, is about the key."""
    assert is_key_refused(Verdict(Status.REJECTED, code))
    assert not has_no_credits(Verdict(Status.REJECTED, code))


@pytest.mark.parametrize(
    "code", ["INSUFFICIENT_CREDITS", "NO_CREDIT", "LOW_BALANCE", "INSUFFICIENT_FUNDS", "HTTP_402"]
)
def test_no_credits(code):
    """A refusal that names credits, balance or funds is about money."""
    assert has_no_credits(Verdict(Status.REJECTED, code))
    assert not is_key_refused(Verdict(Status.REJECTED, code))


@pytest.mark.parametrize(
    "verdict",
    [
        SENT,
        Verdict(Status.REJECTED, "INVALID_PHONE"),
        Verdict(Status.REJECTED, "HTTP_403"),
        Verdict(Status.NOT_SENT, codes.NO_CREDITS),
        Verdict(Status.UNKNOWN, "HTTP_401"),
    ],
)
def test_neither_key_nor_credits(verdict):
    """Other refusals, and what is no refusal, say nothing about key and credits."""
    assert not is_key_refused(verdict)
    assert not has_no_credits(verdict)


# --- How long to wait -----------------------------------------------------------------------------


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_is_within_bounds(tries, jitter):
    """The wait before the next try is random, never negative, and below 8 seconds."""
    assert 0 <= backoff(tries, jitter) < 8


@pytest.mark.parametrize(
    ("tries", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (99, 8.0)]
)
def test_backoff_doubles(tries, longest):
    """The longest wait doubles from half a second to eight seconds."""
    assert longest / 2 == backoff(tries, 0.5)


# --- The pause ------------------------------------------------------------------------------------


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


# --- AdaptiveConcurrency --------------------------------------------------------------------------


def test_a_run_speeds_up_by_answers():
    """A run begins with one request in flight and doubles with each readable answer."""
    caution, allowed = AdaptiveConcurrency(most=16), []
    for _ in range(6):
        allowed.append(caution.allowed)
        caution.speed_up()

    assert [1, 2, 4, 8, 16, 16] == allowed


def test_a_run_starts_over_after_an_unknown():
    """After a request without an answer there is one in flight again."""
    caution = AdaptiveConcurrency(most=5)
    for _ in range(3):
        caution.speed_up()
    assert 5 == caution.allowed

    caution.start_over()

    assert 1 == caution.allowed
