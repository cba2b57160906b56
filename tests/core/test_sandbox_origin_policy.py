"""Which requests from browsers are allowed."""

import pytest

from customersms_async.sandbox._http.origin_policy import OriginPolicy

HERE = "localhost:8025"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:8025",
        "[::1]:8025",
        "[::1]",
        "sandbox:80",
        "Sms.Test",
        "192.0.2.7:8025",
        "[fe80::1]:9",
    ],
)
def test_names_of_this_machine(host):
    """Names of this machine, the bound host and allowed hosts are accepted."""
    policy = OriginPolicy(["sandbox", "sms.test", "192.0.2.7", "fe80::1"])

    assert policy.objection("POST", {"Host": host}) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:8025", "localhost.evil.example", "127.0.0.1.evil.example",
     "localhost:8025:1", "::1", "2130706433", "localhost.", "127.0.0.2", "sandbox"],
)  # fmt: skip
def test_foreign_host_names(host):
    """A host name that is not allowed is refused, even for reading."""
    reason = OriginPolicy().objection("GET", {"Host": host})

    assert reason is not None
    assert repr(host) in reason
    assert "--allow-host" in reason
    assert "allowed_hosts" in reason


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": f"http://{HERE}"},
        {"Origin": f"HTTP://{HERE}".lower()},
        {"Origin": f"https://{HERE}"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_changes_by_programs_and_by_the_page(headers):
    """Programs and the sandbox's own page, same host and port, may change state."""
    assert OriginPolicy().objection("POST", {"Host": HERE, **headers}) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://localhost"},
        {"Origin": f"http://{HERE}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": f"http://{HERE}", "Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "stays"), [("POST", False), ("DELETE", False), ("PUT", False), ("GET", True)]
)
def test_changes_and_streams_by_another_page(headers, method, stays):
    """A page of another origin, even another port, may neither change state nor open a stream."""
    reason = OriginPolicy().objection(method, {"Host": HERE, **headers}, stays=stays)

    assert reason is not None
    assert "own" in reason


def test_reading_by_another_page():
    """A page of another origin may open a page; without CORS it cannot read the answer."""
    assert OriginPolicy().objection("GET", {"Host": HERE, "Sec-Fetch-Site": "cross-site"}) is None
