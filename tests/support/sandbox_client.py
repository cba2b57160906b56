"""A plain HTTP client for a running sandbox: its API, and its control calls."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp

from customersms_async.sandbox import Sandbox
from customersms_async.sandbox._gateway.masking import mask_key

KEY = "cspro_canary"
ACCOUNT = mask_key(KEY)
PHONE = "+12125551234"


class Client:
    """Posts requests and returns the answers."""

    def __init__(self, session: aiohttp.ClientSession, sandbox: Sandbox) -> None:
        self.session = session
        self.sandbox = sandbox

    async def post(self, phone: object = PHONE, text: str = "Hello", key: str = KEY):
        """Send a message; return the answer, or None if it is not JSON."""
        fields = {"api_key": key, "phone": phone, "message": text}
        with contextlib.suppress(aiohttp.ClientError, ValueError):
            async with self.session.post(self.sandbox.endpoint, json=fields) as response:
                return await response.json(content_type=None)

    async def raw(self, method: str, path: str, body: object = None, **more: object):
        """Make a call; return status and text."""
        url = self.sandbox.url + path
        async with self.session.request(method, url, json=body, **more) as response:
            return response.status, await response.text()

    async def call(self, method: str, path: str, body: object = None, **query: object):
        """Make a control call; return status and JSON."""
        url = f"{self.sandbox.url}/_sandbox{path}"
        params = {name: str(value) for name, value in query.items()}
        async with self.session.request(method, url, json=body, params=params) as response:
            return response.status, await response.json()

    async def get(self, path: str, **query: object):
        """Read something that exists."""
        status, shown = await self.call("GET", path, **query)
        assert 200 == status, shown
        return shown


async def somebody_waits(sandbox: Sandbox) -> None:
    """Return once somebody is waiting for a message."""
    while not sandbox._service._waiters:  # noqa: ASYNC110  # there is no event
        await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def running(**options: object) -> AsyncIterator[tuple[Sandbox, Client]]:
    """Run a sandbox with a client."""
    options.setdefault("keys", {KEY: 98})
    async with Sandbox(**options) as sandbox, aiohttp.ClientSession() as session:
        yield sandbox, Client(session, sandbox)
