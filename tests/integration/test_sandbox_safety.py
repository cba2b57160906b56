"""The sandbox serves only its owner, and makes no connections."""

import asyncio
import json
import sys

import pytest

from customersms_async.sandbox import Sandbox
from customersms_async.sandbox._gateway.masking import mask_key
from customersms_async.sandbox._http.routes import ROUTES
from tests.support.sandbox_client import KEY, running

PATHS = ["/", "/static/inbox.js", "/static/inbox.css", "/static/help.css", "/_sandbox/",
         "/_sandbox", "/_sandbox/status", "/sms_system/api.php"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
async def test_a_foreign_host_name(path):
    """Nothing can be read under a host name that is not the sandbox's."""
    async with running() as (_, client):
        status, text = await client.raw("GET", path, headers={"Host": "evil.example"})

    assert 403 == status
    assert "evil.example" in json.loads(text)["error"]


async def test_the_api_under_a_foreign_host_name():
    """The API is not served under another host name either."""
    async with running() as (sandbox, client):
        body = {"api_key": KEY, "phone": "+12125551234", "message": "Hi"}
        path = "/sms_system/api.php"
        foreign = await client.raw("POST", path, body, headers={"Host": "evil.example"})
        by_a_page = await client.raw("POST", path, body, headers={"Origin": "http://evil.example"})

    assert [403, 403] == [foreign[0], by_a_page[0]]
    assert () == sandbox.requests


async def test_an_allowed_host_name():
    """Other host names can be allowed."""
    async with running(allowed_hosts=["sms"]) as (_, client):
        status, _ = await client.raw("GET", "/_sandbox/status", headers={"Host": "sms:8025"})

    assert 200 == status


@pytest.mark.parametrize(
    "hosts", ["sms", ["sms:80"], [""], ["http://sms"], [7], 7, ["*"], ["a b"], b"sms"]
)
def test_invalid_host_names(hosts):
    """Allowed hosts are a list of names, without port or scheme."""
    with pytest.raises(ValueError, match=r"^allowed_hosts must be names of hosts") as caught:
        Sandbox(allowed_hosts=hosts)

    assert repr(hosts) in str(caught.value)


@pytest.mark.parametrize(
    ("method", "path"), [(r.method, r.path) for r in ROUTES if r.method != "GET"]
)
async def test_a_foreign_page(method, path):
    """A page of another origin cannot change anything."""
    async with running() as (sandbox, client):
        await client.post()
        headers = {"Origin": "http://localhost:3000"}
        status, text = await client.raw(method, f"/_sandbox{path}", {}, headers=headers)

    assert (403, "NOT_ALLOWED") == (status, json.loads(text)["code"])
    assert 1 == len(sandbox.messages)


async def test_a_foreign_page_and_the_stream():
    """A page of another origin cannot read the events."""
    async with running() as (_, client):
        for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            status, _ = await client.raw("GET", "/_sandbox/events", headers=headers)

            assert 403 == status


@pytest.mark.parametrize("path", [*PATHS, "/_sandbox/nothing", "/nothing"])
async def test_the_headers_of_every_answer(path):
    """The headers forbid inline code, MIME sniffing and reading by other origins."""
    async with running() as (_, client):
        headers = {"Origin": client.sandbox.url, "Access-Control-Request-Method": "POST"}
        async with client.session.get(client.sandbox.url + path, headers=headers) as response:
            found = response.headers

    assert (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ) == found["Content-Security-Policy"]
    assert ("nosniff", "no-referrer", "same-origin") == (
        found["X-Content-Type-Options"],
        found["Referrer-Policy"],
        found["Cross-Origin-Resource-Policy"],
    )
    assert [] == [name for name in found if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/static/inbox.js", "text/javascript"),
        ("/static/inbox.css", "text/css"),
        ("/static/inbox.html", "text/html"),
    ],
)
async def test_the_pages(path, kind):
    """The inbox and its files are served."""
    async with running() as (_, client), client.session.get(client.sandbox.url + path) as response:
        text = await response.text()

    assert (200, kind, "utf-8") == (response.status, response.content_type, response.charset)
    assert len(text) > 50


