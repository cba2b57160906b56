"""
The event loop of a background thread, whatever an application does to its modules.

Rules of this module:

1. gevent and eventlet run the threads of a program as greenlets of one thread, for which asyncio
   knows one running loop. So the loop is hidden while it waits: otherwise every greenlet would seem
   to run it, and our calls, queries of Django and other loops would be refused in all of them.
2. It keeps real time while a test freezes the clock: otherwise no timeout would end a call.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from asyncio import (  # for event loops
    _get_running_loop,  # pyright: ignore[reportPrivateUsage]
    _set_running_loop,  # pyright: ignore[reportPrivateUsage]
)
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["BackgroundEventLoop"]


class BackgroundEventLoop(asyncio.SelectorEventLoop):
    """An event loop that is hidden while it waits, and keeps real time."""

    # An attribute of this class, not of a module, where freezegun would replace it.
    _real_time = staticmethod(time.monotonic)

    def __init__(self) -> None:
        super().__init__(_HidingSelector())

    def time(self) -> float:
        """Return monotonic seconds."""
        return self._real_time()


class _HidingSelector(selectors.BaseSelector):
    """The selector of the platform, which hides the running loop while it waits."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()  # gevent's, if it has replaced it by now
        self._loop_of_others: asyncio.AbstractEventLoop | None = None  # in another greenlet

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._selector.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._selector.unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = _get_running_loop()
        _set_running_loop(self._loop_of_others)
        try:
            return self._selector.select(timeout)
        finally:
            self._loop_of_others = _get_running_loop()
            _set_running_loop(loop)

    def close(self) -> None:
        self._selector.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._selector.get_map()
