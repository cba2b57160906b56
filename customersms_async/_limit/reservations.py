"""
The reservations of a member, until their holders leave.

A reservation that is due soon is final: no other member may move it (`View.final_until`). Any other
is checked again shortly before its instant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from attrs import define, field, frozen

from .account_state import Lease
from .member import Waiter
from .store_view import FREEZE, View

__all__ = ["Reservations"]

#: Seconds by which a timer may fire early; the margin of the period covers them.
_SOON: Final = 0.001


@frozen(eq=False)
class _Leaving:
    """A caller whose reservation is final; *at* is on the member's clock."""

    at: float
    timer: asyncio.TimerHandle
    waiter: Waiter
    granted_at: float


@define(eq=False)
class Reservations:
    """
    The reservations of one member in one event loop.

    Attributes:
        loop: The event loop.
        clock: Returns monotonic seconds.
        hand_over: Called with a caller and the instant at which its slot was granted.
        by_lease: Callers with a reservation, by lease id.
    """

    loop: asyncio.AbstractEventLoop
    clock: Callable[[], float]
    hand_over: Callable[[Waiter, float], None]
    by_lease: dict[str, Waiter] = field(factory=dict[str, Waiter])
    _leaving: dict[str, _Leaving] = field(factory=dict[str, _Leaving])

    def holds(self, waiter: Waiter) -> bool:
        """Whether *waiter* has a reservation."""
        return waiter.lease.id in self.by_lease

    def is_final(self, waiter: Waiter) -> bool:
        """Whether no other member can take the slot of *waiter*."""
        return waiter.lease.id in self._leaving

    def remove(self, waiter: Waiter) -> bool:
        """Remove *waiter*; return whether it had a reservation."""
        leaving = self._leaving.pop(waiter.lease.id, None)
        if leaving is not None:
            leaving.timer.cancel()
        return self.by_lease.pop(waiter.lease.id, None) is not None

    def confirmations(self, view: View) -> Iterator[float]:
        """Yield the instants at which reservations must be checked; monotonic seconds."""
        for waiter in self.by_lease.values():
            if not self.is_final(waiter):
                yield view.passed_at(waiter.lease.at - 0.5 * FREEZE)

    def look(self, view: View, again: Callable[[Lease], Lease]) -> None:
        """Schedule callers whose reservation is final; those that lost theirs ask *again*."""
        leases = {} if view.state is None else view.state.leases
        for key, waiter in list(self.by_lease.items()):
            lease = leases.get(key)
            if self.is_final(waiter):
                continue
            if lease is None:
                del self.by_lease[key]
                waiter.lease = again(waiter.lease)
                continue
            waiter.lease = lease
            if lease.at <= view.final_until:
                self._schedule(view, waiter)

    def _schedule(self, view: View, waiter: Waiter) -> None:
        """Schedule *waiter* for its instant, after those that are due before it."""
        lease, now = waiter.lease, self.clock()
        at = view.passed_at(lease.at)
        timer = self.loop.call_later(at - now, self._hand_over_due)
        granted_at = view.sent + (lease.at - view.now)
        self._leaving[lease.id] = _Leaving(at, timer, waiter, granted_at)
        if at <= now + _SOON:
            self._hand_over_due()

    def _hand_over_due(self) -> None:
        now = self.clock()
        order = sorted(self._leaving.values(), key=lambda one: (one.at, one.waiter.place))
        for leaving in order:
            if leaving.at > now + _SOON:
                break
            self.remove(leaving.waiter)
            self.hand_over(leaving.waiter, leaving.granted_at)
