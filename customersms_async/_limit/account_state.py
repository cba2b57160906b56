"""
The state of one account: a single value.

A limiter in memory keeps the object; a shared one keeps its bytes in a store (see `serialization`).
`law` holds the operations on it. All instants are seconds of the store's clock, corrected by
`AccountState.offset`.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

__all__ = ["MARGIN", "PACE", "SLACK", "AccountState", "Lease", "Rules"]

_NEVER: Final = -math.inf

#: Seconds added to each period: quartz drifts about 0.001 s in 60 s; this is a hundred times that.
MARGIN: Final = 0.1

#: Seconds after its instant in which a holder may still leave; included in each lease.
SLACK: Final = 1.0

#: The part of the limit that bulk runs use.
PACE: Final = 0.98


class Rules(msgspec.Struct, frozen=True, array_like=True):
    """
    The options that all members of an account must share.

    Attributes:
        limit: Most requests in any period.
        per: The period in seconds.
        burst: Bulk requests that may leave at once.
        reserve: Free slots that bulk runs leave to single messages.
        grace: Seconds after a lost answer in which the server may still count the request.
    """

    limit: int
    per: float
    burst: int
    reserve: int
    grace: float


class Lease(msgspec.Struct, array_like=True, gc=False):
    """
    A slot reserved for an instant, or whose request is in flight.

    Attributes:
        id: Unique among all members.
        is_bulk: Whether it belongs to a bulk run.
        opens: When its slot opened, or will open.
        at: When its holder may leave.
        dies: When it expires if its end is never reported.
        longest: The most seconds that its request takes.
        charge: Seconds by which it moved `AccountState.due`.
        passed: How often single messages overtook it; for a single message, 1 if it overtook.
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
    The state of one account.

    Attributes:
        rules: The options of all members.
        leases: Slots that are reserved or in flight, by lease id.
        ended: When the slot of each ended request opens again, with its lease id; sorted.
        first_death: No lease expires before this instant.
        due: When the pace lets the next bulk request leave.
        send_due: The same for single messages; used only after a refusal for the rate.
        paused_until: Nothing leaves before this instant.
        pause_began_at: When the current pause began.
        pause_step: Seconds of the last pause that the gateway did not specify; 0 after a success.
        refused_at: When the gateway last refused for the rate.
        share: Requests per period that bulk runs may use, as of `share_at`.
        share_at: When the share was last cut.
        refused_by_others: Refusals for the rate while below our own count.
        opens_at: End of the roll call; nothing is granted before.
        version: Number of swaps.
        epoch: Number of times the store lost its memory.
        run: The store's run in which it was last written.
        offset: Correction of the store's clock after it was set back or forward.
        clock: The latest instant ever read.
        serials: The last swap of each member: number and instant.
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
        """Return the state of an unused account."""
        return cls(rules=rules, share=rules.limit)

    @property
    def free(self) -> int:
        """Slots that may be used now; negative if entries exceed the limit."""
        return self.rules.limit - len(self.leases) - len(self.ended)
