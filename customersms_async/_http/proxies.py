"""
The proxy that the environment names in HTTPS_PROXY and NO_PROXY, as for curl, pip and git.

Rules of this module:

1. This machine is never reached through a proxy: a proxy would take a loopback address for itself.
   Source: `ProxyFromEnvironment` of Go's net/http has the same rule.
2. Nothing else is taken from the environment. With aiohttp's ``trust_env``, a request would also
   carry what ``.netrc`` has for its host.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from .._values.validation import is_this_machine
from ..errors import ConfigurationError

__all__ = ["environment_proxy"]

#: The kinds of proxies that aiohttp can use.
_KINDS: Final = ("http", "https")


def environment_proxy(endpoint: str) -> URL | None:
    """
    Return the proxy that the environment names for an endpoint, or None.

    Raises:
        ConfigurationError: It is not the URL of an HTTP proxy.
    """
    parts = urlsplit(endpoint)
    if is_this_machine(endpoint) or proxy_bypass(parts.netloc):
        return None
    named = getproxies().get(parts.scheme)
    return _checked(named, f"{parts.scheme.upper()}_PROXY") if named else None


def _checked(named: str, variable: str) -> URL:
    try:
        proxy = URL(named if "://" in named else f"http://{named}")
    except ValueError:
        proxy = URL()
    if proxy.scheme not in _KINDS or not proxy.host:
        kind = f"{proxy.scheme}://..." if proxy.scheme else f"a text of {len(named)} characters"
        msg = f"{variable} must be like http://proxy.local:3128, not {kind}"
        raise ConfigurationError(msg)
    return proxy
