"""URLs of servers, which hold a password: their check, and what errors may show of them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from ..errors import ConfigurationError

__all__ = ["NOT_A_URL", "check_postgres_url", "hosts_of", "is_cut"]

#: Said of a string that is no URL, instead of the string, which may hold a password.
NOT_A_URL: Final = (
    "the string given is none; in user and password, write # as %23, / as %2F, ? as %3F, @ as %40, "
    ": as %3A and % as %25"
)

#: A name or an address, and a port.
_HOST: Final = re.compile(r"(\[[^][]+\]|[^][:]*)(:(?P<port>\d+))?")
_LAST_PORT: Final = 65_535


def check_postgres_url(given: object) -> str:
    """
    Return the URL of a PostgreSQL database, perhaps with several hosts.

    Raises:
        ConfigurationError: It is none; the text says what is right, and shows nothing of it.
    """
    what = "url must be one like postgresql://user:password@host:5432/database"
    if not isinstance(given, str):
        msg = f"{what}, not {type(given).__name__}"
        raise ConfigurationError(msg)
    try:
        parts = urlsplit(given)
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    is_fit = parts.scheme in {"postgresql", "postgres"} and not is_cut(parts)
    if not is_fit or not all(map(_is_host, hosts_of(parts).split(","))):
        msg = f"{what}; {NOT_A_URL}"
        raise ConfigurationError(msg)
    if parts.query and not _are_options(parts.query):
        msg = f"{what}, and behind a ? like sslmode=require; in a password, write ? as %3F"
        raise ConfigurationError(msg)
    return given


def hosts_of(parts: SplitResult) -> str:
    """Return hosts and ports, without user and password."""
    return parts.netloc.rpartition("@")[2]


def is_cut(parts: SplitResult) -> bool:
    """Whether a #, / or ? in the password has ended the part with the hosts too early."""
    first_option = parts.query.partition("=")[0]
    return bool(parts.fragment) or "@" in parts.path or "@" in first_option


def _are_options(query: str) -> bool:
    """Whether asyncpg can read the part behind the ?."""
    try:
        parse_qsl(query, strict_parsing=True)
    except ValueError:
        return False
    return True


def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    return found is not None and 0 < int(found["port"] or 1) <= _LAST_PORT
