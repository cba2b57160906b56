"""
The window that proves the cap: plain arithmetic over instants.

Theory of operation
===================

There are ``limit`` slots. A request holds one from its grant until ``per`` seconds after its
*answer* was read. The server counted the request somewhere between the two. So two uses of one
slot lie at least ``per`` apart at the server, whatever the network did to either of them, and no
``per`` seconds ever hold more than ``limit`` requests as the server counts.

Counting from the moment of *sending* proves nothing: a request that dawdled arrives late, the one
a period later arrives early, and 120 stand within one minute (``benchmarks/``).

Rules of this module:

1. A lease is busy until an instant that is known from the start, so that nothing that dies can
   hold a slot for ever: *now + longest possible request + grace + per*.
2. The end of a request moves that instant: to *end + per + margin* where it was answered, to
   *end + grace + per + margin* where the answer was lost (the server may still be about to count
   it), to *now* where nothing left. That is earlier than rule 1 says, but for a request that
   outlived its longest time.
3. The margin covers clocks that run at slightly different rates.
"""

from __future__ import annotations

import heapq
import math
from typing import Final

from .config import Rate

__all__ = ["Rate", "Window"]

#: Seconds after the end of a request whose answer was lost, in which the server may still count it.
GRACE: Final = 5.0
#: Seconds added to each period: a quartz clock errs by less than 0.1 s in 60 s by two orders.
MARGIN: Final = 0.1


class Window:
    """``rate.limit`` slots and until when each is busy; instants are monotonic seconds."""

    __slots__ = (
        "_ended",
        "_first_death",
        "_flying",
        "_grace",
        "_limit",
        "_next",
        "_period",
        "rate",
    )

    def __init__(self, rate: Rate, *, grace: float = GRACE, margin: float = MARGIN) -> None:
        self.rate = rate
        self._limit = rate.limit
        self._period = rate.per + margin
        self._grace = grace
        self._flying: dict[int, float] = {}  # lease: until when, if it never ends
        self._first_death = math.inf  # no lease in flight runs out before
        self._ended: list[float] = []  # a heap: until when the slots of ended requests are busy
        self._next = 0

    @property
    def in_flight(self) -> int:
        """Slots whose request has not ended."""
        return len(self._flying)

    def busy(self, now: float) -> int:
        """Count the slots that may not be used now."""
        self._forget(now)
        return len(self._flying) + len(self._ended)

    def is_free(self, now: float, spare: int = 0) -> bool:
        """Whether a slot may be taken and *spare* more are left."""
        return self.busy(now) + spare < self._limit

    def opens_at(self, now: float, spare: int = 0) -> float:
        """Say when `is_free` is true at the latest, as it stands now; *now* where it is."""
        missing = self.busy(now) + spare + 1 - self._limit
        if missing <= 0:
            return now
        if missing == 1:  # the usual case
            return self._first_end()
        return heapq.nsmallest(missing, [*self._flying.values(), *self._ended])[-1]

    def next_free_at(self, now: float) -> float | None:
        """Say when a slot is free for certain; None while every slot is in flight."""
        if self.is_free(now):
            return now
        missing = self.busy(now) + 1 - self._limit
        ended = heapq.nsmallest(missing, self._ended)
        return ended[-1] if len(ended) == missing else None

    def earliest(self, now: float, ahead: int) -> float:
        """
        Say when a newcomer could have a slot at the very earliest, *ahead* others before it.

        Each of them is taken to be answered the instant it is let go, and each request in flight
        to be answered now, so that a slot comes round once a period.
        """
        free = self._limit - self.busy(now)
        if ahead < free:
            return now
        ends = sorted(
            [*self._ended, *(min(at, now + self._period) for at in list(self._flying.values()))]
        )
        opens = [now] * free + ends[max(-free, 0) :]
        rounds, place = divmod(ahead, len(opens))
        return min(opens[place], opens[0] + self._period) + rounds * self._period

    def take(self, now: float, longest: float, spare: int = 0) -> int:
        """
        Take a slot where one is free.

        Args:
            now: Monotonic seconds.

            longest: The most seconds that the request can take.

            spare: Slots that must be left.

        Returns:
            The lease, to be ended with one of the three calls below; 0 where none is free.
        """
        flying, ended = self._flying, self._ended
        if self._first_death <= now or (ended and ended[0] <= now):
            self._forget(now)
        if len(flying) + len(ended) + spare >= self._limit:
            return 0
        self._next = lease = self._next + 1
        flying[lease] = until = now + longest + self._grace + self._period
        if until < self._first_death:  # noqa: PLR1730  # in the hot path, where a call costs
            self._first_death = until
        return lease

    def answered(self, lease: int, now: float) -> float:
        """The request was answered: the server counted it before now. Say when its slot is free."""
        # Also where the lease ran out meanwhile: the server counted the request all the same.
        self._flying.pop(lease, None)
        until = now + self._period
        heapq.heappush(self._ended, until)
        return until

    def lost(self, lease: int, now: float) -> float:
        """The request ended without an answer, and the server may count it a little later."""
        return self.answered(lease, now + self._grace)

    def unused(self, lease: int) -> None:
        """Neither headers nor body can have left: the slot was never used."""
        self._flying.pop(lease, None)

    def _first_end(self) -> float:
        """Say when the first slot that is busy comes free."""
        if self._ended and self._ended[0] <= self._first_death:
            return self._ended[0]
        self._first_death = min(self._flying.values(), default=math.inf)
        return min([self._first_death, *self._ended[:1]])

    def _forget(self, now: float) -> None:
        """Let go of the slots that are free again."""
        ended = self._ended
        while ended and ended[0] <= now:
            heapq.heappop(ended)
        if self._first_death <= now:
            # A copy, since the garbage collector may end a request meanwhile.
            for lease, until in list(self._flying.items()):
                if until <= now:
                    self._flying.pop(lease, None)
            self._first_death = min(self._flying.values(), default=math.inf)
