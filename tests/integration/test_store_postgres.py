"""The store in PostgreSQL, on a real server that fails, loses data and is attacked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from customersms_async._limit.stores.postgres import PostgresStore
from customersms_async._ports.store import TIMEOUT, StoreAway
from tests.support.async_closings import CLOSINGS
from tests.support.postgres import PostgresServer
from tests.support.proxy import Proxy
from tests.support.store_attacks import away, write

TABLE = "public.customersms_limit"


@pytest.fixture(scope="module")
def module_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def server(module_server):
    """Return the server, without a table."""

    async def clear():
        connection = await asyncpg.connect(module_server.url)
        await connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
        await connection.close()

    asyncio.run(clear())
    return module_server


@pytest.fixture
def open_store(request, server):
    """Open stores that are closed after the test."""
    closings = request.node.stash.setdefault(CLOSINGS, [])

    def open_one(url=None):
        store = PostgresStore(url or server.url, TABLE)
        closings.append(store.aclose)
        return store

    return open_one


@pytest.fixture
def admin(request, server):
    """Run a statement on a separate connection."""

    async def run(statement, *args):
        writable = {"default_transaction_read_only": "off"}
        connection = await asyncpg.connect(server.url, server_settings=writable)
        try:
            return await connection.fetchval(statement, *args)
        finally:
            await connection.close()

    return run


async def test_a_restarted_server_is_another_run(server, open_store):
    """After a restart the value is in a new run, and a base from before is refused."""
    store = open_store()
    before = await write(store, b"one")
    server.stop()
    server.start()

    swap = await open_store().swap("a", before, b"two")

    assert (False, b"one", before.token) == (swap.done, swap.seen.value, swap.seen.token)
    assert before.run != swap.seen.run
    assert before.since < swap.seen.since


async def test_a_restart_costs_one_failed_connection(server, open_store):
    """One call discards all idle connections after a restart, and connects again."""
    store = open_store()
    await asyncio.gather(*(store.read("a") for _ in range(4)))
    server.stop()
    server.start()

    await store.read("a")

    assert 1 == len(store._connections._idle)


async def test_acknowledged_swaps_survive_a_crash(server, open_store):
    """A server that was killed has every swap that it acknowledged."""
    store = open_store()
    for number in range(50):
        seen = await write(store, b"%d" % number)
    server.kill()
    server.start()

    after = await store.read("a")

    assert (b"49", seen.token) == (after.value, after.token)
    assert seen.run != after.run


async def test_a_restored_server_is_another_run(server, open_store, tmp_path):
    """A server restored from a copy is another run for old and new members."""
    store = open_store()
    before = await write(store, b"old")
    server.stop()
    server.copy_to(tmp_path / "copy")
    server.start()
    await write(store, b"new")
    server.stop()
    server.restore(tmp_path / "copy")
    server.start()

    seen = await store.read("a")

    assert b"old" == seen.value
    assert before.run != seen.run == (await open_store().read("a")).run


@pytest.mark.parametrize("loss", [f"DROP TABLE {TABLE}", f"TRUNCATE {TABLE}"])
async def test_an_emptied_table_is_another_run(open_store, admin, loss):
    """Without the table's rows there is another run."""
    store = open_store()
    before = await write(store, b"one")
    await admin(loss)

    seen = await store.read("a")

    assert seen.value is None
    assert before.run != seen.run


async def test_a_restored_table_is_another_run(open_store, admin):
    """The name of the run in restored rows is not trusted."""
    store = open_store()
    before = await write(store, b"old")
    await admin(f"CREATE TABLE copied AS TABLE {TABLE}")
    await write(store, b"new")
    await admin(f"TRUNCATE {TABLE}")
    await admin(f"INSERT INTO {TABLE} TABLE copied")
    await admin("DROP TABLE copied")

    swap = await store.swap("a", before, b"two")

    assert (False, b"old") == (swap.done, swap.seen.value)
    assert before.run != swap.seen.run


async def test_a_swap_without_a_table_means_unavailable(open_store, admin):
    """If the table was dropped, a swap writes nothing, and the next read creates the table."""
    store = open_store()
    before = await write(store, b"one")
    await admin(f"DROP TABLE {TABLE}")

    assert "UndefinedTableError" in await away(store.swap("a", before, b"two"))
    assert (await store.read("a")).value is None


async def test_members_create_the_table_concurrently(open_store):
    """Members that start together do not fail, and see the same run."""
    stores = [open_store() for _ in range(8)]

    seen = await asyncio.gather(*(store.read("a") for store in stores))

    assert 1 == len({each.run for each in seen[1:]} | {(await stores[0].read("a")).run})


@pytest.fixture(params=["read committed", "repeatable read", "serializable"])
def isolation(request, admin):
    """Make an isolation the default of the database."""
    setting = f"default_transaction_isolation = '{request.param}'"
    asyncio.run(admin(f"ALTER DATABASE postgres SET {setting}"))
    yield
    asyncio.run(admin("ALTER DATABASE postgres RESET ALL"))


@pytest.mark.usefixtures("isolation")
async def test_a_read_waits_for_a_slow_commit(open_store, server):
    """A read sees a swap that was in progress when the read began, in any default isolation."""
    store = open_store()
    before = await write(store, b"one")
    connection = await asyncpg.connect(server.url)
    async with connection.transaction():
        await connection.execute(f"UPDATE {TABLE} SET value = 'two' WHERE account = ':a'")
        reading = asyncio.create_task(store.read("a"))
        await asyncio.sleep(0.1)
        assert not reading.done()
    await connection.close()

    seen = await reading

    assert b"two" == seen.value
    assert seen.now - before.now < 0.1


