"""How long a server asks a client to wait."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from customersms_async._wire.codec import TurnedAway, read_answer
from customersms_async._wire.retry_after import asked_in, asked_pause, parse_retry_after

DATE = "Sun, 22 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("007", 7.0),
        ("600", 600.0),
        ("601", 600.0),
        ("999999", 600.0),
        ("9999999999", 600.0),
        ("9" * 8000, 600.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 12:00:30", 30.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        ("Sun, 22 Nov 2026 13:00:30 +0100", 30.0),
        ("Sunday, 22-Nov-26 12:00:30 GMT", 30.0),
        ("Sun Nov 22 12:00:30 2026", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 12:00:00 GMT", 600.0),
    ],
)
def test_retry_after(value, seconds):
    """Seconds and dates are read; the past counts as 0, and ten minutes is the maximum."""
    assert seconds == parse_retry_after(value, DATE)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "inf",
        "nan",
        "-1",
        "+1",
        "1e3",
        "1.5",
        "1_0",
        "٣",
        "²",
        "soon",
        "Sun, 32 Nov 2026 12:00:00 GMT",
        "Sun, 22 Nov 99999999999999999999 12:00:00 GMT",
        "Sun, 22 Nov 2026 12:00:00 +99999999999999999999",
        "Sun, 22 Nov 2026 12:00:00 +9999",
        "\x00",
        ",",
    ],
)
def test_an_invalid_retry_after(value):
    """A value that is neither ASCII digits nor a date is ignored."""
    assert parse_retry_after(value, DATE) is None


@pytest.mark.parametrize("date", [None, "", "junk"])
def test_a_date_needs_the_servers_clock(date):
    """A date is relative to the server's clock, so it is ignored without a Date header."""
    assert parse_retry_after(DATE, date) is None
    assert 7.0 == parse_retry_after("7", date)


@given(st.one_of(st.text(), st.text("0123456789 ,:+-GMTSunNov", max_size=40)), st.text(max_size=30))
@example("0\x1f", "")
def test_any_header(value, date):
    """No header raises, and the result is from 0 to ten minutes."""
    seconds = parse_retry_after(value, date)

    assert seconds is None or 0 <= seconds <= 600


# --- Other headers --------------------------------------------------------------------------------

NOW = 1_795_348_800  # the time of DATE, as Unix time


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"RateLimit-Reset": "15"}, 15.0),
        ({"RateLimit-Reset": "15", "RateLimit-Remaining": "0"}, 15.0),
        ({"RateLimit-Reset": "15", "RateLimit-Remaining": "3"}, None),
        ({"RateLimit": "limit=100, remaining=0, reset=15"}, 15.0),
        ({"RateLimit": "limit=100, remaining=3, reset=15"}, None),
        ({"RateLimit": '"default";r=0;t=15'}, 15.0),
        ({"RateLimit": '"a, b";r=0;t=15, "day";r=900;t=60000'}, 15.0),
        ({"RateLimit": '"a";r=0;t=5, "b";r=0;t=9'}, 9.0),
        ({"RateLimit": "reset=soon"}, None),
        ({"X-RateLimit-Reset": "15"}, 15.0),
        ({"X-Rate-Limit-Reset": "15"}, 15.0),
        ({"X-RateLimit-Reset-After": "1.5"}, 1.5),
        ({"X-RateLimit-Reset": str(NOW + 15), "Date": DATE}, 15.0),
        ({"X-RateLimit-Reset": f"{NOW + 15}.5", "Date": DATE}, 15.5),
        ({"X-RateLimit-Reset": f"{NOW + 15}000", "Date": DATE}, 15.0),
        ({"X-RateLimit-Reset": str(NOW - 15), "Date": DATE}, None),
        ({"X-RateLimit-Reset": str(NOW + 15)}, None),
        ({"X-RateLimit-Reset": "99999"}, 600.0),
        ({"X-RateLimit-Reset": "0"}, None),
        ({"X-RateLimit-Reset": "0.5"}, None),
        ({"X-RateLimit-Reset": "-5"}, None),
        ({"Retry-After": "20", "RateLimit-Reset": "15"}, 20.0),
        ({"Retry-After": "5", "RateLimit-Reset": "15"}, 15.0),
    ],
)
def test_headers_that_ask_for_a_pause(headers, seconds):
    """The longest pause that the headers ask for counts, up to ten minutes."""
    assert seconds == asked_pause(headers)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, None),
        ({"retry_after": 15}, 15.0),
        ({"retryAfter": 15}, 15.0),
        ({"retry-after": "15"}, 15.0),
        ({"Retry-After": 1.5}, 1.5),
        ({"retry_after_seconds": 15}, 15.0),
        ({"retry_after_ms": 15_000}, 15.0),
        ({"error": {"retry_after": 15}}, 15.0),
        ({"data": {"parameters": {"retry_after": 15}}}, 15.0),
        ({"a": {"b": {"c": {"retry_after": 15}}}}, None),
        ({"retry_after": 15, "meta": {"retry_after": 20}}, 20.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": None}, None),
        ({"retry_after": True}, None),
        ({"retry_after": -1}, None),
        ({"retry_after": float("inf")}, None),
        ({"retry_after": {"seconds": 15}}, None),
    ],
)
def test_a_body_that_asks_for_a_pause(fields, seconds):
    """``retry_after`` is found in any spelling, in the top-level object or a nested one."""
    assert seconds == asked_in(fields)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(15.0, 15.0), (0.5, None), (None, None), (700.0, 600.0), (NOW + 9.0, 9.0)],
)
def test_a_pause_from_the_body(asked, seconds):
    """A pause that the body asks for counts like a hint from a header."""
    assert seconds == asked_pause({"Date": DATE}, asked)


@pytest.mark.parametrize(
    ("headers", "in_body", "seconds"),
    [
        ({}, 5.0, None),
        ({}, 9.0, 9.0),
        ({"RateLimit-Reset": "5"}, None, None),
        ({"RateLimit-Reset": "5"}, 9.0, 9.0),
        ({"Retry-After": "5"}, None, 5.0),
        ({"Retry-After": "5", "RateLimit-Reset": "7"}, None, 5.0),
    ],
)
def test_a_hint_does_not_shorten_a_pause(headers, in_body, seconds):
    """A hint below the default pause is ignored; Retry-After is obeyed."""
    assert seconds == asked_pause(headers, in_body, 8.0)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"success": false, "code": "RATE_LIMIT", "retry_after": 15}'),
        (429, b'{"success": false, "error": {"retryAfter": 15}}'),
        (429, b'{"message": "Too many requests", "retry_after": 15}'),
        (429, b'<b>Notice</b>: {"retry_after": 15} in api.php'),
    ],
)
def test_a_rate_limit_keeps_the_pause_of_its_body(status, body):
    """A rate limit has the pause that its body asks for, in any shape of body."""
    answer = read_answer(status, body)

    assert isinstance(answer, TurnedAway)
    assert 15.0 == answer.retry_after


@given(
    st.dictionaries(
        st.sampled_from(
            ["Retry-After", "RateLimit", "RateLimit-Reset", "X-RateLimit-Reset", "Date"]
        ),
        st.one_of(st.text(), st.text("0123456789;,=rt ", max_size=20), st.just(DATE)),
    ),
    st.one_of(st.none(), st.floats(0, 1e18)),
)
def test_any_headers(headers, in_body):
    """No headers raise, and the result is from 0 to ten minutes."""
    seconds = asked_pause(headers, in_body)

    assert seconds is None or 0 <= seconds <= 600
