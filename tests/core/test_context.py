"""The state that all deliveries of an account share, and their results."""

import pytest

from customersms_async import codes
from customersms_async._delivery.connection_limit import ConnectionLimit
from customersms_async._delivery.context import DeliveryContext
from customersms_async._delivery.result import DeliveryResult
from customersms_async._values.api_key import ApiKey
from customersms_async._values.status import SENT, Status, Verdict
from customersms_async.errors import (
    AuthenticationError,
    ConnectFailed,
    LimiterUnavailable,
    NotSent,
    OutcomeUnknown,
    OutOfCredits,
    RateLimited,
    Rejected,
    WaitTooLong,
)

ANN = "+12125551234"
LOST = Verdict(Status.UNKNOWN, codes.ANSWER_LOST, "timeout")
BLOCKED = Verdict(Status.REJECTED, "BLOCKED", "no")


def context(request_timeout=None):
    return DeliveryContext(
        key=ApiKey("cspro_canary"),
        transport=lambda: None,
        limiter=None,
        connections=ConnectionLimit(1),
        clock=None,
        retries=3,
        request_timeout=request_timeout,
        rate_statuses=(429,),
        on_request=None,
        on_credits=print,
        name="ab",
    )


@pytest.mark.parametrize(("numbers", "seconds"), [(1, 30.0), (2, 30.5), (100, 79.5)])
def test_time_for_an_attempt(numbers, seconds):
    """An attempt has 30 seconds, plus half a second for each number after the first."""
    assert seconds == context().timeout_for(numbers)


def test_time_for_an_attempt_may_be_set():
    """A timeout set by the caller applies to requests with any number of numbers."""
    assert 7.0 == context(request_timeout=7.0).timeout_for(100)


def test_attempts_are_numbered_from_one():
    """Attempts of a context are numbered from 1; 0 means none."""
    numbers = context().numbers

    assert [1, 2, 3] == [next(numbers) for _ in range(3)]


def test_the_key_is_not_shown():
    """The repr of a context does not contain the key."""
    assert "canary" not in repr(context())


def test_one_verdict():
    """A verdict about the whole request applies to each of its numbers."""
    delivered = DeliveryResult(LOST)

    assert LOST == delivered.whole == delivered.first
    assert delivered.is_unknown
    assert {Status.UNKNOWN: 5} == delivered.fates(5)


def test_a_verdict_for_each():
    """If each number has its own verdict, there is none for the whole request."""
    delivered = DeliveryResult([SENT, LOST, BLOCKED, SENT])

    assert delivered.whole is None
    assert SENT == delivered.first
    assert not delivered.is_unknown
    assert {Status.SENT: 2, Status.UNKNOWN: 1, Status.REJECTED: 1} == delivered.fates(4)


def test_all_unknown():
    """A request is unknown as a whole if the fates of all its numbers are unknown."""
    assert DeliveryResult([LOST, LOST]).is_unknown


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        (Verdict(Status.NOT_SENT, codes.CONNECT_FAILED, "d"), ConnectFailed),
        (Verdict(Status.NOT_SENT, codes.WAIT_TOO_LONG, "d"), WaitTooLong),
        (Verdict(Status.NOT_SENT, codes.PAUSED, "d"), WaitTooLong),
        (Verdict(Status.NOT_SENT, codes.LIMITER_OPENING, "d"), WaitTooLong),
        (Verdict(Status.NOT_SENT, codes.TIME_IS_OVER, "d"), WaitTooLong),
        (Verdict(Status.NOT_SENT, codes.LIMITER_UNAVAILABLE, "d"), LimiterUnavailable),
        (Verdict(Status.NOT_SENT, codes.RATE_LIMITED, "d"), RateLimited),
        (Verdict(Status.NOT_SENT, codes.STOPPED, "d"), NotSent),
        (Verdict(Status.REJECTED, "INVALID_API_KEY", "d"), AuthenticationError),
        (Verdict(Status.REJECTED, "INSUFFICIENT_CREDITS", "d"), OutOfCredits),
        (Verdict(Status.REJECTED, "BLOCKED", "d"), Rejected),
        (Verdict(Status.REJECTED, "RATE_LIMITED", "d"), Rejected),
        (Verdict(Status.UNKNOWN, codes.ANSWER_LOST, "d"), OutcomeUnknown),
        (Verdict(Status.UNKNOWN, codes.MISSING_IN_ANSWER, "d"), OutcomeUnknown),
    ],
)
def test_the_error_of_a_single_message(verdict, kind):
    """The error that `send` raises has the class, status and code of the fate."""
    exc = DeliveryResult(verdict).error(ANN)

    assert kind is type(exc)
    assert (verdict.status, verdict.code, (ANN,), "d") == (
        exc.status,
        exc.code,
        exc.phones,
        exc.detail,
    )


def test_how_long_the_pause_lasts():
    """The error for a rate limit says how long to wait."""
    verdict = Verdict(Status.NOT_SENT, codes.RATE_LIMITED)

    assert 12.5 == DeliveryResult(verdict, retry_after=12.5).error(ANN).retry_after