async def test_a_swap_that_is_late_after_waiting_for_a_lock_is_refused(open_store, server):
    """A swap checks its time when it holds the row lock, not when it was sent."""
    store = open_store()
    before = await write(store, b"one")
    connection = await asyncpg.connect(server.url)
    async with connection.transaction():
        await connection.execute(f"SELECT FROM {TABLE} WHERE account = ':a' FOR UPDATE")
        swapping = asyncio.create_task(store.swap("a", before, b"two", within=0.1))
        await asyncio.sleep(0.2)
    await connection.close()

    assert not (await swapping).done
    assert b"one" == (await store.read("a")).value


async def test_no_lock_or_transaction_outlasts_a_call(open_store, admin):
    """Between calls a member holds only its connection."""
    store = open_store()
    seen = await write(store, b"one")
    await store.swap("a", seen, b"two")
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
    locks = f"SELECT count(*) FROM pg_locks WHERE relation = '{TABLE}'::regclass"

    assert [0, 0] == [await admin(open_ones), await admin(locks)]


async def test_a_read_only_server_means_unavailable(open_store, admin):
    """A replica or a read-only server grants nothing."""
    await write(open_store(), b"one")
    await admin("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        text = await away(open_store().read("a"))
    finally:
        await admin("ALTER DATABASE postgres RESET ALL")

    assert "ReadOnlySQLTransactionError" in text


async def test_a_user_without_rights(open_store, admin, server):
    """The server's error is readable, names the address, and hides the password."""
    await admin("CREATE ROLE stranger LOGIN")
    url = server.url.replace("postgres:pass-4711", "stranger:pass-4711")
    await write(open_store(), b"one")

    text = await away(open_store(url).read("a"))
    await admin("DROP ROLE stranger")

    assert text.startswith(f"PostgreSQL at {server.url.split('@')[1].split('/')[0]}: ")
    assert "permission denied" in text
    assert "4711" not in text


async def test_an_unreachable_server_is_named(open_store):
    """The error has host and port, but not the password."""
    text = await away(open_store("postgresql://me:pass-4711@127.0.0.1:1/db").read("a"))

    assert text.startswith("PostgreSQL at 127.0.0.1:1: ConnectionRefusedError")
    assert "4711" not in text


async def test_one_of_several_hosts_is_used(open_store, server):
    """A URL may name the hosts of a cluster, of which one answers."""
    hosts = server.url.replace("@", "@127.0.0.1:1,", 1)

    assert (await write(open_store(hosts), b"one")).value == b"one"


async def test_several_unreachable_hosts_are_named(open_store):
    """The error has all hosts and ports, but not the password."""
    text = await away(open_store("postgresql://me:pass-4711@127.0.0.1:1,127.0.0.1:2/db").read("a"))

    assert text.startswith("PostgreSQL at 127.0.0.1:1,127.0.0.1:2: ")
    assert "4711" not in text


async def test_a_socket_is_named(open_store):
    """An address without a host is shown as a socket with its port."""
    text = await away(open_store("postgresql:///db?host=/nowhere").read("a"))

    assert text.startswith("PostgreSQL at its socket:5432: ")


async def test_a_frozen_server_costs_one_timeout(server, open_store):
    """Calls fail with the timeout of those before them; then the server is asked again."""
    store = open_store()
    await write(store, b"one")
    server.freeze()
    began = asyncio.get_running_loop().time()
    try:
        calls = (store.read("a") for _ in range(50))
        results = await asyncio.gather(*calls, return_exceptions=True)
    finally:
        server.thaw()
    took = asyncio.get_running_loop().time() - began
    await asyncio.sleep(0.3)

    assert {StoreAway} == {type(result) for result in results}
    assert TIMEOUT <= took < TIMEOUT + 0.3
    assert b"one" == (await store.read("a")).value


async def test_a_store_is_closed_while_its_server_stands_still(server, open_store):
    """Closing raises nothing, and takes a time-out at most."""
    store = open_store()
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
        for value in (b"zero", b"one"):  # so that the statement is prepared
            seen = await write(store, value)
        proxy.loses_answers = True
        text = await away(store.swap("a", seen, b"two"))
        proxy.loses_answers = False
        after = await store.read("a")
        await store.aclose()

    assert "Connection" in text
    assert b"two" == after.value


async def test_a_lost_swap_that_others_built_on_is_not_refused(server, open_store):
    """If the value no longer shows what became of a lost swap, the store is unavailable."""
    async with Proxy(server.url).running() as proxy:
        store, other = open_store(proxy.url), open_store(server.url)
        for value in (b"zero", b"one"):  # so that the statement is prepared
            seen = await write(store, value)

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
        for value in (b"zero", b"one"):  # so that the statement is prepared
            seen = await write(store, value)

        async def go_on():
            proxy.loses_answers = False

        proxy.loses_answers = True
        proxy.before_loss = go_on
        swap = await store.swap("a", seen, b"two")
        await store.aclose()

    assert (True, b"two") == (swap.done, swap.seen.value)


async def test_a_closed_connection_is_replaced(open_store, admin):
    """A call succeeds after the server has closed all connections."""
    store = open_store()
    await write(store, b"one")
    await asyncio.gather(*(store.read("a") for _ in range(3)))  # on a connection each
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    await admin(others + " AND backend_type = 'client backend'")

    assert b"one" == (await store.read("a")).value


async def test_a_call_that_ends_after_closing_leaves_no_connection(open_store, admin):
    """A connection in use while the store is closed does not stay open."""
    store = open_store()
    await write(store, b"one")
    reading = asyncio.create_task(store.read("a"))
    await asyncio.sleep(0)
    await store.aclose()
    await asyncio.gather(reading, return_exceptions=True)
    await asyncio.sleep(0.05)

    clients = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    assert 1 == await admin(clients)
