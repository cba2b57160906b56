"""
One account of a `LocalLimiter`: its state in memory, shared by all event loops.

Rules of this module:

1. Every decision is made under the process's lock and without an await. It serves the waiters of
   all loops; each gets its slot in the thread of its loop.
2. Slots are not reserved ahead: the state can be read at any time, so each slot is granted when it
   opens, to the first in line. Each loop with waiters has one timer.
3. Ends of requests are queued without the lock and applied by the next decision; an end that frees
   a slot sooner than expected is applied at once. The garbage collector or a signal handler may end
   a request in the middle of a decision, which applies it before it returns.
4. A loop that is closed, dropped or not running holds up nobody: its waiters are neither counted
   nor served until it runs again, and leases in flight there expire.
5. A forked child has the state of its parent, and none of its callers.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Generator
from typing import Final
from weakref import WeakValueDictionary

from .._ports.limiter import Lane, Ticket, Usage
from .account_state import AccountState, Lease
from .fork_lock import forget_in_children, lock
from .law import ANSWERED, PASSED_AT_MOST, UNUSED, End, Law
from .member import LeasedSlot, Member, Waiter
from .reports import too_late, usage_of, warn_of_others

__all__ = ["LocalAccount"]

_NEVER: Final = math.inf
_SEND: Final = Lane.SEND  # looking it up costs as much as a call

#: None outside of any loop; the public function raises there.
_running_loop: Final = asyncio._get_running_loop  # noqa: SLF001


class LocalAccount:
    """A `Desk` for all event loops of the process."""

    def __init__(self, name: str, law: Law, clock: Callable[[], float]) -> None:
        self._name = name
        self._law = law
        self.clock = clock
        self._period = law.period
        self._is_paced = law.rules.burst < law.rules.limit
        self._state = AccountState.new(law.rules)
        self._numbers = itertools.count()  # of places, and of leases
        self._passed = 0  # single messages in a row that overtook a waiting bulk run
        self._held = 0.0  # mean seconds for which a request is in flight
        self._uses = -2  # the next number when the account was last seen idle
        self._looks_at = -_NEVER  # when the next slot opens; -inf if nobody asks
        self._is_busy = False  # within a decision
        self._must_serve = False  # an end came within it
        self._ends: deque[tuple[Lease, End, float]] = deque()
        # Replaced, never changed: other threads iterate over it without the lock.
        self._members: dict[AbstractEventLoop, Member] = {}
        # By id of the loop, as long as somebody waits in it.
        self._resting: WeakValueDictionary[int, Member] = WeakValueDictionary()
        forget_in_children(self)

    # --- Callers ----------------------------------------------------------------------------------

    def member(self) -> Member:
        """Return the member of the running loop; set aside loops that do not run."""
        loop = asyncio.get_running_loop()
        member = self._members.get(loop)
        if member is not None:
            return member
        with lock:
            member = self._resting.get(id(loop)) or Member(self, self._law.rules, loop)
            self._register(member)
        return member

    def _register(self, member: Member) -> None:
        self._resting.pop(id(member.loop), None)
        running = {known: each for known, each in self._members.items() if known.is_running()}
        for known in self._members.keys() - running.keys():
            self._resting[id(known)] = self._members[known]
        self._members = {**running, member.loop: member}

    def take_at_once(
        self, lane: Lane, now: float, longest: float, ticket: Ticket | None
    ) -> LeasedSlot | None:
        """Grant a slot if nobody is before this caller, without queueing it."""
        bulks, is_bulk = 0, lane is not _SEND
        if is_bulk and self._is_paced and self._state.due > now:
            return None
        with lock:
            for loop, member in self._members.items():
                if member.sends or not loop.is_running():
                    return None
                bulks += len(member.bulks)
            if bulks and (is_bulk or self._passed >= PASSED_AT_MOST):
                return None
            number = next(self._numbers)
            lease = Lease(str(number), is_bulk, now, now, now, longest)
            self._is_busy = True  # `_at_a_time` inlined: it would cost as much as the grant
            try:
                if self._ends:
                    self._apply_ends()
                if self._law.reserve(self._state, now, lease) is not None:
                    return None
            finally:
                self._is_busy = False
                if self._must_serve:
                    self._serve()
            self._passed = self._passed + 1 if bulks else 0
            place = number if ticket is None else ticket.place
            return LeasedSlot(self, lease, place, now, now)

    def next_place(self) -> int:
        return next(self._numbers)

    def next_lease(self, longest: float, *, is_bulk: bool) -> Lease:
        return Lease(str(next(self._numbers)), is_bulk, 0.0, 0.0, 0.0, longest)

    @contextlib.contextmanager
    def _at_a_time(self) -> Generator[None]:
        """Hold the lock, and delay ends by a signal handler or the garbage collector."""
        with lock:
            self._is_busy = True
            try:
                self._apply_ends()
                yield
            finally:
                self._is_busy = False
                if self._must_serve:
                    self._serve()

    def refuse_the_hopeless(self, place: int, patience: float, *, is_bulk: bool) -> None:
        with self._at_a_time():
            now = self.clock()
            ahead = self._ahead_of(place, is_bulk=is_bulk)
            at = self._law.earliest(self._state, now, ahead, is_bulk=is_bulk, held=self._held)
            if at - now >= patience:
                raise too_late(self._state, now, at, patience)

    def _ahead_of(self, place: int, *, is_bulk: bool) -> int:
        """Count the callers served before *place* if no others come."""
        members = [member for member in self._members.values() if member.waiting]
        sends = sum(len(member.sends) for member in members)
        bulks = sum(len(member.bulks) for member in members)
        if is_bulk:
            return bulks + min(sends, PASSED_AT_MOST * (bulks + 1))
        ahead = sum(member.sends_before(place) for member in members)
        return ahead + min(bulks, (self._passed + ahead) // PASSED_AT_MOST)

    def join(self, waiter: Waiter) -> None:
        with lock:
            if self._members.get(waiter.member.loop) is not waiter.member:
                self._register(waiter.member)
            waiter.member.add(waiter)

    def serve(self) -> None:
        with lock:
            self._serve()

    def leave(self, waiter: Waiter) -> None:
        with lock:
            waiter.member.remove(waiter)
            if not self._bulks_waiting():
                self._passed = 0  # nobody is overtaken

    def _bulks_waiting(self) -> int:
        return sum(len(member.bulks) for member in self._members.values())

    def confirm(self, slot: LeasedSlot) -> bool:
        with self._at_a_time():
            if slot.lease.id not in self._state.leases:
                return False
            self._law.renew(self._state, self.clock(), slot.lease)
            return True

    # --- Ends and grants --------------------------------------------------------------------------

    def end(self, lease: Lease, how: End) -> None:
        now = self.clock()
        self._ends.append((lease, how, now))
        # The next decision applies an end that frees no slot sooner than one that is awaited.
        if how is UNUSED or now + self._period < self._looks_at:
            with lock:
                self._serve()

    def refused(self, lease: Lease, retry_after: float | None) -> float:
        with self._at_a_time():
            now, state = self.clock(), self._state
            is_others = self._law.refused(state, lease.id, now, retry_after)
            if is_others and state.refused_by_others == 1:
                warn_of_others(self._name, state.share)
            self._must_serve = True
            return state.paused_until - now

    def _apply_ends(self) -> None:
        """Apply the ends that were queued."""
        ends = self._ends
        while ends:
            lease, how, heard_at = ends.popleft()
            self._law.end(self._state, lease.id, how, heard_at)
            if how is ANSWERED:
                self._held += (heard_at - lease.at - self._held) / 8

    def _serve(self) -> None:
        """Apply the ends that were queued, and grant the slots that are free."""
        if self._is_busy:
            self._must_serve = True
            return
        self._is_busy = True
        try:
            while True:
                if self._ends:
                    self._apply_ends()
                now = self.clock()
                self._looks_at = self._grant_all(now)
                if not self._ends:
                    break
        finally:
            self._is_busy = self._must_serve = False
        if self._looks_at > now:
            self._look_at(self._looks_at, now)

    def _grant_all(self, now: float) -> float:
        """Grant slots while there are any; return when to look again, -inf if nobody asks."""
        while asking := self._first_in_line():
            look_at, is_overdue = _NEVER, self._passed >= PASSED_AT_MOST
            for waiter in reversed(asking) if is_overdue else asking:
                at = self._law.reserve(self._state, now, waiter.lease, is_overdue=is_overdue)
                if at is None:
                    self._grant(waiter, now)
                    break
                look_at = min(look_at, at, self._state.first_death)
            else:
                return look_at
        is_asked = any(member.sends or member.bulks for member in self._members.values())
        return _NEVER if is_asked else -_NEVER

    def _first_in_line(self) -> list[Waiter]:
        """Return the first message and the first bulk request that ask in any running loop."""
        send = bulk = None
        here = _running_loop()
        for loop, member in self._members.items():
            if loop is here or loop.is_running():
                one = member.first_send() if member.sends else None
                if one is not None and (send is None or one.place < send.place):
                    send = one
                one = member.first_bulk() if member.bulks else None
                if one is not None and (bulk is None or one.place < bulk.place):
                    bulk = one
        if send is None:
            return [] if bulk is None else [bulk]
        return [send] if bulk is None else [send, bulk]

    def _grant(self, waiter: Waiter, now: float) -> None:
        lease, member = waiter.lease, waiter.member
        member.grant(waiter)
        is_passing = not lease.is_bulk and self._bulks_waiting() > 0
        self._passed = self._passed + 1 if is_passing else 0
        slot = LeasedSlot(self, lease, waiter.place, waiter.asked_at, now)
        if _running_loop() is member.loop:
            member.hand_over(waiter, slot)
            return
        try:
            member.loop.call_soon_threadsafe(member.hand_over, waiter, slot)
        except RuntimeError:  # closed just now
            slot.unused()

    def _look_at(self, at: float, now: float) -> None:
        """Set the timers of all loops with waiters for the next opening."""
        for loop, member in self._members.items():
            if not (at < member.looks_at and (member.sends or member.bulks)):
                continue
            if _running_loop() is loop:
                if member.timer is not None:
                    member.timer.cancel()
                member.looks_at = at
                member.timer = loop.call_later(at - now, self._look_on_time, member)
            else:
                with contextlib.suppress(RuntimeError):  # closed just now
                    loop.call_soon_threadsafe(self._look_again, member)

    def _look_on_time(self, member: Member) -> None:
        member.timer = None  # fired: cancelling it would cost time
        self._look_again(member)

    def _look_again(self, member: Member) -> None:
        """Serve in a loop whose timer fired, or that another loop woke."""
        if member.timer is not None:
            member.timer.cancel()
        member.looks_at, member.timer = _NEVER, None
        with lock:
            if self._members.get(member.loop) is not member:
                self._register(member)
            self._serve()

    def look_again(self) -> None:
        """Serve the waiters after the clock was moved."""
        with lock:
            for member in self._members.values():
                member.looks_at = _NEVER
            self._serve()

    # --- State ------------------------------------------------------------------------------------

    def was_idle_before(self) -> bool:
        """Whether it was idle at the last call too, and unused since."""
        with self._at_a_time():
            is_waited_for = any(one.waiting for one in self._members.values())
            is_idle = not is_waited_for and self._law.is_idle(self._state, self.clock())
            uses = next(self._numbers) if is_idle else -1
            was_idle, self._uses = uses == self._uses + 1, uses
            return is_idle and was_idle

    def usage(self) -> Usage:
        with self._at_a_time():
            now = self.clock()
            waiting = sum(member.waiting for member in self._members.values())
            return usage_of(self._law, self._state, now, waiting)

    def forget_loops(self) -> None:
        """Drop the callers of the parent, in a forked child."""
        self._members = {}
        self._resting = WeakValueDictionary()
        self._is_busy = False
