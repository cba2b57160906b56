"""The client: key, endpoint, options, what it shows and what it refuses."""

from __future__ import annotations

import asyncio
import logging
import pickle
import time

import pytest

from customersms_async import ConfigurationError, Credits, CustomerSMS, RequestRecord, Status
from tests.support.client_in_memory import (
    MemoryTransport,
    accepts,
    cannot_connect,
    loses_answer,
    phones,
    refuses,
    turns_away,
)
from tests.support.limiter_callers import usage_now

PHONE = "+12125551234"
SECRET = "cspro_canary"


def test_the_key_comes_from_the_environment(monkeypatch):
    """Without a key argument, CUSTOMERSMS_API_KEY is read."""
    monkeypatch.setenv("CUSTOMERSMS_API_KEY", SECRET)

    assert CustomerSMS(SECRET).account == CustomerSMS().account


def test_the_argument_overrides_the_environment(monkeypatch):
    """A key argument overrides the environment variable."""
    monkeypatch.setenv("CUSTOMERSMS_API_KEY", "cspro_other")

    assert CustomerSMS(SECRET).account != CustomerSMS().account


@pytest.mark.parametrize("value", [None, ""])
def test_no_key_at_all_is_refused(monkeypatch, value):
    """Without argument and variable, the error says where a key can come from."""
    monkeypatch.delenv("CUSTOMERSMS_API_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("CUSTOMERSMS_API_KEY", value)

    with pytest.raises(ConfigurationError, match="CUSTOMERSMS_API_KEY"):
        CustomerSMS()


@pytest.mark.parametrize("key", [None, "", 5, b"cspro_bytes", "two words", "line\n", "ключ"])
def test_an_invalid_key_never_falls_back(monkeypatch, key):
    """An invalid key argument is refused, whatever the environment says."""
    monkeypatch.setenv("CUSTOMERSMS_API_KEY", SECRET)

    with pytest.raises(ConfigurationError, match="api_key"):
        CustomerSMS(key)
    with pytest.raises(ConfigurationError, match="api_key"):
        CustomerSMS(SECRET).for_key(key)


@pytest.mark.parametrize("key", ["cspro_canary with blanks", "cspro_canary\n"])
def test_a_refused_key_is_in_no_frame(key):
    """Neither the error nor the local variables of the package's frames contain the key."""
    with pytest.raises(ConfigurationError) as caught:
        CustomerSMS(key)

    frames = [entry.frame for entry in caught.traceback][1:]
    values = [value for frame in frames for name, value in frame.f_locals.items() if name != "self"]
    assert SECRET not in f"{caught.value} {values}"


def test_the_endpoint_comes_from_the_environment(monkeypatch):
    """CUSTOMERSMS_ENDPOINT sets the gateway of an unchanged application."""
    monkeypatch.setenv("CUSTOMERSMS_ENDPOINT", "http://127.0.0.1:8000/api.php")

    assert repr(CustomerSMS(SECRET)).endswith(" at http://127.0.0.1:8000/api.php: 0 tasks, 0 runs>")


def test_the_default_endpoint(monkeypatch):
    """The default endpoint is the documented URL."""
    monkeypatch.delenv("CUSTOMERSMS_ENDPOINT", raising=False)

    client = CustomerSMS(SECRET)

    endpoint = "https://customersms.pro/sms_system/api.php"
    assert f"<CustomerSMS account {client.account} at {endpoint}: 0 tasks, 0 runs>" == repr(client)


@pytest.mark.parametrize("endpoint", [None, "", "api.php", "ftp://host/x", "https://", 5])
def test_an_invalid_endpoint_is_refused(monkeypatch, endpoint):
    """An endpoint that is not a URL is refused, whatever the environment says."""
    monkeypatch.setenv("CUSTOMERSMS_ENDPOINT", "http://localhost/api.php")

    with pytest.raises(ConfigurationError, match="endpoint must be a URL"):
        CustomerSMS(SECRET, endpoint=endpoint)


@pytest.mark.parametrize("endpoint", ["http://example.com/api.php", "http://10.0.0.1/api.php"])
def test_plain_http_to_another_machine_is_refused(endpoint):
    """Plain HTTP to another host must be allowed explicitly, as the key would be readable."""
    with pytest.raises(ConfigurationError, match="allow_insecure_http"):
        CustomerSMS(SECRET, endpoint=endpoint)

    assert endpoint in repr(CustomerSMS(SECRET, endpoint=endpoint, allow_insecure_http=True))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "api.localhost"])
