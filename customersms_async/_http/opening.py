"""
aiohttp sessions with nothing but our own defaults.

Rules of this module:

1. Our request goes out as ours, whatever a caller's session has as defaults: headers, cookies,
   authentication, middlewares, limits. Its connections, proxy and trace hooks are used.
2. An idle connection is not used again for longer than servers keep it.
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

__all__ = ["borrow_session", "is_closed_soon", "keeps_idle_briefly", "open_session"]

#: Seconds for which an idle connection is used again. Apache closes it after 5; a request that
#: meets that is handed over to nobody, and cannot be told from one whose answer was lost.
_LONGEST_IDLE: Final = 2.0

#: Seconds between the last use of a connection and a server's own limit, for the way to it.
_IDLE_MARGIN: Final = 1.0

#: Bytes of a line and of a header, and headers, of an answer. aiohttp's own are 8,190 and 128, and
#: proxies send more: Cloudflare passes on 128 KiB in all.
_CAPS: Final = {"max_line_size": 131_072, "max_field_size": 131_072, "max_headers": 1_000}

_HINT = re.compile(r"\btimeout\s*=\s*(\d{1,9})", re.IGNORECASE)


def open_session() -> aiohttp.ClientSession:
    """Open a session; it has no limit on connections, since the limiter has one."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_LONGEST_IDLE)
    return aiohttp.ClientSession(connector=connector, **_defaults())


def borrow_session(lender: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """
    Open a session over the connections of *lender*; to be detached, not closed.

    Raises:
        RuntimeError: *lender* is closed.
    """
    if lender.connector is None:
        msg = "session is closed"
        raise RuntimeError(msg)
    session = aiohttp.ClientSession(
        connector=lender.connector,
        connector_owner=False,
        trust_env=lender.trust_env,
        trace_configs=lender.trace_configs,
        # There is no public way to ask for these.
        proxy=getattr(lender, "_default_proxy", None),
        proxy_auth=getattr(lender, "_default_proxy_auth", None),
        **_defaults(),
    )
    # Whoever traces all sessions has added a hook that *lender* has already.
    session.trace_configs[:] = lender.trace_configs
    return session


def keeps_idle_briefly(session: aiohttp.ClientSession) -> bool:
    """Whether the session itself uses no connection again that was idle for too long."""
    connector = session.connector
    if connector is None or connector.force_close:
        return True
    idle: float | None = getattr(connector, "_keepalive_timeout", None)  # no public way to ask
    return (math.inf if idle is None else idle) <= _LONGEST_IDLE


def is_closed_soon(headers: Mapping[str, str]) -> bool:
    """Whether the server closes its idle connection before we would stop using it."""
    hint = _HINT.search(headers.get("Keep-Alive", ""))
    return hint is not None and int(hint[1]) < _LONGEST_IDLE + _IDLE_MARGIN


@functools.cache
def _user_agent() -> str:
    try:
        return f"customersms-async/{metadata.version('customersms-async')}"
    except metadata.PackageNotFoundError:  # run from a copy of its files
        return "customersms-async"


def _defaults() -> dict[str, Any]:
    known = inspect.signature(aiohttp.ClientSession).parameters
    return {
        "cookie_jar": aiohttp.DummyCookieJar(),
        "headers": {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": _user_agent(),
        },
        "timeout": aiohttp.ClientTimeout(total=None, sock_connect=None),
        "auto_decompress": False,
        # A cap on the number of headers came with a later release.
        **{name: cap for name, cap in _CAPS.items() if name in known},
    }
