"""A thread that waits for a call: how it is interrupted, and what it runs meanwhile."""

import asyncio
import contextlib
import threading

import pytest

from customersms_async import Receipt
from customersms_async.sync.background import BackgroundLoop
from customersms_async.sync.call import CallerExecutor, run


class Interruption(BaseException):
    """Raised by tests in place of Ctrl-C."""


def interrupt() -> None:
    raise Interruption


async def end_all_the_same(result: object, executor: CallerExecutor) -> object:
    """Have the caller interrupted, and return *result* when the call is cancelled for that."""
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
def test_a_call_that_ended_before_its_cancellation(result, note):
    """If the call ended despite the interrupt, a note says how."""
    executor = CallerExecutor()
    with pytest.raises(Interruption) as caught:
        run(lambda: end_all_the_same(result, executor), executor)

    assert [note] == caught.value.__notes__


def test_a_result_without_a_note():
    """A result that the caller need not know causes no note."""
    executor = CallerExecutor()
    with pytest.raises(Interruption) as caught:
        run(lambda: end_all_the_same(None, executor), executor)

    assert not hasattr(caught.value, "__notes__")


class Reluctant(BackgroundLoop):
    """A background loop that interrupts the caller while it hands over the first call."""

    is_first = True

    def call(self, function) -> None:
        if self.is_first:
            self.is_first = False
            raise Interruption
        super().call(function)


def test_an_interrupt_before_the_hand_over():
    """A call that was not handed over is not started."""
    begun: list[None] = []

    async def begin() -> None:
        begun.append(None)

    background = Reluctant()
    with pytest.raises(Interruption):
        run(begin, background=background)
    background.end([])

    assert [] == begun


def test_a_call_that_ignores_cancellation():
    """A call that ignores its cancellation is abandoned at the third interrupt."""
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


def test_a_cancelled_request_to_the_caller():
    """Work for the caller's thread that has not started is withdrawn when cancelled."""
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


def test_a_request_to_the_caller_cancelled_twice():
    """The second cancellation ends the wait for the caller's work, whose result is dropped."""
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


@pytest.mark.parametrize(
    "error", [OSError("too many open files"), RuntimeError("a test allows no sockets")]
)
def test_a_background_loop_that_cannot_start(error):
    """If no loop can be made, the first call raises, instead of waiting for ever."""

    def no_loop() -> asyncio.AbstractEventLoop:
        raise error

    with pytest.raises(type(error), match=str(error)):
        BackgroundLoop(no_loop)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_background_loop_that_fails():
    """What ends the loop later is reported as for any thread."""

    class Loop(asyncio.SelectorEventLoop):
        def close(self) -> None:
            super().close()
            raise RuntimeError("closed badly")

    caught: list[str] = []
    previous, threading.excepthook = threading.excepthook, lambda args: caught.append(str(args[1]))
    try:
        BackgroundLoop(Loop).end([])
    finally:
        threading.excepthook = previous

    assert ["closed badly"] == caught
