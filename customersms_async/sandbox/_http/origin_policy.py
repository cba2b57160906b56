"""
Who may come in by a browser.

Rules of this module:

1. A request must name this machine. A name that an attacker's DNS points at 127.0.0.1 is none of
   ours (DNS rebinding), so such a page reads nothing here.
2. What changes something, or stays open, must come from the sandbox's own page, where a browser
   says from which page it comes. Programs that are no browsers say nothing, and may.
3. No header lets another site's page read an answer (CORS).
"""

from collections.abc import Iterable, Mapping

import attrs

__all__ = ["SAFE_HEADERS", "OriginPolicy"]

#: Headers of every answer. Scripts and styles come from files of ours, and from nowhere else.
SAFE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def _host_names(names: Iterable[str]) -> frozenset[str]:
    bracketed = (
        f"[{name}]" if ":" in name and not name.startswith("[") else name for name in names
    )
    return _THIS_MACHINE | {name.lower() for name in bracketed}


@attrs.frozen
class OriginPolicy:
    """
    The doorkeeper.

    Attributes:
        hosts: Names under which the sandbox may be called, beside those of this machine; without
            ports, IPv6 in brackets.
    """

    hosts: frozenset[str] = attrs.field(converter=_host_names, factory=frozenset[str])

    def objection(
        self, method: str, headers: Mapping[str, str], *, stays: bool = False
    ) -> str | None:
        """
        Say why a request is turned away.

        Args:
            method: Its HTTP method.

            headers: Its headers, by names of any case.

            stays: Whether the answer is a stream, or may take its time.

        Returns:
            The reason, with what would be right; none if the request may come in.
        """
        host = headers.get("Host", "")
        if _name_of(host) not in self.hosts:
            known = ", ".join(sorted(self.hosts))
            return f"host {host!r} is not one of {known}; add others with allowed_hosts"
        if method in _READING and not stays:
            return None
        return _foreign(headers, host)


def _name_of(host: str) -> str:
    """Take the port off."""
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
