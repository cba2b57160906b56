"""How much of its limit a key has used, and what it is told above the limit."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async.sandbox._gateway.accounts import Accounts
from customersms_async.sandbox._gateway.clock import MovableClock, iso_time
from customersms_async.sandbox._gateway.fault_engine import FaultEngine
from customersms_async.sandbox._gateway.key_limits import KeyLimits
from customersms_async.sandbox._gateway.mailboxes import Mailboxes
from customersms_async.sandbox._gateway.rate_budget import Budget, KeyLimit
from customersms_async.sandbox._gateway.rate_rules import RULE_NAMES, RuleName, make_rule
from customersms_async.sandbox._gateway.replies import Timing
from customersms_async.sandbox._gateway.request_handler import RequestHandler

KEY = "cspro_test"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()


def refused(**options: object):
    """Return the answer to the second of two requests under a limit of one."""
    handler = RequestHandler(
        Accounts({KEY: 10}, lambda _text: 1),
        KeyLimits(KeyLimit(limit=1, **options)),
        FaultEngine(),
        Mailboxes(10),
        Timing(0.0, 0.0),
        200,
    )
    body = json.dumps({"api_key": KEY, "phone": "+12125551234", "message": "Hi"}).encode()
    handler.handle(body, NOON)
    return handler.handle(body, NOON + 0.5)


@pytest.mark.parametrize(
    ("form", "status", "start"),
    [
        ("rate-limited", 429, b'{"success":false,"error":"Rate limit exceeded"'),
        ("rate-limited-html", 429, b"<html>\r\n<head><title>429 Too Many Requests"),
        ("rate-limited-200", 200, b'{"success":false,"error":"Rate limit exceeded"'),
        ("http-503", 503, b"<html>\r\n<head><title>503 Service Temporarily Unavailable"),
    ],
)
def test_the_forms_of_a_refusal_for_the_rate(form, status, start):
    """Each form of rate limit has its status and body, and is recorded as a rate limit."""
    visit = refused(rate_refusal=form)

    assert (status, "60") == (visit.reply.status, visit.reply.retry_after)
    assert visit.reply.body.startswith(start)
    assert ("RATE_LIMIT_EXCEEDED", None) == (visit.request.code, visit.request.fault)


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [
        ("seconds", "60"),
        ("date", "Mon, 01 Jun 2026 12:01:00 GMT"),
        ("none", None),
        ("in a while", "in a while"),
    ],
)
def test_retry_after(retry_after, header):
    """Retry-After contains seconds, a date, a custom text, or is absent."""
    assert header == refused(retry_after=retry_after).reply.retry_after


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("rate_refusal", "html"),
        ("rate_refusal", None),
        ("retry_after", ""),
        ("retry_after", "7\r\nX: 1"),
        ("retry_after", 7),
    ],
)
def test_an_invalid_option_of_a_limit(option, value):
    """The error names the option and the value."""
    with pytest.raises(ValueError, match=f"^{option} must be .*, not "):
        KeyLimit(limit=1, **{option: value})


@pytest.mark.parametrize(
    ("name", "after_three", "capacity"),
    [
        ("fixed-window", 3, 5),
        ("sliding-log", 3, 5),
        ("sliding-counter", 3, 5),
        ("token-bucket", 3, 5),
        ("gcra", 3, 10),
        ("nginx", 3, 21),
    ],
)
def test_usage(name, after_three, capacity):
    """Each rule reports how many requests count at present, and its capacity."""
    budget = Budget(KeyLimit(limit=5, rule=name))
    at_rest = budget.usage(NOON)
    for _ in range(3):
        budget.refusal(NOON)
    usage = budget.usage(NOON)

    assert (0, capacity, capacity) == (at_rest.used, at_rest.capacity, at_rest.free)
    assert (after_three, capacity - after_three) == (usage.used, usage.free)
    assert (3, 0, name, 5, 60) == (
        usage.requests,
        usage.refused,
        usage.rule,
        usage.limit,
        usage.per,
    )


def test_usage_above_the_limit():
    """Refused requests are counted separately, and the seconds to wait are reported."""
    budget = Budget(KeyLimit(limit=2))
    for n in range(5):
        budget.refusal(NOON + n)
    usage = budget.usage(NOON + 10)

    assert (2, 0, 50, 5, 3) == (
        usage.used,
        usage.free,
        usage.retry_after,
        usage.requests,
        usage.refused,
    )


def test_usage_without_a_limit():
    """Without a limit, requests of the last period are counted and nothing is refused."""
    budget = Budget(KeyLimit())
    refusals = [budget.refusal(NOON + n / 10) for n in range(1000)]
    usage = budget.usage(NOON + 100)

    assert [None] * 1000 == refusals
    assert (599, None, None, None, 0) == (
        usage.used,
        usage.limit,
        usage.capacity,
        usage.free,
        usage.retry_after,
    )


@pytest.mark.parametrize("name", RULE_NAMES)
@given(gaps=st.lists(st.floats(0, 20), min_size=1, max_size=60))
def test_free_means_free(name: RuleName, gaps):
    """Exactly as many requests are admitted at once as are reported free."""
    budget, now = Budget(KeyLimit(limit=5, rule=name, burst=3)), NOON
    for gap in gaps:
        now += gap
        budget.refusal(now)
    free = budget.usage(now).free
    admitted = [budget.refusal(now) is None for _ in range(10)]

    assert [True] * free + [False] * (10 - free) == admitted


@pytest.mark.parametrize("name", RULE_NAMES)
def test_usage_returns_to_zero(name: RuleName):
    """After a long idle time no request counts any more."""
    rule = make_rule(name, 5, per=60.0)
    while rule.admit(NOON):
        pass

    assert 0 < rule.used(NOON)
    assert 0 == rule.used(NOON + 1000)


def test_a_limit_for_one_key():
    """A new common limit leaves a key's own limit unchanged; closing the account removes it."""
    limits = KeyLimits(KeyLimit(limit=1))
    limits.set(KeyLimit(limit=5), KEY)
    for key in (KEY, "cspro_other"):
        limits.of(key).refusal(NOON)
    limits.set(KeyLimit(limit=9))
    found = [(limits.limit_of(key).limit, limits.usage(key, NOON).used) for key in (KEY, "x")]
    others = limits.usage("cspro_other", NOON).used
    limits.forget(KEY)

    assert ([(5, 1), (9, 0)], 0) == (found, others)
    assert (9, 0) == (limits.limit_of(KEY).limit, limits.usage(KEY, NOON).used)


