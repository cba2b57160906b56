"""
The waiters of one account in one event loop, and how they are served.

Rules of this module:

1. Whoever is served is decided without an await, and in the thread of its own loop (`Queue.serve`).
   A token is drawn only when the other gates are open, so that none is kept and the burst stays
   what it is.
2. A granted slot whose waiter was cancelled before it ran goes straight to the next in line, and
   its token with it.
3. One timer, for the gate that opens next. It is set anew only where the queue is looked at; an
   answer that frees no slot sooner changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import Final

from .. import codes
from .._ports.limiter import Lane, Ticket
from .fork_lock import lock
from .lanes import Line
from .local_account import Account, LocalSlot
from .pacing import Pacer
from .waiter import Waiter, give_up, too_late

__all__ = ["Queue"]

#: Seconds for which a loop lets another go first that does not answer.
_GIVE_WAY: Final = 0.05

_NEVER: Final = math.inf


class Queue:
    """A `LoopQueue`; whatever is not said to run in any thread runs in that of its loop."""

    __slots__ = (
        "__weakref__",
        "_account",
        "_is_serving",
        "_lets_wait",
        "_loop",
        "_pacer",
        "_timer",
        "_woken_at",
        "line",
        "looks_at",
    )

    def __init__(self, account: Account, loop: asyncio.AbstractEventLoop) -> None:
        self._account = account
        self._loop = loop
        self.line: Line[Waiter[LocalSlot]] = Line(account.turns)
        self._pacer = Pacer(account.pace)
        self._timer: asyncio.TimerHandle | None = None
        self._woken_at = _NEVER
        self._is_serving = False
        self._lets_wait = False
        self.looks_at = -_NEVER

    @property
    def waiting(self) -> int:
        return len(self.line) if self._loop.is_running() else 0

    def answers(self, now: float) -> bool:
        return self.waiting > 0 and now < self._woken_at + _GIVE_WAY

    def take_now(self, lane: Lane, longest: float, ticket: Ticket | None) -> LocalSlot | None:
        """Grant a slot where nobody waits and all gates are open: the short way."""
        line, account = self.line, self._account
        with lock:
            if line.sends or line.bulks or (len(account.queues) > 1 and account.is_waited_for()):
                return None
            now, pace = account.clock(), account.pace
            pace.has_token = False  # one that is left over would make the burst larger by one
            # Nothing is paused before the first refusal, and then everything is paced.
            if pace.is_for(lane) and (account.pause.until > now or self._pacer.draw(now) > now):
                return None
            return account.take_free(now, lane, longest, ticket)

    async def wait(
        self, lane: Lane, longest: float, patience: float | None, ticket: Ticket | None
    ) -> LocalSlot:
        """Wait for a slot in line."""
        now = self._account.clock()
        ticket = ticket or Ticket(lane, next(self._account.places))
        waiter: Waiter[LocalSlot] = Waiter(
            self._loop.create_future(), ticket, longest, now, patience
        )
        timer: asyncio.TimerHandle | None = None
        if patience is not None:
            self._refuse_the_hopeless(ticket, now, patience)
            timer = self._loop.call_later(patience, give_up, waiter, patience)
        try:
            self._join(waiter)
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.is_granted:
                waiter.future.result().hand_back()
            raise
        finally:
            self._leave(waiter)
            if timer is not None:
                timer.cancel()

    def serve(self) -> None:
        """Grant whatever may be granted now, and see to it that the next grant is not missed."""
        account = self._account
        with lock:
            self._woken_at = _NEVER
            if account.queues.get(self._loop) is not self:
                account.queue_of(self._loop)  # the loop rested, and runs again
            self._is_serving = True
            try:
                opens = now = account.clock()
                while opens <= now:
                    opens = self._serve_one(now)
                self._look_at(opens, now)
            finally:
                self._is_serving = False
            if self._lets_wait:
                self._lets_wait = False
                account.look_again(now, but=self)

    def look_again(self) -> None:
        if self._loop is _running_loop() and not self._is_serving:
            self.serve()
        elif self._woken_at == _NEVER:
            self._woken_at = self._account.clock()
            with contextlib.suppress(RuntimeError):  # the loop was closed this instant
                self._loop.call_soon_threadsafe(self.serve)

    def let_go_first(self) -> None:
        self._lets_wait = True
        self.look_again()

    def _serve_one(self, now: float) -> float:
        """Grant one, and give *now*; or else give the instant to look again."""
        soonest = _NEVER
        for lane in self._account.turns.order:
            waiter = self.line.first(lane)
            if waiter is None:
                continue
            at = self._opens_at(lane, now)
            if at <= now and len(self._account.queues) > 1:
                at = self._give_way(waiter.ticket, now)
            if at <= now:
                self._grant(waiter, now)
                return now
            soonest = min(soonest, at)
        return soonest

    def _opens_at(self, lane: Lane, now: float) -> float:
        """Say when to ask the gates again; *now* where all are open and a token is drawn."""
        account = self._account
        at = account.opens_at(lane, now)
        if not account.pace.is_for(lane):
            return at
        if at > now:
            account.pace.held_until = at
            return at
        return self._pacer.draw(now)

    def _give_way(self, ticket: Ticket, now: float) -> float:
        """Let another loop go first whose caller is next; say when to ask again, *now* if none."""
        other = self._account.next_before(self, ticket, now)
        if other is None:
            return now
        other.let_go_first()
        return now + _GIVE_WAY

    def _grant(self, waiter: Waiter[LocalSlot], now: float) -> None:
        account, ticket = self._account, waiter.ticket
        lease = account.take(ticket.lane, now, waiter.longest)
        slot = LocalSlot(account, lease, now, waiter.asked_at, ticket.lane, ticket.place)
        waiter.future.set_result(slot)
        waiter.is_counted = False  # who was granted a slot is ahead of nobody
        self.line.leave(waiter)
        account.served(ticket.lane)

    def _look_at(self, at: float, now: float) -> None:
        """Arm the one timer for the next gate that opens."""
        if self._timer is not None:
            if at == self.looks_at:
                return
            self._timer.cancel()
            self._timer = None
        self.looks_at = -_NEVER
        if at < _NEVER:
            self.looks_at = at
            self._timer = self._loop.call_later(at - now, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.serve()

    def _refuse_the_hopeless(self, ticket: Ticket, now: float, patience: float) -> None:
        with lock:
            at = self._account.earliest(now, self.line.ahead_of(ticket))
            is_paused = self._account.pause.until - now >= patience
        if at - now >= patience:
            code = codes.PAUSED if is_paused else codes.WAIT_TOO_LONG
            raise too_late(at - now, patience, code=code)

    def _join(self, waiter: Waiter[LocalSlot]) -> None:
        with lock:
            self.line.add(waiter)
            if self.line.first(waiter.ticket.lane) is waiter:  # else the timer is set already
                self.serve()

    def _leave(self, waiter: Waiter[LocalSlot]) -> None:
        if waiter.is_counted:
            waiter.is_counted = False
            with lock:
                self.line.leave(waiter)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
