"""
What a member of a shared limiter is going to write: pure decisions on a copy of the state.

A plan is made from a `View` and carried out by one swap; if another member came first, it is made
again. Nothing in it is valid before the swap has been carried out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, Generic, Protocol, TypeVar

import msgspec
from attrs import define, field, frozen

from ..errors import ConfigurationError
from .account_state import AccountState, Lease, Rules
from .law import PASSED_AT_MOST, End, Law
from .store_view import FREEZE, View, merge, newest

__all__ = ["AHEAD", "LONGEST", "Asks", "Ended", "OtherOptions", "Plan", "Planner", "copy"]

#: How many seconds ahead a single message reserves a slot.
AHEAD: Final = 2.0

#: Look-backs after which a member that wrote nothing is dropped from the state.
_FORGOTTEN_AFTER: Final = 2

#: Most seconds of a request with the client's defaults: a batch of 100.
LONGEST: Final = 80.0


class OtherOptions(ConfigurationError):
    """The other members of a shared limiter were given other options."""


@frozen
class Ended:
    """
    The end of a request, not yet written to the store.

    Attributes:
        lease_id: Its lease.
        how: How it ended; a refusal for the rate is `End.ANSWERED`.
        heard_at: When; monotonic seconds of the member.
        is_refused: Whether the gateway refused it for the rate.
        retry_after: Seconds that the gateway asked for, or None.
    """

    lease_id: str
    how: End
    heard_at: float
    is_refused: bool = False
    retry_after: float | None = None


class Asks(Protocol):
    """A caller that waits for a slot; see `Waiter`."""

    @property
    def lease(self) -> Lease: ...
    @property
    def gives_up_at(self) -> float: ...


A = TypeVar("A", bound=Asks)


@define(eq=False)
class Plan(Generic[A]):
    """
    What one swap carries out.

    Attributes:
        state: The new state.
        serial: Its number among the swaps of this member.
        ends: The ends that it reports.
        granted: Callers and the leases reserved for them.
        too_late: Callers that cannot have a slot in time, and when they could have one.
        looks_at: When to look again; the account's clock, infinity if nothing is known to open.
        has_overtaken: Whether it moves the reservation of another request.
    """

    state: AccountState
    serial: int
    ends: Sequence[Ended] = ()
    granted: list[tuple[A, Lease]] = field(factory=list[tuple[A, Lease]])
    too_late: list[tuple[A, float]] = field(factory=list[tuple[A, float]])
    looks_at: float = math.inf
    has_overtaken: bool = False


@frozen
class Planner:
    """
    Makes the plans of one member.

    Attributes:
        law: The law with this member's options.
        name: The member's name in the state.
        roll_call: Seconds for which a new store grants nothing.
    """

    law: Law
    name: str
    roll_call: float

    @property
    def remembers(self) -> float:
        """Seconds for which a member that writes nothing is certainly remembered."""
        return self.law.look_back(LONGEST)

    def opens_at(self, view: View) -> float:
        """Return when the roll call ends, by the account's clock."""
        opens_at = view.now + view.seen.since + self.roll_call - view.seen.now
        return opens_at if view.state is None else max(opens_at, view.state.opens_at)

    def state_of(self, view: View) -> AccountState:
        """Return a copy of what the store holds."""
        state = AccountState.new(self.law.rules) if view.state is None else copy(view.state)
        state.opens_at = self.opens_at(view)
        return state

    def bring(self, view: View, known: AccountState, *, is_old: bool) -> AccountState | None:
        """
        Return what to write to a store that lost its memory.

        Args:
            view: What the store holds.

            known: What this member knew before.

            is_old: Whether the loss happened within a run, so that versions cannot be compared.

        Returns:
            The new state, or None if the store knows as much.
        """
        held = view.state
        if is_old:
            state = known if held is None else merge(known, held, view.now)
            state.version += 1
            if state.opens_at <= view.now:
                state.opens_at = view.now + self.roll_call
        else:
            state = newest(known, held, view.now)
        state.offset = view.now - view.seen.now
        return None if state == held else state

    def begin(self, view: View, now: float, serial: int) -> AccountState:
        """
        Return the state for a new plan, copied from what the store holds.

        Raises:
            OtherOptions: The other members were given other options.
        """
        state = AccountState.new(self.law.rules) if view.state is None else copy(view.state)
        if state.rules != self.law.rules:
            if not self.law.is_idle(state, now):
                raise OtherOptions(_differences(self.law.rules, state.rules))
            state.rules, state.share = self.law.rules, self.law.rules.limit
        if state.run != view.seen.run:
            state.epoch += 1
            state.run = view.seen.run
        state.version += 1
        state.offset = view.now - view.seen.now
        state.clock = now
        since = now - _FORGOTTEN_AFTER * self.remembers
        state.serials = {key: one for key, one in state.serials.items() if one[1] > since}
        state.serials[self.name] = (serial, now)
        return state

    def tell(self, state: AccountState, view: View, ends: Sequence[Ended]) -> bool:
        """Apply ends, dated when they were heard; return whether others use the key."""
        is_others = False
        for end in ends:
            at = view.most(end.heard_at)
            if end.is_refused:
                refused = self.law.refused(state, end.lease_id, at, end.retry_after)
                is_others = is_others or refused
            else:
                self.law.end(state, end.lease_id, end.how, at)
        return is_others

    def reserve(
        self, plan: Plan[A], view: View, now: float, waiting: Iterable[A], *, is_overdue: bool
    ) -> None:
        """Reserve slots for *waiting* in order, as long as there are any."""
        is_full = False
        for one in waiting:
            if is_full and not one.lease.is_bulk:
                continue
            lease = msgspec.structs.replace(one.lease)
            ahead = math.inf if lease.is_bulk else AHEAD
            at = self.law.reserve(
                plan.state, now, lease, ahead=ahead, frozen=2 * FREEZE, is_overdue=is_overdue
            )
            if is_overdue and lease.is_bulk:
                lease.passed = PASSED_AT_MOST
            plan.has_overtaken |= lease.passed > 0 and not lease.is_bulk
            instant = lease.at if at is None else min(at, plan.state.first_death)
            if at != math.inf and view.passed_at(instant) > one.gives_up_at:
                plan.too_late.append((one, instant))
                if at is None:
                    self.law.end(plan.state, lease.id, End.UNUSED, now)
            elif at is None:
                plan.granted.append((one, lease))
            else:
                plan.looks_at = min(plan.looks_at, instant)
                is_full = is_full or not lease.is_bulk


def copy(state: AccountState) -> AccountState:
    """Copy a state, as deep as a plan may change it."""
    return msgspec.structs.replace(
        state,
        leases={key: msgspec.structs.replace(one) for key, one in state.leases.items()},
        ended=list(state.ended),
        serials=dict(state.serials),
    )


def _differences(ours: Rules, theirs: Rules) -> str:
    pairs = ((name, getattr(ours, name), getattr(theirs, name)) for name in Rules.__struct_fields__)
    said = ", ".join(
        f"{name} is {our!r} here and {their!r} there" for name, our, their in pairs if our != their
    )
    return f"all members of a shared limiter need the same options: {said}"
