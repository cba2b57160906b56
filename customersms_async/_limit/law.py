"""
The law of the limit: pure arithmetic on one value, the same for every store.

Theory of operation
===================

There are ``limit`` slots. A request holds one from the instant for which it is reserved until
``per`` seconds after its *answer* was heard. The server counted the request somewhere between the
two, so two uses of one slot lie at least ``per`` apart at the server, however the network delayed
either of them, and no ``per`` seconds ever hold more than ``limit`` requests as the server counts.
Counting from the moment of *sending* proves nothing: one request may be slow to arrive, and the one
a period later fast.

There is no queue here and no polling: a slot is *reserved for an instant*. Its entry is a lease
until the request has ended; then it is an opening, which a later lease replaces.

Invariant: at any instant at most ``limit`` leases and openings are busy, or every grant waits until
that is so.

Rules of this module:

1. A lease expires at an instant known from the start: *its instant + longest request + slack +
   grace + per*. So a process that dies keeps its slot neither for ever nor too briefly.
2. When the request ends, that becomes *heard + per* if it was answered, and *heard + grace + per*
   if the answer was lost (the server may be about to count it). An unused reservation returns its
   opening and its charge. An end may be reported twice, or after its lease has expired: its
   opening is still added.
3. Entries may exceed the limit (late reports, merged states). With x too many, a grant takes the
   x-th opening, counted from 0; a bulk run leaves ``spare`` more.
4. Every grant moves ``due``, the pace of bulk runs, by an interval. A bulk grant moves it further
   if the free slots must last until the next one opens. So a bulk run leaves room for single
   messages, the window never runs dry, and no gap follows a burst.
5. A single message without a free slot takes the slot of the first bulk reservation that may still
   be moved. That one moves to the next opening, or loses its lease if there is none; after nine
   moves it stays.
"""

from __future__ import annotations

import math
from bisect import insort
from enum import Enum
from typing import Final

from .account_state import MARGIN, PACE, SLACK, AccountState, Lease, Rules
from .rate_refusals import Refusals

__all__ = ["ANSWERED", "LOST", "PASSED_AT_MOST", "UNUSED", "End", "Law"]

#: Single messages in a row that may overtake a waiting bulk request.
PASSED_AT_MOST: Final = 9

_FOREVER: Final = math.inf
_NEVER: Final = -math.inf


class End(Enum):
    """How a request ended: the server counted it, may still count it, or never saw it."""

    ANSWERED = "answered"
    LOST = "lost"
    UNUSED = "unused"


