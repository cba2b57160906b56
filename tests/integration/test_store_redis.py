"""The store in Redis, on real servers that fail, lose data and are attacked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from customersms_async._limit.stores.redis import RedisStore, connect
from customersms_async._limit.stores.redis_script import Known
from customersms_async._ports.store import TIMEOUT, StoreAway
from tests.support.async_closings import CLOSINGS
from tests.support.limiter_stores import without_info
from tests.support.proxy import Proxy
from tests.support.redis_server import BINARIES, RedisServer
from tests.support.store_attacks import away, write

KEY = "limit"


@pytest.fixture(params=list(BINARIES))
def server(request) -> Iterator[RedisServer]:
    server = RedisServer(request.param)
    server.start()
    yield server
    server.close()


@pytest.fixture(params=["with INFO", "without INFO"])
def rights(request):
    """Return a function that makes a URL for a user with or without INFO."""
    return without_info if request.param == "without INFO" else str


@pytest.fixture
def open_store(request):
    """Open stores that are closed after the test."""
    closings = request.node.stash.setdefault(CLOSINGS, [])

    def open_one(url, client=None):
        client = client or connect(url)
        closings.append(client.aclose)
        return RedisStore(client, KEY, life=60, is_own=False)

    return open_one


@pytest.fixture
def admin(request, server):
    client = Redis.from_url(server.url)
    request.node.stash.setdefault(CLOSINGS, []).append(client.aclose)
    return client


async def test_a_server_restarted_empty_is_another_run(server, rights, open_store):
    """After a restart without data the run is new, and a base from before is refused."""
    store = open_store(rights(server.url))
    before = await write(store, b"one")
    server.kill()
    server.start()
    rights(server.url)

    swap = await open_store(rights(server.url)).swap("a", before, b"two")

    assert (False, None) == (swap.done, swap.seen.value)
    assert before.run != swap.seen.run
    assert before.since < swap.seen.since


async def test_a_server_restored_from_an_old_copy_is_another_run(server, rights, admin, open_store):
    """A restored value is in a new run, and a base with its token is refused."""
    store = open_store(rights(server.url))
    copied = await write(store, b"old")
    await admin.save()
    await write(store, b"new")
    server.kill()
    server.start()
    rights(server.url)

    swap = await open_store(rights(server.url)).swap("a", copied, b"two")

    assert (False, b"old", copied.token) == (swap.done, swap.seen.value, swap.seen.token)
    assert copied.run != swap.seen.run


async def test_all_members_agree_on_the_run_after_a_loss(server, rights, open_store):
    """Members that notice a restart at the same time, and new ones, see the same new run."""
    stores = [open_store(rights(server.url)) for _ in range(5)]
    before = {(await store.read("a")).run for store in stores}
    server.kill()
    server.start()
    rights(server.url)

    after = await asyncio.gather(*(store.read("a") for store in stores for _ in range(4)))
    later = [await store.read("a") for store in [*stores, open_store(rights(server.url))]]

    assert 1 == len(before)
    assert 1 == len({(seen.run, seen.since) for seen in [*later, after[-1]]})
    assert before.isdisjoint({seen.run for seen in after})


async def test_members_with_and_without_info_agree_on_the_run(server, open_store):
    """Members agree on the run, in whatever order they notice a restart."""
    urls = [without_info(server.url), server.url] * 2
    stores = [open_store(url) for url in urls]

    async def runs():
        for store in stores:
            await store.read("a")
        return {(await store.read("a")).run for store in stores}

    before = await runs()
    server.kill()
    server.start()
    without_info(server.url)
    after = await runs()

    assert (1, 1) == (len(before), len(after))
    assert before != after


async def test_a_call_is_one_round_trip_without_info(server, admin, open_store):
    """INFO is called once per process."""
    known = Known()
    stores = [
        RedisStore(Redis.from_url(server.url), KEY, life=60, is_own=True, known=known)
        for _ in range(3)
    ]
    for store in stores:
        seen = await store.read("a")
        await store.swap("a", seen, b"one")
        await store.aclose()

    calls = {name: found["calls"] for name, found in (await admin.info("commandstats")).items()}

    assert (6, 1) == (calls["cmdstat_evalsha"], calls["cmdstat_eval"])
    assert 2 >= calls["cmdstat_info"]  # one from the store, one from this test


async def test_concurrent_calls_identify_the_server_once(server, admin, open_store):
    """The first call identifies the server, and the others wait for it."""
    store = open_store(server.url)

    await asyncio.gather(*(store.read("a") for _ in range(5)))

    calls = await admin.info("commandstats")
    assert (5, 1) == tuple(calls[f"cmdstat_{name}"]["calls"] for name in ("evalsha", "eval"))


async def test_the_server_is_identified_again_after_a_lost_connection(server, admin, open_store):
    """A server that keeps its scripts over a restart is recognised by its own name."""
    store = open_store(server.url)
    before = await write(store, b"one")
    await admin.client_kill_filter(_type="normal", skipme=True)
    await asyncio.sleep(0.05)
    await store.read("a")

    calls = await admin.info("commandstats")

    assert before.run == (await store.read("a")).run
    assert 2 <= calls["cmdstat_info"]["calls"]


async def test_a_deleted_key_is_another_run(server, rights, admin, open_store):
    """Without its key (evicted, deleted or expired) the store is another run for good."""
    store = open_store(rights(server.url))
    before = await write(store, b"one")
    await admin.delete(KEY)

    seen = await store.read("a")

    assert seen.value is None
    assert before.run != seen.run


async def test_a_promoted_replica_is_another_run(server, rights, open_store, admin):
    """A replica that took over may lack writes, so it is another run."""
    with_replica = RedisServer()
    with_replica.start()
    try:
        async with Redis.from_url(with_replica.url) as replica:
            before = await write(open_store(rights(server.url)), b"one")
            await replica.replicaof("127.0.0.1", server.url.rpartition(":")[2].split("/")[0])
            while not await replica.exists(KEY):  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.01)
            await replica.replicaof("NO", "ONE")
            store = open_store(rights(with_replica.url))

            swap = await store.swap("a", before, b"two")
    finally:
        with_replica.close()

    assert (False, b"one") == (swap.done, swap.seen.value)
    assert before.run != swap.seen.run


async def test_flushed_scripts_are_loaded_again(server, admin, open_store):
    """A server that names its run is in the same run after its scripts were flushed."""
    store = open_store(server.url)
    before = await write(store, b"one")
    await admin.script_flush()

    seen = await store.read("a")

    assert (b"one", before.run) == (seen.value, seen.run)


async def test_without_info_flushed_scripts_mean_another_run(server, admin, open_store):
    """Without INFO, flushed scripts are taken for a restart, which is safe."""
    store = open_store(without_info(server.url))
    before = await write(store, b"one")
    await admin.script_flush()

    seen = await store.read("a")

    assert b"one" == seen.value
    assert before.run != seen.run


async def test_a_server_that_keeps_no_scripts_is_unavailable(server, admin, open_store):
    """If members cannot agree on a run, nothing is swapped."""

    class Forgetful(Redis):
        async def execute_command(self, *args, **options):
            if args[0] == "EVALSHA":
                await admin.script_flush()
            return await super().execute_command(*args, **options)

    url = without_info(server.url)
    store = open_store(url, Forgetful.from_url(url))

    assert "the members do not agree" in await away(store.read("a"))


async def test_a_replica_accepts_no_swap(server, admin, open_store):
    """For swaps, a read-only server is unavailable."""
    store = open_store(server.url)
    seen = await write(store, b"one")
    await admin.replicaof("127.0.0.1", "1")

    assert "ReadOnlyError" in await away(store.swap("a", seen, b"two"))


async def test_a_server_without_free_memory_accepts_no_swap(server, admin, open_store):
    """A value that cannot be stored is not acknowledged."""
    store = open_store(server.url)
    seen = await write(store, b"one")
    await admin.config_set("maxmemory", 1)

    assert "OutOfMemoryError" in await away(store.swap("a", seen, b"two"))
    await admin.config_set("maxmemory", 0)
    assert b"one" == (await store.read("a")).value


async def test_a_key_of_another_type_is_not_changed(server, admin, open_store):
    """A key of another type is refused and not changed."""
    await admin.set(KEY, "mine")

    assert "WRONGTYPE" in await away(open_store(server.url).read("a"))
    assert b"mine" == await admin.get(KEY)


async def test_an_error_names_the_server_and_hides_the_password(server, admin, open_store):
    """Every error has host and port, and none the password."""
    address = server.url.split("/")[2]
    url = server.url.replace("127.0.0.1", ":pass-4711@127.0.0.1")
    await admin.config_set("requirepass", "another")
    refused = await away(open_store(url).read("a"))
    server.kill()
    unheard = await away(open_store(url).read("a"))

    assert f"Redis at {address}" in refused
    assert f"Redis at {address}: ConnectionError" in unheard
    assert "4711" not in refused + unheard


async def test_a_password_that_an_error_repeats_is_hidden(server, open_store):
    """The password is removed from any error of a client."""

    class Talkative(Redis):
        async def execute_command(self, *args, **options):
            raise RuntimeError("I use\nthe password pass-4711")

    url = server.url.replace("127.0.0.1", ":pass-4711@127.0.0.1")

    text = await away(open_store(url, Talkative.from_url(url)).read("a"))

    assert text.endswith("RuntimeError: I use the password [hidden]")


async def test_a_frozen_server_costs_one_timeout(server, open_store):
    """Calls behind one that timed out fail with it; then the server is asked again."""
    store = open_store(server.url)
    await write(store, b"one")
    server.freeze()
    began = asyncio.get_running_loop().time()
    try:
        results = await asyncio.gather(
            *(store.read("a") for _ in range(100)), return_exceptions=True
        )
    finally:
        server.thaw()
    took = asyncio.get_running_loop().time() - began
    await asyncio.sleep(0.3)

    assert {StoreAway} == {type(result) for result in results}
    assert TIMEOUT <= took < TIMEOUT + 0.3
    assert b"one" == (await store.read("a")).value


async def test_a_store_is_closed_while_its_server_stands_still(server, open_store):
    """Closing raises nothing, and takes a time-out at most."""
    store = open_store(server.url)
    await write(store, b"one")
    server.freeze()
    try:
        async with asyncio.timeout(TIMEOUT + 0.3):
            await store.aclose()
    finally:
        server.thaw()


async def test_a_swap_whose_answer_is_lost_may_be_done(server, open_store):
    """A cut connection means unavailable; the value shows whether the swap was done."""
    async with Proxy(server.url).running() as proxy:
        store = open_store(proxy.url)
        seen = await write(store, b"one")
        proxy.loses_answers = True
        text = await away(store.swap("a", seen, b"two"))
        proxy.loses_answers = False

        assert "ConnectionError" in text
        assert b"two" == (await store.read("a")).value


async def test_a_lost_swap_that_others_built_on_is_not_refused(server, open_store):
    """If the value no longer shows what became of a lost swap, the store is unavailable."""
    async with Proxy(server.url).running() as proxy:
        store, other = open_store(proxy.url), open_store(server.url)
        seen = await write(store, b"one")

        async def build_on():
            proxy.loses_answers = False
            await write(other, b"three")

        proxy.loses_answers = True
        proxy.before_loss = build_on
        text = await away(store.swap("a", seen, b"two"))
        after = await store.read("a")
        await store.aclose()

    assert "onnection" in text
    assert b"three" == after.value


async def test_a_lost_swap_that_the_value_shows_is_done(server, open_store):
    """If the value shows that a lost swap was done, the caller is told so."""
    async with Proxy(server.url).running() as proxy:
        store = open_store(proxy.url)
        seen = await write(store, b"one")

        async def go_on():
            proxy.loses_answers = False

        proxy.loses_answers = True
        proxy.before_loss = go_on
        swap = await store.swap("a", seen, b"two")
        await store.aclose()

    assert (True, b"two") == (swap.done, swap.seen.value)


async def test_a_swap_that_a_client_repeats_is_done_once(server, open_store):
    """If a client with retries repeats a swap, the second call finds the first one's result."""

    class Doubling(Redis):
        async def execute_command(self, *args, **options):
            if args[0] == "EVALSHA":
                await super().execute_command(*args, **options)
            return await super().execute_command(*args, **options)

    store = open_store(server.url)
    seen = await write(store, b"one")
    doubling = open_store(server.url, Doubling.from_url(server.url))

    swap = await doubling.swap("a", seen, b"two")

    assert (True, b"two") == (swap.done, swap.seen.value)
    assert (await store.swap("a", swap.seen, b"three")).done


