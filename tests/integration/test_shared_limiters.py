"""Shared limiters on real stores in real time: start, data loss, killed processes, a client."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis
from redis.asyncio import Redis

from customersms_async import (
    CustomerSMS,
    FileLimiter,
    LimiterUnavailable,
    Rate,
    Status,
)
from customersms_async.postgres import PostgresLimiter
from customersms_async.redis import RedisLimiter
from customersms_async.sandbox import Sandbox
from tests.support.limiter_callers import BULK, KEY, SEND, take, take_all
from tests.support.postgres import PostgresServer
from tests.support.redis_server import RedisServer

RATE = Rate(100, per=0.5)


def now():
    return asyncio.get_running_loop().time()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def running(server: RedisServer) -> RedisServer:
    """Return a running server whose limiter is not new."""
    server.start()
    with redis.Redis.from_url(server.url) as client:
        run = client.info("server")["run_id"]
        client.hset("customersms:limit", "run", f"{run} {1_000_000}")
    return server


def limiter_of(server, rate=RATE, **options):
    return RedisLimiter(server.url, rate, **({"grace": 0.1} | options))


@pytest.fixture(params=["file", "postgres", "valkey"])
def make_new(request, tmp_path):
    """Make limiters on a new store."""
    if request.param == "file":
        yield lambda *args, **options: FileLimiter(tmp_path / "limit.db", *args, **options)
        return
    server, kind = (
        (PostgresServer(), PostgresLimiter)
        if request.param == "postgres"
        else (RedisServer(), RedisLimiter)
    )
    server.start()
    yield lambda *args, **options: kind(server.url, *args, **options)
    server.close()


async def test_a_new_store_opens_within_four_seconds(make_new):
    """The first grant waits for the roll call only; a second account is served at once."""
    async with make_new() as limiter, make_new() as other:
        began_at = now()
        (await take(limiter)).answered()
        opened_at = now()
        (await other.acquire("another", SEND, longest=1.0)).answered()
        served_at = now()

    assert 2.5 < opened_at - began_at < 4
    assert served_at - opened_at < 0.5


async def test_members_restore_a_store_that_lost_its_data(running):
    """After a restart without data, slots known to members still count, and it opens soon."""
    rate = Rate(5, per=2.0)
    async with limiter_of(running, rate, burst=5, reserve=0) as limiter:
        for slot in await take_all(limiter, 5, longest=0.2):
            slot.answered()
        await asyncio.sleep(1.2)  # ends are reported
        running.kill()
        running.start()
        restarted_at = now()

        slots = []
        while len(slots) < 5:
            try:
                slots.append(await take(limiter, longest=0.2))
            except LimiterUnavailable:
                await asyncio.sleep(0.05)
        waited = now() - restarted_at
        busy = (await limiter.usage(KEY)).busy

    assert 2.5 < waited < 5
    assert 5 == busy


async def test_an_unavailable_store_fails_a_message(server):
    """If the store is unreachable, nothing is granted, and the error names the address."""
    async with limiter_of(server) as limiter:
        with pytest.raises(LimiterUnavailable, match=r"Redis at 127\.0\.0\.1:.*ConnectionError"):
            await take(limiter, SEND)
        with pytest.raises(LimiterUnavailable):
            await limiter.usage(KEY)


async def test_bulk_runs_wait_for_a_frozen_store(running):
    """A bulk request waits, and is granted once the store answers again."""
    async with limiter_of(running) as limiter:
        (await take(limiter)).answered()
        running.freeze()
        try:
            with pytest.raises(LimiterUnavailable, match="no answer within"):
                await take(limiter, SEND)
            waiting = asyncio.create_task(take(limiter, BULK))
            await asyncio.sleep(0.5)
            assert not waiting.done()
        finally:
            running.thaw()
        (await asyncio.wait_for(waiting, 10)).answered()


async def test_any_error_of_a_redis_client_fails_a_message(running):
    """If a client that was passed in raises any error, a message fails instead of waiting."""

    class Broken(Redis):
        async def execute_command(self, *args, **options):
            raise RuntimeError("this client belongs to another event loop")

    async with Broken.from_url(running.url) as client, RedisLimiter(client, RATE) as limiter:
        with pytest.raises(LimiterUnavailable, match="RuntimeError: this client belongs"):
            await take(limiter, SEND)


async def test_a_client_that_was_passed_in_stays_open(running):
    """A Redis client that was passed in is used, and left for its owner to close."""
    async with Redis.from_url(running.url, decode_responses=True) as client:
        async with RedisLimiter(client, RATE) as limiter:
            (await take(limiter)).answered()

        assert await client.ping()


async def test_a_password_is_not_shown(running):
    """A URL that the server refuses is in no error and no repr."""
    with redis.Redis.from_url(running.url) as other:
        other.config_set("requirepass", "another")
        url = running.url.replace("127.0.0.1", ":pass-4711@127.0.0.1")
        limiter = RedisLimiter(url, RATE)

        with pytest.raises(LimiterUnavailable) as caught:
            await take(limiter, SEND)
        await limiter.aclose()

    assert "4711" not in f"{caught.value!r} {caught.value.__cause__!r} {limiter!r}"


def test_it_works_across_event_loops(running):
    """Each event loop has its own connections, and all share the limit."""
    limiter = limiter_of(running, Rate(10, per=60))

    async def use(count):
        async with limiter:
            for slot in await take_all(limiter, count):
                slot.answered()
            return (await limiter.usage(KEY)).busy

    assert [4, 10] == [asyncio.run(use(4)), asyncio.run(use(6))]


def test_a_file_keeps_its_state_between_programs(tmp_path):
    """A restarted program knows what the previous one sent."""

    async def use(count):
        async with FileLimiter(tmp_path / "limit.db", Rate(10, per=60)) as limiter:
            for slot in await take_all(limiter, count):
                slot.answered()
            return (await limiter.usage(KEY)).busy

    assert [4, 10] == [asyncio.run(use(4)), asyncio.run(use(6))]


def test_a_loop_that_ends_without_closing(tmp_path, caplog):
    """Requests that end together with the event loop leave no task and no warning."""

    async def hold(limiter, end):
        slot = await take(limiter)
        try:
            await asyncio.sleep(60)
        finally:
            getattr(slot, end)()

    async def use():
        limiter = FileLimiter(tmp_path / "limit.db", RATE)
        tasks = [asyncio.create_task(hold(limiter, end)) for end in ("unused", "lost")]
        await asyncio.sleep(3.2)
        return tasks

    asyncio.run(use())
    gc.collect()

    assert [] == [record.getMessage() for record in caplog.records if record.name == "asyncio"]


PROCESS = """
import asyncio, sys
from customersms_async import Lane, Rate
from customersms_async.redis import RedisLimiter

