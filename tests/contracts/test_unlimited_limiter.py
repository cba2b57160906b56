"""The limiter that the fixture `sms_sandbox` gives to clients: no limit, but pauses."""

from __future__ import annotations

import asyncio
import threading

import pytest

from customersms_async import Lane, WaitTooLong
from customersms_async._limit.unlimited import UnlimitedLimiter

pytestmark = pytest.mark.virtual_time


def limiter_of(loop: asyncio.AbstractEventLoop) -> UnlimitedLimiter:
    return UnlimitedLimiter(loop.time)


async def take(limiter: UnlimitedLimiter, account: str = "one", **options: object):
    """Ask for a slot."""
    return await limiter.acquire(account, Lane.SEND, longest=30.0, **options)


async def test_it_grants_at_once():
    """A thousand slots are granted at once, ended or not, each with its own place."""
    loop = asyncio.get_running_loop()
    limiter = limiter_of(loop)
    began_at = loop.time()
    slots = [await take(limiter) for _ in range(1_000)]
    for slot in slots:
        slot.lost()

    assert (began_at, {0.0}) == (loop.time(), {slot.waited for slot in slots})
    assert 1_000 == len({slot.ticket.place for slot in slots})


async def test_a_refusal_pauses_the_account():
    """After a refusal, everyone on the account waits for the end of the pause, and nobody else."""
    loop = asyncio.get_running_loop()
    limiter = limiter_of(loop)
    slot = await take(limiter)
    other = await take(limiter, "two")
    began_at, pause = loop.time(), slot.refused(7.0)
    other.unused()
    await take(limiter, "two")
    waited = await asyncio.gather(take(limiter), take(limiter, ticket=slot.ticket))

    assert (7.0, 7.0) == (pause, loop.time() - began_at)
    assert [7.0, 7.0] == [one.waited for one in waited]
    assert slot.ticket == waited[1].ticket


async def test_pauses_double_until_a_request_is_accepted():
    """Pauses last 1, 2, 4 … seconds by default, and 1 after an acceptance."""
    limiter = limiter_of(asyncio.get_running_loop())
    pauses = [(await take(limiter)).refused(None) for _ in range(3)]
    (await take(limiter)).answered()
    pauses.append((await take(limiter)).refused(None))

    assert [1.0, 2.0, 4.0, 1.0] == pytest.approx(pauses)


async def test_a_pause_longer_than_the_patience():
    """A caller with less patience than the pause is refused at once, with its length."""
    loop = asyncio.get_running_loop()
    limiter = limiter_of(loop)
    began_at = loop.time()
    (await take(limiter)).refused(60.0)
    with pytest.raises(WaitTooLong, match=r"comes in 60\.0 s at the earliest, and 5") as caught:
        await take(limiter, patience=5.0)

    assert ("PAUSED", 55.0) == (caught.value.code, pytest.approx(caught.value.retry_after))
    assert began_at == loop.time()


async def test_a_refusal_from_before_the_pause():
    """A request that was granted before the pause does not lengthen the next one."""
    loop = asyncio.get_running_loop()
    limiter = limiter_of(loop)
    slots = [await take(limiter) for _ in range(2)]
    await asyncio.sleep(0.5)
    pauses = [slots[0].refused(None)]
    await asyncio.sleep(0.5)
    pauses += [slots[1].refused(None), (await take(limiter)).refused(None)]

    assert [1.0, 1.0, 2.0] == pytest.approx(pauses)


async def test_a_pause_that_grows_during_a_wait():
    """The patience of a caller counts from its request, even if the pause grows."""
    loop = asyncio.get_running_loop()
    limiter = limiter_of(loop)
    slots = [await take(limiter) for _ in range(2)]
    slots[0].refused(4.0)
    waiting = asyncio.create_task(take(limiter, patience=6.0))
    await asyncio.sleep(1.0)
    slots[1].refused(8.0)
    with pytest.raises(WaitTooLong, match=r"did not come within 6\.0 s"):
        await waiting


async def test_usage():
    """`usage` has slots in flight, waiters, and the end of the pause."""
    loop = asyncio.get_running_loop()
    limiter = limiter_of(loop)
    await limiter.ready()
    slots = [await take(limiter) for _ in range(3)]
    slots[0].refused(7.0)
    slots[1].answered()
    waiting = asyncio.create_task(take(limiter))
    await asyncio.sleep(1.0)
    before = await limiter.usage("one")
    (await waiting).unused()
    after = await limiter.usage("one")

    assert (1, 1, 1) == (before.busy, before.in_flight, before.waiting)
    assert 6.0 == pytest.approx(before.paused_until - loop.time() + 6.0)
    assert (1, 0, None) == (after.in_flight, after.waiting, after.paused_until)


async def test_advance_shortens_a_pause():
    """Advancing the clock, from any thread, shortens the wait by as much."""
    loop = asyncio.get_running_loop()
    limiter = limiter_of(loop)
    (await take(limiter)).refused(60.0)
    waiting = asyncio.create_task(take(limiter))
    await asyncio.sleep(1.0)
    began_at = loop.time()
    limiter.advance(8.0)
    mover = threading.Thread(target=limiter.advance, args=(50.0,))
    mover.start()
    mover.join()
    slot = await waiting

    assert (1.0, 60.0) == pytest.approx((loop.time() - began_at, slot.waited))


async def test_advance_after_a_loop_was_closed():
    """A waiter whose loop was closed does not keep the clock from advancing."""
    limiter = UnlimitedLimiter(lambda: 0.0)
    (await take(limiter)).refused(60.0)
    left: list[asyncio.Task[object]] = []

    def run() -> None:
        loop = asyncio.new_event_loop()
        left.append(loop.create_task(take(limiter)))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    left[0]._log_destroy_pending = False  # nobody can end it any more
    limiter.advance(60.0)

    assert 0.0 == (await take(limiter)).waited


async def test_a_cancelled_caller_leaves_nothing_behind():
    """A cancelled caller stops waiting at once, and does not disturb a later advance."""
    limiter = limiter_of(asyncio.get_running_loop())
    (await take(limiter)).refused(60.0)
    waiting = asyncio.create_task(take(limiter))
    await asyncio.sleep(1.0)
    waiting.cancel()
    limiter.advance(1.0)
    with pytest.raises(asyncio.CancelledError):
        await waiting
