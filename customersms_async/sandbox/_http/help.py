"""The help page, generated from the table of calls."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Final

from . import views
from .events import HEARTBEAT
from .routes import EVENTS, PREFIX, ROUTES, Route

__all__ = ["curl", "help_page"]

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sandbox: HTTP calls</title>
<link rel="icon" type="image/svg+xml" href="/static/favicon.svg">
<link rel="stylesheet" href="/static/help.css">
</head>
<body>
<h1>The sandbox over HTTP</h1>
<p>A gateway on this machine that sends nothing. Applications post to
<code>{url}/sms_system/api.php</code>; <a href="/">the inbox</a> shows what arrived. These calls are
for tests in any language. A GET or DELETE takes its parameters in the query, a POST in a JSON
object. An error is a JSON object with <code>error</code> and <code>code</code>. Keys are masked in
every answer.</p>
<p>The examples assume that <code>$CUSTOMERSMS_API_KEY</code> is set, as printed at the start.</p>
{calls}
<section>
<h2>GET {events}</h2>
<p>What happens, as server-sent events: <code>request</code> with its messages and its account,
<code>answered</code> with the seconds that its answer took,
<code>credits</code> (of a new account too), <code>closed</code> (an account), <code>limit</code>,
<code>faults</code>, <code>clock</code> and <code>clear</code>. The first is <code>hello</code>.
A reader that reconnects with <code>Last-Event-ID</code> continues where it was; <code>reload</code>
means that too much has happened since, and lists must be loaded again. A comment is sent every
{heartbeat:g} seconds as a heartbeat.</p>
<pre><code>curl -N {url}{events}</code></pre>
</section>
<section>
<h2>Faults</h2>
<p>By name in a script, as a standing fault or with a probability; or by a number that ends in these
seven digits, with any country code.</p>
<table>
<thead><tr><th>name</th><th>number</th><th>what happens</th></tr></thead>
<tbody>
{faults}
</tbody>
</table>
</section>
</body>
</html>
"""


def help_page(url: str) -> str:
    """Return the page for a sandbox at *url*."""
    return _PAGE.format(
        url=escape(url),
        calls="\n".join(_section(route, url) for route in ROUTES),
        events=EVENTS,
        heartbeat=HEARTBEAT,
        faults="\n".join(_rows()),
    )


def curl(route: Route, url: str) -> str:
    """Return the shell command that tries a call."""
    address = f"{url}{PREFIX}{route.path}"
    example = route.example.replace("{key}", "$CUSTOMERSMS_API_KEY")
    if route.method == "POST":
        return f"curl {address} -d {_quoted(json.loads(example))}"
    query = f"?{example}" if example else ""
    option = "" if route.method == "GET" else f"-X {route.method} "
    address = address.replace("{id}", "msg_123456" if "/messages/" in address else "1")
    return f'curl {option}"{address}{query}"'


def _quoted(value: object) -> str:
    return f"'{json.dumps(value)}'"


def _section(route: Route, url: str) -> str:
    listed = "".join(
        f"<dt><code>{escape(name)}</code></dt><dd>{escape(meaning)}</dd>"
        for name, meaning in route.parameters.items()
    )
    return (
        f"<section>\n<h2>{route.method} {escape(PREFIX + route.path)}</h2>\n"
        f"<p>{escape(route.summary)}</p>\n"
        + (f"<dl>{listed}</dl>\n" if listed else "")
        + f"<pre><code>{escape(curl(route, url))}</code></pre>\n</section>"
    )


def _rows() -> Iterable[str]:
    for fault in views.catalogue():
        cells = (fault["name"], fault["number"], fault["meaning"])
        yield "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
