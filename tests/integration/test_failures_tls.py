"""TLS and proxies that fail, against raw TCP servers."""

import asyncio
import contextlib
import ssl

import aiohttp
import pytest
import trustme

from customersms_async import ConnectFailed, OutcomeUnknown, Status, codes
from tests.support.raw_server import (
    OTHER,
    PHONE,
    TEXT,
    RawServer,
    Talk,
    accepted,
    answering,
    client,
    free_port,
    http,
    tunnel_to,
)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def server_side(authority: trustme.CA, name: str = "127.0.0.1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@contextlib.asynccontextmanager
async def trusting(authority: trustme.CA, endpoint: str, *, proxy: str | None = None, **options):
    """A client on a session that trusts *authority*, as behind a corporate gateway."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    connector = aiohttp.TCPConnector(ssl=context, keepalive_timeout=2)
    async with (
        aiohttp.ClientSession(connector=connector, proxy=proxy) as session,
        client(endpoint, session=session, **options) as sms,
    ):
        yield sms


async def test_a_trusted_certificate(authority):
    """Over TLS messages are sent, on one connection that is kept."""
    async with RawServer(answering(), server_side(authority)) as server:
        async with trusting(authority, server.url) as sms:
            await sms.send(PHONE, TEXT)
            await sms.send(PHONE, TEXT)

        assert [2] == [len(list(talk.requests())) for talk in server.talks]


@pytest.mark.parametrize("name", ["elsewhere.invalid", "127.0.0.2"])
async def test_a_certificate_of_another_host(authority, name):
    """A certificate of another host ends the connection before a byte of the request: not sent."""
    async with RawServer(answering(), server_side(authority, name)) as server:
        async with trusting(authority, server.url, retries=0) as sms:
            with pytest.raises(ConnectFailed) as caught:
                await sms.send(PHONE, TEXT)

        assert (Status.NOT_SENT, codes.CONNECT_FAILED) == (caught.value.status, caught.value.code)
        assert b"" == server.received


async def test_a_certificate_of_an_unknown_authority(authority):
    """An untrusted certificate ends the connection before a byte of the request."""
    async with RawServer(answering(), server_side(authority)) as server:
        async with client(server.url, retries=0) as sms:
            with pytest.raises(ConnectFailed) as caught:
                await sms.send(PHONE, TEXT)

        assert Status.NOT_SENT is caught.value.status
        assert "CERTIFICATE_VERIFY_FAILED" in caught.value.detail
        assert b"" == server.received


# --- Handshakes, against servers without TLS ------------------------------------------------------


async def cut_at_once(talk: Talk):
    talk.close()


async def cut(talk: Talk):
    await talk.reader.readexactly(1)
    talk.close()


async def reset(talk: Talk):
    await talk.reader.readexactly(1)
    talk.reset()


async def speak_plainly(talk: Talk):
    await talk.reader.readexactly(1)
    talk.say(http(200, accepted([PHONE])))
    await talk.end()


HANDSHAKES = {
    "cut at once": cut_at_once,
    "cut": cut,
    "reset": reset,
    "plain HTTP": speak_plainly,
    "never answered": Talk.end,
}


@pytest.mark.parametrize("play", HANDSHAKES.values(), ids=HANDSHAKES)
async def test_a_handshake_fails(authority, play):
    """If the handshake fails or takes too long, nothing was sent."""
    async with RawServer(play) as server:
        endpoint = server.url.replace("http", "https", 1)
        async with trusting(authority, endpoint, retries=0, request_timeout=0.1) as sms:
            with pytest.raises(ConnectFailed) as caught:
                await sms.send(PHONE, TEXT)

        assert Status.NOT_SENT is caught.value.status
        assert b"POST" not in server.received
        assert PHONE.encode() not in server.received


async def test_cancelled_during_the_handshake(authority):
    """A message that is cancelled during the handshake is never sent, and ends at once."""
    async with RawServer(Talk.end) as server:
        async with trusting(authority, server.url.replace("http", "https", 1)) as sms:
            sending = asyncio.create_task(sms.send(PHONE, TEXT))
            await server.until(lambda: server.received)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await sending

        assert not hasattr(caught.value, "__notes__")
        assert 1 == len(server.talks)


async def test_a_server_that_requires_a_client_certificate(authority):
    """TLS 1.3 refuses a client only after its request has left: unknown, and not repeated."""
    context = server_side(authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    knocks = []
    async with RawServer(answering(), context) as server:
        async with trusting(authority, server.url, on_request=knocks.append) as sms:
            with pytest.raises(OutcomeUnknown) as caught:
                await sms.send(PHONE, TEXT)

        assert codes.ANSWER_LOST == caught.value.code
        assert 1 == len(knocks)
        assert [] == server.requests


# --- Answers, over TLS ----------------------------------------------------------------------------


@pytest.mark.parametrize("end", [Talk.close, Talk.reset, lambda talk: None])
async def test_the_answer_is_lost_over_tls(authority, end):
    """Over TLS too, a message without an answer is unknown and sent once."""

    async def play(talk: Talk):
        await talk.request()
        end(talk)

    async with RawServer(play, server_side(authority)) as server:
        async with trusting(authority, server.url, request_timeout=0.1) as sms:
            with pytest.raises(OutcomeUnknown):
                await sms.send(PHONE, TEXT)

        assert 1 == len(server.requests) == len(server.talks)


async def test_the_answer_of_another_request_over_tls(authority):
    """Over TLS too, a connection with a foreign answer is closed, and at once."""
    loop = asyncio.get_running_loop()
    foreign = http(200, accepted([OTHER]))
    async with RawServer(answering(foreign), server_side(authority)) as server:
        async with trusting(authority, server.url) as sms:
            with pytest.raises(OutcomeUnknown) as caught:
                await sms.send(PHONE, TEXT)
            await sms.send(PHONE, TEXT)
            started_at = loop.time()

        assert codes.MISSING_IN_ANSWER == caught.value.code
        assert [1, 1] == [len(list(talk.requests())) for talk in server.talks]
        assert loop.time() - started_at < 1


async def test_a_stray_answer_over_tls(authority):
    """Over TLS too, a stray answer on an idle connection is not matched to a request."""

    async def play(talk: Talk):
        request = await talk.request()
        talk.say(http(200, accepted(request.phones, left=talk.number)))
        await asyncio.sleep(0.01)
        talk.say(http(200, accepted(request.phones, left=99)))
        await answering()(talk)

    async with RawServer(play, server_side(authority)) as server:
        async with trusting(authority, server.url, retries=1) as sms:
            await sms.send(PHONE, TEXT)
            await asyncio.sleep(0.03)
            receipt = await sms.send(PHONE, TEXT)

        assert 2 == receipt.remaining_credits
        assert [1, 1] == [len(list(talk.requests())) for talk in server.talks]


# --- Proxies --------------------------------------------------------------------------------------

PROXIES = {
    "asks who we are": answering(http(407, "who are you?")),
    "finds nobody": answering(http(502, "bad gateway")),
    "redirects": answering(http(302, "", "Location: http://127.0.0.1:1/")),
    "speaks no HTTP": answering(b"220 smtp ready\r\n\r\n"),
    "leaves": cut,
    "resets": reset,
    "says nothing": Talk.end,
    "opens a tunnel to no TLS": answering(b"HTTP/1.1 200 Connected\r\n\r\n"),
}


@pytest.mark.parametrize("play", PROXIES.values(), ids=PROXIES)
async def test_a_proxy_that_opens_no_tunnel(authority, play):
    """A proxy that opens no tunnel gets no byte of the request: not sent."""
    endpoint = "https://gateway.invalid/api.php"
    async with RawServer(play) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        async with trusting(
            authority, endpoint, proxy=address, retries=0, request_timeout=0.1
        ) as sms:
            with pytest.raises(ConnectFailed):
                await sms.send(PHONE, TEXT)

        assert b"POST" not in proxy.received
        assert PHONE.encode() not in proxy.received


async def test_why_a_proxy_opened_no_tunnel(authority):
    """The error has the proxy's status, and does not quote its text."""
    async with RawServer(answering(http(407, "who are you?"))) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        async with trusting(authority, "https://gateway.invalid/", proxy=address, retries=0) as sms:
            with pytest.raises(ConnectFailed) as caught:
                await sms.send(PHONE, TEXT)

    assert "ClientHttpProxyError: HTTP status 407" == caught.value.detail


async def test_an_unreachable_proxy(authority):
    """If the proxy cannot be reached, nothing was sent."""
    proxy = f"http://127.0.0.1:{free_port()}"
    async with trusting(authority, "https://gateway.invalid/", proxy=proxy, retries=0) as sms:
        with pytest.raises(ConnectFailed) as caught:
            await sms.send(PHONE, TEXT)

    assert Status.NOT_SENT is caught.value.status


@pytest.mark.parametrize("drop", [False, True], ids=["answered", "dropped"])
async def test_a_tunnel(authority, drop):
    """Through a tunnel a message is sent once; if the tunnel breaks, it is unknown."""

    async def play(talk: Talk):
        await talk.request()
        if drop:
            talk.reset()
        talk.say(http(200, accepted([PHONE])))

    async with RawServer(play, server_side(authority)) as server:
        async with RawServer(tunnel_to(server)) as proxy:
            address = f"http://127.0.0.1:{proxy.port}"
            async with trusting(authority, server.url, proxy=address) as sms:
                with pytest.raises(OutcomeUnknown) if drop else contextlib.nullcontext():
                    await sms.send(PHONE, TEXT)

        assert 1 == len(server.requests) == len(server.talks)
