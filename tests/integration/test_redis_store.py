"""`RedisLimiter` over a real server that fails as servers do."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from customersms_async import CustomerSMS, LimiterUnavailable, Rate, Status, WaitTooLong
from customersms_async.redis import RedisLimiter
from customersms_async.sandbox import Sandbox
from tests.support.callers import BULK, KEY, SEND, take, take_all
from tests.support.store import StoreServer

#: A fast limit, so that no test waits for long.
RATE = Rate(100, per=0.5)


@pytest.fixture
def server() -> Iterator[StoreServer]:
    server = StoreServer()
    yield server
    server.close()


@pytest.fixture
def running(server: StoreServer) -> StoreServer:
    server.start()
    return server


def limiter_of(server, **options):
    usual = {"rate": RATE, "grace": 0.1, "timeout": 0.3, "trust_empty_store": True}
    return RedisLimiter(server.url, **(usual | options))


async def test_a_store_that_is_away_lets_no_message_through(server):
    """Where nothing listens, a message is told at once, and why; nothing is granted."""
    async with limiter_of(server) as limiter:
        with pytest.raises(LimiterUnavailable, match="ConnectionError"):
            await take(limiter, SEND)
        with pytest.raises(LimiterUnavailable):
            await limiter.usage(KEY)


async def test_bulk_runs_wait_for_a_store_that_is_away(server, caplog):
    """A bulk request waits, and is granted its slot when the store is there; it is said once."""
    async with limiter_of(server) as limiter:
        waiting = asyncio.create_task(take(limiter, BULK))
        await asyncio.sleep(0.5)
        assert not waiting.done()

        server.start()

        (await asyncio.wait_for(waiting, 10)).answered()
    events = [getattr(record, "event", "") for record in caplog.records]
    assert 1 == events.count("limit.store_away")


async def test_a_store_that_stands_still_counts_as_away(running):
    """A server that takes calls and answers none is waited for no longer than the time-out."""
    async with limiter_of(running) as limiter:
        (await take(limiter)).answered()
        running.freeze()
        try:
            with pytest.raises(LimiterUnavailable, match="TimeoutError"):
                await take(limiter, SEND)
            waiting = asyncio.create_task(take(limiter, BULK))
            await asyncio.sleep(0.5)
            assert not waiting.done()
        finally:
            running.thaw()
        (await asyncio.wait_for(waiting, 10)).answered()


async def test_grants_whose_answer_was_lost_are_given_back(running):
    """What the store granted to a call that nobody heard of is free again when it is back."""
    async with limiter_of(running, rate=Rate(4, per=0.2), burst=4) as limiter:
        (await take(limiter)).unused()
        running.freeze()
        tasks = [asyncio.create_task(take(limiter, SEND)) for _ in range(4)]
        await asyncio.wait(tasks)
        running.thaw()
        assert [LimiterUnavailable] * 4 == [type(task.exception()) for task in tasks]

        slots = await asyncio.wait_for(take_all(limiter, 4, BULK), 5)

    assert 4 == len(slots)


async def test_a_store_that_was_restarted_empty_is_noticed(running):
    """Its clients grant nothing for one look-back, and carry on by themselves."""
    async with limiter_of(running, rate=Rate(5, per=0.5), burst=5) as limiter:
        for slot in await take_all(limiter, 5, longest=0.2):
            slot.answered()
        running.kill()
        running.start()
        restarted_at = asyncio.get_running_loop().time()

        with pytest.raises(WaitTooLong, match="has lost its memory"):
            await take(limiter, SEND, longest=0.2, patience=0.1)
        slot = await take(limiter, SEND, longest=0.2)

        waited = asyncio.get_running_loop().time() - restarted_at
        slot.answered()
    assert waited >= 0.5 + 0.1 + 0.2


async def test_a_connection_that_was_closed_is_made_anew(running):
    """The server drops its connections: the next message does not notice."""
    async with limiter_of(running) as limiter, Redis.from_url(running.url) as other:
        (await take(limiter)).answered()
        await other.client_kill_filter(_type="normal", skipme=True)

        (await take(limiter, SEND)).answered()


async def test_a_server_that_forgot_the_script_is_told_it_again(running):
    """After a flush of its scripts, which a restart is too, the next message does not notice."""
    async with limiter_of(running) as limiter, Redis.from_url(running.url) as other:
        (await take(limiter)).answered()
        await other.script_flush()

        (await take(limiter, SEND)).answered()


async def test_a_server_that_takes_no_writes_counts_as_away(running):
    """A replica that is asked by mistake lets nobody through, since it can remember nothing."""
    async with limiter_of(running) as limiter, Redis.from_url(running.url) as other:
        await other.replicaof("127.0.0.1", "1")

        with pytest.raises(LimiterUnavailable, match="ReadOnlyError"):
            await take(limiter, SEND)


async def test_a_client_that_cannot_be_used_is_no_reason_to_wait_for_ever(running):
    """Whatever a caller's client raises, a message is told, and a bulk run asks again later."""

    class Broken(Redis):
        async def execute_command(self, *args, **options):
            raise RuntimeError("this client belongs to another event loop")

    async with Broken.from_url(running.url) as client, RedisLimiter(client, RATE) as limiter:
        waiting = asyncio.create_task(take(limiter, BULK))
        with pytest.raises(LimiterUnavailable, match="RuntimeError this client belongs"):
            await take(limiter, SEND)
    with pytest.raises(LimiterUnavailable, match="the limiter was closed"):
        await waiting


