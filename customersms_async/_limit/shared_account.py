"""
One account of a shared limiter in one event loop: a *member* of the account.

A task, the *pump*, runs while somebody waits or an end is unreported. In each round it makes a plan
from what it knows (see `shared_decisions`) and asks the store to swap it in; if another member came
first, it plans again on what that one wrote. So on a quiet key a grant costs one round trip.

Rules of this module:

1. Nothing is valid before the store has confirmed it. If the answer to a swap is lost, the member
   looks for its serial number in what the store holds next.
2. A slot reserved for later is checked again shortly before its instant. What the store holds then
   is final, and so is a reservation that is due soon when it is made (`View.final_until`).
3. While the store is away, single messages fail and bulk runs wait.
4. What a closed event loop has not reported, the next one reports under the same name.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Final, Protocol

from .._ports.limiter import Usage
from .._ports.store import BACK_OFF, Seen, Store, StoreAway
from .account_state import AccountState, Lease
from .law import PASSED_AT_MOST, End
from .member import LeasedSlot, Member, Waiter
from .reports import too_late, unavailable, usage_of, warn_of_others
from .reservations import Reservations
from .serialization import UnreadableState, encode
from .shared_decisions import AHEAD, Ended, OtherOptions, Plan, Planner, copy
from .store_view import FREEZE, Sight, View

__all__ = ["Here", "SharedAccount"]

#: Seconds until the next look if nothing is known to open.
_POLL: Final = 0.25

#: Most seconds that an end waits for a swap that reports it along with others.
_LATEST_REPORT: Final = 1.0
_SOON: Final = 0.01  # seconds between an end and the start of a round

#: Seconds for which an answer of the store is fresh.
_FRESH: Final = 0.05


class Here(Protocol):
    """An event loop and its store."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    @property
    def store(self) -> Store: ...

    def heard(self, seen: Seen) -> None:
        """Record that the store has answered."""
        ...


