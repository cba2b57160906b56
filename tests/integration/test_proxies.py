"""Proxies from environment variables, against raw TCP servers."""

import asyncio
import os
import ssl
import sys

import aiohttp
import pytest
import trustme
from yarl import URL

from customersms_async import ConfigurationError, ConnectFailed
from customersms_async._http.proxies import environment_proxy
from tests.support.raw_server import (
    KEY,
    PHONE,
    TEXT,
    RawServer,
    Talk,
    accepted,
    answering,
    client,
    http,
    tunnel_to,
)

GATEWAY = "https://gateway.invalid/sms_system/api.php"
PROXY = "http://proxy.local:3128"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Remove the proxy variables of the machine."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("variables", "endpoint", "proxy"),
    [
        ({}, GATEWAY, None),
        ({"HTTPS_PROXY": PROXY}, GATEWAY, PROXY),
        ({"https_proxy": PROXY}, GATEWAY, PROXY),
        ({"HTTPS_PROXY": "proxy.local:3128"}, GATEWAY, PROXY),
        ({"HTTPS_PROXY": "https://proxy.local"}, GATEWAY, "https://proxy.local/"),
        (
            {"HTTPS_PROXY": "http://ann:p%40ss@proxy.local"},
            GATEWAY,
            "http://ann:p%40ss@proxy.local/",
        ),
        ({"HTTP_PROXY": PROXY}, GATEWAY, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "gateway.invalid"}, GATEWAY, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".invalid,other"}, GATEWAY, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, GATEWAY, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "way.invalid"}, GATEWAY, PROXY),
        ({"HTTPS_PROXY": PROXY}, "https://127.0.0.1:8443/api.php", None),
        ({"HTTP_PROXY": PROXY}, "http://localhost:8025/api.php", None),
        ({"HTTP_PROXY": PROXY}, "http://gateway.local/api.php", PROXY),
    ],
)
def test_the_environment_names_a_proxy(monkeypatch, variables, endpoint, proxy):
    """The variables are read as in other programs, but not for a gateway on this machine."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert (proxy and URL(proxy)) == environment_proxy(endpoint)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("socks5://ann:secret@proxy.local:1080", "socks5://..."),
        ("http://", "http://..."),
        ("http://proxy:port", "a text of 17 characters"),
    ],
)
async def test_an_invalid_proxy(monkeypatch, value, what):
    """The error is raised before anything is sent, and does not show the password."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    async with client(GATEWAY) as sms:
        with pytest.raises(ConfigurationError) as caught:
            await sms.send(PHONE, TEXT)

    assert f"HTTPS_PROXY must be like http://proxy.local:3128, not {what}" == str(caught.value)


async def test_a_client_uses_the_proxy(monkeypatch):
    """Without a session of the caller, requests use the proxy of the environment."""
    async with RawServer(answering(http(407, "who are you?"))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ann:p%40ss@127.0.0.1:{proxy.port}")
        async with client(GATEWAY, retries=0) as sms:
            with pytest.raises(ConnectFailed) as caught:
                await sms.send(PHONE, TEXT)

    assert "ClientHttpProxyError: HTTP status 407" == caught.value.detail
    assert proxy.received.startswith(b"CONNECT gateway.invalid:443 ")
    assert b"Proxy-Authorization: Basic YW5uOnBAc3M=" in proxy.received
    assert KEY.encode() not in proxy.received


async def test_the_proxy_of_a_session_that_trusts_the_environment(monkeypatch):
    """A session with `trust_env` uses the same proxy."""
    async with RawServer(answering(http(407))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with (
            aiohttp.ClientSession(trust_env=True) as session,
            client(GATEWAY, session=session, retries=0) as sms,
        ):
            with pytest.raises(ConnectFailed):
                await sms.send(PHONE, TEXT)

    assert proxy.received.startswith(b"CONNECT gateway.invalid:443 ")


async def test_a_session_without_a_proxy(monkeypatch):
    """A session without `trust_env` uses no proxy."""
    async with RawServer(answering(http(407))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with (
            aiohttp.ClientSession() as session,
            client(GATEWAY, session=session, retries=0) as sms,
        ):
            with pytest.raises(ConnectFailed):
                await sms.send(PHONE, TEXT)

    assert b"" == proxy.received


async def test_netrc_is_not_used(monkeypatch, tmp_path):
    """No password from ``.netrc`` is sent, even in a session with `trust_env`."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ann password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    async def play(talk: Talk):
        request = await talk.request()
        talk.say(http(200, accepted(request.phones)))

    async with (
        RawServer(play) as server,
        aiohttp.ClientSession(trust_env=True) as session,
        client(server.url, session=session) as sms,
    ):
        await sms.send(PHONE, TEXT)

        assert b"authorization" not in server.received.lower()


async def test_the_command_uses_the_proxy(tmp_path):
    """A message is sent through a tunnel, with a certificate that SSL_CERT_FILE trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("gateway.invalid").configure_cert(context)
    async with (
        RawServer(answering(), context) as server,
        RawServer(tunnel_to(server)) as proxy,
    ):
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "customersms_async", "send", PHONE, "--text", TEXT),
            env={
                **os.environ,
                "CUSTOMERSMS_API_KEY": KEY,
                "CUSTOMERSMS_ENDPOINT": GATEWAY,
                "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
                "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
                "XDG_STATE_HOME": str(tmp_path),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await command.communicate()

        assert (0, True) == (command.returncode, out.startswith(f"{PHONE} sent".encode())), err
        assert 1 == len(server.requests)
        assert KEY.encode() not in proxy.received
