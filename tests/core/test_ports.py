"""The value types of the ports."""

import pytest

from customersms_async._ports.journal import Batch
from customersms_async._ports.transport import Attempt, Body, NotAllowed, Reply

CANARY = b'{"api_key":"cspro_canary","phone":"+12125551234","message":"We open at nine"}'


def test_a_body_hides_itself():
    """The repr of a body shows its length only; the bytes are for the transport."""
    body = Body(CANARY)

    assert f"<Body of {len(CANARY)} bytes>" == repr(body)
    assert CANARY == body.reveal()
    assert len(CANARY) == len(body)


@pytest.mark.parametrize(
    "value",
    [Reply(200, CANARY), Batch([0], ["+12125551234"], "We open at nine"), Attempt(1)],
)
def test_values_show_no_secret(value):
    """No repr of a port's value contains the key, a number or a text."""
    shown = repr(value)

    assert not any(secret in shown for secret in ("canary", "2125551234", "nine"))


def test_a_reply_without_a_connection_to_drop():
    """A reply without a connection can be discarded, which does nothing."""
    Reply(200, b"").discard()


def test_an_attempt_starts_once():
    """An attempt starts once; a second start raises `NotAllowed`."""
    attempt = Attempt(1)
    attempt.start()

    assert attempt.is_started
    with pytest.raises(NotAllowed):
        attempt.start()


def test_called_off_in_time():
    """An attempt that was called off before its first byte cannot start."""
    attempt = Attempt(1)

    assert attempt.call_off()
    with pytest.raises(NotAllowed):
        attempt.start()
    assert not attempt.is_started


def test_called_off_too_late():
    """Calling off an attempt that has started returns False."""
    attempt = Attempt(1)
    attempt.start()

    assert not attempt.call_off()
    assert attempt.is_started