class SharedAccount:
    """A `Desk` for one event loop."""

    def __init__(self, name: str, planner: Planner, clock: Callable[[], float], here: Here) -> None:
        self.name = name
        self.clock = clock
        self._planner = planner
        self._law = planner.law
        self._numbers = itertools.count()
        self._places = itertools.count()
        self._serials = itertools.count(1)
        self._ends: list[Ended] = []
        self._sight = Sight(planner.remembers)
        self._lost: dict[int, Plan[Waiter]] = {}  # plans whose swaps have no answer yet, by serial
        self._passed = 0  # messages in a row that had slots while a bulk request asked in vain
        self._held = 0.0
        self._has_warned = False
        self._must_look = False
        self._sit_in(here)

    def _sit_in(self, here: Here) -> None:
        self.here = here
        self.member = Member(self, self._law.rules, here.loop)
        self._reserved = Reservations(here.loop, self.clock, self._hand_over)
        self._wakes = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._is_closed = False

    def move_to(self, here: Here) -> None:
        """Go on in another event loop, after the last one was closed."""
        left = list(self._reserved.by_lease)
        self._sit_in(here)
        for lease_id in left:
            self._note(Ended(lease_id, End.UNUSED, self.clock()))

    def next_place(self) -> int:
        return next(self._places)

    def next_lease(self, longest: float, *, is_bulk: bool) -> Lease:
        return Lease(f"{self._planner.name}-{next(self._numbers):x}", is_bulk, 0, 0, 0, longest)

    def refuse_the_hopeless(self, place: int, patience: float, *, is_bulk: bool) -> None:
        """Do nothing: callers are judged once the store has been read."""

    def join(self, waiter: Waiter) -> None:
        self.member.add(waiter)

    def serve(self) -> None:
        if self._is_closed:  # it was queued as the limiter was closed
            self._refuse_all(unavailable())
        else:
            self.wake()

    def leave(self, waiter: Waiter) -> None:
        self.member.remove(waiter)
        if self._reserved.remove(waiter):
            self._note(Ended(waiter.lease.id, End.UNUSED, self.clock()))

    def confirm(self, slot: LeasedSlot) -> bool:
        self.end(slot.lease, End.UNUSED)
        return False

    def end(self, lease: Lease, how: End) -> None:
        now = self.clock()
        self._note(Ended(lease.id, how, now))
        view = self._sight.view
        if how is End.ANSWERED and view is not None:
            self._held += (view.most(now) - lease.at - self._held) / 8

    def refused(self, lease: Lease, retry_after: float | None) -> float:
        now = self.clock()
        self._note(Ended(lease.id, End.ANSWERED, now, is_refused=True, retry_after=retry_after))
        view = self._sight.view
        assert view is not None  # noqa: S101  # no slot without a look
        state = self._planner.state_of(view)
        if self._planner.tell(state, view, self._ends) and not self._has_warned:
            self._has_warned = True
            warn_of_others(self.name, state.share)
        return state.paused_until - view.most(now)

    def _note(self, end: Ended) -> None:
        self._ends.append(end)
        loop = self.here.loop
        is_urgent = end.is_refused or end.how is End.UNUSED
        if asyncio._get_running_loop() is loop:  # noqa: SLF001  # None outside of any loop
            self._start_soon(is_urgent)
        else:
            with contextlib.suppress(RuntimeError):  # closed: the next loop reports it
                loop.call_soon_threadsafe(self._start_soon, is_urgent)

    def _start_soon(self, is_urgent: bool) -> None:  # noqa: FBT001  # a callback
        if is_urgent:
            self._wakes.set()
        # By a timer: a task created while the event loop ends would be left pending.
        if self._pump is None or self._pump.done():
            self.here.loop.call_later(_SOON, self._start_to_report)

    def _start_to_report(self) -> None:
        if self._ends:  # else a flush came first
            self._start()

    # --- The pump ---------------------------------------------------------------------------------

    def wake(self, *, must_look: bool = False) -> None:
        """Begin a round now."""
        self._must_look = self._must_look or must_look
        self._wakes.set()
        self._start()

    def _start(self) -> None:
        if not self._is_closed and (self._pump is None or self._pump.done()):
            self._pump = self.here.loop.create_task(self._run())

    async def _run(self) -> None:
        while self._is_needed():
            self._wakes.clear()
            try:
                wait = await self._round()
            except StoreAway as exc:
                wait = BACK_OFF
                self._must_look = self._must_look or bool(self._lost)
                self._refuse_sends(unavailable(str(exc)))
            except Exception as exc:  # noqa: BLE001  # callers must hear of it, or would wait for ever
                wait = _POLL
                self._refuse_all(exc)
            if wait > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wakes.wait()

    def _is_needed(self) -> bool:
        is_left = self._ends or self._must_look or self._reserved.by_lease or self._sight.known
        return bool(is_left or self._asking())

    def _asking(self) -> list[Waiter]:
        """Return callers without a reservation: messages in order, and the first bulk request."""
        bulk = self.member.first_bulk()
        bulks = [] if bulk is None else [bulk]
        sends = [one for one in self.member.sends if not one.future.done()]
        found = bulks + sends if self._passed >= PASSED_AT_MOST else sends + bulks
        return [one for one in found if not self._reserved.holds(one)]

    async def _round(self) -> float:
        """Read or write once; return the seconds until the next round."""
        view, known = self._sight.view, self._sight.known
        if view is None or self._must_look:
            self._must_look = False
            await self._look()
        elif known is not None:
            await self._bring(view, known)
        elif view.least(self.clock()) < self._planner.opens_at(view):
            return self._wait_for_opening(view)  # no reservation is final before
        elif self._is_time_to_confirm(view):
            await self._look()
        else:
            return await self._write(view, view.least(self.clock()))
        return 0.0

    def _wait_for_opening(self, view: View) -> float:
        opens_at = self._planner.opens_at(view)
        at = view.passed_at(opens_at)
        for one in self._asking():
            if at > one.gives_up_at:
                self._refuse(view, one, opens_at)
        return at - self.clock() + 0.001

    async def _write(self, view: View, now: float) -> float:
        asking, ends = self._asking(), list(self._ends)
        plan = self._plan(view, now, ends)
        is_overdue = self._passed >= PASSED_AT_MOST
        self._planner.reserve(plan, view, now, asking, is_overdue=is_overdue)
        if len(plan.granted) < len(asking) and view.received < self.clock() - _FRESH:
            await self._look()  # others may have written something that helps
            return 0.0
        self._judge(view, plan, now)
        is_urgent = plan.granted or any(end.is_refused for end in ends)
        if is_urgent or (ends and self.clock() >= self._reports_at(ends)):
            await self._swap(view, plan)
            return 0.0
        return self._until_next(view, view.passed_at(plan.looks_at))

    def _plan(self, view: View, now: float, ends: list[Ended]) -> Plan[Waiter]:
        serial = next(self._serials)
        plan: Plan[Waiter] = Plan(self._planner.begin(view, now, serial), serial, ends)
        self._planner.tell(plan.state, view, ends)
        return plan

    def _judge(self, view: View, plan: Plan[Waiter], now: float) -> None:
        """Refuse callers that cannot have a slot in time, by the queue as it stands."""
        for one, at in plan.too_late:
            self._refuse(view, one, at)
        granted = {one for one, _ in plan.granted}
        waiting = [one for one in self._asking() if one not in granted and not one.lease.is_bulk]
        for ahead, one in enumerate(waiting):
            if not one.is_judged:
                one.is_judged = True
                at = self._law.earliest(plan.state, now, ahead, is_bulk=False, held=self._held)
                if view.passed_at(at) > one.gives_up_at:
                    self._refuse(view, one, at)

    def _reports_at(self, ends: list[Ended]) -> float:
        """Return when to report ends that no other swap has reported."""
        if self._asking() and any(end.how is End.UNUSED for end in ends):
            return ends[0].heard_at
        return ends[0].heard_at + min(_LATEST_REPORT, self._law.rules.per / 5)

    def _until_next(self, view: View, looks_at: float) -> float:
        """Return the seconds until the next round."""
        now = self.clock()
        instants = [now + 1.0, *self._reserved.confirmations(view)]
        if self._asking():
            instants.append(max(now + _POLL, looks_at - AHEAD))
        if self._ends:
            instants.append(self._reports_at(self._ends))
        return max(min(instants) - now, 0.001)

    def _is_time_to_confirm(self, view: View) -> bool:
        now = self.clock()
        return view.received < now and any(at <= now for at in self._reserved.confirmations(view))

    async def _look(self) -> View:
        sent = self.clock()
        return self._see(await self.here.store.read(self.name), sent)

    async def _bring(self, view: View, known: AccountState) -> None:
        state = self._planner.bring(view, copy(known), is_old=self._sight.is_old)
        if state is None or await self._put(view, state):
            self._sight.brought()

    async def _put(self, view: View, state: AccountState, within: float | None = None) -> bool:
        """Ask the store to swap *state* in; return whether it did."""
        sent = self.clock()
        swap = await self.here.store.swap(self.name, view.seen, encode(state), within=within)
        self._see(swap.seen, sent, is_ours=swap.done)
        return swap.done

    async def _swap(self, view: View, plan: Plan[Waiter]) -> None:
        self._lost[plan.serial] = plan
        await self._put(view, plan.state, FREEZE if plan.has_overtaken else None)
        self._lost.pop(plan.serial, None)

    def _carried_out(self, plan: Plan[Waiter]) -> None:
        """Record that *plan* is in the store."""
        self._lost.clear()
        told = set(plan.ends)
        self._ends = [end for end in self._ends if end not in told]
        bulk = self.member.first_bulk()
        if bulk is None or self._reserved.holds(bulk):
            self._passed = -len(plan.granted)  # nobody is overtaken
        for one, lease in plan.granted:
            one.lease = lease
            self._passed = 0 if lease.is_bulk else self._passed + 1
            if not one.future.done():
                self._reserved.by_lease[lease.id] = one
            else:
                self._note(Ended(lease.id, End.UNUSED, self.clock()))

    # --- Answers of the store ---------------------------------------------------------------------

    def _see(self, seen: Seen, sent: float, *, is_ours: bool = False) -> View:
        """Record an answer of the store, and act on it."""
        view = self._sight.take_in(seen, sent, self.clock(), is_ours=is_ours)
        plan = self._lost.get(view.serial_of(self._planner.name))
        if plan is not None:
            self._carried_out(plan)
        known = self._sight.known
        if known is not None and self._law.is_idle(copy(known), view.now):
            self._sight.brought()  # nothing worth keeping
        if self._sight.known is None and view.now >= self._planner.opens_at(view):
            self._reserved.look(view, self._again)
        self.here.heard(seen)
        return view

    def _again(self, lease: Lease) -> Lease:
        new = self.next_lease(lease.longest, is_bulk=lease.is_bulk)
        new.passed = min(lease.passed + 1, PASSED_AT_MOST) if lease.is_bulk else 0
        return new

    def _hand_over(self, one: Waiter, granted_at: float) -> None:
        self.member.grant(one)
        slot = LeasedSlot(self, one.lease, one.place, min(one.asked_at, granted_at), granted_at)
        self.member.hand_over(one, slot)
        if self.member.first_bulk() is not None:
            self.wake()

    def _refuse(self, view: View, one: Waiter, at: float) -> None:
        now = self.clock()
        state = self._planner.state_of(view)
        one.refuse(too_late(state, view.least(now), at, one.gives_up_at - now))

    def _refuse_sends(self, error: Exception) -> None:
        for one in list(self.member.sends):
            if not self._reserved.is_final(one):
                one.refuse(error)

    def _refuse_all(self, error: Exception) -> None:
        self._refuse_sends(error)
        for one in list(self.member.bulks):
            one.refuse(error)

    def is_idle(self) -> bool:
        """Whether the account can be forgotten."""
        view = self._sight.view
        if self.member.waiting or self._ends or self._must_look or self._sight.known is not None:
            return False
        if view is None or view.state is None:
            return True
        return self._law.is_idle(copy(view.state), view.least(self.clock()))

    async def usage(self) -> Usage:
        """Read the store and return the state of the account; instants are the member's."""
        view = await self._look()
        now = view.least(self.clock())
        state = self._planner.state_of(view)
        self._planner.tell(state, view, self._ends)
        return usage_of(self._law, state, now, self.member.waiting, view.received - view.now)

    async def aclose(self) -> None:
        """Refuse the callers that wait, and report ends; the next loop reports the rest."""
        self._is_closed = True
        self._refuse_all(unavailable())
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
        await self.flush()

    async def flush(self) -> None:
        """Report ends to the store, if it answers."""
        with contextlib.suppress(StoreAway, OtherOptions, UnreadableState):
            for _ in range(5):
                view, ends = self._sight.view, list(self._ends)
                if ends and (view is None or self._sight.known is not None):
                    await self._look()
                elif ends and view is not None:
                    await self._swap(view, self._plan(view, view.least(self.clock()), ends))