async def test_an_outage_leaves_no_pile_behind(server):
    """However many messages ask a store that is away, the first call after it is a small one."""
    async with limiter_of(server) as limiter:
        for _ in range(20):
            asked = [take(limiter, SEND) for _ in range(100)]
            results = await asyncio.gather(*asked, return_exceptions=True)
            assert {LimiterUnavailable} == set(map(type, results))

        server.start()
        (await take(limiter, SEND)).answered()

        assert 1 == (await limiter.usage(KEY)).busy


def test_nothing_is_left_behind_at_the_end_of_a_loop(running, caplog):
    """Requests that end while the event loop ends leave no task pending."""

    async def hold(limiter, end):
        slot = await take(limiter)
        try:
            await asyncio.sleep(60)
        finally:
            getattr(slot, end)()

    async def use():
        client = Redis.from_url(running.url)
        limiter = RedisLimiter(client, RATE, trust_empty_store=True)
        tasks = [asyncio.create_task(hold(limiter, end)) for end in ("unused", "lost")]
        await asyncio.sleep(0.1)
        await client.aclose()
        return tasks

    asyncio.run(use())
    gc.collect()

    assert [] == [record.getMessage() for record in caplog.records if record.name == "asyncio"]


async def test_a_password_is_not_shown(running):
    """A URL that the server refuses stands in no error and no repr."""
    url = running.url.replace("127.0.0.1", ":pass-4711@127.0.0.1")
    async with limiter_of(running) as limiter, Redis.from_url(running.url) as other:
        await other.config_set("requirepass", "another")
        limiter._redis = url

        with pytest.raises(LimiterUnavailable) as caught:
            await take(limiter, SEND)

    assert "4711" not in f"{caught.value!r} {caught.value.__cause__!r} {limiter!r}"


async def test_a_client_that_decodes_its_answers_is_as_good(running):
    """The caller's client may be set up to give strings; it is used, and not closed."""
    async with Redis.from_url(running.url, decode_responses=True) as client:
        async with RedisLimiter(client, RATE, trust_empty_store=True) as limiter:
            (await take(limiter)).answered()

        assert await client.ping()
        assert 1 == (await limiter.usage(KEY)).busy


def test_it_works_from_one_run_to_the_next(running):
    """Each event loop has connections of its own, and all share the budget."""
    limiter = limiter_of(running, rate=Rate(10, per=60))

    async def use(count):
        async with limiter:
            for slot in await take_all(limiter, count):
                slot.answered()
            return (await limiter.usage(KEY)).busy

    assert [4, 10] == [asyncio.run(use(4)), asyncio.run(use(6))]
    assert [] == [loop for loop in limiter._loops if not loop.is_closed()]