def test_dates_beyond_the_calendar():
    """A time outside the calendar is shown as the nearest date."""
    assert ("1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59.000Z") == (
        iso_time(-1e20),
        iso_time(1e20),
    )


def test_a_clock_that_is_advanced():
    """An advanced clock is ahead of its base by the total."""
    clock = MovableClock(lambda: NOON)
    clock.advance(60)
    clock.advance(0)

    assert NOON + 60 == clock.now()
    assert "2026-06-01T12:01:00.000Z" == iso_time(clock.now())


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), True, "60", None, 1e12])
def test_an_invalid_advance(seconds):
    """A clock can only be advanced by a number of seconds of at least 0."""
    clock = MovableClock(lambda: NOON)
    with pytest.raises(ValueError, match=r"^advance must be .*, not "):
        clock.advance(seconds)

    assert NOON == clock.now()


def test_the_maximum_advance():
    """The total of all advances is limited to a century."""
    clock = MovableClock(lambda: NOON)
    clock.advance(3e9)
    with pytest.raises(ValueError, match="from 0 to 2e\\+08, not"):
        clock.advance(3e9)


@pytest.mark.parametrize("rule", RULE_NAMES)
@given(
    limit=st.integers(1, 120),
    per=st.floats(0.5, 4000),
    start=st.floats(0, 2e9),
    gaps=st.lists(st.floats(0, 5), max_size=10),
)
def test_advancing_by_retry_after_makes_room(rule, limit, per, start, gaps):
    """After advancing the clock by `retry_after`, a request is admitted."""
    budget = Budget(KeyLimit(limit=limit, per=per, rule=rule, burst=2))
    clock = MovableClock(lambda: start)
    for gap in [*gaps, 0.0, 0.0, 0.0]:
        clock.advance(gap)
        while budget.refusal(clock.now()) is None:
            pass
        clock.advance(budget.usage(clock.now()).retry_after)

        assert budget.refusal(clock.now()) is None


@pytest.mark.parametrize("per", [1e-320, 0.0009, 0, -1, 1e12, 10**400, float("nan"), True, "60"])
def test_invalid_periods(per):
    """A period is from a millisecond to a year."""
    with pytest.raises(
        ValueError, match=r"^per must be a number of seconds from 0.001 to"
    ) as caught:
        KeyLimit().changed({"per": per})

    assert str(caught.value).endswith(f"not {per!r}")


@pytest.mark.parametrize("name", ["limit", "burst"])
@pytest.mark.parametrize("count", [10**9 + 1, 10**400])
def test_counts_that_are_too_large(name, count):
    """A limit or a burst above 10^9 is refused."""
    with pytest.raises(ValueError, match=f"^{name} must be at most 1000000000, not {count}"):
        KeyLimit().changed({name: count})


def test_retry_after_beyond_the_calendar():
    """At the end of the calendar, Retry-After still has a valid date."""
    limit = KeyLimit(retry_after="date")

    assert "Fri, 31 Dec 9999 23:59:59 GMT" == limit.header(60.0, 1e300)
