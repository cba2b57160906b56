"""Checks of arguments; an error names the argument and says what would be right."""

from __future__ import annotations

import inspect
import ipaddress
import math
from collections.abc import Callable, Collection
from typing import Final, TypeGuard, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from ..errors import ConfigurationError

__all__ = [
    "check_count",
    "check_endpoint",
    "check_hook",
    "check_method",
    "check_seconds",
    "check_seconds_or_none",
    "check_statuses",
    "is_loopback",
    "is_number",
]


def check_seconds(name: str, value: object, *, or_zero: bool = False) -> float:
    """
    Check a duration and return it.

    Raises:
        ConfigurationError: It is not a finite number above 0 (or from 0).
    """
    if is_number(value) and (0 < value < math.inf or (or_zero and value == 0)):
        return value
    least = "of at least 0" if or_zero else "above 0"
    msg = f"{name} must be a number of seconds {least}, not {value!r}"
    raise ConfigurationError(msg)


def check_seconds_or_none(name: str, value: object) -> float | None:
    """Check a duration above 0, or None, and return it."""
    return None if value is None else check_seconds(name, value)


def check_count(name: str, value: object, least: int, most: int | None = None) -> int:
    """
    Check a whole number and return it.

    Raises:
        ConfigurationError: It is not a whole number, or is out of range.
    """
    if _is_whole(value) and value >= least and (most is None or value <= most):
        return value
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    msg = f"{name} must be a whole number {bounds}, not {value!r}"
    raise ConfigurationError(msg)


def is_number(value: object) -> TypeGuard[float]:
    """Whether *value* is a number; True and False do not count."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


T = TypeVar("T")


F = TypeVar("F", bound=Callable[..., object])


_ERROR_STATUSES: Final = range(400, 600)


def check_endpoint(url: object, *, allow_insecure_http: bool) -> str:
    """
    Check the URL of the API and return it.

    Raises:
        ConfigurationError: It is not an absolute http(s) URL, contains a user name or password, or
            is plain http to another machine, where anyone on the path could read the key.
    """
    parts = _url_parts(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        msg = f"endpoint must be a URL like https://host/path, not {_shown(url)}"
        raise ConfigurationError(msg)
    if parts.username is not None or parts.password is not None:
        msg = "endpoint must not contain a user name or a password; the key authenticates"
        raise ConfigurationError(msg)
    if parts.scheme == "http" and not (allow_insecure_http or is_loopback(parts.hostname)):
        msg = (
            f"endpoint must use https, not plain http to {parts.hostname}, where anyone on the "
            "path could read the key"
        )
        raise ConfigurationError(msg, "allow_insecure_http=True allows it")
    return str(url)


def is_this_machine(url: str) -> bool:
    """Whether a URL that `check_endpoint` accepted leads to a loopback address."""
    return is_loopback(urlsplit(url).hostname or "")


def check_method(name: str, value: T, method: str) -> T:
    """
    Check that an object has a method, ``__call__`` for a callable, and return the object.

    Raises:
        ConfigurationError: It does not have the method.
    """
    if isinstance(value, type) or not callable(getattr(value, method, None)):
        what = "callable" if method == "__call__" else f"an object with {method}()"
        msg = f"{name} must be {what}, not {type(value).__name__}"
        raise ConfigurationError(msg)
    return value


def check_hook(name: str, value: F | None) -> F | None:
    """
    Check a callback, or None, and return it.

    Raises:
        ConfigurationError: It cannot be called, or is a coroutine function.
    """
    if value is None:
        return None
    if inspect.iscoroutinefunction(value):
        msg = f"{name} must be a plain function, not an async one: it would never be awaited"
        raise ConfigurationError(msg)
    return check_method(name, value, "__call__")


def check_statuses(name: str, value: object) -> frozenset[int]:
    """
    Check a set of HTTP statuses and return it.

    Raises:
        ConfigurationError: It is not a collection of numbers from 400 to 599.
    """
    is_many = isinstance(value, Collection)
    statuses = list(cast("Collection[object]", value)) if is_many else [value]
    found = [s for s in statuses if isinstance(s, int) and s in _ERROR_STATUSES]
    if len(found) < len(statuses):
        msg = f"{name} must be HTTP statuses from 400 to 599, like (429, 503), not {value!r}"
        raise ConfigurationError(msg)
    return frozenset(found)


def _url_parts(url: object) -> SplitResult | None:
    # `urlsplit` drops some of these silently, and takes others for a different host than aiohttp.
    if not isinstance(url, str) or "\\" in url or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        is_port = parts.port != 0
    except ValueError:  # malformed brackets or port
        return None
    return parts if is_port else None


def _shown(url: object) -> str:
    """Describe what was given without quoting it: it may contain a password or the key."""
    return f"a text of {len(url)} characters" if isinstance(url, str) else type(url).__name__


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
