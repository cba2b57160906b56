"""A thread that waits for a call: what interrupts it, and what it does meanwhile."""

import asyncio
import contextlib
import threading

import pytest

from customersms_async import Receipt
from customersms_async.sync.background import BackgroundLoop
from customersms_async.sync.call import CallerExecutor, run


class Interruption(BaseException):
    """What a test raises instead of pressing Ctrl-C."""


def interrupt() -> None:
    raise Interruption


async def end_all_the_same(result: object, executor: CallerExecutor) -> object:
    """Let the caller be interrupted, and end with *result* when that cancels the call."""
    asking = asyncio.ensure_future(executor.submit(interrupt))
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.gather(asking, return_exceptions=True)
        if isinstance(result, Exception):
            raise result from None
    return result


@pytest.mark.parametrize(
    ("result", "note"),
    [
        (Receipt("+12125551234", "msg_1", 5), "the message was sent by then"),
        (ValueError("no"), "the call had failed by then: ValueError('no')"),
    ],
)
def test_an_end_that_was_faster(result, note):
    """Where the call ended in spite of the interruption, the note says how."""
    executor = CallerExecutor()
    with pytest.raises(Interruption) as caught:
        run(lambda: end_all_the_same(result, executor), executor)

    assert [note] == caught.value.__notes__


def test_an_end_without_a_word():
    """A result that nobody has to know of leaves no note."""
    executor = CallerExecutor()
    with pytest.raises(Interruption) as caught:
        run(lambda: end_all_the_same(None, executor), executor)

    assert not hasattr(caught.value, "__notes__")


class Reluctant(BackgroundLoop):
    """A background in which whoever hands over the first call is interrupted."""

    is_first = True

    def call(self, function) -> None:
        if self.is_first:
            self.is_first = False
            raise Interruption
        super().call(function)


def test_an_interruption_before_the_beginning():
    """A call that was not handed over yet does not begin."""
    begun: list[None] = []

    async def begin() -> None:
        begun.append(None)

    background = Reluctant()
    with pytest.raises(Interruption):
        run(begin, background=background)
    background.end([])

    assert [] == begun


def test_an_interruption_that_does_not_help():
    """A call that goes on whatever cancels it is left behind at the third interruption."""
    executor, freed = CallerExecutor(), threading.Event()

    async def stay() -> None:
        asking = asyncio.ensure_future(executor.submit(interrupt))
        while not freed.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(asking, return_exceptions=True)
                await asyncio.to_thread(freed.wait, 10)
            asking = asyncio.ensure_future(executor.submit(interrupt))
        asking.cancel()
        await asyncio.wait((asking,))

    with pytest.raises(Interruption):
        run(stay, executor)
    freed.set()


def test_an_errand_that_was_withdrawn():
    """What is asked of the caller and has not begun is withdrawn with the one who asked."""
    executor, free = CallerExecutor(), threading.Event()
    done: list[str] = []

    async def ask() -> None:
        holding = asyncio.ensure_future(executor.submit(lambda: free.wait(10)))
        asking = asyncio.ensure_future(executor.submit(lambda: done.append("withdrawn")))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait((asking,))
        free.set()
        await holding
        await executor.submit(lambda: done.append("asked"))

    run(ask, executor)

    assert ["asked"] == done


def test_an_errand_that_is_given_up():
    """Who is cancelled twice waits no longer for what the caller does, whose result is dropped."""
    executor, begun, free = CallerExecutor(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        free.wait(10)

    async def ask() -> str:
        asking = asyncio.ensure_future(executor.submit(work))
        await asyncio.to_thread(begun.wait, 10)
        for _ in range(2):
            asking.cancel()
            await asyncio.sleep(0)
        await asyncio.wait((asking,))
        free.set()
        await executor.submit(lambda: None)
        return "given up" if asking.cancelled() else "waited for"

    assert "given up" == run(ask, executor)


def no_loop() -> asyncio.AbstractEventLoop:
    raise OSError("too many open files")


def test_a_loop_that_cannot_start():
    """Where no file descriptor is left, the first call says so, and does not wait for ever."""
    with pytest.raises(OSError, match="too many open files"):
        BackgroundLoop(no_loop)
