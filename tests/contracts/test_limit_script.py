"""The arithmetic of the shared limit, in Lua, against the pure rooms, on the same courses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import redis
from hypothesis import example, given
from hypothesis import strategies as st

from customersms_async._limit.config import Rate
from customersms_async._limit.pause import RateLimitPause
from customersms_async._limit.redis_messages import (
    Ask,
    Ended,
    Rules,
    Told,
    Wish,
    decode_told,
    encode,
)
from customersms_async._limit.redis_store import SCRIPT
from customersms_async._limit.window import Window
from tests.support.store import StoreServer

# Powers of two, so that no sum is rounded and both sides can be held to be equal.
GRACE, MARGIN, PER = 4.0, 0.25, 16.0
SLOW = 0.5


class Script:
    """The script, called by one member or several, at instants that the test says."""

    def __init__(self, client: redis.Redis, limit: int, **rules: object) -> None:
        client.flushdb()
        self._script = client.register_script(SCRIPT)
        usual = {
            "limit": limit,
            "per": PER,
            "margin": MARGIN,
            "grace": GRACE,
            "burst": limit,
            "interval": 0.25,
            "slow_interval": SLOW,
            "reserve": 0,
            "poll": 1e9,
            "trusts_empty": True,
        }
        self._rules = encode(Rules(**(usual | rules)))
        self._calls = itertools.count()
        self._leases = itertools.count(1)

    def call(self, now: float, member: str = "one", **ask: object) -> Told:
        keys = [f"{{test}}:{key}" for key in ("clock", "state", "flying", "ended")]
        ask = {"longest": 32.0, "first_lease": 1_000 * next(self._calls)} | ask
        asked = Ask(member=member, call=f"call-{next(self._calls)}", now=now, **ask)
        return decode_told(self._script(keys=keys, args=[encode(asked), self._rules]))

    def end(self, now: float, lease: str, how: str, **more: object) -> Told:
        return self.call(now, ended=[Ended(lease=lease, how=how, age=0.0, **more)])


def wish(waiting: int, longest: float = 8.0, *, more: int = 0, **place: float) -> Wish:
    return Wish(waiting=waiting, more=more, longest=longest, **place)


@pytest.fixture(scope="session")
def client(servers: dict[str, StoreServer]) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(servers["valkey"].url, db=9) as client:
        yield client


# --- Any course of events -------------------------------------------------------------------------

GAPS = st.integers(0, 64).map(lambda eighths: eighths / 8)
ENDS = st.sampled_from(["answered", "answered", "answered", "lost", "unused"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), GAPS, st.integers(1, 4), st.integers(1, 4)),
        st.tuples(st.just("end"), GAPS, st.integers(0, 5), ENDS),
    ),
    max_size=40,
)


@given(st.integers(1, 6), STEPS)
@example(2, [("take", 0.0, 1, 1), ("end", 0.0, 0, "lost"), ("take", 21.0, 3, 1)])
@example(
    2,
    [
        ("take", 0.0, 2, 1),
        ("end", 0.0, 0, "answered"),
        ("end", 15.0, 0, "lost"),
        ("take", 0.0, 2, 1),
    ],
)
@example(1, [("take", 0.0, 1, 1), ("take", 30.0, 1, 1), ("end", 1.0, 0, "answered")])
def test_the_window_is_the_same_in_both_languages(client, limit, steps):
    """What is granted, what is busy, and when slots open: Lua says what the pure window says."""
    script = Script(client, limit)
    window = Window(Rate(limit, per=PER), grace=GRACE, margin=MARGIN)
    now, flying = 1_000.0, []
    for kind, gap, number, extra in steps:
        now += gap
        if kind == "take":
            longest = 4.0 * extra
            told = script.call(now, send=wish(number, longest), wants_forecast=True)
            pure = [lease for _ in range(number) if (lease := window.take(now, longest))]

            assert len(pure) == len(told.send.granted)
            flying += [
                (f"one:{name}", lease)
                for (name, _), lease in zip(told.send.granted, pure, strict=True)
            ]
            left = number - len(pure)
            expected = [window.earliest(now, place) - now for place in range(min(left, limit))]
            assert pytest.approx(expected) == told.send.forecast
        elif flying:
            name, lease = flying.pop(number % len(flying))
            script.end(now, name, extra)
            if extra == "unused":
                window.unused(lease)
            else:
                getattr(window, extra)(lease, now)
        usage = script.call(now, is_question=True).usage
        free_at = window.next_free_at(now)

        assert (window.busy(now), window.in_flight) == (usage.busy, usage.in_flight)
        assert (None if free_at is None else pytest.approx(free_at - now)) == usage.next_free_in


def test_who_stands_before_the_caller_is_counted_in_its_forecast(client):
    """Where another member is first in line, the turn comes a whole period later."""
    script = Script(client, 1)
    script.call(1_000.0, send=wish(1))
    script.end(1_000.0, "one:1000", "answered")
    script.call(1_000.0, "another", send=wish(1))

    told = script.call(1_000.0, send=wish(2), wants_forecast=True)

    assert [2 * (PER + MARGIN)] == told.send.forecast


def test_a_reserve_is_counted_in_when_bulk_runs_are_told_to_come(client):
    """A bulk run that must leave a slot is told when there is one more."""
    script = Script(client, 2, reserve=1)
    (lease, _), *_ = script.call(1_000.0, bulk=wish(1)).bulk.granted
    script.end(1_000.0, f"one:{lease}", "answered")

    told = script.call(1_000.0, bulk=wish(1))

    assert pytest.approx(PER + MARGIN, abs=0.001) == told.bulk.wait


def test_a_member_that_stays_away_is_forgotten(client):
    """One that is late is passed over at once, and a second later nothing is known of it."""
    script = Script(client, 1)
    (lease, _), *_ = script.call(1_000.0, send=wish(1)).send.granted
    script.end(1_000.0, f"one:{lease}", "answered")
    script.call(1_000.0, "dead", send=wish(3))
    free_at = 1_000.0 + PER + MARGIN

    early = script.call(free_at + 0.25, send=wish(1))
    late = script.call(free_at + 0.75, send=wish(1))
    waiting = script.call(free_at + 0.75, is_question=True).usage.waiting
    script.call(free_at + 1.25, send=wish(1))

    assert ([], 1) == (early.send.granted, len(late.send.granted))
    assert 3 == waiting
    assert 0 == script.call(free_at + 1.25, is_question=True).usage.waiting


REFUSALS = st.lists(
    st.one_of(
        st.tuples(st.just("refused"), GAPS, st.none() | st.integers(0, 700)),
        st.tuples(st.just("answered"), GAPS, st.none()),
    ),
    max_size=30,
)


@given(REFUSALS)
@example([("refused", 0.0, None)] * 9)
@example([("refused", 1.0, None), ("answered", 0.0, None), ("refused", 2.0, None)])
def test_the_pause_is_the_same_in_both_languages(client, steps):
    """However refusals and acceptances follow each other, both agree on when the pause ends."""
    script, pause = Script(client, 100), RateLimitPause()
    now, granted = 1_000.0, []
    for how, gap, seconds in steps:
        told = script.call(now, send=wish(1))
        granted += [(f"one:{name}", told.now) for name, _ in told.send.granted]
        now += gap
        if not granted:
            continue
        lease, granted_at = granted.pop(0)
        if how == "refused":
            retry_after = None if seconds is None else float(seconds)
            pause.refused(now, float(granted_at), retry_after)
            told = script.end(now, lease, how, granted_at=granted_at, retry_after=retry_after)
        else:
            pause.accepted()
            told = script.end(now, lease, how)

        assert pytest.approx(max(pause.until - now, 0.0)) == told.paused_for


@given(st.lists(GAPS, min_size=1, max_size=40), st.integers(1, 9))
def test_the_bucket_never_gives_more_than_its_burst_and_its_rate(client, gaps, burst):
    """Between any two grants lie as many intervals as requests beyond the burst."""
    script = Script(client, 1_000, burst=burst)
    now, grants = 1_000.0, []
    for gap in gaps:
        now += gap / 8
        grants += [now] * len(script.call(now, bulk=wish(20)).bulk.granted)

    assert min(burst, 20) <= len(grants)
    for first, at in enumerate(grants):
        for last in range(first + burst, len(grants)):
            assert (last - first - burst + 1) * 0.25 <= grants[last] - at