@pytest.mark.parametrize("path", ["/static/", "/static/../_app.py", "/static/%2e%2e/_app.py"])
async def test_no_other_file(path):
    """No other file of the machine is served."""
    async with running() as (_, client):
        status, _ = await client.raw("GET", path)

    assert 404 == status


async def test_the_default_address():
    """By default the sandbox is bound to 127.0.0.1."""
    async with Sandbox() as sandbox:
        assert sandbox.url.startswith("http://127.0.0.1:")


PROGRAM = """
import sys
spoken = []
def hear(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "urllib.Request"):
        spoken.append((event, *map(str, arguments[-1:])))
sys.addaudithook(hear)

import asyncio
from customersms_async.sandbox import Sandbox

async def main():
    async with Sandbox(keys={"cspro_test": 98}, allowed_hosts=["evil.example"]) as sandbox:
        print(sandbox.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
    print(spoken)

asyncio.run(main())
"""


async def test_it_makes_no_connections():
    """Whatever it receives, the sandbox opens no connection and looks up no name."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", PROGRAM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    async with running() as (_, client):
        for route in ROUTES:
            body = dict.fromkeys(route.parameters, "http://192.0.2.1/") | {
                "url": "http://192.0.2.1/",
                "callback": "http://192.0.2.1/",
            }
            if route.method == "POST":
                await client.session.post(f"{url}/_sandbox{route.path}", json=body)
            else:
                await client.session.request(
                    route.method,
                    f"{url}/_sandbox{route.path.replace('{id}', '1')}",
                    params={"timeout": "0"} if route.waits else {},
                    headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"},
                )
        fields = {"api_key": "cspro_test", "phone": "+12125551234", "message": "http://192.0.2.1/"}
        await client.session.post(f"{url}/sms_system/api.php", json=fields)
    said, _ = await process.communicate(b"")

    assert "[]" == said.decode().strip()


async def test_no_key_of_an_account_is_shown():
    """An account's key of unusual form is hidden in every answer, wherever it appears."""
    key = "my-own-Key-12345"
    async with running(keys={key: 9}) as (sandbox, client):
        url, headers = sandbox.endpoint, {"Authorization": f"Bearer {key}"}
        for body in (
            f"api_key={key}&phone=1",
            f"{{'api_key':'{key}'}}",
            '{"api_key":471147114711}',
        ):
            await client.session.post(url, data=body, headers=headers)
        await client.post(text=f"my key is {key}", key=key)
        paths = ["messages", "requests", *(f"requests/{n}" for n in range(1, 5)),
                 f"messages?limit={key}"]  # fmt: skip
        texts = [(await client.raw("GET", f"/_sandbox/{path}"))[1] for path in paths]

    assert [] == [path for path, text in zip(paths, texts, strict=True) if key in text]
    assert "471147114711" not in texts[4]
    assert f"my key is {mask_key(key)}" in texts[0]


async def test_a_foreign_page_and_the_wait():
    """A page of another origin cannot wait for a message."""
    async with running() as (_, client):
        for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            status, _ = await client.raw("GET", "/_sandbox/wait?timeout=0", headers=headers)

            assert 403 == status


async def test_the_short_path():
    """The API is also served under the short path of the quick start."""
    async with running() as (sandbox, client):
        body = {"api_key": KEY, "phone": "+12125551234", "message": "Hi"}
        status, _ = await client.raw("POST", "/api.php", body)

    assert 200 == status
    assert 1 == len(sandbox.messages)


async def test_host_names_from_a_generator():
    """Allowed hosts may be given as a generator."""
    async with running(allowed_hosts=(name for name in ["sms"])) as (_, client):
        status, _ = await client.raw("GET", "/_sandbox/status", headers={"Host": "sms"})

    assert 200 == status
