"""One POST: its body, its attempt and its reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from .._values.opaque import Opaque

__all__ = ["Attempt", "Body", "Network", "NotAllowed", "Reply", "Transport", "TransportFailure"]


class Body(Opaque, eq=False, gc=False):
    """The bytes of a request. They contain the key, so the repr hides them."""

    content: bytes

    def __len__(self) -> int:
        return len(self.content)

    def __repr__(self) -> str:
        return f"<Body of {len(self)} bytes>"


class NotAllowed(Exception):
    """The body must not be written: the attempt was called off, or it was already written."""


def _do_nothing() -> None:
    """There is no connection to drop."""


class Attempt(msgspec.Struct, eq=False):
    """
    One POST: whether any of its body has left, and whether it still may.

    It is passed *into* the transport, so that its state survives however the call ends.

    Attributes:
        number: Its number among the client's attempts, from 1.
        is_started: Whether writing of the body has begun.
        is_called_off: Whether writing may no longer begin.
        may_start: Called right before the first byte; if it returns False, nothing is written.
            None allows.
    """

    number: int
    is_started: bool = False
    is_called_off: bool = False
    may_start: Callable[[], bool] | None = None

    def start(self) -> None:
        """
        Record that the first byte is about to be written.

        Raises:
            NotAllowed: The attempt was called off, may no longer start, or has already started.
        """
        if self.is_called_off or self.is_started:
            raise NotAllowed
        if self.may_start is not None and not self.may_start():
            raise NotAllowed
        self.is_started = True

    def call_off(self) -> bool:
        """Forbid the start; return whether that was in time, so that nothing has left or will."""
        self.is_called_off = True
        return not self.is_started


class Reply(Opaque, eq=False):
    """
    What came back.

    Attributes:
        status: The HTTP status.
        body: The whole body; hidden, since a server may echo the key.
        headers: The headers; names are case-insensitive.
        discard: Drops the connection that the reply came on, because it answers another request.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    discard: Callable[[], None] = _do_nothing


class TransportFailure(Exception):
    """The attempt ended without a complete reply; the text says why and contains no secret."""


class Transport(Protocol):
    """One POST and nothing else: no retry, no redirect."""

    async def post(self, body: Body, attempt: Attempt, *, timeout: float, most: int) -> Reply:
        """
        Send *body* once and read the complete reply.

        Args:
            body: What to send.

            attempt: Its ``start`` is called right before the first byte of the body is written; if
                it raises, nothing is written.

            timeout: Seconds in total for the connection, the request and the reply.

            most: The largest reply in bytes; a longer one counts as no reply.

        Raises:
            TransportFailure: There is no complete reply. *attempt* says whether anything left.
        """
        ...


class _Closable(Protocol):
    async def close(self) -> None: ...


class Network(Protocol):
    """Transports to the gateway, one per event loop."""

    endpoint: str

    def transport(self) -> Transport:
        """
        Return the transport of the running event loop.

        Raises:
            ConfigurationError: The caller's session cannot be used in this loop.
        """
        ...

    def take(self) -> _Closable | None:
        """Give up the running event loop's session, to be closed; None if there is none."""
        ...
