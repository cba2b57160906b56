"""The same for an aiohttp application, in coroutines."""

import pytest
from aiohttp.test_utils import TestClient, TestServer

from examples.login_aiohttp import make_app

ADA = "+12125550123"


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch, tmp_path):
    """Run in a separate folder, where the application stores its codes."""
    monkeypatch.chdir(tmp_path)


async def test_login(sms_sandbox):
    """A user who enters the code from the message is let in, once."""
    async with TestClient(TestServer(make_app())) as client:
        await client.post("/login", json={"phone": ADA})
        answer = {"phone": ADA, "code": sms_sandbox.last_code(ADA)}

        assert 200 == (await client.post("/verify", json=answer)).status
        assert 403 == (await client.post("/verify", json=answer)).status


async def test_a_gateway_that_refuses(sms_sandbox):
    """The user is told why no code is sent."""
    sms_sandbox.set_faults(standing="refuse")
    async with TestClient(TestServer(make_app())) as client:
        answer = await client.post("/login", json={"phone": ADA})

        assert (502, {"detail": "MESSAGE_BLOCKED"}) == (answer.status, await answer.json())
