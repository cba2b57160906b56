"""
Keeps every client in a test process away from the real gateway.

Rules of this module:

1. The endpoint is checked on each request, not when a client is made: an application's client may
   be older than the test, and then still have the previous endpoint and key.
2. A confined process can reach only this machine: the test's sandbox, and servers that the test
   runs itself.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from attrs import frozen

from .._values.validation import is_this_machine
from ..errors import ConfigurationError
from .limiter import Limiter

__all__ = ["Confinement", "check_reach", "confined", "limiter_in_force"]


@frozen(eq=False)
class Confinement:
    """
    What a test imposes on all clients.

    Attributes:
        reason: Completes the error "… is out of reach: "; says why, and what to do.

        limiter: Used by clients that are made during the test without a limiter.
    """

    reason: str
    limiter: Limiter


# The running tests, possibly in several threads; the newest last.
_in_force: Final[list[Confinement]] = []


@contextmanager
def confined(confinement: Confinement) -> Generator[None]:
    """Confine all clients of this process, in every thread, for the duration of a block."""
    _in_force.append(confinement)
    try:
        yield
    finally:
        _in_force.remove(confinement)


def check_reach(url: str, made_at: str) -> None:
    """
    Refuse to send to another machine while a test confines the process.

    Args:
        url: Where a request is about to go.

        made_at: The source line that made the client.

    Raises:
        ConfigurationError: *url* is on another machine; nothing was sent.
    """
    if _in_force and not is_this_machine(url):
        msg = f"the endpoint of the CustomerSMS made at {made_at} is out of reach: "
        raise ConfigurationError(msg + _in_force[-1].reason)


def limiter_in_force() -> Limiter | None:
    """Return the limiter of the newest running test, or None."""
    return _in_force[-1].limiter if _in_force else None