#: The same by name: looking up a member of an enumeration costs as much as a call.
ANSWERED: Final = End.ANSWERED
LOST: Final = End.LOST
UNUSED: Final = End.UNUSED


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
        self._interval = rules.per / (PACE * rules.limit)
        self._is_paced = rules.burst < rules.limit
        self._saved = (rules.burst - 1) * self._interval
        # Seconds behind the pace after which a bulk request does not stretch it.
        self._rest = self._interval if rules.burst > 1 else math.inf

    def look_back(self, longest: float) -> float:
        """Return the most seconds for which a request keeps a slot busy."""
        return longest + self._after

    def tidy(self, state: AccountState, now: float) -> None:
        """Remove leases and openings that are no longer busy."""
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
            state: The account; changed only if a slot is reserved.

            now: The current instant.

            lease: The request: id, lane, longest duration, how often it was overtaken. Its instant
                is filled in.

            ahead: How many seconds ahead a slot may be reserved.

            frozen: Seconds before its instant in which a reservation cannot be moved.

            is_overdue: Whether so many messages overtook this bulk request that it ignores reserve
                and pace; messages at the full rate would otherwise postpone it for ever.

        Returns:
            None on success; else the instant at which to ask again, infinity if all slots are in
            flight.
        """
        is_bulk, ended = lease.is_bulk, state.ended
        if state.first_death <= now or (ended and ended[0][0] <= now):
            self.tidy(state, now)
        is_paced = is_bulk and self._is_paced and not is_overdue
        if is_paced and state.due > now + ahead:
            return state.due
        free = self._limit - len(state.leases) - len(ended)
        is_shared = is_bulk and state.share_at > _NEVER
        is_rested = not is_bulk or (now - state.due >= self._rest and not is_shared)
        if (
            free > (self._reserve if is_bulk else 0)
            and is_rested
            and state.refused_at == _NEVER
            and state.opens_at <= now
        ):
            self._begin_at_once(state, lease, now)
            return None
        spare = self._reserve if is_bulk and not is_overdue else 0
        spare = self._spare_for_others(state, now, spare) if is_shared else spare
        behind, opens, moved = spare - free, now, None
        if behind >= 0:
            opens = ended[behind][0] if behind < len(ended) else math.inf
            if free == 0 and ahead and not is_bulk:
                moved = self._movable(state, now + frozen, opens)
                opens = opens if moved is None else moved.opens
        at = state.due if is_paced and state.due > opens else opens
        if state.refused_at > _NEVER or state.opens_at > at:
            at = max(at, self._held_until(state, now))
        if at > now + ahead or at == _FOREVER:
            return at
        if moved is not None:
            self._move(state, moved)
            lease.passed = 1
        elif behind >= 0:
            del ended[behind]
        lease.opens = opens
        self._begin(state, lease, at)
        self._charge(state, now, lease, -1 - behind)
        return None

    def renew(self, state: AccountState, now: float, lease: Lease) -> None:
        """Extend *lease* for a holder that leaves later than the slack allows."""
        self._begin(state, lease, now)

    def end(self, state: AccountState, lease_id: str, how: End, heard_at: float) -> None:
        """Record how a request ended, and when that was heard."""
        lease = state.leases.pop(lease_id, None)
        if how is ANSWERED:
            state.pause_step = 0.0
            self._close(state, lease, lease_id, heard_at)
        elif how is LOST:
            self._close(state, lease, lease_id, heard_at + self._grace)
        elif lease is not None:
            state.due -= lease.charge
            if lease.opens > heard_at:
                insort(state.ended, (lease.opens, lease_id))

    def refused(
        self, state: AccountState, lease_id: str, heard_at: float, retry_after: float | None
    ) -> bool:
        """
        Record that the gateway refused a request for the rate.

        Returns:
            Whether our own count was below the limit: somebody else uses the key.
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
        """Whether the account can be forgotten."""
        self.tidy(state, now)
        is_used = state.leases or state.ended or state.paused_until > now
        return not is_used and self.refusals.are_forgotten(state, now)

    def next_free_at(self, state: AccountState, now: float) -> float | None:
        """Return when a single message certainly has a slot; None while all are in flight."""
        self.tidy(state, now)
        behind = -state.free
        if behind < 0:
            return now
        return state.ended[behind][0] if behind < len(state.ended) else None

    def earliest(
        self, state: AccountState, now: float, ahead: int, *, is_bulk: bool, held: float
    ) -> float:
        """
        Return when a new caller could leave at the earliest, behind *ahead* others.

        Requests in flight are assumed to be answered now, later ones after *held* seconds, so that
        a slot is used again every period + *held*.
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
        """Count our requests in the last period; None at the limit."""
        leases = state.leases.values()
        reserved = sum(lease.at > now >= lease.opens for lease in leases)  # in slots still free
        count = len(leases) + len(state.ended) - reserved
        return None if count >= self._limit else count

    def _spare_for_others(self, state: AccountState, now: float, spare: int) -> int:
        """Return how many slots a bulk run leaves free where others use the key."""
        others = self._limit - math.ceil(self.refusals.share(state, now))
        return min(max(spare, others), self._limit - 1)

    def _held_until(self, state: AccountState, now: float) -> float:
        """Return until when a new store, a pause or the caution after a refusal holds everybody."""
        is_cautious = state.refused_at > _NEVER and self.refusals.is_cautious(state, now)
        return max(state.opens_at, state.paused_until, state.send_due if is_cautious else _NEVER)

    def _begin_at_once(self, state: AccountState, lease: Lease, now: float) -> None:
        """Grant a request that nothing delays or stretches; calls nothing, for speed."""
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
        """Start *lease* at this instant."""
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
        """Advance the pace, for a bulk request so that the slots *left* last until more open."""
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
        """Find the movable bulk reservation whose slot opens first, and no later than *before*."""
        movable = [
            lease
            for lease in state.leases.values()
            if lease.is_bulk and lease.at > after and lease.passed < PASSED_AT_MOST
        ]
        first = min(movable, key=lambda lease: lease.opens, default=None)
        return None if first is None or first.opens > before else first

    def _move(self, state: AccountState, lease: Lease) -> None:
        """Move *lease* to the next opening; end it if there is none."""
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
        """Add the opening of a request that the server counted before *counted_at*."""
        if lease is None and any(known == lease_id for _, known in state.ended):
            return  # reported before
        opening = (counted_at + self.period, lease_id)
        if not state.ended or state.ended[-1] <= opening:
            state.ended.append(opening)
        else:
            insort(state.ended, opening)
