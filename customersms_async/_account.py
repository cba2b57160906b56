"""
One account of a `LocalLimiter`: its gates, and in each event loop a queue.

Theory of operation
===================

Each account has one `Window`, shared by every thread and event loop under a lock, and in each
loop a queue. A queue asks three gates in this order before it lets the first in line go:

1. the *pause*: nothing leaves before the instant that a refusal for the rate has set;
2. the *pacer*: bulk runs leave at the rate of a token bucket, just under the limit. Messages of
   `CustomerSMS.send` pass it, until the account is first refused for its rate;
3. the *window*: the proof that the cap holds (see `_window`).

Rules of this module:

1. Whoever is served is decided without an await (`Queue.serve`). What has to be awaited, the
   token bucket alone, is awaited by one task per queue, since aiolimiter orders its own waiters
   by amount and not by arrival. A token is drawn only when the other gates are open, so that no
   token is kept and the burst stays what it is.
2. A granted slot whose waiter was cancelled before it ran goes straight to the next in line.
3. A loop that is closed, or dropped, with waiters or grants hurts nobody: leases end by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from collections.abc import Callable

from attrs import define, field

from . import codes
from ._pacing import Pace, Pacer
from ._ports import Lane, Ticket, Usage
from ._queueing import Line
from ._retrying import Pause
from ._window import Window
from .errors import WaitTooLong

__all__ = ["Account", "LocalSlot", "Queue"]

_logger = logging.getLogger("customersms_async")


@define(eq=False, kw_only=True)
class Account:
    """What all loops share of one key; `lock` guards the window and the pause."""

    pace: Pace
    reserve: int
    clock: Callable[[], float]
    window: Window
    lock: threading.Lock = field(factory=threading.Lock)
    pause: Pause = field(factory=Pause)
    refused_by_others: int = 0
    places: itertools.count[int] = field(factory=itertools.count)
    queues: dict[asyncio.AbstractEventLoop, Queue] = field(
        factory=dict[asyncio.AbstractEventLoop, "Queue"]
    )

    def open_queue(self, loop: asyncio.AbstractEventLoop) -> Queue:
        """Make the queue of *loop*, which has none yet; only its own thread calls this."""
        queue = Queue(self, loop)
        with self.lock:
            for closed in [known for known in self.queues if known.is_closed()]:
                del self.queues[closed]
            self.queues[loop] = queue
        return queue

    def take(self, lane: Lane, now: float, longest: float) -> int:
        """Take a slot where pause and window let *lane* through; 0 where they do not."""
        with self.lock:
            if self.pause.until > now:
                return 0
            return self.window.take(now, longest, self.reserve if lane is Lane.BULK else 0)

    def opens_at(self, lane: Lane, now: float) -> float:
        """Say when pause and window let *lane* through; *now* where they do. Hold the lock."""
        spare = self.reserve if lane is Lane.BULK else 0
        return max(self.pause.until, self.window.opens_at(now, spare), now)

    def earliest(self, now: float, ahead: int) -> float:
        """Say when a newcomer behind *ahead* others could go at the earliest. Hold the lock."""
        at = max(self.pause.until, self.window.earliest(now, ahead))
        if self.pace.was_refused:  # then everyone is paced, one by one
            at = max(at, now + ahead * self.pace.slow_interval)
        return at

    def refused(self, lease: int, granted_at: float, retry_after: float | None) -> float:
        """Hold everyone back; give the seconds until the pause ends."""
        now = self.clock()
        with self.lock:
            is_ours = self.window.busy(now) >= self.window.rate.limit
            self.window.answered(lease, now)
            self.pause.refused(now, granted_at, retry_after)
            self.pace.was_refused = True
            self.refused_by_others += not is_ours
            is_first = self.refused_by_others == 1 and not is_ours
        if is_first:
            _logger.warning(
                "the gateway refused for the rate below our own count: somebody else uses the key",
                extra={"event": "limit.shared"},
            )
        return self.pause.until - now

    def wake_others(self, own: Queue) -> None:
        """Let the queues of other loops look at their gates again."""
        for queue in list(self.queues.values()):
            if queue is not own:
                queue.wake()

    def usage(self) -> Usage:
        now = self.clock()
        with self.lock:
            return Usage(
                limit=self.window.rate.limit,
                busy=self.window.busy(now),
                in_flight=self.window.in_flight,
                waiting=sum(queue.waiting for queue in self.queues.values()),
                next_free_at=self.window.next_free_at(now),
                paused_until=self.pause.until if self.pause.until > now else None,
                refused_by_others=self.refused_by_others,
            )


class _Waiter:
    """A caller in the queue."""

    __slots__ = ("asked_at", "future", "is_counted", "longest", "ticket")

    def __init__(
        self, future: asyncio.Future[LocalSlot], ticket: Ticket, longest: float, asked_at: float
    ) -> None:
        self.future = future
        self.ticket = ticket
        self.longest = longest
        self.asked_at = asked_at
        self.is_counted = True

    @property
    def has_left(self) -> bool:
        return self.future.done()


class LocalSlot:
    """Leave for one request; see `Slot`."""

    __slots__ = ("_lane", "_lease", "_place", "_queue", "asked_at", "granted_at", "used_token")

    def __init__(  # noqa: PLR0917  # by position in the one hot path, where a keyword costs
        self,
        queue: Queue,
        lease: int,
        granted_at: float,
        asked_at: float,
        lane: Lane,
        place: int,
    ) -> None:
        self._queue = queue
        self._lease = lease
        self._lane = lane
        self._place = place
        self.granted_at = granted_at
        self.asked_at = asked_at
        self.used_token = False

    @property
    def ticket(self) -> Ticket:
        return Ticket(self._lane, self._place)

    @property
    def waited(self) -> float:
        return self.granted_at - self.asked_at

    def answered(self) -> None:
        queue = self._queue
        account = queue.account
        with account.lock:
            account.window.answered(self._lease, account.clock())
            account.pause.accepted()
        queue.look_again()

    def lost(self) -> None:
        account, now = self._queue.account, self._queue.account.clock()
        with account.lock:
            account.window.lost(self._lease, now)
        self._queue.look_again()

    def unused(self) -> None:
        account = self._queue.account
        with account.lock:
            account.window.unused(self._lease)
        self._queue.look_again()

    def refused(self, retry_after: float | None) -> float:
        seconds = self._queue.account.refused(self._lease, self.granted_at, retry_after)
        self._queue.look_again()
        return seconds


class Queue:
    """The waiters of one account in one loop; all but `wake` runs in that loop's thread."""

    def __init__(self, account: Account, loop: asyncio.AbstractEventLoop) -> None:
        self.account = account
        self.line: Line[_Waiter] = Line()
        self._loop = loop
        self._pacer = Pacer(account.pace)
        self._drawing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_woken = False

    @property
    def waiting(self) -> int:
        """Count the callers that wait; in a loop that was closed, nobody does any more."""
        return 0 if self._loop.is_closed() else len(self.line)

    def take_now(self, lane: Lane, longest: float) -> LocalSlot | None:
        """Grant a slot where nobody waits and no token is asked for: the short way."""
        line, account = self.line, self.account
        if line.sends or line.bulks or account.pace.is_for(lane):
            return None
        now = account.clock()
        lease = account.take(lane, now, longest)
        return LocalSlot(self, lease, now, now, lane, next(account.places)) if lease else None

    async def acquire(
        self, lane: Lane, longest: float, patience: float | None, ticket: Ticket | None
    ) -> LocalSlot:
        asked_at = self.account.clock()
        ticket = ticket or Ticket(lane, next(self.account.places))
        if not self.line:
            if self.account.pace.is_for(lane) and self._opens_at(lane, asked_at) <= asked_at:
                await self._pacer.draw_if_ready()
            if slot := self._take(ticket, longest, asked_at, asked_at):
                return slot
        self._refuse_the_hopeless(ticket, asked_at, patience)
        return await self._wait(
            _Waiter(self._loop.create_future(), ticket, longest, asked_at), patience
        )

    def serve(self) -> None:
        """Grant whatever may be granted now, and see to it that the next grant is not missed."""
        self._is_woken = False
        while self._serve_one():
            pass
        if not self.line:
            self._pacer.has_token = False  # kept, it would make the next burst larger by one

    def look_again(self) -> None:
        """A slot has ended: serve here, and let the other loops look."""
        is_closed = self._loop.is_closed()
        if (self.line.sends or self.line.bulks) and not is_closed:
            self.serve()
        if is_closed or len(self.account.queues) > 1:
            self.account.wake_others(self)

    def wake(self) -> None:
        """Serve soon; from any thread."""
        if self._is_woken or not self.waiting:
            return
        self._is_woken = True
        with contextlib.suppress(RuntimeError):  # the loop was closed this instant
            self._loop.call_soon_threadsafe(self.serve)

    def _serve_one(self) -> bool:
        now = self.account.clock()
        wants_token = False
        for waiter in self.line.firsts():
            lane = waiter.ticket.lane
            if slot := self._take(waiter.ticket, waiter.longest, waiter.asked_at, now):
                waiter.future.set_result(slot)
                self._leave(waiter)
                self.line.served(lane)
                return True
            if self.account.pace.is_for(lane) and not self._pacer.has_token:
                wants_token |= self._opens_at(lane, now) <= now
        self._come_back(now, wants_token=wants_token)
        return False

    def _take(
        self, ticket: Ticket, longest: float, asked_at: float, now: float
    ) -> LocalSlot | None:
        """Ask the gates and go through them at once, or not at all."""
        account, pacer = self.account, self._pacer
        is_paced = account.pace.is_for(ticket.lane)
        if is_paced and not pacer.has_token:
            return None
        lease = account.take(ticket.lane, now, longest)
        if not lease:
            return None
        slot = LocalSlot(self, lease, now, asked_at, ticket.lane, ticket.place)
        if is_paced:
            slot.used_token, pacer.has_token = True, False
        return slot

    def _opens_at(self, lane: Lane, now: float) -> float:
        with self.account.lock:
            return self.account.opens_at(lane, now)

    def _come_back(self, now: float, *, wants_token: bool) -> None:
        """Arm the one timer for the next gate that opens, or draw the next token."""
        if wants_token and self._drawing is None:
            self._drawing = self._loop.create_task(self._draw())
        opens = [self._opens_at(waiter.ticket.lane, now) for waiter in self.line.firsts()]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if later := [at for at in opens if at > now]:
            self._timer = self._loop.call_later(min(later) - now, self.serve)

    async def _draw(self) -> None:
        try:
            await self._pacer.draw()
        finally:
            self._drawing = None
        self.serve()

    def _refuse_the_hopeless(self, ticket: Ticket, now: float, patience: float | None) -> None:
        if patience is None:
            return
        with self.account.lock:
            at = self.account.earliest(now, self.line.ahead_of(ticket))
        if at - now >= patience:
            detail = (
                f"its turn comes in {at - now:.1f} s at the earliest, and {patience:.1f} s are left"
            )
            raise WaitTooLong(codes.WAIT_TOO_LONG, (), detail)

    async def _wait(self, waiter: _Waiter, patience: float | None) -> LocalSlot:
        self.line.add(waiter)
        timer: asyncio.TimerHandle | None = None
        if patience is not None:
            timer = self._loop.call_later(patience, _give_up, waiter.future, patience)
        try:
            self.serve()
            return await waiter.future
        except asyncio.CancelledError:
            self._hand_back(waiter.future)
            raise
        finally:
            self._leave(waiter)
            if timer is not None:
                timer.cancel()

    def _leave(self, waiter: _Waiter) -> None:
        """Count *waiter* no longer: whoever was granted a slot is ahead of nobody."""
        if waiter.is_counted:
            waiter.is_counted = False
            self.line.leave(waiter)

    def _hand_back(self, future: asyncio.Future[LocalSlot]) -> None:
        """Whoever was granted a slot and cancelled before it ran gives it to the next in line."""
        if not future.cancelled() and future.exception() is None:
            slot = future.result()
            self._pacer.has_token |= slot.used_token and len(self.line) > 0
            self._loop.call_soon(slot.unused)


def _give_up(future: asyncio.Future[LocalSlot], patience: float) -> None:
    if not future.done():
        detail = f"its turn did not come within {patience:.1f} s"
        future.set_exception(WaitTooLong(codes.WAIT_TOO_LONG, (), detail))
