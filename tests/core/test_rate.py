"""`Rate`: the limit as the server defines it."""

from __future__ import annotations

import math

import pytest

from customersms_async import ConfigurationError, Rate


@pytest.mark.parametrize(
    ("rate", "parts", "each"),
    [(Rate(), 1, Rate(100)), (Rate(), 3, Rate(33)), (Rate(7, per=1.5), 7, Rate(1, per=1.5))],
)
def test_parts_are_equal_and_never_more_than_the_whole(rate, parts, each):
    """The parts of a split rate are equal, and together no more than the whole."""
    assert each == rate.split(parts)
    assert each.limit * parts <= rate.limit


@pytest.mark.parametrize("parts", [0, -1, 101, 2.0, True, None])
def test_an_invalid_number_of_parts(parts):
    """Each part must allow at least one request; the error names the value."""
    with pytest.raises(ConfigurationError, match=rf"parts must be .*{parts}"):
        Rate(100).split(parts)


@pytest.mark.parametrize("per", [0, -1, math.inf, math.nan, "60", None, True])
def test_an_invalid_period(per):
    """A period is a finite number of seconds above 0; the error names the value."""
    with pytest.raises(
        ConfigurationError, match=rf"per must be a number of seconds above 0, not {per!r}"
    ):
        Rate(100, per=per)


@pytest.mark.parametrize("limit", [0, -1, 1.5, "100", None, True])
def test_an_invalid_limit(limit):
    """A limit is an integer of at least 1."""
    with pytest.raises(ConfigurationError, match=f"limit must be .*{limit!r}"):
        Rate(limit)
