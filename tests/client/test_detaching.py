"""A coroutine that outlives the task it runs in, and one that does not."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from customersms_async._delivery.detach import Detachable

pytestmark = pytest.mark.virtual_time


@pytest.fixture(params=[asyncio.Task, asyncio.tasks._PyTask], ids=["C", "Python"])
def make_task(request):
    """Make tasks of one kind and of the other, which treat differently what they wait for."""

    def make(coroutine):
        return request.param(coroutine, loop=asyncio.get_running_loop())

    return make


def always():
    """Outlive every task."""
    return True


async def awaited(what):
    """Make a coroutine of something that can be awaited."""
    return await what


async def turns(count=5):
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


async def begun(make_task, run):
    """Let a task await it, until it waits."""
    task = make_task(awaited(run))
    await turns()
    return task


def both_in_one_tick(run, task, *, is_interrupted_first):
    """Interrupt the coroutine and cancel its task."""
    acts = [run.interrupt, lambda: task.cancel("enough")]
    for act in acts if is_interrupted_first else acts[::-1]:
        act()


def new_future():
    """Give something to wait for."""
    return asyncio.get_running_loop().create_future()


async def test_nothing_differs_where_nobody_is_cancelled():
    """Waits of all kinds end as they would, and so does the coroutine."""

    async def walk():
        await asyncio.sleep(0)
        await asyncio.sleep(1)
        with pytest.raises(ZeroDivisionError):
            await asyncio.ensure_future(fail())
        return "there"

    async def fail():
        await asyncio.sleep(1)
        return 1 / 0

    assert "there" == await Detachable(walk(), always)


async def test_what_the_coroutine_raises_comes_through():
    """An error of the coroutine is that of the await."""

    async def fail():
        await asyncio.sleep(1)
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        await Detachable(fail(), always)


@pytest.mark.parametrize("nap", [0, 1])
async def test_one_that_does_not_outlive_its_task_is_cancelled_with_it(make_task, nap):
    """As any other coroutine, and with the message of whoever cancelled."""
    seen = []

    async def stay():
        try:
            for _ in range(1000):
                await asyncio.sleep(nap)
        except asyncio.CancelledError as exc:
            seen.append(exc.args)
            raise

    run = Detachable(stay())
    task = await begun(make_task, run)
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError) as caught:
        await task

    assert (run.is_cancelled, run.is_detached) == (True, False)
    assert (("enough",),) == (caught.value.args,)
    assert [("enough",)] == seen


async def test_its_task_ends_at_once_and_another_goes_on(make_task):
    """The future is left alone, and whoever awaits it next gets what comes of it."""
    wait = new_future()

    async def stay():
        return f"{await wait} and more"

    run = Detachable(stay(), always)
    task = make_task(awaited(run))
    other = make_task(awaited(wait))
    await turns()
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert (("enough",), True) == (caught.value.args, run.is_detached)

    going_on = await begun(make_task, run)
    wait.set_result("bread")

    assert "bread and more" == await going_on
    assert ("bread", False) == (await other, run.is_detached)


async def test_the_wait_may_be_over_before_the_other_task_begins(make_task):
    """What came while nobody awaited it is not lost."""
    wait = new_future()
    run = Detachable(awaited(wait), always)
    task = await begun(make_task, run)
    task.cancel()
    await turns()
    wait.set_result("bread")
    await turns()

    assert task.cancelled()
    assert "bread" == await run


async def test_only_the_first_task_is_outlived(make_task):
    """Once it is detached, whoever goes on with it takes it along when cancelled."""
    wait = new_future()
    run = Detachable(awaited(wait), always)
    for _ in range(2):
        task = await begun(make_task, run)
        task.cancel()
        await turns()
        assert task.cancelled()

    assert (True, False) == (wait.cancelled(), run.is_detached)


async def test_a_second_cancellation_changes_nothing(make_task):
    """Cancelled twice in one tick, the task leaves once."""
    wait = new_future()
    run = Detachable(awaited(wait), always)
    task = await begun(make_task, run)
    task.cancel()
    task.cancel()
    await turns()

    assert (True, True, False) == (task.cancelled(), run.is_detached, wait.done())


@pytest.mark.parametrize("comes_first", [True, False])
async def test_what_came_in_the_tick_of_the_cancellation_is_kept(make_task, comes_first):
    """The task ends as cancelled, and says what the coroutine gave."""
    wait = new_future()
    run = Detachable(awaited(wait), always)
    task = await begun(make_task, run)
    if comes_first:
        wait.set_result("bread")
    task.cancel()
    if not comes_first:
        wait.set_result("bread")
    await turns()

    assert (True, False, "bread") == (task.cancelled(), run.is_detached, run.value)


async def test_what_waits_again_in_the_tick_of_the_cancellation_is_detached(make_task):
    """One step is taken at the most: the next wait is another task's."""
    wait = new_future()

    async def stay():
        await wait
        await asyncio.sleep(3)
        return "there"

    run = Detachable(stay(), always)
    task = await begun(make_task, run)
    wait.set_result(None)
    task.cancel()
    await turns()

    assert (True, True, None) == (task.cancelled(), run.is_detached, run.value)
    assert "there" == await run


