"""
The law of the limit: pure arithmetic on one value, the same for every store.

Theory of operation
===================

There are ``limit`` slots. A request holds one from the instant for which it is reserved until
``per`` seconds after its *answer* was heard. The server counted the request somewhere between the
two, so two uses of one slot lie at least ``per`` apart at the server, however the network delayed
either of them, and no ``per`` seconds ever hold more than ``limit`` requests as the server counts.
Counting from the moment of *sending* proves nothing: a request that dawdled arrives late, the one
a period later arrives early.

Nobody stands in a line, and nobody polls: a slot is *reserved for an instant*. Its entry is a lease
until the end of the request is told; then it is an opening, which a later lease replaces.

Invariant: at any instant the leases and openings that are still busy number at most ``limit``, or
every grant waits until they will.

Rules of this module:

1. A lease is busy until an instant that is known from the start: *its instant + longest request +
   slack + grace + per*. What dies holds a slot neither for ever nor too short.
2. The end of a request moves that to *heard + per* where it was answered, to *heard + grace + per*
   where the answer was lost (the server may still be about to count it). A reservation that was
   never used gives its opening and its charge back. An end may be told twice, and of a lease that
   is long dead: its entry is still added.
3. Entries may exceed the limit (ends told late, memories merged). With x too many, a grant takes
   the x-th opening, counted from 0; a bulk run leaves ``spare`` more.
4. Every grant moves ``due``, the pace of bulk runs, by an interval. A bulk grant moves it further
   where what is free must last until the next slot opens. So a bulk run makes room for single
   messages by itself, the window never runs dry, and no hole follows a burst.
5. A single message without a free slot takes the slot of the first bulk reservation that may still
   be moved, which moves to the next opening, or loses its lease where there is none. After nine
   times it stays.
"""

from __future__ import annotations

import math
from bisect import insort
from enum import Enum
from typing import Final

from .account_state import MARGIN, SLACK, AccountState, Lease, Rules
from .rate_refusals import Refusals

__all__ = ["PASSED_AT_MOST", "End", "Law"]

#: Single messages that may go ahead of a waiting bulk run, one after another.
PASSED_AT_MOST: Final = 9

#: Of the limit, how much bulk runs use.
_PACE: Final = 0.98


_NEVER: Final = -math.inf


class End(Enum):
    """How a request ended: the server counted it, may count it still, or never saw it."""

    ANSWERED = "answered"
    LOST = "lost"
    UNUSED = "unused"


#: Looked up once: a member of an enumeration costs as much as a call.
_ANSWERED: Final = End.ANSWERED
_LOST: Final = End.LOST


