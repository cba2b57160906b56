"""A client whose limiter is named by an address, as an argument or in the environment."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async import ConfigurationError, CustomerSMS, FileLimiter, LocalLimiter
from customersms_async.postgres import PostgresLimiter
from customersms_async.redis import RedisLimiter
from customersms_async.sandbox import Sandbox
from tests.support.callers import now
from tests.support.memory import MemoryTransport, make_client_in_memory
from tests.support.shared import InMemory, Server


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
    """Its beginning says which kind of store it is, as an argument or as the variable."""
    given = CustomerSMS("cspro_test_key", limiter=address).limiter
    monkeypatch.setenv("CUSTOMERSMS_LIMITER", address)
    found = CustomerSMS("cspro_test_key").limiter

    assert [kind, kind] == [type(given), type(found)]


def test_one_address_is_one_limiter():
    """Clients of a process that name the same address share a limiter; another one has its own."""
    clients = [CustomerSMS("cspro_test_key", limiter="sqlite:///a.limit") for _ in range(2)]
    other = CustomerSMS("cspro_test_key", limiter="sqlite:///b.limit")

    assert clients[0].limiter is clients[1].limiter
    assert clients[0].limiter is not other.limiter


async def test_the_last_client_closes_a_limiter(tmp_path):
    """A client that is closed leaves the limiter of its address to another that uses it."""
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
async def test_a_client_that_is_closed_tells_how_its_requests_ended(is_away):
    """A limiter that was passed in is not closed; what its store cannot be told now waits."""
    server = Server()
    one, other = InMemory(server), InMemory(server)
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
async def test_a_client_that_sent_nothing_has_nothing_to_tell():
    """To close it asks no store."""
    server = Server()
    sms = make_client_in_memory(MemoryTransport(), limiter=InMemory(server))

    await sms.aclose()

    assert 0 == server.calls


def test_an_argument_goes_before_the_variable(monkeypatch):
    """Who passes a limiter does not use that of the environment."""
    monkeypatch.setenv("CUSTOMERSMS_LIMITER", "redis://localhost")
    limiter = LocalLimiter()

    assert limiter is CustomerSMS("cspro_test_key", limiter=limiter).limiter


@pytest.mark.parametrize("address", ["", "localhost:6379", "mysql://me:4711@host", "redis", "4711"])
def test_an_address_of_nothing_is_refused(address, monkeypatch):
    """It says what would be right, names the variable, and shows no password."""
    with pytest.raises(ConfigurationError, match="limiter must be a limiter or an address") as one:
        CustomerSMS("cspro_test_key", limiter=address)
    monkeypatch.setenv("CUSTOMERSMS_LIMITER", address)
    with pytest.raises(ConfigurationError, match="CUSTOMERSMS_LIMITER must be") as other:
        CustomerSMS("cspro_test_key")

    assert "4711" not in f"{one.value} {other.value}"


async def test_a_client_begins_and_closes_the_limiter_of_its_address(tmp_path):
    """Entering calls the roll; closing tells how requests ended, and the next client goes on."""
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

    assert now() - began_at < 2  # the roll was called by the first
    assert (2, 0) == (usage.busy, usage.in_flight)
    assert [path] == list(tmp_path.iterdir())
