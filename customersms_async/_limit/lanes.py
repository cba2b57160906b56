"""
Who is next: two lanes, each first in, first out.

Rules of this module:

1. Single messages go ahead of bulk runs; one grant in ten goes to a waiting bulk run.
2. A waiter keeps its place by its ticket, also when it comes back after it was turned away.
3. Who has left is passed over when its turn comes, and never counted.
4. Lines of one account, one in each event loop, share their `Turns` and are served as one.
"""

from __future__ import annotations

import heapq
from typing import Final, Generic, Protocol, TypeVar

from attrs import define

from .._ports.limiter import Lane, Ticket

__all__ = ["Line", "Turns", "Waits"]

#: Grants to single messages, in a row, before a waiting bulk run has its turn.
_SENDS_IN_A_ROW: Final = 9

_SEND: Final = Lane.SEND
_SENDS_FIRST: Final = (Lane.SEND, Lane.BULK)
_BULK_FIRST: Final = (Lane.BULK, Lane.SEND)


class Waits(Protocol):
    """Somebody in line."""

    @property
    def ticket(self) -> Ticket: ...
    @property
    def has_left(self) -> bool: ...


W = TypeVar("W", bound=Waits)


@define(eq=False)
class Turns:
    """
    Whose turn it is.

    Attributes:
        sends_in_a_row: Single messages that were let past a waiting bulk run, one after another.
    """

    sends_in_a_row: int = 0

    @property
    def order(self) -> tuple[Lane, Lane]:
        """The lanes, in the order in which they should be served."""
        return _BULK_FIRST if self.sends_in_a_row >= _SENDS_IN_A_ROW else _SENDS_FIRST

    def served(self, lane: Lane, bulks: int) -> None:
        """Note who was served while so many bulk runs waited."""
        is_passing_bulk = lane is _SEND and bulks > 0
        self.sends_in_a_row = (
            min(self.sends_in_a_row + 1, _SENDS_IN_A_ROW) if is_passing_bulk else 0
        )


class Line(Generic[W]):
    """
    The waiters of one queue.

    Attributes:
        sends: Single messages that wait.
        bulks: Requests of bulk runs that wait.
        turns: Whose turn it is; lines that share it are served as one.
    """

    __slots__ = ("_bulk_heap", "_last_places", "_order", "_send_heap", "bulks", "sends", "turns")

    def __init__(self, turns: Turns | None = None) -> None:
        self._send_heap: list[tuple[int, int, W]] = []
        self._bulk_heap: list[tuple[int, int, W]] = []
        self._last_places = dict.fromkeys(Lane, -1)  # the last that was given out in each lane
        self._order = 0  # decides between equal tickets, so that no two waiters are compared
        self.turns = turns or Turns()
        # Plain numbers, since an enum as a key costs more than all the rest of a grant.
        self.sends = 0
        self.bulks = 0

    def __len__(self) -> int:
        return self.sends + self.bulks

    def add(self, waiter: W) -> None:
        """Put *waiter* in its lane, at the place of its ticket."""
        ticket = waiter.ticket
        self._order += 1
        heapq.heappush(self._heap(ticket.lane), (ticket.place, self._order, waiter))
        self._count(waiter, 1)
        self._last_places[ticket.lane] = max(self._last_places[ticket.lane], ticket.place)

    def leave(self, waiter: W) -> None:
        """Count *waiter* no longer; call it once, whatever it leaves for."""
        self._count(waiter, -1)

    def first(self, lane: Lane) -> W | None:
        """Give the first of *lane*, or None where nobody waits."""
        heap = self._heap(lane)
        while heap:
            waiter = heap[0][2]
            if not waiter.has_left:
                return waiter
            heapq.heappop(heap)
        return None

    def in_order(self, lane: Lane) -> list[W]:
        """Give all who wait in *lane*, in their order."""
        return [waiter for _, _, waiter in sorted(self._heap(lane)) if not waiter.has_left]

    def ahead_of(self, ticket: Ticket) -> int:
        """Count who is served before *ticket*, which is not in line yet, if nobody else comes."""
        before = self._before(ticket)
        if ticket.lane is _SEND:
            turns_of_bulk = (self.turns.sends_in_a_row + before) // _SENDS_IN_A_ROW
            return before + min(self.bulks, turns_of_bulk)
        turns_of_sends = _SENDS_IN_A_ROW * (before + 1) - self.turns.sends_in_a_row
        return before + min(self.sends, turns_of_sends)

    def _before(self, ticket: Ticket) -> int:
        """Count who stands before *ticket* in its own lane."""
        if ticket.place >= self._last_places[ticket.lane]:
            return self.sends if ticket.lane is _SEND else self.bulks
        heap = self._heap(ticket.lane)
        return sum(1 for place, _, waiter in heap if place < ticket.place and not waiter.has_left)

    def _heap(self, lane: Lane) -> list[tuple[int, int, W]]:
        return self._send_heap if lane is _SEND else self._bulk_heap

    def _count(self, waiter: W, change: int) -> None:
        if waiter.ticket.lane is _SEND:
            self.sends += change
        else:
            self.bulks += change