class Law:
    """What may be done with an `AccountState` of these rules."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.period = rules.per + MARGIN
        self.refusals = Refusals(rules)
        self._limit = rules.limit
        self._grace = rules.grace
        self._after = SLACK + rules.grace + self.period
        self._reserve = rules.reserve
        self._interval = rules.per / (_PACE * rules.limit)
        self._is_paced = rules.burst < rules.limit
        self._saved = (rules.burst - 1) * self._interval

    def look_back(self, longest: float) -> float:
        """Say for how many seconds a request may keep a slot busy from its reservation on."""
        return longest + self._after

    def tidy(self, state: AccountState, now: float) -> None:
        """Let go of the slots that are free again."""
        ended = state.ended
        while ended and ended[0][0] <= now:
            del ended[0]
        if state.first_death <= now:
            for lease in [lease for lease in state.leases.values() if lease.dies <= now]:
                del state.leases[lease.id]
            state.first_death = min((one.dies for one in state.leases.values()), default=math.inf)

    def reserve(
        self,
        state: AccountState,
        now: float,
        lease: Lease,
        *,
        ahead: float = 0.0,
        frozen: float = 0.0,
        is_overdue: bool = False,
    ) -> float | None:
        """
        Reserve a slot, if one opens soon enough.

        Args:
            state: The account; changed only where a slot is reserved.

            now: The instant.

            lease: Who asks, with its id, lane, longest request and how often it was passed. It gets
                its instant.

            ahead: Seconds for which to reserve ahead. A bulk request that is to leave later may be
                overtaken.

            frozen: Seconds before its instant in which a reservation stays where it is.

            is_overdue: Whether enough messages passed by this bulk request that it need neither
                leave a reserve nor keep the pace, which messages that come as fast as the limit
                allows would move away for ever.

        Returns:
            None where it is done; else the instant at which to ask again, infinity where all slots
            are in flight.
        """
        ended = state.ended
        if state.first_death <= now or (ended and ended[0][0] <= now):
            self.tidy(state, now)
        is_bulk = lease.is_bulk
        free = self._limit - len(state.leases) - len(ended)
        if free > 0 and not is_bulk and state.refused_at == _NEVER and state.opens_at <= now:
            self._begin_at_once(state, lease, now)
            return None
        is_paced = is_bulk and self._is_paced and not is_overdue
        if is_paced and state.due > now + ahead:
            return state.due
        spare = self._reserve if is_bulk and not is_overdue else 0
        is_shared = is_bulk and state.share_at > _NEVER
        spare = self._spare_for_others(state, now, spare) if is_shared else spare
        behind, opens, moved = spare - free, now, None
        if behind >= 0:
            opens = ended[behind][0] if behind < len(ended) else math.inf
            if free == 0 and ahead and not is_bulk:
                moved = self._movable(state, now + frozen, opens)
                opens = opens if moved is None else moved.opens
        is_cautious = state.refused_at > _NEVER and self.refusals.is_cautious(state, now)
        due = state.due if is_paced else _NEVER
        at = max(opens, state.paused_until, state.opens_at, due)
        at = max(at, state.send_due) if is_cautious else at
        if at > now + ahead or at == math.inf:
            return at
        if moved is not None:
            self._move(state, moved)
            lease.passed = 1
        elif behind >= 0:
            del ended[behind]
        lease.opens = opens
        self._begin(state, lease, at)
        self._charge(state, now, lease, left=-1 - behind)
        return None

    def renew(self, state: AccountState, now: float, lease: Lease) -> None:
        """Let the holder leave now, who came later than its lease allows for."""
        self._begin(state, lease, now)

    def end(self, state: AccountState, lease_id: str, how: End, heard_at: float) -> None:
        """Take in how a request ended, as it was heard at this instant."""
        lease = state.leases.pop(lease_id, None)
        if how is _ANSWERED:
            state.pause_step = 0.0
            self._close(state, lease, lease_id, heard_at)
        elif how is _LOST:
            self._close(state, lease, lease_id, heard_at + self._grace)
        elif lease is not None:
            state.due -= lease.charge
            if lease.opens > heard_at:
                insort(state.ended, (lease.opens, lease_id))

    def refused(
        self, state: AccountState, lease_id: str, heard_at: float, retry_after: float | None
    ) -> bool:
        """
        Take in that the gateway turned a request away for the rate.

        Returns:
            Whether our own count was below the limit, so that somebody else uses the key.
        """
        self.tidy(state, heard_at)
        lease = state.leases.get(lease_id)
        granted_at = -math.inf if lease is None else lease.at
        used = self._used(state, heard_at)
        state.leases.pop(lease_id, None)
        self._close(state, lease, lease_id, heard_at)
        self.refusals.refused(state, heard_at, granted_at, retry_after, used)
        for one in state.leases.values():
            if heard_at < one.at < state.paused_until:
                self._begin(state, one, state.paused_until)
        return used is not None

    def is_idle(self, state: AccountState, now: float) -> bool:
        """Whether nothing is left to remember."""
        self.tidy(state, now)
        is_used = state.leases or state.ended or state.paused_until > now
        return not is_used and self.refusals.are_forgotten(state, now)

    def next_free_at(self, state: AccountState, now: float) -> float | None:
        """Say when a single message has a slot for certain; None while all are in flight."""
        self.tidy(state, now)
        behind = -state.free
        if behind < 0:
            return now
        return state.ended[behind][0] if behind < len(state.ended) else None

    def earliest(
        self, state: AccountState, now: float, ahead: int, *, is_bulk: bool, held: float
    ) -> float:
        """
        Say when a newcomer could leave at the earliest, *ahead* others before it.

        What is in flight is taken to be answered now, and what leaves later to be answered after
        *held* seconds, so that each slot comes round once in a period and that.
        """
        self.tidy(state, now)
        spare = self._spare_for_others(state, now, self._reserve) if is_bulk else 0
        free = max(state.free, 0)
        rounds, place = divmod(ahead + spare - min(state.free, 0), self._limit)
        at = now
        if place >= free:
            place -= free
            in_flight = now + self.period
            at = min(state.ended[place][0], in_flight) if place < len(state.ended) else in_flight
        at = max(at, state.paused_until, state.opens_at) + rounds * (self.period + held)
        is_cautious = state.refused_at > _NEVER and self.refusals.is_cautious(state, now)
        if is_cautious or (is_bulk and self._is_paced):
            interval, _ = (self._pace if is_bulk else self.refusals.pace)(state, now)
            at = max(at, (state.due if is_bulk else state.send_due) + ahead * interval)
        return at

    def _used(self, state: AccountState, now: float) -> int | None:
        """Return how many requests we used in the last period; None at the limit."""
        leases = state.leases.values()
        reserved = sum(lease.at > now >= lease.opens for lease in leases)  # slots never used before
        count = len(leases) + len(state.ended) - reserved
        return None if count >= self._limit else count

    def _spare_for_others(self, state: AccountState, now: float, spare: int) -> int:
        """Return how many slots a bulk run leaves free where others use the key."""
        others = self._limit - math.ceil(self.refusals.share(state, now))
        return min(max(spare, others), self._limit - 1)

    def _begin_at_once(self, state: AccountState, lease: Lease, now: float) -> None:
        """Let a message leave that nothing holds up: the short way, which calls nothing."""
        lease.opens = lease.at = now
        lease.dies = dies = now + lease.longest + self._after
        state.leases[lease.id] = lease
        if dies < state.first_death:
            state.first_death = dies
        lease.charge = self._interval
        rested = now - self._saved
        due = self._interval + (rested if rested > state.due else state.due)
        latest = now + self.period
        state.due = due if due < latest else latest

    def _begin(self, state: AccountState, lease: Lease, at: float) -> None:
        """Let *lease* be used from this instant on."""
        lease.at = at
        lease.dies = dies = at + lease.longest + self._after
        state.leases[lease.id] = lease
        if dies < state.first_death:
            state.first_death = dies

    def _pace(self, state: AccountState, now: float) -> tuple[float, float]:
        """Return the seconds between two paced requests, and those that a rest may save."""
        interval, burst = self.refusals.pace(state, now)
        interval = max(interval, self.rules.per / self.refusals.share(state, now))
        return interval, (burst - 1) * interval

    def _charge(self, state: AccountState, now: float, lease: Lease, left: int) -> None:
        """Move the pace on; for a bulk request so that the slots *left* last until more open."""
        step, saved = self._interval, self._saved
        if state.refused_at > _NEVER:
            step, saved = self._pace(state, now)
        at, latest = lease.at, now + self.period
        due = state.due if state.due > at - saved else at - saved
        if left > 0 and lease.is_bulk and due + step > at:
            first = state.ended[0][0] if state.ended else latest
            stretched = ((first if first < latest else latest) - at) / (left + 1)
            step = stretched if stretched > step else step
        lease.charge = step
        due += step
        state.due = due if due < latest else latest
        if state.refused_at > _NEVER:
            self.refusals.charge(state, now, at)

    def _movable(self, state: AccountState, after: float, before: float) -> Lease | None:
        """Find the bulk reservation that may be moved and whose slot opens first, and sooner."""
        movable = [
            lease
            for lease in state.leases.values()
            if lease.is_bulk and lease.at > after and lease.passed < PASSED_AT_MOST
        ]
        first = min(movable, key=lambda lease: lease.opens, default=None)
        return None if first is None or first.opens > before else first

    def _move(self, state: AccountState, lease: Lease) -> None:
        """Let *lease* wait for the next opening; it ends where there is none."""
        if not state.ended:
            del state.leases[lease.id]
            state.due -= lease.charge
            return
        lease.opens, _ = state.ended.pop(0)
        lease.passed += 1
        self._begin(state, lease, max(lease.at + self._interval, lease.opens))

    def _close(
        self, state: AccountState, lease: Lease | None, lease_id: str, counted_at: float
    ) -> None:
        """Add the opening of a request that the server counted before this instant."""
        if lease is None and any(known == lease_id for _, known in state.ended):
            return  # told before
        opening = (counted_at + self.period, lease_id)
        if not state.ended or state.ended[-1] <= opening:
            state.ended.append(opening)
        else:
            insort(state.ended, opening)