def test_plain_http_to_this_machine_is_allowed(host):
    """Plain HTTP to this machine is allowed without further options."""
    assert host in repr(CustomerSMS(SECRET, endpoint=f"http://{host}:8000/api.php"))


def test_an_endpoint_with_a_password_is_refused():
    """An endpoint with a password is refused, since URLs appear in logs."""
    with pytest.raises(ConfigurationError, match="user name") as caught:
        CustomerSMS(SECRET, endpoint="https://me:hunter2@host/api.php")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limiter", None),
        ("limiter", 5),
        ("request_timeout", 0),
        ("request_timeout", "1"),
        ("send_timeout", 0),
        ("send_timeout", None),
        ("send_timeout", float("inf")),
        ("retries", -1),
        ("retries", 1.5),
        ("retries", True),
        ("parse_phone", None),
        ("session", "session"),
        ("on_request", 5),
        ("rate_limit_statuses", (200,)),
        ("rate_limit_statuses", "429"),
    ],
)
def test_an_invalid_option_is_refused_by_name(name, value):
    """An invalid option is refused by name when the client is created."""
    with pytest.raises(ConfigurationError, match=name):
        CustomerSMS(SECRET, **{name: value})


def test_a_configuration_error_is_a_value_error():
    """A wrong option can be caught as ValueError."""
    with pytest.raises(ValueError, match="retries"):
        CustomerSMS(SECRET, retries=-1)


def test_a_client_is_not_pickled():
    """Pickling a client is refused with the reason that it holds a key."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(CustomerSMS(SECRET))


def test_no_repr_shows_the_key():
    """Neither the client's repr nor that of its parts shows the key."""
    client = CustomerSMS(SECRET)

    assert SECRET not in f"{client!r}{client} {vars(client)!r}"
    assert SECRET not in client.account


@pytest.mark.virtual_time
async def test_for_key_shares_session_and_limiter(make_client):
    """A client for another key uses the same session and the same limiter."""
    gateway = MemoryTransport(credits=50)
    client = make_client(gateway)

    tenant = client.for_key("cspro_tenant")
    await tenant.send(PHONE, "hello")

    assert ["cspro_tenant"] == [post.key for post in gateway.started]
    assert (1, 0) == tuple(usage_now(client.limiter, one.account).busy for one in (tenant, client))
    assert (None, 49) == (client.credits, tenant.credits.amount)


def test_for_key_costs_microseconds():
    """`for_key` takes microseconds, so a client per request is affordable."""
    client = CustomerSMS(SECRET)

    began_at = time.process_time()
    for _ in range(1_000):
        client.for_key("cspro_tenant")

    assert time.process_time() - began_at < 0.2


def test_for_key_keeps_a_subclass():
    """`for_key` of a subclass returns the subclass with its attributes."""

    class Ours(CustomerSMS):
        __slots__ = ("region",)

        def __init__(self, sender, region):
            super().__init__(SECRET)
            self.sender = sender
            self.region = region

    ours = Ours("me", "US")
    tenant = ours.for_key("cspro_tenant")

    assert (Ours, "me", "US") == (type(tenant), tenant.sender, tenant.region)
    assert tenant.account != ours.account


@pytest.mark.virtual_time
async def test_closing_a_tenants_client_stops_only_its_own_runs(make_client):
    """Closing a tenant's client leaves the session and the runs of others alone."""
    gateway = MemoryTransport()
    client = make_client(gateway)
    tenant = client.for_key("cspro_tenant")
    runs = [
        asyncio.create_task(one.send_many(phones(1000), "hello", batch_size=10))
        for one in (client, tenant)
    ]
    await asyncio.sleep(1)

    await tenant.aclose()
    whole, cut = [await run for run in runs]

    assert (1000, None) == (whole.sent, whole.stopped)
    assert "STOPPED" == cut.stopped
    assert not gateway.is_closed


@pytest.mark.virtual_time
async def test_closing_a_tenants_client_waits_for_its_requests(make_client):
    """Closing a tenant's client waits up to `drain` seconds for its own requests."""
    gateway = MemoryTransport(then=accepts(takes=2))
    tenant = make_client(gateway).for_key("cspro_tenant")
    run = asyncio.create_task(tenant.send_many(phones(10), "hello", batch_size=1))
    await asyncio.sleep(1)

    await tenant.aclose()

    assert 1 == gateway.ledger.total()
    assert 1 == (await run).sent


