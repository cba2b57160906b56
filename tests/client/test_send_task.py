"""The task that delivers a message, as the caller and a debugger see it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys

import anyio
import pytest

from tests.support.client_in_memory import (
    MemoryTransport,
    accepts,
    breaks,
    hangs,
    loses_answer,
    now,
)

PHONE = "+12125551234"

pytestmark = pytest.mark.virtual_time


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def notes(error):
    return getattr(error, "__notes__", [])


async def end_of(sending):
    """Return the receipt or the exception; `asyncio.gather` would drop the notes."""
    try:
        return await sending
    except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001  # the result
        return exc


async def test_a_message_in_flight_is_a_task_with_a_chain_of_awaits(make_client):
    """`asyncio.all_tasks` has the task, and its chain of awaits leads to what it waits for."""
    before = asyncio.all_tasks()
    sending = asyncio.create_task(make_client(MemoryTransport(accepts(1))).send(PHONE, "hello"))
    await asyncio.sleep(0.5)

    (task,) = asyncio.all_tasks() - before - {sending}
    chain, awaited = [], task.get_coro()
    while awaited is not None and hasattr(awaited, "cr_await"):
        chain.append(awaited.__qualname__)
        awaited = awaited.cr_await

    assert ["_run", "Delivery.run", "Delivery._try_once", "MemoryTransport.post"] == chain[:4]
    assert isinstance(awaited, asyncio.Future) or hasattr(awaited, "__next__")
    await sending


@pytest.mark.parametrize("times", [1, 2])
async def test_the_first_cancel_message_is_kept(make_client, caplog, times):
    """The caller gets the message of the first `cancel`, and one warning is logged."""
    sending = asyncio.create_task(make_client(MemoryTransport(hangs())).send(PHONE, "hello"))
    await asyncio.sleep(1)
    for number in range(times):
        sending.cancel(f"enough {number}")
    with pytest.raises(asyncio.CancelledError) as caught:
        await sending
    await asyncio.sleep(100)

    assert ("enough 0",) == caught.value.args
    assert 1 == len(notes(caught.value)) == len(warnings_of(caplog))


class _CancelsAt:
    """Cancels a task before the k-th iteration of the loop."""

    def __init__(self, task, step):
        self._task = task
        self._left = step
        asyncio.get_running_loop().before_turn = self._before_turn

    def _before_turn(self):
        if self._left == 0:
            self._task.cancel()
        self._left -= 1


@pytest.mark.parametrize(
    ("behaviour", "possible"),
    [(accepts(0), {"sent"}), (loses_answer(0), {"unknown"}), (breaks(OSError()), set())],
    ids=["sent", "lost", "broken"],
)
async def test_cancelled_at_any_step_the_note_is_true(make_client, caplog, behaviour, possible):
    """A note exactly if something was sent; an unknown fate is logged once."""
    told = set()
    for step in range(12):
        caplog.clear()
        gateway = MemoryTransport(behaviour)
        client = make_client(gateway, api_key=f"cspro_{step}")
        sending = asyncio.create_task(client.send(PHONE, "hello"))
        _CancelsAt(sending, step)
        ended = await end_of(sending)
        await asyncio.sleep(1)

        said = " ".join(notes(ended))
        told.update(word for word in ("sent", "unknown") if f"was {word} by then" in said)
        if isinstance(ended, asyncio.CancelledError):
            assert bool(said) == bool(gateway.started)
        assert len(warnings_of(caplog)) <= 1
        assert bool("in flight" in said) <= bool(warnings_of(caplog))

    assert possible == told


async def test_an_error_together_with_the_cancellation_is_its_cause(make_client):
    """An error of the transport in the same iteration becomes the cause."""
    causes = set()
    for step in range(12):
        client = make_client(MemoryTransport(breaks(LookupError("a bug"))))
        sending = asyncio.create_task(client.send(PHONE, "hello"))
        _CancelsAt(sending, step)
        ended = await end_of(sending)
        if isinstance(ended, asyncio.CancelledError):
            causes.add(type(ended.__cause__))

    assert {type(None), LookupError} == causes


async def test_an_answer_lost_during_cancellation_is_logged_once(make_client, caplog):
    """In any order of events in the tick, the note is true and one warning is logged."""
    for shift in (-1e-9, 0, 1e-9):
        caplog.clear()
        client = make_client(MemoryTransport(loses_answer(takes=2)), send_timeout=60)
        began_at = now()
        sending = asyncio.ensure_future(client.send(PHONE, "hello"))
        asyncio.get_running_loop().call_at(began_at + 2 + shift, sending.cancel)
        ended = await end_of(sending)
        await asyncio.sleep(1)

        assert "unknown" in " ".join([*notes(ended), str(ended)])
        assert 1 == len(warnings_of(caplog))


async def test_a_hook_that_cancels_the_caller(make_client):
    """If `on_request` cancels the caller, a note still says that the message was sent."""
    calls = []
    client = make_client(MemoryTransport(), on_request=lambda _: calls[0].cancel())
    calls.append(asyncio.ensure_future(client.send(PHONE, "hello")))

    with pytest.raises(asyncio.CancelledError) as caught:
        await calls[0]

    assert ["the message was sent by then"] == notes(caught.value)


async def test_a_hook_that_cancels_its_own_task(make_client):
    """If `on_request` cancels the task it runs in, the caller still gets the receipt."""
    client = make_client(MemoryTransport(), on_request=lambda _: asyncio.current_task().cancel())

    assert PHONE == (await client.send(PHONE, "hello")).phone


async def test_an_anyio_scope_that_cancels_repeatedly(make_client, caplog):
    """One warning is logged although an anyio scope cancels at every iteration."""
    client = make_client(MemoryTransport(hangs()))
    with anyio.move_on_after(1) as scope:
        try:
            await client.send(PHONE, "hello")
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)
    await asyncio.sleep(100)

    assert scope.cancelled_caught
    assert 1 == len(warnings_of(caplog))


async def test_a_message_leaves_nothing_to_the_garbage_collector(make_client):
    """All objects of a message are freed when it ends, without garbage collection."""
    client = make_client(MemoryTransport())
    await client.send(PHONE, "hello")
    while gc.collect():  # objects freed by finalisers of earlier tests need another pass
        pass
    gc.disable()
    try:
        await client.send(PHONE, "hello")
        assert 0 == gc.collect()
    finally:
        gc.enable()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
@pytest.mark.parametrize("behaviour", [accepts(1), loses_answer(1), hangs()])
async def test_eager_tasks_change_nothing(make_client, caplog, behaviour):
    """With an eager task factory, a cancelled caller gets the same note."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    gateway = MemoryTransport(behaviour)
    sending = asyncio.create_task(make_client(gateway).send(PHONE, "hello"))
    sending.cancel()
    ended = await end_of(sending)
    await asyncio.sleep(100)

    assert isinstance(ended, asyncio.CancelledError)
    assert 1 == len(gateway.started) == len(notes(ended)) == len(warnings_of(caplog))
