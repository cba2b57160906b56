"""
Names for aiohttp's exceptions.

Rule of this module: the text of an exception is not passed on if a server, or a caller's hook, may
have written it. It may contain what we sent: the key, the text, the numbers.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Iterator

import aiohttp
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from .._ports.transport import NotAllowed, TransportFailure

__all__ = ["reason"]

_logger = logging.getLogger("customersms_async")

#: What aiohttp, the event loop and our own payload raise; anything else is a bug in other code.
_KNOWN = (
    aiohttp.ClientError,
    OSError,
    NotAllowed,
    TransportFailure,
    asyncio.IncompleteReadError,
    BadHttpMessage,
)


def reason(exc: Exception) -> str:
    """Name a failure without quoting it."""
    if isinstance(exc, TransportFailure):
        return str(exc)
    if isinstance(exc, aiohttp.ClientConnectorError) and isinstance(exc.__cause__, OSError):
        # In older releases, one subclass lacks `exc.os_error`.
        return f"{type(exc).__name__}: {exc.__cause__.strerror or exc.__cause__}"
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        return f"{type(exc).__name__}: HTTP status {exc.status}"
    if not isinstance(exc, _KNOWN):
        return _of_a_fault(exc)
    broken = next((one for one in _chain(exc) if isinstance(one, BadHttpMessage)), None)
    return type(exc).__name__ if broken is None else f"{type(exc).__name__}: {_of_http(broken)}"


def _of_http(exc: BadHttpMessage) -> str:
    """Return what part of an answer could not be read, and which limit was exceeded."""
    if isinstance(exc, LineTooLong):
        return f"a line or a header of the answer is longer than {exc.args[1]} bytes"
    if exc.message.startswith("Too many headers"):
        return "the answer has too many headers"
    return type(exc).__name__


def _of_a_fault(exc: Exception) -> str:
    """Log a bug in code that is neither ours nor aiohttp's, such as a hook of the session."""
    frames = traceback.extract_tb(exc.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown line"
    said = f"{type(exc).__name__} was raised at {place}"
    _logger.error(
        "a request failed by a fault in the HTTP session or its hooks: %s\n%s",
        said,
        "".join(traceback.format_list(frames)),
        extra={"event": "session.failed"},
    )
    return said


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield exc
        exc = exc.__cause__ or exc.__context__
