"""The help page describes exactly what is served."""

import asyncio
import html
import json
import os
import re
import shutil

import pytest

from customersms_async.sandbox import MAGIC_NUMBERS
from customersms_async.sandbox._http.help import curl, help_page
from customersms_async.sandbox._http.routes import ROUTES
from tests.support.sandbox_client import KEY, PHONE, running


async def test_every_call_is_described():
    """Each call is on the page with its parameters, and each fault with its number."""
    async with running() as (_, client):
        status, page = await client.raw("GET", "/_sandbox/")
    plain = html.unescape(page)

    assert 200 == status
    for route in ROUTES:
        assert f"<h2>{route.method} /_sandbox{route.path}</h2>" in plain
        assert set() == {name for name in route.parameters if f"<code>{name}</code>" not in plain}
    for ending, fault in MAGIC_NUMBERS.items():
        assert f"<td>{fault}</td><td>+1212{ending}</td>" in plain


async def test_the_page_complies_with_its_policy():
    """The page has no inline script or style, which its Content-Security-Policy forbids."""
    async with running() as (_, client):
        _, page = await client.raw("GET", "/_sandbox/")

    assert [] == re.findall(r"<script|<style|style=|onclick=|https?://(?!127\.0\.0\.1)", page)


async def test_every_call_has_the_parameters_of_the_page():
    """Each call names the same parameters as the page does."""
    async with running() as (_, client):
        for route in ROUTES:
            name = "no_such_name"
            body = {name: 1} if route.method == "POST" else None
            query = {} if body else {name: 1}
            path = route.path.replace("{id}", "1")
            _, shown = await client.call(route.method, path, body, **query)
            listed = shown["error"].partition("takes ")[2]

            if path not in ("/faults", "/limit") or route.method != "POST":
                assert (", ".join(route.parameters) or "none") == listed


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
@pytest.mark.parametrize("route", ROUTES, ids=[f"{r.method} {r.path}" for r in ROUTES])
async def test_the_examples_run(route):
    """Each command on the page, run in a shell, returns JSON without an error."""
    async with running() as (sandbox, client):
        sandbox_url = sandbox.url
        await client.post(PHONE, "Your code is 4711")
        sandbox.set_credits("cspro_another", 1)
        command = curl(route, sandbox.url)
        process = await asyncio.create_subprocess_shell(
            command + " --silent --show-error --fail-with-body",
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "CUSTOMERSMS_API_KEY": KEY},
        )
        out, _ = await process.communicate()

    assert (0, dict) == (process.returncode, type(json.loads(out)))
    assert command in html.unescape(help_page(sandbox_url))
