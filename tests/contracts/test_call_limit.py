"""Calls to a store: how many at once, for how long, and when none are made."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async._limit.stores.call_limit import Calls
from customersms_async._ports.store import BACK_OFF, TIMEOUT, StoreAway

BROKEN = "here: OSError: broken"
HOW_LONG = "single messages fail, and bulk runs wait for it"

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


async def test_a_call_returns_its_result():
    """The result of the call is passed on."""
    assert "answer" == await Calls("here", 1).make(give)


async def test_calls_in_flight_are_limited():
    """Calls above the maximum wait, and are made in order of arrival."""
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


async def test_a_call_that_hangs_times_out():
    """A call ends at its timeout, and the error says so."""
    began = now()

    text = await told(Calls("here", 1), hang)

    assert "here: TimeoutError: no answer within 0.5 s" == text
    assert TIMEOUT == pytest.approx(now() - began)


async def test_a_late_event_loop_does_not_cause_a_timeout():
    """A call is not timed out because each iteration of the loop comes late."""
    loop = asyncio.get_running_loop()

    async def work():
        for _ in range(5):
            loop._selector_clock.now += 0.3  # the loop is busy with something else
            await asyncio.sleep(0.001)
        return "answer"

    assert "answer" == await Calls("here", 1).make(work)


async def test_waiting_does_not_count_towards_the_timeout():
    """A call that had to wait still has its full timeout."""
    calls = Calls("here", 1)

    async def slow():
        await asyncio.sleep(0.4)
        return "answer"

    assert ["answer"] * 5 == await asyncio.gather(*(calls.make(slow) for _ in range(5)))


async def test_calls_fail_at_once_after_a_failure():
    """Calls that wait or arrive during the back-off fail with the same error; then one is made."""
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


async def test_a_store_that_stays_away_is_logged_once(caplog):
    """After two seconds without an answer there is one warning, and one line when it is back."""
    caplog.set_level("INFO", "customersms_async")
    calls = Calls("here", 1)
    for _ in range(20):
        await told(calls, fail)
        await asyncio.sleep(BACK_OFF)
    for _ in range(2):
        await calls.make(give)

    said = [(record.levelname, record.event, record.getMessage()) for record in caplog.records]
    assert [
        (
            "WARNING",
            "limit.away",
            f"the limit's store has not answered for 2 s ({BROKEN}): {HOW_LONG}",
        ),
        ("INFO", "limit.back", "the limit's store answers again, after 5 s"),
    ] == said


async def test_a_hiccup_of_a_store_is_not_logged(caplog):
    """A failure that the next call does not repeat says nothing."""
    caplog.set_level("INFO", "customersms_async")
    calls = Calls("here", 1)
    for _ in range(2):
        await told(calls, fail)
        await asyncio.sleep(BACK_OFF)
        await calls.make(give)

    assert not caplog.records


async def test_a_cancelled_call_is_no_failure():
    """After a cancelled call the next one is made at once."""
    calls = Calls("here", 1)
    task = asyncio.create_task(calls.make(hang))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert "answer" == await calls.make(give)


async def test_a_failure_after_closing_does_not_reopen():
    """A call that fails after `close` does not make calls possible again."""
    calls = Calls("here", 1)
    task = asyncio.create_task(told(calls, hang))
    await asyncio.sleep(0.1)
    calls.close()

    assert "here: TimeoutError: no answer within 0.5 s" == await task
    await asyncio.sleep(60)
    assert "here: the store is closed" == await told(calls, give)


async def test_an_error_is_one_short_line():
    """A driver's error message is made printable and short."""

    async def ramble():
        raise OSError("first line\n\x1b[31m" + "x" * 1_000)

    text = await told(Calls("here", 1), ramble)

    assert text.startswith("here: OSError: first line [31mxxx")
    assert len(text) <= 6 + 200
    assert text.isprintable()


async def test_a_password_is_hidden():
    """The password of the store is removed from errors, however often it occurs."""

    async def tell():
        raise OSError("pass-4711, yes pass-4711")

    text = await told(Calls("here", 1, "pass-4711"), tell)

    assert "here: OSError: [hidden], yes [hidden]" == text