async def test_a_client_that_decodes_answers(server, open_store):
    """A client with `decode_responses` may be passed in; values are still bytes."""
    store = open_store(server.url, Redis.from_url(server.url, decode_responses=True))

    assert b"\xff" == (await write(store, b"\xff")).value
    assert b"\xff" == (await store.read("a")).value


async def test_a_dropped_connection_is_replaced(server, admin, open_store):
    """A call succeeds after the server has closed all connections."""
    store = open_store(server.url)
    await write(store, b"one")
    await admin.client_kill_filter(_type="normal", skipme=True)

    assert b"one" == (await store.read("a")).value


async def test_the_expiry_of_the_key(server, admin, open_store):
    """The first read and each swap set the key's full expiry."""
    store = open_store(server.url)
    seen = await store.read("a")
    assert 55 < await admin.ttl(KEY) <= 60
    await admin.expire(KEY, 5)
    await store.swap("a", seen, b"one")

    assert 55 < await admin.ttl(KEY) <= 60


async def test_a_client_that_was_passed_in_stays_open(server, open_store):
    """Closing the store ends its calls, and leaves the client to its owner."""
    client = connect(server.url)
    store = open_store(server.url, client)
    await store.aclose()

    assert await client.ping()
    with pytest.raises(StoreAway, match="closed"):
        await store.read("a")


def test_our_own_client_does_not_retry():
    """The store's own client repeats no call that may have been carried out."""
    retry = connect("redis://127.0.0.1:1").connection_pool.connection_kwargs["retry"]

    assert Retry(NoBackoff(), 0) == retry
