"""The same for an application of aiohttp's, in coroutines."""

import pytest
from aiohttp.test_utils import TestClient, TestServer

from examples.login_aiohttp import make_app

ADA = "+12125550123"


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch, tmp_path):
    """The application keeps its codes in the folder that it runs in."""
    monkeypatch.chdir(tmp_path)


async def test_login(sms_sandbox):
    """Whoever types the code from the message is let in, once."""
    async with TestClient(TestServer(make_app())) as client:
        await client.post("/login", json={"phone": ADA})
        answer = {"phone": ADA, "code": sms_sandbox.last_code(ADA)}

        assert 200 == (await client.post("/verify", json=answer)).status
        assert 403 == (await client.post("/verify", json=answer)).status


async def test_a_gateway_that_says_no(sms_sandbox):
    """The person learns why no code comes."""
    sms_sandbox.set_faults(standing="refuse")
    async with TestClient(TestServer(make_app())) as client:
        answer = await client.post("/login", json={"phone": ADA})

        assert (502, {"detail": "MESSAGE_BLOCKED"}) == (answer.status, await answer.json())
