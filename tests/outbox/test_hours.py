"""Daily hours and deadlines, across midnight and changes of daylight saving time."""

import datetime as dt

import pytest

from customersms_async import ConfigurationError
from customersms_async.outbox._core.hours import check_deadline, read_hours


def at(text):
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-28T08:00+01:00", 0),
        ("2026-11-28T20:59:59+01:00", 0),
        ("2026-11-28T07:59+01:00", 60),
        ("2026-11-28T21:00+01:00", 11 * 3600),
        ("2026-11-28T23:30+00:00", 7.5 * 3600),
        # The clocks go forward at 02:00 in this night, which makes it an hour shorter.
        ("2026-03-28T21:00+01:00", 10 * 3600),
        # And back in this one.
        ("2026-10-24T21:00+02:00", 12 * 3600),
    ],
)
def test_the_wait_until_the_hours_begin(now, expected):
    """Outside the hours, the wait lasts until they begin on a clock in the zone."""
    hours = read_hours(("08:00", "21:00", "Europe/Rome"))

    assert expected == hours.wait(at(now))


@pytest.mark.parametrize(
    ("now", "expected"), [("23:00", 0), ("05:59", 0), ("06:00", 16 * 3600), ("21:00", 3600)]
)
def test_hours_across_midnight(now, expected):
    """Hours that end before they begin include the night."""
    hours = read_hours(("22:00", "06:00", "UTC"))

    assert expected == hours.wait(at(f"2026-11-28T{now}+00:00"))


def test_no_hours():
    """Without hours, None is returned."""
    assert read_hours(None) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("08:00-21:00", "must be like"),
        (("08:00", "21:00"), "must be like"),
        (("8 am", "21:00", "UTC"), "'8 am'"),
        (("08:00", "21:00", "Rome"), "'Rome'"),
        (("08:00", "21:00", "../x"), "'../x'"),
    ],
)
def test_invalid_hours_are_refused(given, said):
    """The error quotes what was given."""
    with pytest.raises(ConfigurationError, match=said):
        read_hours(given)


def test_a_deadline_has_a_zone():
    """A naive datetime is refused, as it depends on the machine."""
    with pytest.raises(ConfigurationError, match="time zone"):
        check_deadline(dt.datetime(2026, 11, 28))  # noqa: DTZ001  # is refused


def test_a_valid_deadline():
    """An aware datetime or None is returned unchanged."""
    deadline = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)

    assert (deadline, None) == (check_deadline(deadline), check_deadline(None))
