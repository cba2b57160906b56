"""A limiter given by its address, as an argument or in the environment."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from customersms_async import ConfigurationError, CustomerSMS, FileLimiter, LocalLimiter, sync
from customersms_async.postgres import PostgresLimiter
from customersms_async.redis import RedisLimiter
from customersms_async.sandbox import Sandbox
from tests.support.client_in_memory import MemoryTransport, make_client_in_memory
from tests.support.limiter_callers import now
from tests.support.shared_limiter_in_memory import LimiterInMemory, RemoteStore


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("file:///var/lib/app/sms.limit", FileLimiter),
        ("file:sms.limit", FileLimiter),
        ("sqlite:///sms.limit", FileLimiter),
        ("sqlite:////var/lib/app/sms.limit", FileLimiter),
        ("/var/lib/app/sms.limit", FileLimiter),
        ("sms.limit", FileLimiter),
        ("redis://localhost:6379/0", RedisLimiter),
        ("rediss://:secret@example.org", RedisLimiter),
        ("unix:///run/redis.sock", RedisLimiter),
        ("postgresql://me@localhost/app", PostgresLimiter),
        ("postgres://localhost", PostgresLimiter),
    ],
)
def test_an_address_names_a_limiter(address, kind, monkeypatch):
    """The start of the address decides the kind of store, as argument and as variable."""
    given = CustomerSMS("cspro_test_key", limiter=address).limiter
    monkeypatch.setenv("CUSTOMERSMS_LIMITER", address)
    found = CustomerSMS("cspro_test_key").limiter

    assert [kind, kind] == [type(given), type(found)]


@pytest.mark.parametrize("slashes", ["", "//", "///"])
async def test_up_to_three_slashes_begin_a_relative_path(slashes, tmp_path, monkeypatch):
    """They name a file in the working directory, as for an outbox."""
    monkeypatch.chdir(tmp_path)

    async with CustomerSMS("cspro_test_key", limiter=f"sqlite:{slashes}a.limit").limiter:
        assert (tmp_path / "a.limit").exists()


@pytest.mark.parametrize("make_client", [CustomerSMS, sync.CustomerSMS])
def test_a_path_names_a_file(make_client, tmp_path):
    """A `Path` of any name is a file, the same as its text; an outbox takes it as well."""
    clients = [
        make_client("cspro_test_key", limiter=limiter)
        for limiter in (tmp_path / "limit", str(tmp_path / "limit"))
    ]
    bare = make_client("cspro_test_key", limiter=Path("limit")).limiter

    assert isinstance(clients[0].limiter, FileLimiter)
    assert clients[0].limiter is clients[1].limiter
    assert isinstance(bare, FileLimiter)


def test_one_address_is_one_limiter():
    """Clients of a process with the same address share a limiter; another address is another."""
    clients = [CustomerSMS("cspro_test_key", limiter="sqlite:///a.limit") for _ in range(2)]
    other = CustomerSMS("cspro_test_key", limiter="sqlite:///b.limit")

    assert clients[0].limiter is clients[1].limiter
    assert clients[0].limiter is not other.limiter


async def test_a_limiter_is_closed_with_its_last_client(tmp_path):
    """Closing one client leaves the limiter open for another client with the same address."""
    address = str(tmp_path / "sms.limit")
    async with Sandbox(keys={"cspro_test_key": 10}) as sandbox:
        options = {"endpoint": sandbox.endpoint, "limiter": address}
        async with CustomerSMS("cspro_test_key", **options) as sms:
            async with CustomerSMS("cspro_test_key", **options) as other:
                await other.ready()
            await sms.send("+12125550123", "Your code is 4711")
            usage = await sms.usage()

    assert (1, 0) == (usage.busy, usage.in_flight)


@pytest.mark.virtual_time
@pytest.mark.parametrize("is_away", [False, True])
async def test_closing_a_client_reports_ends_to_the_store(is_away):
    """Closing reports pending ends to a limiter that was passed in, or keeps them for later."""
    server = RemoteStore()
    one, other = LimiterInMemory(server), LimiterInMemory(server)
    sms = make_client_in_memory(MemoryTransport(), limiter=one)
    await sms.send("+12125550123", "Your code is 4711")
    server.is_away = is_away

    await sms.aclose()

    server.is_away = False
    usage = await other.usage(sms.account)
    assert (1, int(is_away)) == (usage.busy, usage.in_flight)
    await asyncio.sleep(2)
    assert 0 == (await other.usage(sms.account)).in_flight
    await sms.send("+12125550123", "Your code is 4712")


@pytest.mark.virtual_time
async def test_closing_an_unused_client_asks_no_store():
    """Closing a client that sent nothing makes no call to the store."""
    server = RemoteStore()
    sms = make_client_in_memory(MemoryTransport(), limiter=LimiterInMemory(server))

    await sms.aclose()

    assert 0 == server.calls


def test_an_argument_overrides_the_variable(monkeypatch):
    """A limiter that is passed in is used instead of the variable's."""
    monkeypatch.setenv("CUSTOMERSMS_LIMITER", "redis://localhost")
    limiter = LocalLimiter()

    assert limiter is CustomerSMS("cspro_test_key", limiter=limiter).limiter


@pytest.mark.parametrize("address", ["", "localhost:6379", "mysql://me:4711@host", "redis", "4711"])
def test_an_invalid_address_is_refused(address, monkeypatch):
    """The error says what is valid, names the variable, and shows no password."""
    with pytest.raises(ConfigurationError, match="limiter must be a limiter or an address") as one:
        CustomerSMS("cspro_test_key", limiter=address)
    monkeypatch.setenv("CUSTOMERSMS_LIMITER", address)
    with pytest.raises(ConfigurationError, match="CUSTOMERSMS_LIMITER must be") as other:
        CustomerSMS("cspro_test_key")

    assert "4711" not in f"{one.value} {other.value}"


async def test_a_client_opens_and_closes_its_limiter(tmp_path):
    """Entering does the roll call; closing reports ends, and the next client goes on."""
    path = tmp_path / "sms.limit"
    async with Sandbox(keys={"cspro_test_key": 10}) as sandbox:
        for _ in range(2):
            async with CustomerSMS(
                "cspro_test_key", endpoint=sandbox.endpoint, limiter=f"file://{path}"
            ) as sms:
                began_at = now()
                await sms.ready()
                await sms.for_key("cspro_test_key").aclose()
                await sms.send("+12125550123", "Your code is 4711")
        usage = await sms.usage()
        await sms.aclose()

    assert now() - began_at < 2  # the first client did the roll call
    assert (2, 0) == (usage.busy, usage.in_flight)
    assert [path] == list(tmp_path.iterdir())
