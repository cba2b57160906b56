"""
Which requests a browser may make.

Rules of this module:

1. The Host header must name this machine. A page whose DNS name an attacker points at 127.0.0.1
   (DNS rebinding) fails this check and cannot read anything.
2. A request that changes something or stays open must come from the sandbox's own page, if its
   headers name a page at all. Other programs than browsers send no such headers and are allowed.
3. No CORS header is ever sent, so that no page of another site can read an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import field, frozen

__all__ = ["SAFE_HEADERS", "OriginPolicy"]

#: Headers of every answer. Scripts and styles may only be loaded from the sandbox itself.
SAFE_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def _host_names(names: Iterable[str]) -> frozenset[str]:
    bracketed = (
        f"[{name}]" if ":" in name and not name.startswith("[") else name for name in names
    )
    return _THIS_MACHINE | {name.lower() for name in bracketed}


@frozen
class OriginPolicy:
    """
    Decides whether to accept a request.

    Attributes:
        hosts: Host names accepted besides those of this machine, without ports; IPv6 in brackets.
    """

    hosts: frozenset[str] = field(converter=_host_names, factory=frozenset[str])

    def objection(
        self, method: str, headers: Mapping[str, str], *, stays: bool = False
    ) -> str | None:
        """
        Return why a request is refused.

        Args:
            method: Its HTTP method.

            headers: Its headers; a case-insensitive mapping.

            stays: Whether the answer is a stream or a long poll.

        Returns:
            The reason, with what would be right; None if the request is accepted.
        """
        host = headers.get("Host", "")
        if _name_of(host) not in self.hosts:
            known = ", ".join(sorted(self.hosts))
            return (
                f"host {host!r} is not one of {known}; "
                "add others with --allow-host, or allowed_hosts in code"
            )
        if method in _READING and not stays:
            return None
        return _foreign(headers, host)


def _name_of(host: str) -> str:
    """Remove the port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isascii() and port.isdecimal() else host).lower()


def _foreign(headers: Mapping[str, str], host: str) -> str | None:
    origin = headers.get("Origin")
    if origin is not None and origin.lower() not in {
        f"http://{host}".lower(),
        f"https://{host}".lower(),
    }:
        return f"origin {origin!r} is not this sandbox's own page; call it from a program instead"
    site = headers.get("Sec-Fetch-Site", "none")
    if site not in {"same-origin", "none"}:
        return f"the page that sent this is {site!r}, not the sandbox's own"
    return None
