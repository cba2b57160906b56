"""A caller that waits for a slot, whoever grants it."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from .. import codes
from .._ports.limiter import Ticket
from ..errors import WaitTooLong

__all__ = ["Waiter", "give_up", "too_late"]

S = TypeVar("S")


class Waiter(Generic[S]):
    """
    A caller in a queue.

    Attributes:
        future: Done with its slot, with what it is told instead, or with its cancellation.
        ticket: Its place.
        longest: The most seconds that its request can take.
        asked_at: When it came; monotonic seconds.
        gives_up_at: When the slot is of no use to it any more, or None.
        is_counted: Whether its queue counts it.
    """

    __slots__ = ("asked_at", "future", "gives_up_at", "is_counted", "longest", "ticket")

    def __init__(
        self,
        future: asyncio.Future[S],
        ticket: Ticket,
        longest: float,
        asked_at: float,
        patience: float | None,
    ) -> None:
        self.future = future
        self.ticket = ticket
        self.longest = longest
        self.asked_at = asked_at
        self.gives_up_at = None if patience is None else asked_at + patience
        self.is_counted = True

    @property
    def has_left(self) -> bool:
        """Whether it waits no more."""
        return self.future.done()

    @property
    def is_granted(self) -> bool:
        """Whether it has its slot."""
        future = self.future
        return future.done() and not future.cancelled() and future.exception() is None


def too_late(
    wait: float, left: float, why: str = "", code: str = codes.WAIT_TOO_LONG
) -> WaitTooLong:
    """Make the error of a caller whose turn comes too late, by the line as it stands."""
    detail = f"its turn comes in {wait:.1f} s at the earliest{why}, and {left:.1f} s are left"
    return WaitTooLong(code, (), detail, max(wait - left, 0.0))


def give_up(waiter: Waiter[S], patience: float) -> None:
    """End the wait of a caller whose patience is over."""
    if not waiter.future.done():
        detail = f"its turn did not come within {patience:.1f} s"
        waiter.future.set_exception(WaitTooLong(codes.WAIT_TOO_LONG, (), detail))
