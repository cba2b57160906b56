"""How a store is asked: how many at once, for how long, and when not."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async._limit.stores.call_limit import Calls
from customersms_async._ports.store import BACK_OFF, TIMEOUT, StoreAway

pytestmark = pytest.mark.virtual_time


def now():
    return asyncio.get_running_loop().time()


async def fail():
    raise OSError("broken")


async def hang():
    await asyncio.sleep(60)


async def give():
    return "answer"


async def told(calls, call):
    with pytest.raises(StoreAway) as caught:
        await calls.make(call)
    return str(caught.value)


async def test_a_call_gives_its_answer():
    """What the call gives is handed on."""
    assert "answer" == await Calls("here", 1).make(give)


async def test_no_more_calls_than_allowed_are_under_way():
    """Calls beyond the number wait, and are made in the order in which they came."""
    calls, under_way, most, order = Calls("here", 2), 0, 0, []

    async def work(number):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.1 + 0.001 * number)
        order.append(number)
        under_way -= 1

    await asyncio.gather(*(calls.make(lambda n=n: work(n)) for n in range(6)))

    assert (2, [0, 1, 2, 3, 4, 5]) == (most, order)


async def test_a_call_that_hangs_is_given_up():
    """A call ends with the time-out, and the error says so."""
    began = now()

    text = await told(Calls("here", 1), hang)

    assert "here: TimeoutError: no answer within 0.5 s" == text
    assert TIMEOUT == pytest.approx(now() - began)


async def test_an_event_loop_that_is_late_takes_little_of_the_time():
    """A call of a few turns gets its answer, though each turn comes after everything else."""
    loop = asyncio.get_running_loop()

    async def work():
        for _ in range(5):
            loop._selector_clock.now += 0.3  # the loop does something else
            await asyncio.sleep(0.001)
        return "answer"

    assert "answer" == await Calls("here", 1).make(work)


async def test_waiting_for_others_is_no_part_of_the_time_out():
    """A call whose turn comes late has its whole time."""
    calls = Calls("here", 1)

    async def slow():
        await asyncio.sleep(0.4)
        return "answer"

    assert ["answer"] * 5 == await asyncio.gather(*(calls.make(slow) for _ in range(5)))


async def test_after_a_failure_calls_fail_at_once_for_a_while():
    """Those that wait or come within the back-off hear of the same failure; then one is made."""
    calls = Calls("here", 1)
    began = now()
    waiting = [asyncio.create_task(told(calls, hang)) for _ in range(3)]

    texts = set(await asyncio.gather(*waiting))
    texts.add(await told(calls, give))
    failed_after = now() - began
    await asyncio.sleep(BACK_OFF)

    assert {"here: TimeoutError: no answer within 0.5 s"} == texts
    assert TIMEOUT == pytest.approx(failed_after)
    assert "answer" == await calls.make(give)


async def test_a_cancelled_call_is_no_failure():
    """Who gives up leaves the way free for the next one."""
    calls = Calls("here", 1)
    task = asyncio.create_task(calls.make(hang))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert "answer" == await calls.make(give)


async def test_closed_calls_stay_closed():
    """A call that fails later does not open what was closed."""
    calls = Calls("here", 1)
    task = asyncio.create_task(told(calls, hang))
    await asyncio.sleep(0.1)
    calls.close()

    assert "here: TimeoutError: no answer within 0.5 s" == await task
    await asyncio.sleep(60)
    assert "here: the store is closed" == await told(calls, give)


async def test_an_error_is_one_short_line():
    """What a driver says is kept printable, and short."""

    async def ramble():
        raise OSError("first line\n\x1b[31m" + "x" * 1_000)

    text = await told(Calls("here", 1), ramble)

    assert text.startswith("here: OSError: first line [31mxxx")
    assert len(text) <= 6 + 200
    assert text.isprintable()


async def test_a_password_is_hidden():
    """What the store was told to hide is cut out, however often it is repeated."""

    async def tell():
        raise OSError("pass-4711, yes pass-4711")

    text = await told(Calls("here", 1, "pass-4711"), tell)

    assert "here: OSError: [hidden], yes [hidden]" == text
