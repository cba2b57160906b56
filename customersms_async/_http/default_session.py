"""
aiohttp sessions with our own defaults only.

Rules of this module:

1. From a caller's session, only connections, proxy and trace hooks are used. Its other defaults
   (headers, cookies, authentication, middlewares, limits) do not apply to our requests.
2. An idle connection is not reused for longer than servers keep it.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Final

import aiohttp
from aiohttp import hdrs
from yarl import URL

from .._ports.transport import TransportFailure
from .proxies import environment_proxy

__all__ = [
    "borrow_session",
    "is_closed_soon",
    "keeps_idle_briefly",
    "open_session",
    "proxy_of",
    "user_agent",
]

#: Seconds for which an idle connection may be reused. Apache closes it after 5; a request written
#: at that moment is never read, and looks exactly like one whose answer was lost.
_LONGEST_IDLE: Final = 2.0

#: Seconds to stay below a server's own limit; covers the network latency.
_IDLE_MARGIN: Final = 1.0

#: Limits of an answer: bytes of a line and of a header, and number of headers. aiohttp's own are
#: 8,190 and 128, but proxies send more: Cloudflare passes on 128 KiB in total.
_CAPS: Final = {"max_line_size": 131_072, "max_field_size": 131_072, "max_headers": 1_000}

_HINT = re.compile(r"\btimeout\s*=\s*(\d{1,9})", re.IGNORECASE)


def open_session(endpoint: str) -> aiohttp.ClientSession:
    """
    Open a session; it has no limit on connections, since the limiter has one.

    Raises:
        ConfigurationError: The environment names a proxy that cannot be used.
    """
    proxy = environment_proxy(endpoint)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_LONGEST_IDLE)
    return aiohttp.ClientSession(connector=connector, proxy=proxy, **_defaults())


def proxy_of(lender: aiohttp.ClientSession, endpoint: str) -> URL | None:
    """
    Return the proxy of a caller's session, or None.

    Raises:
        ConfigurationError: It trusts the environment, which names a proxy that cannot be used.
    """
    own: str | URL | None = getattr(lender, "_default_proxy", None)  # there is no public API
    if own is not None:
        return URL(own)
    return environment_proxy(endpoint) if lender.trust_env else None


def borrow_session(lender: aiohttp.ClientSession, proxy: URL | None) -> aiohttp.ClientSession:
    """
    Open a session over the connections of *lender*; to be detached, not closed.

    Args:
        lender: The caller's session.

        proxy: Its proxy; see `proxy_of`.

    Raises:
        TransportFailure: *lender* is closed.
    """
    if lender.closed:
        msg = "the session was closed by its owner"
        raise TransportFailure(msg)
    session = aiohttp.ClientSession(
        connector=lender.connector,
        connector_owner=False,
        trace_configs=lender.trace_configs,
        proxy=proxy,
        proxy_auth=getattr(lender, "_default_proxy_auth", None),  # there is no public API
        **_defaults(),
    )
    # Instrumentation of all sessions has just added a second copy of a hook that *lender* has.
    session.trace_configs[:] = lender.trace_configs
    return session


def keeps_idle_briefly(session: aiohttp.ClientSession) -> bool:
    """Whether the session's own pool drops idle connections as early as ours."""
    connector = session.connector
    if connector is None or connector.force_close:
        return True
    idle: float | None = getattr(connector, "_keepalive_timeout", None)  # there is no public API
    return (math.inf if idle is None else idle) <= _LONGEST_IDLE


def is_closed_soon(headers: Mapping[str, str]) -> bool:
    """Whether the server will close the idle connection before we would stop reusing it."""
    named = headers.get(hdrs.KEEP_ALIVE)
    hint = None if named is None else _HINT.search(named)
    return hint is not None and int(hint[1]) < _LONGEST_IDLE + _IDLE_MARGIN


@functools.cache
def user_agent(distribution: str = "customersms-async") -> str:
    """Return the client's name and version; only the name if it is not installed."""
    try:
        return f"{distribution}/{metadata.version(distribution)}"
    except metadata.PackageNotFoundError:
        return distribution


def _defaults() -> dict[str, Any]:
    known = inspect.signature(aiohttp.ClientSession).parameters
    return {
        "cookie_jar": aiohttp.DummyCookieJar(),
        "headers": {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": user_agent(),
        },
        "timeout": aiohttp.ClientTimeout(total=None, sock_connect=None),
        "auto_decompress": False,
        # The cap on the number of headers came with a later release.
        **{name: cap for name, cap in _CAPS.items() if name in known},
    }
