"""Reports and outcomes, against a plain list of outcomes."""

import datetime as dt
import pickle
from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async import codes
from customersms_async._values.attempt_ids import request_name
from customersms_async._values.columns import Columns
from customersms_async._values.status import SENT, Status, Verdict
from customersms_async.errors import BulkFailed
from customersms_async.outcomes import (
    Credits,
    Message,
    Outcome,
    Progress,
    Receipt,
    Report,
)

DUPLICATE = Verdict(Status.NOT_SENT, codes.DUPLICATE, "appeared earlier in the same run")
INVALID = Verdict(Status.NOT_SENT, codes.INVALID_PHONE, "is empty")
BAD_TEXT = Verdict(Status.NOT_SENT, codes.INVALID_MESSAGE, "text is empty")
STOPPED = Verdict(Status.NOT_SENT, codes.STOPPED)
LIMITED = Verdict(Status.NOT_SENT, codes.RATE_LIMITED)
BLOCKED = Verdict(Status.REJECTED, "BLOCKED", "no")
LOST = Verdict(Status.UNKNOWN, codes.ANSWER_LOST)
SKIPPED = Verdict(Status.NOT_SENT, codes.SKIPPED)
TAKEN = Verdict(Status.NOT_SENT, codes.TAKEN)
REF_CONFLICT = Verdict(Status.NOT_SENT, codes.REF_CONFLICT)
WITHDRAWN = Verdict(Status.NOT_SENT, codes.WITHDRAWN)
BAD_KEY = Verdict(Status.REJECTED, "INVALID_API_KEY")
NO_CREDIT = Verdict(Status.REJECTED, "402")
NO_API = Verdict(Status.REJECTED, "HTTP_404")

RESENT = {STOPPED, LIMITED, BAD_KEY, NO_CREDIT, NO_API}
KINDS = st.sampled_from(
    [
        SENT,
        SENT,
        DUPLICATE,
        INVALID,
        BAD_TEXT,
        BLOCKED,
        LOST,
        SKIPPED,
        TAKEN,
        REF_CONFLICT,
        WITHDRAWN,
        *sorted(RESENT, key=str),
    ]
)


def outcome(index, verdict):
    number = index % 7
    return Outcome(
        index=index,
        phone="nonsense" if verdict in (INVALID, BAD_TEXT) else f"+1212555{index:04}",
        status=verdict.status,
        message_id=f"msg_{index}" if verdict is SENT else None,
        code=verdict.code,
        detail=verdict.detail,
        ref=f"row {index}" if index % 3 == 0 else None,
        request=f"ab-{number}" if number and verdict in (SENT, BLOCKED, LOST, BAD_KEY) else None,
    )


def report_of(kinds, **more):
    """Build a report, and the plain list that it should equal."""
    expected = [outcome(index, verdict) for index, verdict in enumerate(kinds)]
    columns = Columns()
    for one, verdict in zip(expected, kinds, strict=True):
        is_number = one.phone.startswith("+")
        columns.extend([int(one.phone) if is_number else 0])
        if not is_number:
            columns.keep_given(one.index, one.phone)
        if one.ref is not None:
            columns.keep_ref(one.index, one.ref)
        number = int(one.request[3:]) if one.request else 0
        columns.decide([one.index], verdict, [one.message_id], number)
    columns.trim()
    return Report(columns, progress_of(kinds, **more), "ab"), expected


def progress_of(kinds, **more):
    fates = [kind.status for kind in kinds]
    return Progress(
        **{status.value: fates.count(status) for status in Status},
        duplicates=list(kinds).count(DUPLICATE),
        **{"complete": True, **more},
    )


REPORTS = st.lists(KINDS, max_size=25).map(report_of)


@given(REPORTS)
def test_a_report_is_its_outcomes(built):
    """A report has every outcome in input order, with all fields."""
    report, expected = built

    assert expected == list(report)
    assert len(expected) == len(report) == report.total


@given(REPORTS, st.integers(-30, 30))
def test_indexing(built, index):
    """Indexing with any index, negative or out of range, behaves as on a list."""
    report, expected = built
    if -len(expected) <= index < len(expected):
        assert expected[index] == report[index]
    else:
        with pytest.raises(IndexError):
            report[index]


@given(REPORTS, st.slices(25))
def test_slicing(built, part):
    """A slice of a report is a list of outcomes."""
    report, expected = built

    assert expected[part] == report[part]


@given(REPORTS)
def test_a_report_is_a_sequence(built):
    """`in`, `index`, `count` and `reversed` behave as on a list."""
    report, expected = built

    assert isinstance(report, Sequence)
    assert expected[::-1] == list(reversed(report))
    for index, one in enumerate(expected):
        assert one in report
        assert index == report.index(one)
        assert 1 == report.count(one)
    assert bool(expected) is bool(report)


@given(REPORTS)
def test_a_report_survives_a_pickle(built):
    """A report equals its unpickled copy."""
    report, expected = built
    back = pickle.loads(pickle.dumps(report))

    assert expected == list(back)
    assert (str(report), report.ok) == (str(back), back.ok)


