"""The contract of `Store`, on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from attrs import evolve

from customersms_async._ports.store import StoreAway
from tests.support.async_closings import CLOSINGS
from tests.support.limiter_stores import KINDS, OpenStore, Servers, opener, running_servers


@pytest.fixture(scope="module")
def stores() -> Iterator[Servers]:
    with running_servers() as servers:
        yield servers


@pytest.fixture(params=KINDS)
def open_anywhere(request, stores, tmp_path) -> OpenStore:
    """Open stores that are not closed."""
    return opener(request.param, stores, tmp_path)


@pytest.fixture
def open_store(request, open_anywhere) -> OpenStore:
    """Open stores that are closed after the test, in its event loop."""

    def open_one():
        store = open_anywhere()
        request.node.stash.setdefault(CLOSINGS, []).append(store.aclose)
        return store

    return open_one


@pytest.fixture
def store(open_store):
    return open_store()


async def write(store, value, account="a"):
    """Replace the value, and return what the store then contains."""
    swap = await store.swap(account, await store.read(account), value)
    assert swap.done
    return swap.seen


async def add_one(store, account="a"):
    """Increment the count, retrying as needed; return whether it certainly was incremented."""
    try:
        seen = await store.read(account)
        while True:
            swap = await store.swap(account, seen, b"%d" % (int(seen.value or b"0") + 1))
            if swap.done:
                return True
            seen = swap.seen
    except StoreAway:  # on a busy machine, a call may take longer than its timeout
        return False


async def test_an_account_without_a_value(store):
    """An account that was never written has the value None."""
    assert (await store.read("a")).value is None


async def test_a_value_is_read_by_another_member(open_store):
    """All members read the same value with the same token."""
    written = await write(open_store(), b"one")

    seen = await open_store().read("a")

    assert (b"one", written.token) == (seen.value, seen.token)


async def test_the_second_swap_on_the_same_base_is_refused(open_store):
    """A swap on an outdated base changes nothing, and returns the current value."""
    first, second = open_store(), open_store()
    base = await first.read("a")
    held = (await second.swap("a", base, b"two")).seen

    refused = await first.swap("a", base, b"one")

    assert (False, b"two", held.token) == (refused.done, refused.seen.value, refused.seen.token)
    assert b"two" == (await first.read("a")).value


async def test_a_swap_can_be_based_on_the_previous_one(store):
    """The result of a swap can be the base of the next, like that of a read."""
    first = await write(store, b"one")

    second = await store.swap("a", first, b"two")
    third = await store.swap("a", second.seen, b"three")

    assert (True, True) == (second.done, third.done)
    assert b"three" == (await store.read("a")).value


async def test_concurrent_swaps_lose_no_count(open_store):
    """Of concurrent swaps, each successful one builds on all before it."""
    members = [open_store() for _ in range(4)]

    told = await asyncio.gather(*(add_one(member) for member in members for _ in range(10)))

    assert sum(told) <= int((await open_store().read("a")).value) <= 40


async def test_an_equal_value_written_again_has_another_token(store):
    """A base does not become valid again when the same value is written again."""
    base = await write(store, b"one")
    await write(store, b"two")
    again = await write(store, b"one")

    swap = await store.swap("a", base, b"three")

    assert base.token != again.token
    assert not swap.done


async def test_accounts_are_independent(store):
    """A swap of one account leaves the base of another valid."""
    base = await write(store, b"one", "a")
    await write(store, b"two", "b")

    assert (await store.swap("a", base, b"three")).done
    assert b"two" == (await store.read("b")).value


@pytest.mark.parametrize("account", ["run", ":run", "", "å ' \" ; --", "x" * 200])
async def test_any_text_can_name_an_account(store, account):
    """No name has a special meaning in the store."""
    before = await store.read("other")
    await write(store, b"one", account)

    seen = await store.read(account)

    assert (b"one", before.run) == (seen.value, seen.run)


@pytest.mark.parametrize("value", [b"", b"\x00\xff\r\n'", bytes(300_000)])
async def test_a_value_can_be_any_bytes(store, value):
    """A value is returned as it was written, byte for byte."""
    await write(store, value)

    assert value == (await store.read("a")).value


async def test_a_late_swap_is_refused(store):
    """With *within*, a swap that reaches the store later changes nothing."""
    base = await write(store, b"one")
    await asyncio.sleep(0.02)

    late = await store.swap("a", base, b"two", within=0.01)

    assert (False, b"one", base.token) == (late.done, late.seen.value, late.seen.token)


@pytest.mark.parametrize("within", [10, None])
async def test_a_swap_in_time_is_accepted(store, within):
    """A swap within its time, or without a time, is carried out."""
    base = await write(store, b"one")

    assert (await store.swap("a", base, b"two", within=within)).done


async def test_a_swap_from_before_the_clock_stepped_back_is_refused(store):
    """With *within*, a base whose time is ahead of the store's clock is refused."""
    base = await write(store, b"one")
    ahead = evolve(base, now=base.now + 5)

    assert not (await store.swap("a", ahead, b"two", within=60)).done


