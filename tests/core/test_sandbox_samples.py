"""The sandbox's answers equal the samples that the client is tested with, byte for byte."""

import json
from pathlib import Path

import pytest

from customersms_async.sandbox import Fault, Sandbox

SAMPLES = Path(__file__).parent.parent / "samples"

PHONES = ["+12125551234", "+13235554567"]

#: A network fault changes how the answer arrives, not what it contains.
OF_THE_WIRE = {
    Fault.ANSWER_LOST,
    Fault.CUT_BODY,
    Fault.CUT_SILENT,
    Fault.HTML_TYPE,
    Fault.RESET_AFTER,
    Fault.SLOW,
    Fault.SLOW_BODY,
    Fault.STALL,
}
WITHOUT_WORDS = {Fault.EMPTY, Fault.RESET_BEFORE}


def answer(fault: str, credits_left: int = 100) -> bytes:
    """Return the body of the answer to a request with two numbers."""
    sandbox = Sandbox(keys={"cspro_sample": credits_left})
    sandbox.fail_next(fault)
    fields = {"api_key": "cspro_sample", "phone": PHONES, "message": "We open at nine"}
    return sandbox._service.receive(json.dumps(fields).encode()).reply.body


def named(name: str) -> bytes:
    """Read the sample with a name, whatever its extension."""
    (path,) = SAMPLES.glob(f"sandbox_{name.replace('-', '_')}.*")
    return path.read_bytes()


def test_the_documented_answer():
    """Two numbers and 100 credits give the documented answer."""
    assert json.loads((SAMPLES / "success.json").read_bytes()) == json.loads(answer("ok"))


def test_the_documented_refusal():
    """An unknown key gets the documented refusal."""
    refusal = Sandbox()._service.receive(b'{"api_key":"cspro_no"}').reply.body

    assert json.loads((SAMPLES / "refusal_key.json").read_bytes()) == json.loads(refusal)


@pytest.mark.parametrize("fault", sorted(OF_THE_WIRE))
def test_a_network_fault(fault):
    """The body of a network fault is the documented answer."""
    assert answer("ok") == answer(fault)


@pytest.mark.parametrize("fault", sorted(WITHOUT_WORDS))
def test_a_fault_without_a_body(fault):
    """The body is empty."""
    assert b"" == answer(fault)


def test_a_rate_limit_page():
    """A rate limit as an HTML page equals the sample, apart from line breaks."""
    sample = (SAMPLES / "too_many_requests.html").read_bytes()

    assert sample == answer("rate-limited-html").replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    "fault", sorted({*Fault} - OF_THE_WIRE - WITHOUT_WORDS - {Fault.RATE_LIMITED_HTML})
)
def test_every_other_fault_has_a_sample(fault):
    """The answer for the fault equals the sample file."""
    assert named(fault) == answer(fault)


@pytest.mark.parametrize(("name", "credits_left"), [("no-credits", 0), ("out-of-credits", 1)])
def test_insufficient_credits(name, credits_left):
    """Without credits the request is refused; with too few, the rest of the array."""
    assert named(name) == answer("ok", credits_left)
