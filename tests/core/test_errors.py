"""The error tree: how errors can be caught, what they show, and that pickles keep them whole."""

import builtins
import copy
import inspect
import pickle

import pytest

from customersms_async import errors
from customersms_async._values.columns import Columns
from customersms_async._values.status import SENT, Status, Verdict
from customersms_async.errors import (
    AuthenticationError,
    BulkFailed,
    BulkInterrupted,
    ConfigurationError,
    ConnectFailed,
    CustomerSMSError,
    InvalidMessage,
    InvalidPhone,
    LimiterUnavailable,
    NotSent,
    OutcomeUnknown,
    OutOfCredits,
    RateLimited,
    Rejected,
    SendError,
    WaitTooLong,
)
from customersms_async.outcomes import Progress, Report

NUMBER = "+12125551234"

CLASSES = [
    found
    for found in vars(errors).values()
    if inspect.isclass(found) and issubclass(found, CustomerSMSError)
]
SEND_ERRORS = [
    SendError,
    ConnectFailed,
    WaitTooLong,
    LimiterUnavailable,
    NotSent,
    Rejected,
    AuthenticationError,
    OutOfCredits,
    OutcomeUnknown,
]


def report():
    columns = Columns()
    columns.extend([12125551234, 13235554567])
    columns.decide([0], SENT, ["msg_1"], 1)
    columns.decide([1], Verdict(Status.UNKNOWN, "ANSWER_LOST"), request=2)
    return Report(columns, Progress(sent=1, unknown=1, requests=2, complete=True), "ab")


def examples():
    yield ConfigurationError("limit must be a whole number")
    yield ConfigurationError("endpoint must use https", "allow_insecure_http=True allows it")
    yield InvalidPhone("2125551234", "has no country code")
    yield InvalidMessage("text is empty")
    yield BulkInterrupted(report())
    yield BulkFailed(report())
    yield RateLimited("RATE_LIMITED", (NUMBER,), "slow down", 12.5)
    for cls in SEND_ERRORS:
        yield cls("SOME_CODE", (NUMBER,), "why it failed")


EXAMPLES = [pytest.param(exc, id=type(exc).__name__) for exc in examples()]


@pytest.mark.parametrize("cls", CLASSES)
def test_one_root(cls):
    """Every error can be caught as `CustomerSMSError`, and its docstring says when it is raised."""
    assert issubclass(cls, CustomerSMSError)
    assert cls.__name__.startswith("_") or inspect.getdoc(cls)


@pytest.mark.parametrize("cls", CLASSES)
def test_nothing_is_a_timeout(cls):
    """``except TimeoutError: send again`` never catches one of our errors."""
    assert not issubclass(cls, TimeoutError)


@pytest.mark.parametrize(
    "cls", [SendError, OutcomeUnknown, Rejected, AuthenticationError, OutOfCredits]
)
def test_what_may_have_been_sent_is_no_builtin_error(cls):
    """An error for what may have been sent cannot be caught as a builtin error."""
    builtin = {c for c in vars(builtins).values() if inspect.isclass(c)}
    ancestors = set(cls.__mro__) & builtin

    assert {Exception, BaseException, object} == ancestors


@pytest.mark.parametrize(
    ("cls", "parents"),
    [
        (ConfigurationError, {ValueError}),
        (InvalidPhone, {ValueError}),
        (InvalidMessage, {ValueError}),
        (ConnectFailed, {NotSent, SendError, ConnectionError, OSError}),
        (WaitTooLong, {NotSent, SendError}),
        (RateLimited, {NotSent, SendError}),
        (LimiterUnavailable, {NotSent, SendError}),
        (AuthenticationError, {Rejected, SendError}),
        (OutOfCredits, {Rejected, SendError}),
        (OutcomeUnknown, {SendError}),
    ],
)
def test_tree(cls, parents):
    """The classes form the tree that the documentation shows."""
    above = set(cls.__mro__) - {cls, CustomerSMSError, Exception, BaseException, object}

    assert parents == above


@pytest.mark.parametrize(
    ("cls", "status"),
    [
        (NotSent, Status.NOT_SENT),
        (ConnectFailed, Status.NOT_SENT),
        (WaitTooLong, Status.NOT_SENT),
        (RateLimited, Status.NOT_SENT),
        (LimiterUnavailable, Status.NOT_SENT),
        (Rejected, Status.REJECTED),
        (AuthenticationError, Status.REJECTED),
        (OutOfCredits, Status.REJECTED),
        (OutcomeUnknown, Status.UNKNOWN),
    ],
)
def test_status(cls, status):
    """The class of an error determines the fate of the message."""
    assert status is cls("CODE").status


