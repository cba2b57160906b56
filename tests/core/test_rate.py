"""The limit as its server states it."""

from __future__ import annotations

import math

import pytest

from customersms_async import ConfigurationError, Rate


@pytest.mark.parametrize(
    ("rate", "parts", "each"),
    [(Rate(), 1, Rate(100)), (Rate(), 3, Rate(33)), (Rate(7, per=1.5), 7, Rate(1, per=1.5))],
)
def test_parts_are_equal_and_never_more_than_the_whole(rate, parts, each):
    """Processes that share nothing keep the limit together."""
    assert each == rate.split(parts)
    assert each.limit * parts <= rate.limit


@pytest.mark.parametrize("parts", [0, -1, 101, 2.0, True, None])
def test_parts_that_make_no_sense(parts):
    """Each part has a request at least; the error names what was given."""
    with pytest.raises(ConfigurationError, match=rf"parts must be .*{parts}"):
        Rate(100).split(parts)


@pytest.mark.parametrize("per", [0, -1, math.inf, math.nan, "60", None, True])
def test_a_period_that_is_none(per):
    """A period is a finite number of seconds above 0; the error names what was given."""
    with pytest.raises(
        ConfigurationError, match=rf"per must be a number of seconds above 0, not {per!r}"
    ):
        Rate(100, per=per)


@pytest.mark.parametrize("limit", [0, -1, 1.5, "100", None, True])
def test_a_limit_that_is_none(limit):
    """A limit is a whole number of requests, at least one."""
    with pytest.raises(ConfigurationError, match=f"limit must be .*{limit!r}"):
        Rate(limit)