@pytest.mark.virtual_time
async def test_credits_are_the_last_balance(make_client):
    """`credits` is None before the first answer, then the last balance and its time."""
    client = make_client(MemoryTransport(credits=10))
    before = client.credits

    await client.send(PHONE, "hello")

    assert before is None
    assert isinstance(client.credits, Credits)
    assert 9 == client.credits.amount
    assert abs(client.credits.heard_at.timestamp() - time.time()) < 60


@pytest.mark.virtual_time
async def test_a_low_balance_refuses_no_message(make_client):
    """A message is sent despite a balance of 0, since credits may have been bought."""
    gateway = MemoryTransport(credits=1)
    client = make_client(gateway)
    await client.send(PHONE, "first")

    gateway.credits = 100
    await client.send(PHONE, "second")

    assert 99 == client.credits.amount


@pytest.mark.virtual_time
async def test_a_refusal_may_name_a_balance(make_client):
    """`credits` is updated by the balance in a refusal."""
    client = make_client(MemoryTransport(refuses("NO_CREDIT", remaining_credits=0)))

    report = await client.send_many(phones(3), "hello")

    assert (0, 0, 3) == (client.credits.amount, report.remaining_credits, report.rejected)


@pytest.mark.virtual_time
async def test_on_request_reports_every_attempt(make_client):
    """Each attempt is one record with counts and times, without key, text or number."""
    told = []
    gateway = MemoryTransport(cannot_connect(), turns_away("3"), accepts(takes=0.2), credits=9)
    client = make_client(gateway, on_request=told.append)

    await client.send(PHONE, "hello")

    assert [RequestRecord] * 3 == [type(record) for record in told]
    assert ["CONNECT_FAILED", "RATE_LIMITED", None] == [record.code for record in told]
    assert [{Status.NOT_SENT: 1}, {Status.NOT_SENT: 1}, {Status.SENT: 1}] == [
        record.fates for record in told
    ]
    assert [None, None, 8] == [record.credits for record in told]
    assert {("send", 1, client.account)} == {(r.kind, r.numbers, r.account) for r in told}
    assert 3 == len({record.request for record in told})
    assert [0.01, 0.05, 0.2] == [pytest.approx(record.took) for record in told]
    assert 3 == pytest.approx(told[2].waited, abs=0.7)
    assert not any(hidden in repr(told) for hidden in (PHONE, "hello", "cspro_test"))


@pytest.mark.virtual_time
async def test_on_request_reports_a_batch(make_client):
    """A batch is one record with the counts of its fates."""
    told = []
    refused = phones(10)[:3]
    client = make_client(MemoryTransport(accepts(refuse=refused)), on_request=told.append)

    await client.send_many(phones(10), "hello")

    assert ("bulk", 10, None) == (told[0].kind, told[0].numbers, told[0].code)
    assert {Status.SENT: 7, Status.REJECTED: 3} == told[0].fates


@pytest.mark.virtual_time
@pytest.mark.parametrize("behaviour", [accepts(takes=30), cannot_connect(takes=30)])
async def test_on_request_reports_an_abandoned_attempt(make_client, behaviour):
    """An attempt that was given up, in flight or earlier, is reported too."""
    told = []
    client = make_client(MemoryTransport(then=behaviour), on_request=told.append)
    run = asyncio.create_task(client.send_many(phones(10), "hello", drain=1))
    await asyncio.sleep(1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert 1 == len(told)
    assert 10 == sum(told[0].fates.values())


@pytest.mark.virtual_time
async def test_a_hook_that_raises_changes_nothing(make_client, caplog):
    """An exception of `on_request` is logged, and the message is sent."""

    def hook(record):
        raise LookupError("of the caller")

    receipt = await make_client(MemoryTransport(), on_request=hook).send(PHONE, "hello")

    assert PHONE == receipt.phone
    assert ["hook.failed"] == [record.event for record in caplog.records]


@pytest.mark.virtual_time
async def test_unknown_and_surplus_are_logged_with_an_event(make_client, caplog):
    """Log records have an event name, the request and the account, but no number or text."""
    extra = {"phone": "+49301234567", "success": True}
    both = [{"phone": PHONE, "success": True}, extra]
    gateway = MemoryTransport(accepts(results=both), loses_answer())
    client = make_client(gateway)
    await client.send_many([PHONE], "hello")
    await client.send_many([PHONE], "hello")

    events = [
        (record.event, record.account == client.account)
        for record in caplog.records
        if record.levelno >= logging.WARNING
    ]
    assert [("answer.surplus", True), ("request.unknown", True)] == events
    assert PHONE not in caplog.text
