"""
What a member of a shared limiter knows of an account, and how it detects losses of the store.

Rules of this module:

1. The clock of an account never goes back, and never ahead by more than the member's clock allows
   since its last read. The value holds the correction of a store's clock that was set.
2. If the store is new or may have lost something, there is a roll call: for some seconds nothing is
   granted, and every member writes the newest value that it knows. The highest epoch and version
   wins; values that are equal or cannot be compared are merged entry by entry, so that nothing is
   forgotten.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
from attrs import define, frozen

from .._ports.store import Seen
from .account_state import AccountState
from .serialization import decode

__all__ = ["FREEZE", "Sight", "View", "merge", "newest", "tell_time"]

#: Seconds before its instant in which a reservation cannot be moved.
FREEZE: Final = 0.25

#: Fields of which a merged state has the greater value.
_LATEST: Final = (
    *("due", "send_due", "paused_until", "refused_at", "share_at", "opens_at"),
    *("version", "epoch", "clock"),
)

#: Largest difference in rate between two clocks.
_DRIFT: Final = 0.001


@frozen
class View:
    """
    An account at one instant.

    Attributes:
        seen: What the store held.
        state: The same, decoded; None if the store held nothing.
        now: The account's clock when the store answered.
        sent: When the store was asked; monotonic seconds of the member.
        received: When its answer came; the same clock.
    """

    seen: Seen
    state: AccountState | None
    now: float
    sent: float
    received: float

    def least(self, at: float) -> float:
        """Return the earliest that the account's clock can be at an instant of the member."""
        return self.now + (at - self.received)

    def most(self, at: float) -> float:
        """Return the latest that the account's clock can be at an instant of the member."""
        return self.now + (at - self.sent)

    def passed_at(self, instant: float) -> float:
        """Return the member's clock when an instant of the account has certainly passed."""
        return self.received + (instant - self.now)

    @property
    def final_until(self) -> float:
        """
        Return the instant up to which no member can move a reservation.

        A message that takes one reads the store at most `FREEZE` seconds before it writes, and
        spares what is due within twice that. No member that saw this value read it before it was
        planned, so what was due soon by then could never be taken.
        """
        planned_at = -math.inf if self.state is None else self.state.clock
        return max(self.now + FREEZE, planned_at + 2 * FREEZE)

    def serial_of(self, member: str) -> int:
        """Return the number of the last swap of *member*; 0 if none is known."""
        return 0 if self.state is None else self.state.serials.get(member, (0, 0.0))[0]


def tell_time(
    state: AccountState | None, seen: Seen, last: View | None, sent: float, received: float
) -> float:
    """Return the account's clock for an answer of the store, by rule 1."""
    now = seen.now if state is None else seen.now + state.offset
    if last is not None and last.seen.run == seen.run:
        now = min(now, last.now + (received - last.sent) * (1 + _DRIFT))
        now = max(now, last.now, last.now + (sent - last.received) * (1 - _DRIFT))
    elif last is not None:  # perhaps another machine's clock
        now = last.least(sent)
    return now if state is None else max(now, state.clock)


def newest(one: AccountState, other: AccountState | None, now: float) -> AccountState:
    """Return the newer state; equal ones are merged."""
    if other is None:
        return one
    ranks = (one.epoch, one.version), (other.epoch, other.version)
    if ranks[0] == ranks[1]:
        return merge(one, other, now)
    return one if ranks[0] > ranks[1] else other


def merge(one: AccountState, other: AccountState, now: float) -> AccountState:
    """
    Return a state in which every slot is busy that is busy in either.

    A reservation found in only one of them may have been taken by a message in the other: its
    holder asks again. One that is due soon may be final for its holder, and stays.
    """
    ended: dict[str, float] = {}
    for opens, lease_id in (*one.ended, *other.ended):
        ended[lease_id] = max(opens, ended.get(lease_id, -math.inf))
    leases = {**one.leases, **other.leases}
    for key in one.leases.keys() & other.leases.keys():  # one that was moved counts where it went
        leases[key] = max(one.leases[key], other.leases[key], key=lambda lease: lease.at)
    for key in one.leases.keys() ^ other.leases.keys():
        if leases[key].at > now + 2 * FREEZE:
            ended.setdefault(key, leases[key].opens)
    return msgspec.structs.replace(
        one,
        leases={key: lease for key, lease in leases.items() if key not in ended},
        ended=sorted((opens, lease_id) for lease_id, opens in ended.items()),
        first_death=min(one.first_death, other.first_death),
        share=min(one.share, other.share),
        **{name: max(getattr(one, name), getattr(other, name)) for name in _LATEST},
        serials={
            key: max(one.serials.get(key, (0, -math.inf)), other.serials.get(key, (0, -math.inf)))
            for key in one.serials.keys() | other.serials.keys()
        },
    )


def _lacks(state: AccountState | None, seen: Seen, last: View, since: float) -> bool:
    """
    Whether an answer lacks something that *last* showed.

    Each swap has a serial number of its member. A missing one means an old copy, even if more was
    written on top of it; members that wrote nothing *since* may have been dropped.
    """
    if last.state is None:
        return False
    if state is None or seen.run != last.seen.run or state.version < last.state.version:
        return True
    found = state.serials
    return any(
        at > since and found.get(name, (0, at))[0] < serial
        for name, (serial, at) in last.state.serials.items()
    )


@define(eq=False)
class Sight:
    """
    What a member knows of an account from all answers of the store.

    Attributes:
        remembers: Seconds for which the state lists every member that wrote.
        view: The newest answer.
        known: The state before the store lost its memory, until it has been written back.
        is_old: Whether the loss happened within a run, so that versions cannot be compared.
    """

    remembers: float
    view: View | None = None
    known: AccountState | None = None
    is_old: bool = False

    def take_in(self, seen: Seen, sent: float, received: float, *, is_ours: bool = False) -> View:
        """
        Record an answer of the store.

        Args:
            seen: The answer.

            sent: When the store was asked; monotonic seconds.

            received: When the answer came.

            is_ours: Whether this member has just written it.

        Returns:
            The newest view: this answer, unless a newer one came first.

        Raises:
            UnreadableState: The value was not written by this version of the package.
        """
        last = self.view
        state = None if seen.value is None else decode(seen.value)
        now = tell_time(state, seen, last, sent, received)
        if last is not None and _lacks(state, seen, last, now - self.remembers):
            is_old = seen.run == last.seen.run
            if is_old and sent < last.received:
                return last  # a newer answer overtook it
            if not is_ours and self.known is None:
                self.known, self.is_old = last.state, is_old
        self.view = View(seen, state, now, sent, received)
        return self.view

    def brought(self) -> None:
        """Record that the store has again what it lost."""
        self.known, self.is_old = None, False
