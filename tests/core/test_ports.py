"""The values that cross the ports."""

import pytest

from customersms_async._ports.journal import Batch
from customersms_async._ports.transport import Attempt, Body, NotAllowed, Reply

CANARY = b'{"api_key":"cspro_canary","phone":"+12125551234","message":"We open at nine"}'


def test_a_body_hides_itself():
    """The bytes of a request show their length, and are given for the wire only."""
    body = Body(CANARY)

    assert f"<Body of {len(CANARY)} bytes>" == repr(body)
    assert CANARY == body.reveal()
    assert len(CANARY) == len(body)


@pytest.mark.parametrize(
    "value",
    [Reply(200, CANARY), Batch([0], ["+12125551234"], "We open at nine"), Attempt(1)],
)
def test_values_show_no_secret(value):
    """What is shown of a value that crosses holds no key, number or text."""
    shown = repr(value)

    assert not any(secret in shown for secret in ("canary", "2125551234", "nine"))


def test_a_reply_without_a_connection_to_drop():
    """A reply that came on no connection of its own may be discarded all the same."""
    Reply(200, b"").discard()


def test_an_attempt_starts_once():
    """A body begins once; whatever writes it a second time is stopped."""
    attempt = Attempt(1)
    attempt.start()

    assert attempt.is_started
    with pytest.raises(NotAllowed):
        attempt.start()


def test_called_off_in_time():
    """An attempt that was called off before its first byte never starts."""
    attempt = Attempt(1)

    assert attempt.call_off()
    with pytest.raises(NotAllowed):
        attempt.start()
    assert not attempt.is_started


def test_called_off_too_late():
    """Whoever calls off an attempt that has started learns that something may have left."""
    attempt = Attempt(1)
    attempt.start()

    assert not attempt.call_off()
    assert attempt.is_started