async def test_it_can_be_detached_between_two_turns_of_the_loop(make_task):
    """A bare yield (`asyncio.sleep(0)`) is a wait that is over at once."""

    async def stay():
        await asyncio.sleep(0)
        await asyncio.sleep(3)
        return "there"

    run = Detachable(stay(), always)
    task = make_task(awaited(run))
    await asyncio.sleep(0)
    task.cancel()
    await turns()

    assert (True, True) == (task.cancelled(), run.is_detached)
    assert "there" == await run


@pytest.mark.parametrize("nap", [0, 3])
async def test_an_interruption_is_felt_where_it_waits(make_task, nap):
    """Whoever awaits it is not cancelled by that."""

    async def stay():
        try:
            for _ in range(1000):
                await asyncio.sleep(nap)
        except asyncio.CancelledError:
            return "interrupted"

    run = Detachable(stay(), always)
    task = await begun(make_task, run)
    run.interrupt()

    assert ("interrupted", False, 0) == (await task, run.is_cancelled, task.cancelling())


async def test_an_interruption_is_felt_though_the_wait_is_over(make_task):
    """An interruption that comes in the tick of the result comes first."""
    wait = new_future()
    run = Detachable(awaited(wait), always)
    task = await begun(make_task, run)
    wait.set_result("bread")
    run.interrupt()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert not run.is_cancelled


@pytest.mark.parametrize("is_awaited", [True, False])
async def test_an_interruption_finds_it_in_whichever_task(make_task, is_awaited):
    """Detached, it is interrupted whether somebody awaits it again or not yet."""
    wait = new_future()
    run = Detachable(awaited(wait), always)
    task = await begun(make_task, run)
    task.cancel()
    await turns()
    going_on = None
    if is_awaited:
        going_on = await begun(make_task, run)
    run.interrupt()

    with pytest.raises(asyncio.CancelledError):
        await (going_on or run)
    assert (False, False) == (run.is_detached, run.is_cancelled)


@pytest.mark.parametrize("is_interrupted_first", [True, False])
@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_swallowed_interruption_takes_no_cancellation_along(
    make_task, is_interrupted_first, goes_on
):
    """Both in one tick: the coroutine takes care of one, and is cancelled all the same."""
    told = []

    async def stay():
        for _ in range(2):
            try:
                await asyncio.sleep(3)
            except asyncio.CancelledError as exc:
                told.append(exc.args)
                if len(told) == 2:
                    raise
                if not goes_on:
                    return "swallowed"
        return None

    run = Detachable(stay())
    task = await begun(make_task, run)
    both_in_one_tick(run, task, is_interrupted_first=is_interrupted_first)
    with pytest.raises(asyncio.CancelledError) as caught:
        await task

    assert ("enough",) == caught.value.args
    assert [("enough",)] * (1 + goes_on) == told
    assert (None if goes_on else "swallowed") == run.value


@pytest.mark.parametrize("is_interrupted_first", [True, False])
async def test_interrupted_as_its_task_leaves_it_takes_one_step(make_task, is_interrupted_first):
    """The task ends with the words of whoever cancelled it, and the coroutine with its own end."""

    async def stay():
        try:
            await asyncio.sleep(3)
        except asyncio.CancelledError:
            return "interrupted"

    run = Detachable(stay(), always)
    task = await begun(make_task, run)
    both_in_one_tick(run, task, is_interrupted_first=is_interrupted_first)
    with pytest.raises(asyncio.CancelledError) as caught:
        await task

    assert ("enough",) == caught.value.args
    assert ("interrupted", False) == (run.value, run.is_detached)


@pytest.mark.parametrize("nap", [0, 3])
async def test_a_swallowed_cancellation_comes_again(make_task, nap):
    """Whoever takes a cancellation for its own is cancelled at its next wait."""
    times = []

    async def stay():
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(nap)
        await asyncio.sleep(3)

    run = Detachable(stay())
    task = await begun(make_task, run)
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError) as caught:
        await task

    assert ("enough",) == caught.value.args
    assert [asyncio.get_running_loop().time()] == pytest.approx(times)


