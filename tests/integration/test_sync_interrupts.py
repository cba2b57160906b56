"""Interrupts of a thread that waits for a call: Ctrl-C and exceptions of signal handlers."""

import contextlib
import random
import signal
import threading

import pytest

from customersms_async import Status
from customersms_async.sync import CustomerSMS

PHONE = "+12125551234"
NUMBERS = [f"+1212555{n:04d}" for n in range(250)]

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="only POSIX has signals for one thread"
)


def interrupt() -> None:
    """Press Ctrl-C, from any thread."""
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


@pytest.fixture
def sms(sms_sandbox):
    """A client of the sandbox."""
    with CustomerSMS() as client:
        yield client


def interrupt_at(sandbox, *requests: int, answer_after: float = 0.0) -> None:
    """Press Ctrl-C when requests with these numbers have arrived; delay each answer."""
    seen: list[None] = []

    def latency() -> float:
        seen.append(None)
        if len(seen) in requests:
            interrupt()
        return answer_after

    sandbox.set_faults(latency=latency)


def test_a_message_in_flight(sms, sms_sandbox, caplog):
    """The exception has a note that the outcome is unknown, and the fate is logged."""
    interrupt_at(sms_sandbox, 1, answer_after=0.3)
    with pytest.raises(KeyboardInterrupt) as caught:
        sms.send(PHONE, "Hello")
    sms.close()

    assert ["the message was in flight: its outcome is unknown, do not send it again"] == (
        caught.value.__notes__
    )
    assert 1 == len(sms_sandbox.messages)
    assert [True] == ["the message was sent" in record.getMessage() for record in caplog.records]


def test_a_bulk_run(sms, sms_sandbox):
    """A run waits for requests in flight and sends nothing more; the note has the counts."""
    interrupt_at(sms_sandbox, 2, answer_after=0.1)
    with pytest.raises(KeyboardInterrupt) as caught:
        sms.send_many(iter(NUMBERS), "Hello", batch_size=10, max_in_flight=1)

    (note,) = caught.value.__notes__
    assert f"the bulk run was cancelled: {len(sms_sandbox.messages)} sent" in note
    assert 20 == len(sms_sandbox.messages)


def test_a_stream(sms, sms_sandbox):
    """An interrupt in the block stops the run, as a cancellation does."""
    interrupt_at(sms_sandbox, 2, answer_after=0.1)
    with (
        pytest.raises(KeyboardInterrupt) as caught,
        sms.stream_many(iter(NUMBERS), "Hello", batch_size=10, max_in_flight=1) as bulk,
    ):
        for _outcome in bulk:
            pass

    assert 20 == len(sms_sandbox.messages) == bulk.progress.sent
    assert "the bulk run was cancelled: 20 sent" in caught.value.__notes__[-1]


def test_an_interrupt_at_any_time(sms, sms_sandbox):
    """Whenever a stream is interrupted, outcomes taken plus leftovers are what was sent."""
    dice = random.Random(7)
    sms_sandbox.set_faults(latency=lambda: dice.uniform(0, 0.05))
    for n in range(12):
        taken = []
        bulk = sms.stream_many(iter(NUMBERS), f"run {n}", batch_size=5, max_in_flight=8)
        alarm = threading.Timer(dice.uniform(0.0, 0.3), interrupt)
        alarm.start()
        with contextlib.suppress(KeyboardInterrupt):
            with bulk:
                taken.extend(bulk)
            alarm.join()
        alarm.join()
        known = [one.phone for one in [*taken, *bulk.leftovers] if one.status is Status.SENT]
        arrived = [message.phone for message in sms_sandbox.find(contains=f"run {n}")]

        assert sorted(arrived) == sorted(known)


def test_a_second_interrupt_ends_the_wait(sms, sms_sandbox):
    """A second Ctrl-C ends the wait for requests in flight."""
    interrupt_at(sms_sandbox, 1, answer_after=20)
    again = threading.Timer(0.3, interrupt)
    again.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        sms.send_many(iter(NUMBERS), "Hello", batch_size=10, max_in_flight=1, drain=20)
    again.join()
    sms.close(drain=0)

    assert "the bulk run was cancelled" in "".join(caught.value.__notes__)
    assert 10 == len(sms_sandbox.messages)


class TooSlow(Exception):
    """Raised by a signal handler, as Celery does when a task takes too long."""


def test_an_exception_from_a_signal_handler(sms, sms_sandbox):
    """An exception from a signal handler has the effect of Ctrl-C."""

    def handler(_signal: int, _frame: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGINT, handler)
    try:
        interrupt_at(sms_sandbox, 1, answer_after=0.2)
        with pytest.raises(TooSlow) as caught:
            sms.send(PHONE, "Hello")
    finally:
        signal.signal(signal.SIGINT, before)
    sms.close()

    assert "in flight" in caught.value.__notes__[0]


def test_an_interrupt_while_the_input_is_read(sms, sms_sandbox):
    """Ctrl-C in the caller's generator ends the run, and loses nothing that it yielded."""
    given: list[str] = []

    def numbers():
        for number in NUMBERS:
            if len(given) == 25:
                raise KeyboardInterrupt
            given.append(number)
            yield number

    with pytest.raises(KeyboardInterrupt) as caught:
        sms.send_many(numbers(), "Hello", batch_size=10)

    assert 1 == len(caught.value.__notes__)
    assert 20 <= len(sms_sandbox.messages) <= 25


def test_a_third_interrupt_returns_at_once(sms, sms_sandbox):
    """A call that ignores its cancellation is abandoned at the third interrupt."""
    stuck = threading.Event()

    def numbers():
        yield from NUMBERS[:10]
        for _ in range(3):
            with contextlib.suppress(KeyboardInterrupt):
                interrupt()
                stuck.wait(5)
        yield NUMBERS[11]

    with contextlib.suppress(KeyboardInterrupt):
        sms.send_many(numbers(), "Hello", batch_size=10)

    assert len(sms_sandbox.messages) <= 11