def test_a_loop_that_ended_without_a_word_hurts_nobody(running):
    """Waiters and grants that an event loop leaves behind hold up the next one for a moment."""

    async def leave():
        client = Redis.from_url(running.url)
        limiter = RedisLimiter(client, Rate(2, per=0.2), grace=0.1, trust_empty_store=True)
        await take(limiter, longest=0.1)
        tasks = [asyncio.create_task(take(limiter, lane, longest=0.1)) for lane in (SEND, BULK)]
        await asyncio.sleep(0.05)
        await client.aclose()
        return tasks

    async def use():
        async with limiter_of(running, rate=Rate(2, per=0.2)) as limiter:
            (await asyncio.wait_for(take(limiter, longest=0.1), 5)).answered()

    asyncio.run(leave())
    asyncio.run(use())


def test_loops_that_have_ended_are_forgotten(running):
    """A limiter that is used in one run after the other keeps nothing of those that have ended."""

    async def use(limiter):
        (await take(limiter)).answered()
        client = limiter._loops[asyncio.get_running_loop()].client
        await client.aclose()

    limiter = limiter_of(running)
    for _ in range(5):
        asyncio.run(use(limiter))

    assert 1 == len(limiter._loops)


PROCESS = """
import asyncio, sys
from customersms_async import Lane, Rate
from customersms_async.redis import RedisLimiter

async def main():
    options = {"grace": 0.1, "timeout": 0.3, "trust_empty_store": True}
    limiter = RedisLimiter(sys.argv[1], Rate(3, per=0.5), **options)
    for _ in range(2):
        await limiter.acquire("account-1", Lane.SEND, longest=0.8)
    print("holds two", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_process_that_is_killed_gives_its_slots_back_late(running):
    """Its slots are free when its requests can have lasted no longer, and not before."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, running.url, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert b"holds two\n" == await process.stdout.readline()
    process.kill()
    await process.wait()
    async with limiter_of(running, rate=Rate(3, per=0.5), burst=3) as limiter:
        held = (await limiter.usage(KEY)).in_flight
        slots = await asyncio.wait_for(take_all(limiter, 3, BULK), 10)

    assert 2 == held
    assert 0.5 < max(slot.waited for slot in slots) <= 0.8 + 0.3 + 0.1 + 0.5 + 0.1 + 1.1


async def test_a_client_sends_through_it(running):
    """One message and a bulk run, end to end, with the completions told when it is closed."""
    phones = [f"+1212555{i:04d}" for i in range(250)]
    async with Sandbox(keys={"cspro_test_key": 1_000}) as sandbox, limiter_of(running) as limiter:
        async with CustomerSMS("cspro_test_key", endpoint=sandbox.endpoint, limiter=limiter) as sms:
            receipt = await sms.send("+12125550123", "Your code is 4711")
            report = await sms.send_many(phones, "We open at nine")
        usage = await limiter.usage(sms.account)
        async with Redis.from_url(running.url) as client:
            stored = [await client.dump(key) for key in await client.keys("*")]

    assert receipt.message_id is not None
    assert report.ok
    assert (0, 4) == (usage.in_flight, usage.busy)
    assert not any(b"cspro_test_key" in value for value in stored)


async def test_a_client_says_that_the_limiter_is_away(server):
    """`send` raises before anything is sent; a bulk run waits, and can be stopped."""
    async with Sandbox(keys={"cspro_test_key": 10}) as sandbox, limiter_of(server) as limiter:
        async with CustomerSMS("cspro_test_key", endpoint=sandbox.endpoint, limiter=limiter) as sms:
            with pytest.raises(LimiterUnavailable) as caught:
                await sms.send("+12125550123", "Your code is 4711")
            report = await sms.send_many(["+12125550123"], "We open at nine", stop_after=0.3)

        assert () == sandbox.requests
    assert Status.NOT_SENT is caught.value.status
    assert 1 == report.not_sent