@pytest.mark.parametrize("exc", EXAMPLES)
@pytest.mark.parametrize("show", [str, repr])
def test_shown_in_one_line_without_numbers(exc, show):
    """The str of an error is one line without any whole number."""
    shown = show(exc)

    assert shown
    assert shown.isprintable()
    assert "2125551234" not in shown


@pytest.mark.parametrize("exc", EXAMPLES)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_survives_a_pickle(exc, protocol):
    """An unpickled error has all attributes and notes of the original."""
    exc.add_note("while sending the newsletter")

    back = pickle.loads(pickle.dumps(exc, protocol))

    assert type(exc) is type(back)
    assert str(exc) == str(back)
    assert exc.__notes__ == back.__notes__
    assert known(exc) == known(back)


def known(exc):
    """Return comparable attributes; a report is compared by its outcomes."""
    flat = {name: list(v) if isinstance(v, Report) else v for name, v in vars(exc).items()}
    return flat, [list(arg) if isinstance(arg, Report) else arg for arg in exc.args]


@pytest.mark.parametrize("exc", EXAMPLES)
def test_survives_a_copy(exc):
    """A copied error, as made by retry libraries, equals the original."""
    assert str(exc) == str(copy.copy(exc))


def test_attributes_of_a_send_error():
    """A send error has code, numbers and detail, as attributes and as `args`."""
    exc = Rejected("BLOCKED_TEXT", (NUMBER,), "not allowed")

    assert ("BLOCKED_TEXT", (NUMBER,), "not allowed") == (exc.code, exc.phones, exc.detail)
    assert ("BLOCKED_TEXT", (NUMBER,), "not allowed") == exc.args
    assert "BLOCKED_TEXT (to +12...34, rejected): not allowed" == str(exc)


@pytest.mark.parametrize(
    ("exc", "said"),
    [
        (NotSent("STOPPED"), "STOPPED (not sent)"),
        (WaitTooLong("WAIT_TOO_LONG", (), "9 s"), "WAIT_TOO_LONG (not sent): 9 s"),
        (
            OutcomeUnknown("ANSWER_LOST", (NUMBER, "+13235554567")),
            "ANSWER_LOST (to +12...34, +13...67, unknown)",
        ),
        (
            Rejected("NO", (NUMBER,), "two\nlines\there"),
            "NO (to +12...34, rejected): two lines here",
        ),
    ],
)
def test_one_line(exc, said):
    """The str of an error contains only the parts that it has."""
    assert said == str(exc)


def test_representation():
    """The repr, which asyncio logs for abandoned tasks, shows the masked line."""
    exc = ConnectFailed("CONNECT_FAILED", (NUMBER,))

    assert "ConnectFailed('CONNECT_FAILED (to +12...34, not sent)')" == repr(exc)


def test_connect_failed_is_a_connection_error():
    """`ConnectFailed` can be caught as ConnectionError, and has no made-up errno."""
    exc = ConnectFailed("CONNECT_FAILED", (NUMBER,), "refused")

    assert (None, None, None) == (exc.errno, exc.strerror, exc.filename)
    assert ("CONNECT_FAILED", (NUMBER,), "refused") == (exc.code, exc.phones, exc.detail)


def test_rate_limited_says_how_long():
    """`retry_after` of a rate limit error is the length of the pause, 0 if unknown."""
    assert 12.5 == RateLimited("RATE_LIMITED", (NUMBER,), None, 12.5).retry_after
    assert 0.0 == RateLimited("RATE_LIMITED").retry_after


def test_a_wait_too_long_says_when_to_come_back():
    """A wait that is too long is refused with the time after which it would be short enough."""
    assert 2.5 == WaitTooLong("WAIT_TOO_LONG", (NUMBER,), None, 2.5).retry_after
    assert 0.0 == WaitTooLong("TIME_IS_OVER").retry_after


@pytest.mark.parametrize("kind", [Rejected, WaitTooLong, RateLimited, ConnectFailed])
def test_the_request_is_kept(kind):
    """An error keeps the id of its request, even in a pickle."""
    exc = pickle.loads(pickle.dumps(kind("WORD", (NUMBER,), request="abc-1")))

    assert "abc-1" == exc.request
    assert kind("WORD").request is None


def test_invalid_phone_shows_a_shape():
    """The error for a bad number shows its shape instead of its digits, and the reason."""
    exc = InvalidPhone("(212) 555-1234", "has no country code")

    assert "phone '(999) 999-9999': has no country code" == str(exc)


def test_bulk_errors_show_counts():
    """An error about a run shows the counts of the run."""
    counts = "1 sent, 0 rejected, 1 unknown, 0 not sent"

    assert f"not everything was sent: {counts}" == str(BulkFailed(report()))
    assert f"the run was interrupted by what it was given: {counts}" == str(
        BulkInterrupted(report())
    )
