"""Tests of an application: the fixture needs no import, and the client no change."""

import pytest
from fastapi.testclient import TestClient

from examples.login_fastapi import app

ADA = "+12125550123"


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch, tmp_path):
    """Run in a separate folder, where the application stores its codes."""
    monkeypatch.chdir(tmp_path)


def test_login(sms_sandbox):
    """A user who enters the code from the message is let in, once."""
    with TestClient(app) as client:
        client.post("/login", json={"phone": ADA})
        answer = {"phone": ADA, "code": sms_sandbox.last_code(ADA)}

        assert 200 == client.post("/verify", json=answer).status_code
        assert 403 == client.post("/verify", json=answer).status_code


def test_a_lost_answer_sends_no_second_code(sms_sandbox):
    """A code whose answer was lost may have been sent, so it is not sent again."""
    sms_sandbox.fail_next("answer-lost")
    with TestClient(app) as client:
        answer = client.post("/login", json={"phone": ADA})

    assert (202, 1) == (answer.status_code, len(sms_sandbox.messages))
    assert "ask for a new one" in answer.json()["detail"]


@pytest.mark.sms_sandbox(credits=0)
def test_no_credits(sms_sandbox):
    """Without credits nothing is sent, and the user is not blamed."""
    with TestClient(app) as client:
        assert 502 == client.post("/login", json={"phone": ADA}).status_code

    assert () == sms_sandbox.messages


@pytest.mark.sms_sandbox(standing="rate-limited")
def test_a_busy_gateway(sms_sandbox):
    """The user may try again, and the browser is told when."""
    with TestClient(app) as client:
        answer = client.post("/login", json={"phone": ADA})

    assert (503, True) == (answer.status_code, int(answer.headers["Retry-After"]) > 0)
    assert () == sms_sandbox.messages


@pytest.mark.sms_sandbox(standing="reset-before")
def test_an_invalid_number(sms_sandbox):
    """Nothing is sent to the gateway for an invalid number."""
    with TestClient(app) as client:
        assert 422 == client.post("/login", json={"phone": "212-555-0123"}).status_code

    assert () == sms_sandbox.requests