async def test_a_base_of_another_run_is_refused(store):
    """A store that was restarted refuses a swap based on an earlier run, even with equal tokens."""
    base = await write(store, b"one")
    last = "1" if base.run[-1] != "1" else "2"

    swap = await store.swap("a", evolve(base, run=base.run[:-1] + last), b"two")

    assert (False, base.run, b"one") == (swap.done, swap.seen.run, swap.seen.value)


async def test_the_clock_runs_at_the_rate_of_ours(store):
    """Between two reads, the store's clock advances by as much as the local one."""
    loop = asyncio.get_running_loop()
    sent = loop.time()
    first = await store.read("a")
    heard = loop.time()
    await asyncio.sleep(0.1)
    sent_again = loop.time()
    second = await store.read("a")

    assert sent_again - heard - 0.01 <= second.now - first.now <= loop.time() - sent + 0.01


async def test_all_members_and_accounts_share_one_run(open_store):
    """Run and its start are the same for all, and the start is not in the future."""
    first, second = open_store(), open_store()
    seen = [await first.read("a"), await second.read("b"), await write(first, b"one", "c")]

    assert 1 == len({(one.run, one.since) for one in seen})
    assert seen[0].since <= seen[0].now
    assert 0 < len(seen[0].run) <= 100


async def test_cancelled_calls_leave_the_store_usable(store):
    """After calls that were cancelled at any point, each answer still matches its question."""
    for account in "abcd":
        await write(store, account.encode(), account)
    for turns in range(20):
        tasks = [asyncio.create_task(store.read(account)) for account in "abcd"]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    seen = await asyncio.gather(*(store.read(account) for account in "abcd"))

    assert [b"a", b"b", b"c", b"d"] == [one.value for one in seen]


async def test_hundreds_of_calls_at_once(store):
    """Calls above the maximum in flight wait for their turn, and none fails."""
    await asyncio.gather(*(write(store, b"%d" % i, f"account-{i}") for i in range(300)))

    seen = await asyncio.gather(*(store.read(f"account-{i}") for i in range(300)))

    assert [b"%d" % i for i in range(300)] == [one.value for one in seen]


async def test_a_store_can_be_closed_twice(open_store):
    """Closing twice does nothing, and the value is there when opened again."""
    store = open_store()
    await write(store, b"one")
    await store.aclose()
    await store.aclose()

    assert b"one" == (await open_store().read("a")).value


def test_a_value_survives_its_event_loop(open_anywhere):
    """Each event loop opens the store again, and all see one run and one value."""

    async def count():
        store = open_anywhere()
        await add_one(store)
        seen = await store.read("a")
        await store.aclose()
        return seen.value, seen.run

    values, runs = zip(*(asyncio.run(count()) for _ in range(3)), strict=True)

    assert (b"1", b"2", b"3") == values
    assert 1 == len(set(runs))
