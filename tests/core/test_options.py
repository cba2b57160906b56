"""Options: an invalid value is refused by name, with what is valid."""

import math

import pytest

from customersms_async._bulk.options import LookingOptions, Options
from customersms_async._bulk.stop_rules import StopRules
from customersms_async._values.validation import (
    check_count,
    check_endpoint,
    check_method,
    check_seconds,
    check_seconds_or_none,
    check_statuses,
)
from customersms_async.errors import ConfigurationError

NO_COUNTS = [1.5, True, "5", None, math.nan, [5]]
NO_SECONDS = [-1, -0.001, math.inf, math.nan, True, "5", [5]]


def refusal(call, *args, **kwargs):
    with pytest.raises(ConfigurationError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def test_defaults():
    """The defaults of a run are as documented."""
    assert LookingOptions() == LookingOptions(
        batch_size=100,
        max_in_flight=16,
        stop_after=None,
        dedupe=True,
        skip=None,
        drain=None,
        journal=None,
        stop=StopRules(
            max_unknown=3,
            max_refused=3,
            max_rejected=None,
            outage=600,
            min_credits=0,
            max_credits=None,
        ),
        look_ahead=50_000,
    )


@pytest.mark.parametrize(
    ("name", "least", "bounds"),
    [
        ("batch_size", 1, "from 1 to 10000"),
        ("max_in_flight", 1, "of at least 1"),
        ("look_ahead", 1, "of at least 1"),
    ],
)
def test_counts(name, least, bounds):
    """A count that is too small or not an integer is refused by name and value."""
    for value in [*NO_COUNTS, least - 1]:
        said = f"{name} must be a whole number {bounds}, not {value!r}"
        assert said == refusal(LookingOptions, **{name: value})

    assert least == getattr(LookingOptions(**{name: least}), name)


def test_a_batch_has_a_largest_size():
    """A batch size above 10,000 is refused, since its body would take too much memory."""
    assert 10_000 == Options(batch_size=10_000).batch_size
    assert "from 1 to 10000, not 10001" in refusal(Options, batch_size=10_001)


@pytest.mark.parametrize("value", [*NO_SECONDS, 0])
def test_stop_after(value):
    """An invalid `stop_after` is refused by name and value."""
    said = f"stop_after must be a number of seconds above 0, not {value!r}"

    assert said == refusal(Options, stop_after=value)


@pytest.mark.parametrize(
    ("name", "least"),
    [("max_unknown", 1), ("max_refused", 1), ("min_credits", 0), ("max_credits", 1)],
)
def test_counts_of_stop_rules(name, least):
    """An invalid count in the stop rules is refused by name and value."""
    for value in [*(v for v in NO_COUNTS if v is not None), least - 1]:
        said = f"{name} must be a whole number of at least {least}, not {value!r}"
        assert said == refusal(StopRules, **{name: value})

    assert least == getattr(StopRules(**{name: least}), name)


@pytest.mark.parametrize("value", [0, -0.1, 1.01, True, "0.5", math.nan])
def test_a_share_of_rejected(value):
    """A share is above 0 and at most 1; None disables the rule."""
    said = f"max_rejected must be a share above 0 and up to 1, or None, not {value!r}"

    assert said == refusal(StopRules, max_rejected=value)
    assert (1, None) == (StopRules(max_rejected=1).max_rejected, StopRules().max_rejected)


@pytest.mark.parametrize("value", [*NO_SECONDS, None])
def test_an_outage(value):
    """An invalid `outage` is refused; 0 means not to wait at all."""
    said = f"outage must be a number of seconds of at least 0, not {value!r}"

    assert said == refusal(StopRules, outage=value)
    assert 0 == StopRules(outage=0).outage


@pytest.mark.parametrize("value", [None, 3, {"max_unknown": 3}])
def test_rules_are_one_object(value):
    """Stop rules are given as one `StopRules` object."""
    said = f"stop must be StopRules(...), not {type(value).__name__}"

    assert said == refusal(Options, stop=value)


@pytest.mark.parametrize("value", NO_SECONDS)
def test_drain(value):
    """An invalid `drain` is refused; 0 is accepted."""
    said = f"drain must be a number of seconds of at least 0, not {value!r}"

    assert said == refusal(Options, drain=value)
    assert 0 == Options(drain=0).drain


@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_dedupe(value):
    """`dedupe` must be True or False; other truthy or falsy values are refused."""
    assert f"dedupe must be True or False, not {value!r}" == refusal(Options, dedupe=value)


class Memory:
    async def claim(self, batch):
        raise NotImplementedError

    async def release(self, batch):
        raise NotImplementedError

    async def settle(self, outcomes):
        raise NotImplementedError

    async def refuse(self, outcomes):
        raise NotImplementedError


class Older:
    claim = settle = Memory.settle


@pytest.mark.parametrize(
    ("value", "lacks"),
    [
        ("a path", "str (without claim, release, settle, refuse)"),
        (Older(), "Older (without release, refuse)"),
        (Memory, "type (the class itself)"),
    ],
)
def test_journal(value, lacks):
    """A journal must have the four methods of the port; the error names a missing one."""
    memory = Memory()
    calls = "claim(), release(), settle() and refuse()"

    assert memory is Options(journal=memory).journal
    assert f"journal must be an object with {calls}, not {lacks}" == refusal(Options, journal=value)


def test_seconds():
    """A valid duration is returned unchanged."""
    assert 2.5 == check_seconds("drain", 2.5)
    assert 3 == check_seconds_or_none("request_timeout", 3)
    assert check_seconds_or_none("request_timeout", None) is None
    assert "request_timeout" in refusal(check_seconds_or_none, "request_timeout", 0)


def test_count():
    """An integer within its bounds is returned unchanged."""
    assert 0 == check_count("retries", 0, 0)
    assert 9 == check_count("retries", 9, 0, 9)
    assert "retries must be a whole number from 0 to 9, not 10" == refusal(
        check_count, "retries", 10, 0, 9
    )


def test_method():
    """An object with the required method is returned unchanged."""
    assert print is check_method("on_request", print, "__call__")
    assert "on_request must be callable, not int" == refusal(
        check_method, "on_request", 5, "__call__"
    )
    assert "limiter must be an object with acquire(), not int" == refusal(
        check_method, "limiter", 5, "acquire"
    )


@pytest.mark.parametrize("value", [(429,), [429, 503], {503}, (429, 429), range(500, 600), ()])
def test_statuses(value):
    """Any collection of error statuses is accepted, even with duplicates."""
    assert frozenset(value) == check_statuses("rate_statuses", value)


@pytest.mark.parametrize("value", [(200,), ("429",), "429", (429, 600), None, 42.9, (429.0, None)])
def test_invalid_statuses(value):
    """A value that is not an error status is refused by name and value, with an example."""
    said = f"rate_statuses must be HTTP statuses from 400 to 599, like (429, 503), not {value!r}"

    assert said == refusal(check_statuses, "rate_statuses", value)


@pytest.mark.parametrize(
    "url",
    [
        "https://customersms.pro/sms_system/api.php",
        "HTTPS://CustomerSMS.pro/api.php",
        "https://customersms.pro:8443/api.php?a=b",
        "https://[2001:db8::1]/api.php",
        "http://localhost:8080/api",
        "http://LOCALHOST/api",
        "http://sandbox.localhost/api",
        "http://127.0.0.1:8080/api",
        "http://127.8.8.8/api",
        "http://[::1]:8080/api",
    ],
)
def test_endpoint(url):
    """HTTPS to any host and plain HTTP to this machine are accepted."""
    assert url == check_endpoint(url, allow_insecure_http=False)


@pytest.mark.parametrize(
    "host",
    [
        "customersms.pro",
        "10.0.0.1",
        "0.0.0.0",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "notlocalhost",
        "[::2]",
    ],
)
def test_plain_http_to_another_machine(host):
    """Plain HTTP to another host is refused with its name, unless it is allowed explicitly."""
    url = f"http://{host}/api.php"

    said = refusal(check_endpoint, url, allow_insecure_http=False)

    assert f"endpoint must use https, not plain http to {host.strip('[]')}, where anyone" in said
    assert "allow_insecure_http=True allows it" in said
    assert url == check_endpoint(url, allow_insecure_http=True)


@pytest.mark.parametrize("user", ["me@", "me:secret@", ":secret@", "@"])
def test_user_info_in_an_endpoint(user):
    """An endpoint with a user name or password is refused, and neither is shown."""
    said = refusal(check_endpoint, f"https://{user}example.com/api", allow_insecure_http=True)

    assert "endpoint must not contain a user name or a password; the key authenticates" == said


@pytest.mark.parametrize(
    "url",
    [
        "",
        "customersms.pro/api.php",
        "/sms_system/api.php",
        "//customersms.pro/api.php",
        "ftp://me:secret@example.com/api",
        "file:///etc/passwd",
        "https://",
        "https:///api.php",
        "https://:8080/api",
        "https://example.com:port/api",
        "https://example.com:99999/api",
        "https://example.com:0/api",
        "https://[::1/api",
        "https://[secret]/api",
        "https://exa mple.com/api",
        " https://example.com/api",
        "https://example.com/api\n",
        "https://example.com/a\tpi",
        "http://example.com\\.localhost/api",
        "http://localhost\\@example.com/api",
        "https://a\uff0fb/api",
        "cspro_secret",
    ],
)
def test_junk_as_endpoint(url):
    """A value that is not an absolute http(s) URL is refused with an example, and not quoted."""
    said = refusal(check_endpoint, url, allow_insecure_http=True)

    assert (
        f"endpoint must be a URL like https://host/path, not a text of {len(url)} characters"
        in said
    )
    assert "secret" not in said


@pytest.mark.parametrize("url", [None, 5, b"https://example.com"])
def test_endpoint_of_a_wrong_type(url):
    """An endpoint that is not a string is refused with its type."""
    said = refusal(check_endpoint, url, allow_insecure_http=True)

    assert f"endpoint must be a URL like https://host/path, not {type(url).__name__}" == said
