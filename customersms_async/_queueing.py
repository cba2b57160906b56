"""
Who is next: two lanes, each first in, first out.

Rules of this module:

1. Single messages go ahead of bulk runs; one grant in ten goes to a waiting bulk run.
2. A waiter keeps its place by its ticket, also when it comes back after it was turned away.
3. Who has left is passed over when its turn comes, and never counted.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

from ._ports import Lane, Ticket

__all__ = ["Line"]

#: Grants to single messages, in a row, before a waiting bulk run has its turn.
_SENDS_IN_A_ROW: Final = 9


class _Waits(Protocol):
    @property
    def ticket(self) -> Ticket: ...
    @property
    def has_left(self) -> bool: ...


W = TypeVar("W", bound=_Waits)


class Line(Generic[W]):
    """
    The waiters of one queue.

    Attributes:
        sends: Single messages that wait.
        bulks: Requests of bulk runs that wait.
    """

    __slots__ = ("_lanes", "_last_places", "_order", "_sends_in_a_row", "bulks", "sends")

    def __init__(self) -> None:
        self._lanes: dict[Lane, list[tuple[int, int, W]]] = {lane: [] for lane in Lane}
        self._last_places = dict.fromkeys(Lane, -1)  # the last that was given out in each lane
        self._order = 0  # decides between equal tickets, so that no two waiters are compared
        self._sends_in_a_row = 0
        # Plain numbers, since an enum as a key costs more than all the rest of a grant.
        self.sends = 0
        self.bulks = 0

    def __len__(self) -> int:
        return self.sends + self.bulks

    def add(self, waiter: W) -> None:
        """Put *waiter* in its lane, at the place of its ticket."""
        self._order += 1
        heapq.heappush(self._lanes[waiter.ticket.lane], (waiter.ticket.place, self._order, waiter))
        self._count(waiter, 1)
        self._last_places[waiter.ticket.lane] = max(
            self._last_places[waiter.ticket.lane], waiter.ticket.place
        )

    def leave(self, waiter: W) -> None:
        """Count *waiter* no longer; call it once, whatever it leaves for."""
        self._count(waiter, -1)

    def firsts(self) -> Iterator[W]:
        """Give the first of each lane, in the order in which they should be served."""
        bulk_is_due = self._sends_in_a_row >= _SENDS_IN_A_ROW
        for lane in (Lane.BULK, Lane.SEND) if bulk_is_due else (Lane.SEND, Lane.BULK):
            heap = self._lanes[lane]
            while heap and heap[0][2].has_left:
                heapq.heappop(heap)
            if heap:
                yield heap[0][2]

    def in_order(self, lane: Lane) -> list[W]:
        """Give all who wait in *lane*, in their order."""
        return [waiter for _, _, waiter in sorted(self._lanes[lane]) if not waiter.has_left]

    def served(self, lane: Lane) -> None:
        """Note who was served, for the bulk runs' share."""
        is_passing_bulk = lane is Lane.SEND and self.bulks > 0
        self._sends_in_a_row = self._sends_in_a_row + 1 if is_passing_bulk else 0

    def ahead_of(self, ticket: Ticket) -> int:
        """Count who is served before *ticket*, which is not in line yet, if nobody else comes."""
        before = self._before(ticket)
        if ticket.lane is Lane.SEND:
            turns_of_bulk = (self._sends_in_a_row + before) // _SENDS_IN_A_ROW
            return before + min(self.bulks, turns_of_bulk)
        turns_of_sends = _SENDS_IN_A_ROW * (before + 1) - self._sends_in_a_row
        return before + min(self.sends, turns_of_sends)

    def _before(self, ticket: Ticket) -> int:
        """Count who stands before *ticket* in its own lane."""
        if ticket.place >= self._last_places[ticket.lane]:
            return self.sends if ticket.lane is Lane.SEND else self.bulks
        heap = self._lanes[ticket.lane]
        return sum(1 for place, _, waiter in heap if place < ticket.place and not waiter.has_left)

    def _count(self, waiter: W, change: int) -> None:
        if waiter.ticket.lane is Lane.SEND:
            self.sends += change
        else:
            self.bulks += change
