"""
The HTTP sessions of a client: one per event loop, opened on first use.

Rules of this module:

1. A caller's session is used and never closed.
2. A session that was not closed causes a warning that names the line that made the client.
"""

from __future__ import annotations

import asyncio
import inspect
import warnings

import aiohttp
from attrs import define, field, frozen

from .._ports.network_guard import check_reach
from .._ports.transport import Transport
from ..errors import ConfigurationError
from .default_session import open_session
from .transport import AiohttpTransport

__all__ = ["Sessions", "calling_line", "check_session", "running_loop"]


@frozen
class _Open:
    session: aiohttp.ClientSession
    transport: Transport


@define(eq=False)
class Sessions:
    """
    The transports of a client.

    Attributes:
        endpoint: Where requests go.
        given: The caller's own session, or None.
        made_at: The source line that made the client, for the warning.
    """

    endpoint: str
    given: aiohttp.ClientSession | None
    made_at: str
    _open: dict[asyncio.AbstractEventLoop, _Open] = field(
        factory=dict[asyncio.AbstractEventLoop, _Open]
    )

    def transport(self) -> Transport:
        """
        Return the transport of the running event loop.

        Raises:
            ConfigurationError: The caller's session is closed or belongs to another loop, the
                environment names a proxy that cannot be used, or a test does not allow requests to
                other machines.
            RuntimeError: There is no event loop of asyncio.
        """
        check_reach(self.endpoint, self.made_at)
        loop = running_loop()
        found = self._open.get(loop)
        if found is None or (self.given is not None and self.given.closed):
            found = self._open[loop] = self._make(loop)
        return found.transport

    def take(self) -> aiohttp.ClientSession | None:
        """Give up the session of the running event loop; the next use opens another one."""
        found = self._open.pop(asyncio.get_running_loop(), None)
        return None if found is None or found.session is self.given else found.session

    def _make(self, loop: asyncio.AbstractEventLoop) -> _Open:
        self._forget_closed_loops()
        session = (
            open_session(self.endpoint) if self.given is None else self._usable(self.given, loop)
        )
        return _Open(session, AiohttpTransport(session, self.endpoint, is_own=self.given is None))

    @staticmethod
    def _usable(
        given: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop
    ) -> aiohttp.ClientSession:
        if given.closed:
            msg = "session is closed; pass an open one, or none"
            raise ConfigurationError(msg)
        # aiohttp has no public API for this: `ClientSession.loop` warns that it is deprecated.
        if getattr(given, "_loop", loop) is not loop:
            msg = "session belongs to another event loop; make it in the loop that uses it"
            raise ConfigurationError(msg)
        return given

    def _forget_closed_loops(self) -> None:
        for loop in [known for known in list(self._open) if known.is_closed()]:
            left = self._open.pop(loop, None)  # another thread may have removed it
            if left is not None and self._is_left_open(left):
                self._warn("in an event loop that has ended")

    def _is_left_open(self, known: _Open) -> bool:
        return known.session is not self.given and not known.session.closed

    def _warn(self, where: str) -> None:
        warnings.warn(
            f"the CustomerSMS made at {self.made_at} was not closed {where}; "
            "use 'async with CustomerSMS(...)' or await its aclose()",
            ResourceWarning,
            stacklevel=2,
            source=self,
        )

    def __del__(self) -> None:
        if any(map(self._is_left_open, list(self._open.values()))):
            self._warn("before it was dropped")


def running_loop() -> asyncio.AbstractEventLoop:
    """
    Return the running event loop.

    Raises:
        RuntimeError: There is none, or it is one of trio.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        msg = (
            "CustomerSMS needs an event loop of asyncio, and none runs here; under trio, call "
            "customersms_async.sync.CustomerSMS in a thread: trio.to_thread.run_sync"
        )
        raise RuntimeError(msg) from None


def check_session(given: object) -> aiohttp.ClientSession | None:
    """
    Return the caller's session, or None.

    Raises:
        ConfigurationError: It is neither.
    """
    if given is None or isinstance(given, aiohttp.ClientSession):
        return given
    msg = f"session must be an aiohttp.ClientSession, not {type(given).__name__}"
    raise ConfigurationError(msg)


def calling_line() -> str:
    """Return the current line outside this package: ``file.py:12``."""
    frame = inspect.currentframe()
    package = __name__.partition(".")[0]
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "an unknown line"