async def main():
    limiter = RedisLimiter(sys.argv[1], Rate(3, per=0.5), grace=0.1, reserve=0)
    for _ in range(2):
        await limiter.acquire("account-1", Lane.SEND, longest=0.8)
    print("holds two", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_slots_of_a_killed_process_expire(running):
    """The slots are free once its requests cannot last any longer, and not earlier."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, running.url, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert b"holds two\n" == await process.stdout.readline()
    process.kill()
    await process.wait()
    async with limiter_of(running, Rate(3, per=0.5), reserve=0) as limiter:
        held = (await limiter.usage(KEY)).in_flight
        slots = await asyncio.wait_for(take_all(limiter, 3, SEND), 10)

    assert 2 == held
    assert 0.8 < max(slot.waited for slot in slots) <= 0.8 + 1.0 + 0.1 + 0.5 + 0.1 + 1.1


async def test_a_client_with_a_shared_limiter(running):
    """A message and a bulk run use the limiter, and ends are reported on closing."""
    phones = [f"+1212555{i:04d}" for i in range(250)]
    async with Sandbox(keys={"cspro_test_key": 1_000}) as sandbox, limiter_of(running) as limiter:
        async with CustomerSMS("cspro_test_key", endpoint=sandbox.endpoint, limiter=limiter) as sms:
            receipt = await sms.send("+12125550123", "Your code is 4711")
            report = await sms.send_many(phones, "We open at nine")
        await limiter.aclose()
        usage = await limiter.usage(sms.account)
        async with Redis.from_url(running.url) as client:
            stored = [await client.dump(key) for key in await client.keys("*")]

    assert receipt.message_id is not None
    assert report.ok
    assert 0 == usage.in_flight
    assert not any(b"cspro_test_key" in value for value in stored)


async def test_a_client_reports_an_unavailable_limiter(server):
    """`send` raises before anything is sent; a bulk run waits and can be stopped."""
    async with Sandbox(keys={"cspro_test_key": 10}) as sandbox, limiter_of(server) as limiter:
        async with CustomerSMS("cspro_test_key", endpoint=sandbox.endpoint, limiter=limiter) as sms:
            with pytest.raises(LimiterUnavailable) as caught:
                await sms.send("+12125550123", "Your code is 4711")
            report = await sms.send_many(["+12125550123"], "We open at nine", stop_after=0.3)

        assert () == sandbox.requests
    assert Status.NOT_SENT is caught.value.status
    assert 1 == report.not_sent
