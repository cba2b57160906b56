"""What an attempt proves, and whether it may be repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async import codes
from customersms_async._delivery.retry import (
    backoff,
    has_no_credits,
    is_key_refused,
    of_failure,
    of_refusal,
)
from customersms_async._values.status import SENT, Status, Verdict
from customersms_async._wire.codec import Refused, TurnedAway, Unreadable

# --- What is proven -------------------------------------------------------------------------------


def test_a_body_that_never_started_was_not_sent():
    """If no byte of the body was written, nothing was sent."""
    assert Verdict(Status.NOT_SENT, "CONNECT_FAILED", "refused") == of_failure(
        "refused", is_started=False
    )


def test_a_body_that_started_may_have_been_sent():
    """If a byte of the body was written and no answer came, the fate is unknown."""
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
    """A refusal is final, a rate limit was not sent, and an unreadable answer proves nothing."""
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
    """A refusal that names the key, or says unauthorized, is about the key."""
    assert is_key_refused(Verdict(Status.REJECTED, code))
    assert not has_no_credits(Verdict(Status.REJECTED, code))


@pytest.mark.parametrize(
    "code", ["INSUFFICIENT_CREDITS", "NO_CREDIT", "LOW_BALANCE", "INSUFFICIENT_FUNDS", "HTTP_402"]
)
def test_no_credits(code):
    """A refusal that names credits, balance or funds is about credits."""
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
    """Other refusals and other fates are about neither key nor credits."""
    assert not is_key_refused(verdict)
    assert not has_no_credits(verdict)


# --- How long to wait -----------------------------------------------------------------------------


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_is_within_bounds(tries, jitter):
    """The backoff is random, never negative and below 8 seconds."""
    assert 0 <= backoff(tries, jitter) < 8


@pytest.mark.parametrize(
    ("tries", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (99, 8.0)]
)
def test_backoff_doubles(tries, longest):
    """The longest backoff doubles from half a second to eight seconds."""
    assert longest / 2 == backoff(tries, 0.5)