@given(REPORTS)
def test_problems(built):
    """`problems` has all outcomes that are not certainly sent, in order."""
    report, expected = built

    assert [one for one in expected if one.status is not Status.SENT] == report.problems()


@given(REPORTS)
def test_safe_to_resend(built):
    """
    Safe to resend: stopped, turned away, or refused for the key, credits or a missing API.

    Duplicates, skips, bad input, other refusals and unknowns are not; nor are messages that were
    taken elsewhere, withdrawn, or added with the ref of another.
    """
    report, expected = built
    resent = {verdict.code for verdict in RESENT}
    safe = [one for one in expected if one.code in resent]

    assert safe == report.safe_to_resend()
    assert safe == [one for one in expected if one.is_safe_to_resend]


@given(st.lists(KINDS, max_size=25), st.booleans())
def test_ok(kinds, complete):
    """A report is ok if all was read and all but duplicates was sent; otherwise it raises."""
    report, _ = report_of(kinds, complete=complete)
    is_fine = complete and all(kind in (SENT, DUPLICATE) for kind in kinds)

    assert is_fine is report.ok
    assert complete is report.complete
    if is_fine:
        report.raise_for_failures()
        return
    with pytest.raises(BulkFailed) as caught:
        report.raise_for_failures()
    assert report is caught.value.report


@given(st.lists(KINDS, max_size=25))
def test_counts(kinds):
    """The four counts add up to the total, in a report and in a progress."""
    report, expected = report_of(kinds)
    progress = progress_of(kinds)

    for counted in (report, progress):
        assert len(expected) == counted.total
        assert counted.sent + counted.rejected + counted.not_sent + counted.unknown == counted.total
        assert [one.code for one in expected].count("DUPLICATE") == counted.duplicates
        for status in Status:
            fates = [one.status for one in expected]
            assert fates.count(status) == getattr(counted, status.value)


def test_requests_credits_and_stop_reason_of_a_report():
    """A report has the number of requests, the credits left and why it stopped."""
    report, _ = report_of([SENT], requests=3, remaining_credits=97, stopped="STOPPED")

    assert (3, 97, "STOPPED") == (report.requests, report.remaining_credits, report.stopped)
    assert (0, None, None) == (
        report_of([])[0].requests,
        report_of([])[0].remaining_credits,
        report_of([])[0].stopped,
    )


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({}, "0 sent, 0 rejected, 0 unknown, 0 not sent"),
        (
            {"sent": 1_234_567, "rejected": 1, "unknown": 2, "not_sent": 30_000},
            "1,234,567 sent, 1 rejected, 2 unknown, 30,000 not sent",
        ),
        (
            {"sent": 2, "remaining_credits": 12_345},
            "2 sent, 0 rejected, 0 unknown, 0 not sent, 12,345 credits left",
        ),
        (
            {"not_sent": 1, "stopped": "NO_CREDITS"},
            "0 sent, 0 rejected, 0 unknown, 1 not sent, stopped: NO_CREDITS, the rest was not read",
        ),
        (
            {"not_sent": 1, "stopped": "NO_CREDITS", "complete": True},
            "0 sent, 0 rejected, 0 unknown, 1 not sent, stopped: NO_CREDITS",
        ),
        (
            {"not_sent": 1, "stopped": "STOPPED", "in_flight": 2},
            "0 sent, 0 rejected, 0 unknown, 1 not sent, stopped: STOPPED",
        ),
    ],
)
def test_in_one_line(counts, said):
    """Progress and report print as one line with thousands separators."""
    progress = Progress(**counts)

    assert said == str(progress)
    assert said == str(Report(Columns(), progress))
    assert f"<Report {said}>" == repr(Report(Columns(), progress))


def test_a_progress_is_not_ok_before_it_is_complete():
    """A progress is not ok before the run is complete, even if all so far was sent."""
    assert not Progress(sent=5).ok
    assert Progress(sent=5, complete=True).ok


@pytest.mark.parametrize(
    "value",
    [
        Message("+12125551234", "Hi"),
        Receipt("+12125551234", "msg_1", 9),
        Credits(9, dt.datetime(2026, 11, 22, tzinfo=dt.UTC)),
        Outcome(0, "+12125551234", Status.SENT),
        Progress(),
    ],
)
def test_values_are_immutable(value):
    """Values cannot be modified, and can be pickled."""
    name = attrs.fields(type(value))[0].name

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(value, name, None)
    assert value == pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize(("text", "shown"), [("canary", "<6 characters>"), (None, "<NoneType>")])
def test_a_message_hides_its_text(text, shown):
    """The repr of a message does not contain its text."""
    assert f"text={shown}" in repr(Message("+12125551234", text))
    assert "canary" not in repr(Message("+12125551234", text))


def test_request_name():
    """A request is named after its client and number; without an attempt there is no name."""
    assert "ab-7" == request_name("ab", 7)
    assert request_name("ab", 0) is None
