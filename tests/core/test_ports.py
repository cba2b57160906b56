"""The value types of the ports."""

import pytest
from rich.pretty import pretty_repr

from customersms_async._delivery.result import DeliveryResult
from customersms_async._ports.journal import Batch
from customersms_async._ports.transport import Attempt, Body, NotAllowed, Reply
from customersms_async._values.status import SENT
from customersms_async._wire.codec import Answered, Entry
from customersms_async._wire.matching import Match

CANARY = b'{"api_key":"cspro_canary","phone":"+12125551234","message":"We open at nine"}'


def test_a_body_hides_itself():
    """The repr of a body shows its length only; the bytes are for the transport."""
    body = Body(CANARY)

    assert f"<Body of {len(CANARY)} bytes>" == repr(body)
    assert CANARY == body.content
    assert len(CANARY) == len(body)


@pytest.mark.parametrize(
    "value",
    [
        Body(CANARY),
        Reply(200, CANARY),
        Batch([0], ["+12125551234"], "We open at nine"),
        Attempt(1),
        Answered([Entry("+12125551234", success=False, error="We open at nine")]),
        Match(SENT, ["canary"]),
        DeliveryResult(SENT, ["canary"]),
    ],
)
def test_values_show_no_secret(value):
    """Neither their reprs nor rich's contain the key, a number, a text or a message id."""
    shown = repr(value) + pretty_repr(value)

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
