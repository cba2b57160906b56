"""
The one value that an account of a limiter consists of.

A limiter in memory keeps the object; a shared one keeps its bytes in a store (see `codec`). What
may be done with it is the law (see `law`). All instants are seconds of the store's clock, corrected
by `AccountState.offset`.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

__all__ = ["MARGIN", "SLACK", "AccountState", "Lease", "Rules"]

_NEVER: Final = -math.inf

#: Seconds added to each period: quartz drifts about 0.001 s in 60 s; this is a hundred times that.
MARGIN: Final = 0.1

#: A holder may leave this many seconds after its instant; later, it asks again. Part of a lease.
SLACK: Final = 1.0


class Rules(msgspec.Struct, frozen=True, array_like=True):
    """
    The options that all members of an account must share.

    Attributes:
        limit: Requests in any period.
        per: The period in seconds.
        burst: Requests of bulk runs that may leave at once.
        reserve: Free slots that bulk runs leave to single messages.
        grace: Seconds after the end of a request whose answer was lost, in which the server may
            still count it.
    """

    limit: int
    per: float
    burst: int
    reserve: int
    grace: float


class Lease(msgspec.Struct, array_like=True, gc=False):
    """
    A slot that is reserved for an instant, or whose request is in flight.

    Attributes:
        id: Unique among all members.
        is_bulk: Whether a bulk run asked for it.
        opens: When its slot opened, or will.
        at: The instant at which its holder may leave.
        dies: Until when the slot is busy if nobody ever tells its end.
        longest: The most seconds that its request takes.
        charge: Seconds by which it moved `AccountState.due`.
        passed: How often a single message went ahead of it; for a message, 1 where it did so.
    """

    id: str
    is_bulk: bool
    opens: float
    at: float
    dies: float
    longest: float
    charge: float = 0.0
    passed: int = 0


class AccountState(msgspec.Struct, array_like=True):
    """
    How an account stands.

    Attributes:
        rules: The options of all members.
        leases: Slots that are reserved or in flight, by the lease's id.
        ended: When the slot of each ended request opens again, and the id of its lease; sorted.
        first_death: No lease dies before this instant.
        due: When the next bulk request may leave, as far as the pace goes.
        send_due: The same for single messages; counts only after a refusal for the rate.
        paused_until: Nothing leaves before this instant.
        pause_began_at: When the current pause began.
        pause_step: Seconds of the last pause for which the gateway named none; 0 after a success.
        refused_at: When the gateway last refused for the rate.
        share: Requests a period that bulk runs may use, as it was at `share_at`.
        share_at: When the share was last cut.
        refused_by_others: Refusals for the rate below our own count.
        opens_at: Nothing is granted before: members are bringing what they remember.
        version: Counts the swaps.
        epoch: Counts the losses of the store's memory.
        run: The store's run in which it was last written.
        offset: What the store's clock lacks, where it was set back or forward.
        clock: The latest instant that was ever read.
        serials: For each member its last swap: number and instant.
    """

    rules: Rules
    share: float
    leases: dict[str, Lease] = {}
    ended: list[tuple[float, str]] = []
    first_death: float = math.inf
    due: float = _NEVER
    send_due: float = _NEVER
    paused_until: float = _NEVER
    pause_began_at: float = _NEVER
    pause_step: float = 0.0
    refused_at: float = _NEVER
    share_at: float = _NEVER
    refused_by_others: int = 0
    opens_at: float = _NEVER
    version: int = 0
    epoch: int = 0
    run: str = ""
    offset: float = 0.0
    clock: float = _NEVER
    serials: dict[str, tuple[int, float]] = {}

    @classmethod
    def new(cls, rules: Rules) -> AccountState:
        """Make the state of an account that was never used."""
        return cls(rules=rules, share=rules.limit)

    @property
    def free(self) -> int:
        """Slots that may be used now; below 0 where entries exceed the limit."""
        return self.rules.limit - len(self.leases) - len(self.ended)