async def test_the_words_of_the_cancellation_outlast_a_task_within(make_task):
    """Something the coroutine waits for is cancelled by itself in the same tick, without a word."""

    async def within():
        async with asyncio.timeout(1):
            await asyncio.sleep(9)

    inner = make_task(within())
    run = Detachable(awaited(inner))
    task = make_task(awaited(run))
    asyncio.get_running_loop().call_at(asyncio.get_running_loop().time() + 1, task.cancel, "enough")
    with pytest.raises(asyncio.CancelledError) as caught:
        await task

    assert ("enough",) == caught.value.args


async def test_a_task_within_may_swallow_the_cancellation(make_task):
    """As for any coroutine: it reaches the task that is waited for, and nobody else."""

    async def within():
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            return "swallowed"

    run = Detachable(awaited(make_task(within())))
    task = await begun(make_task, run)
    task.cancel()

    assert ("swallowed", False) == (await task, run.is_cancelled)


async def test_a_cancellation_that_is_taken_back_is_none(make_task):
    """Cancelled in the tick of the result, and taken back in the same: the task goes on."""
    wait = new_future()
    run = Detachable(awaited(wait), always)
    task = await begun(make_task, run)
    wait.set_result("bread")
    task.cancel()
    task.uncancel()
    await asyncio.wait([task])

    assert (False, None) == (run.is_detached, await run.ended() if run._end else None)
    assert task.cancelled() or task.result() == "bread"


async def test_an_error_in_the_tick_of_the_cancellation_is_its_cause(make_task):
    """The task is cancelled; what the coroutine raised stands behind it."""

    async def fail():
        await wait
        raise LookupError

    wait = new_future()
    run = Detachable(fail(), always)
    task = await begun(make_task, run)
    wait.set_result(None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task

    assert LookupError is type(caught.value.__cause__)
    assert not run.is_detached


async def test_a_time_limit_inside_is_no_cancellation(make_task):
    """`asyncio.timeout` cancels the task it is in: where nothing outlives that, all is as usual."""

    async def try_twice():
        for _ in range(2):
            try:
                async with asyncio.timeout(1):
                    await asyncio.sleep(9)
            except TimeoutError:
                await asyncio.sleep(1)
        return "gave up"

    assert "gave up" == await make_task(awaited(Detachable(try_twice())))


async def test_a_time_limit_outside_is_one():
    """The caller's own `asyncio.timeout` cancels its task: the coroutine outlives it."""
    wait = new_future()
    run = Detachable(awaited(wait), always)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await run

    assert run.is_detached
    wait.set_result("bread")
    assert "bread" == await run


async def test_the_end_is_told_whichever_task_it_is_in(make_task):
    """Who waits for the end is told once it is there, not when the first task goes."""
    wait = new_future()
    run = Detachable(awaited(wait), always)
    task = await begun(make_task, run)
    ended = run.ended()
    task.cancel()
    await turns()
    assert (False, ended) == (ended.done(), run.ended())

    going_on = await begun(make_task, run)
    wait.set_exception(LookupError())
    with pytest.raises(LookupError):
        await going_on

    assert (None, asyncio.get_running_loop()) == (await ended, run.get_loop())


@pytest.mark.parametrize("nap", [0, 3])
async def test_its_loop_is_known_from_the_first_wait_on(make_task, nap):
    """Before it waits, it is in no loop that could be named."""
    run = Detachable(asyncio.sleep(nap))
    assert run.get_loop() is None

    task = make_task(awaited(run))
    await asyncio.sleep(0)
    assert run.get_loop() is asyncio.get_running_loop()
    await task


async def test_no_circle_is_left_behind():
    """What is at its end is freed without the garbage collector."""
    wait = new_future()

    class Owner:
        def __init__(self):
            self.run = Detachable(awaited(wait), self.outlives)

        def outlives(self):
            return False

    owner = Owner()
    known = weakref.ref(owner)
    wait.set_result(None)
    gc.disable()
    try:
        await owner.run
        del owner
        assert known() is None
    finally:
        gc.enable()


async def test_closed_it_closes_the_coroutine():
    """As at the end of an event loop that drops its tasks."""
    wait = new_future()
    seen = []

    async def stay():
        try:
            await wait
        except GeneratorExit:
            seen.append("closed")
            raise

    outer = awaited(Detachable(stay(), always))
    outer.send(None)
    outer.close()

    assert ["closed"] == seen
