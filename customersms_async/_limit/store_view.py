"""
What a member of a shared limiter knows of an account, and how it notices a store's losses.

Rules of this module:

1. The clock of an account never goes back, and never forward by more than the member's own clock
   allows since its last look. What a store's clock was set back or forward by stands in the value.
2. A store whose memory is new, or may have lost something, calls the roll: for some seconds nothing
   is granted, and every member brings the newest whole value that it knows. The highest epoch and
   version wins; where two are equal, or where they cannot be compared, they are merged entry by
   entry, so that nothing is forgotten.
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

#: Seconds before its instant from which a reservation stays where it is.
FREEZE: Final = 0.25

#: How much faster than another a clock may run.
_DRIFT: Final = 0.001


@frozen
class View:
    """
    An account as it was at one instant.

    Attributes:
        seen: What the store held.
        state: The same, decoded; None where the store held nothing.
        now: The account's clock when the store answered.
        sent: When the store was asked; monotonic seconds of the member.
        received: When its answer came.
    """

    seen: Seen
    state: AccountState | None
    now: float
    sent: float
    received: float

    def least(self, at: float) -> float:
        """Return the account's clock at an instant of the member; it is at least so late."""
        return self.now + (at - self.received)

    def most(self, at: float) -> float:
        """Return the account's clock at an instant of the member; it is at most so late."""
        return self.now + (at - self.sent)

    def passed_at(self, instant: float) -> float:
        """Return the member's clock when an instant of the account has passed for certain."""
        return self.received + (instant - self.now)

    @property
    def final_until(self) -> float:
        """
        Return the instant up to which nobody moves a reservation any more.

        A message that takes one looks at the store no more than `FREEZE` seconds before it writes,
        and then leaves alone what is due within twice that. Nobody who has seen this value looked
        before it was planned, so what was due soon by then was never to be had.
        """
        planned_at = -math.inf if self.state is None else self.state.clock
        return max(self.now + FREEZE, planned_at + 2 * FREEZE)

    def serial_of(self, member: str) -> int:
        """Return the number of the last swap of a *member*; 0 where none is remembered."""
        return 0 if self.state is None else self.state.serials.get(member, (0, 0.0))[0]


def tell_time(
    state: AccountState | None, seen: Seen, last: View | None, sent: float, received: float
) -> float:
    """Return the account's clock for an answer of the store; see rule 1."""
    now = seen.now if state is None else seen.now + state.offset
    if last is not None and last.seen.run == seen.run:
        now = min(now, last.now + (received - last.sent) * (1 + _DRIFT))
        now = max(now, last.now, last.now + (sent - last.received) * (1 - _DRIFT))
    elif last is not None:  # the clock of another machine, perhaps
        now = last.least(sent)
    return now if state is None else max(now, state.clock)


def newest(one: AccountState, other: AccountState | None, now: float) -> AccountState:
    """Return the one that knows more; equal ones are merged."""
    if other is None:
        return one
    ranks = (one.epoch, one.version), (other.epoch, other.version)
    if ranks[0] == ranks[1]:
        return merge(one, other, now)
    return one if ranks[0] > ranks[1] else other


def merge(one: AccountState, other: AccountState, now: float) -> AccountState:
    """
    Return a state in which every slot is busy that is busy in either.

    A reservation that only one of them has may have been taken by a message in the other: its
    holder asks again. One whose instant is near may be final for its holder, and stays.
    """
    ended: dict[str, float] = {}
    for opens, lease_id in (*one.ended, *other.ended):
        ended[lease_id] = max(opens, ended.get(lease_id, -math.inf))
    leases = {**one.leases, **other.leases}
    for key in one.leases.keys() & other.leases.keys():  # one that was moved is where it went
        leases[key] = max(one.leases[key], other.leases[key], key=lambda lease: lease.at)
    for key in one.leases.keys() ^ other.leases.keys():
        if leases[key].at > now + 2 * FREEZE:
            ended.setdefault(key, leases[key].opens)
    return msgspec.structs.replace(
        one,
        leases={key: lease for key, lease in leases.items() if key not in ended},
        ended=sorted((opens, lease_id) for lease_id, opens in ended.items()),
        first_death=min(one.first_death, other.first_death),
        due=max(one.due, other.due),
        send_due=max(one.send_due, other.send_due),
        paused_until=max(one.paused_until, other.paused_until),
        refused_at=max(one.refused_at, other.refused_at),
        share=min(one.share, other.share),
        share_at=max(one.share_at, other.share_at),
        opens_at=max(one.opens_at, other.opens_at),
        version=max(one.version, other.version),
        epoch=max(one.epoch, other.epoch),
        clock=max(one.clock, other.clock),
        serials={
            key: max(one.serials.get(key, (0, -math.inf)), other.serials.get(key, (0, -math.inf)))
            for key in one.serials.keys() | other.serials.keys()
        },
    )


def _lacks(state: AccountState | None, seen: Seen, last: View, since: float) -> bool:
    """
    Whether an answer does not know of all that *last* showed.

    Each swap has a serial of its member. One that is missing shows an old copy, however much was
    written on top of it; members that wrote nothing *since* may have been forgotten.
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
    What a member knows of an account from all answers of the store together.

    Attributes:
        remembers: Seconds for which the state names every member that has written.
        view: The newest answer.
        known: The state before a loss of the store's memory, until the store has it again.
        is_old: Whether the loss was no change of the store's run, so that versions mean nothing.
    """

    remembers: float
    view: View | None = None
    known: AccountState | None = None
    is_old: bool = False

    def take_in(self, seen: Seen, sent: float, received: float, *, is_ours: bool = False) -> View:
        """
        Take in an answer of the store.

        Args:
            seen: The answer.

            sent: When the store was asked, monotonic seconds.

            received: When the answer came.

            is_ours: Whether it is what this member has just written.

        Returns:
            The newest view: this answer, unless a newer one was heard before.

        Raises:
            UnreadableState: The value was not written by this version of the package.
        """
        last = self.view
        state = None if seen.value is None else decode(seen.value)
        now = tell_time(state, seen, last, sent, received)
        if last is not None and _lacks(state, seen, last, now - self.remembers):
            is_old = seen.run == last.seen.run
            if is_old and sent < last.received:
                return last  # it was overtaken on its way
            if not is_ours and self.known is None:
                self.known, self.is_old = last.state, is_old
        self.view = View(seen, state, now, sent, received)
        return self.view

    def brought(self) -> None:
        """Take in that the store knows what was known before its loss."""
        self.known, self.is_old = None, False
