"""
One account of a `LocalLimiter`: its gates, which all event loops share.

Theory of operation
===================

Each account has one `Window`, shared by every thread and event loop under a lock, and in each
loop a queue (`_serving`). Three gates are asked in this order before anybody is let go:

1. the *pause*: nothing leaves before the instant that a refusal for the rate has set;
2. the *pace*: bulk runs leave at the rate of a token bucket, just under the limit. Messages of
   `CustomerSMS.send` pass it, until the account is first refused for its rate;
3. the *window*: the proof that the cap holds (see `_window`).

Rules of this module:

1. Queues of several loops are served as one: a queue lets the loop go first whose caller is next,
   unless that one does not answer.
2. A loop that is closed, or dropped, with waiters or grants hurts nobody: leases end by themselves,
   and what does not run is neither counted nor waited for, and not kept alive for long.
3. A forked child has the window, the pause and the pace of its parent, and none of its queues.
"""

from __future__ import annotations

import itertools
import logging
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from attrs import define, field

from .._ports.limiter import Lane, Ticket, Usage
from .fork_lock import forget_in_children, lock
from .lanes import Line, Turns
from .pacing import Pace
from .pause import REFUSED_BELOW_OUR_COUNT, RateLimitPause
from .window import Window

__all__ = ["Account", "LocalSlot", "LoopQueue"]

_logger = logging.getLogger("customersms_async")

_SEND: Final = Lane.SEND


class LoopQueue(Protocol):
    """
    The queue of one account in one event loop.

    Attributes:
        looks_at: When it looks at its gates by itself; minus infinity where nobody waits.
        line: Its callers in line, whether the loop runs or not.
        waiting: Callers that wait; in a loop that does not run, nobody does.
    """

    @property
    def looks_at(self) -> float: ...
    @property
    def line(self) -> Line[Any]: ...
    @property
    def waiting(self) -> int: ...

    def take_now(self, lane: Lane, longest: float, ticket: Ticket | None) -> LocalSlot | None:
        """Grant a slot where nobody waits and all gates are open."""
        ...

    async def wait(
        self, lane: Lane, longest: float, patience: float | None, ticket: Ticket | None
    ) -> LocalSlot:
        """Wait in line for a slot."""
        ...

    def answers(self, now: float) -> bool:
        """Whether somebody waits, and the loop looks soon when it is woken."""
        ...

    def look_again(self) -> None:
        """Look at the gates: at once in the thread of the loop, soon from any other."""
        ...

    def let_go_first(self) -> None:
        """Look at the gates soon, and then let the other loops look."""
        ...


@define(eq=False, kw_only=True)
class Account:
    """What all loops share of one key. Hold the lock, but for `look_again`, `refused`, `usage`."""

    pace: Pace
    reserve: int
    clock: Callable[[], float]
    window: Window
    make_queue: Callable[[Account, AbstractEventLoop], LoopQueue]
    pause: RateLimitPause = field(factory=RateLimitPause, init=False)
    refused_by_others: int = field(default=0, init=False)
    places: itertools.count[int] = field(factory=itertools.count, init=False)
    turns: Turns = field(factory=Turns, init=False)
    # Replaced and never changed, since other threads walk it without the lock.
    queues: dict[AbstractEventLoop, LoopQueue] = field(
        factory=dict[AbstractEventLoop, LoopQueue], init=False
    )
    # By the id of its loop, for as long as somebody waits in it.
    _resting: WeakValueDictionary[int, LoopQueue] = field(
        factory=WeakValueDictionary[int, LoopQueue], init=False
    )

    def __attrs_post_init__(self) -> None:
        forget_in_children(self)

    def queue_of(self, loop: AbstractEventLoop) -> LoopQueue:
        """Give the queue of the running *loop*, and let go of loops that do not run."""
        with lock:
            queue = self._resting.pop(id(loop), None) or self.make_queue(self, loop)
            running = {known: each for known, each in self.queues.items() if known.is_running()}
            for known in self.queues.keys() - running.keys():
                self._resting[id(known)] = self.queues[known]
            self.queues = {**running, loop: queue}
        return queue

    def take_at_once(self, lane: Lane, longest: float, ticket: Ticket | None) -> LocalSlot | None:
        """
        Grant a slot where nobody waits in any loop and no token is asked for: the short way.

        It is left where a loop has ended as well, which `queue_of` lets go of.
        """
        with lock:
            if self.pace.is_for(lane):
                return None  # a token is drawn from the bucket of a loop
            for loop, queue in self.queues.items():
                if queue.line.sends or queue.line.bulks or not loop.is_running():
                    return None
            return self.take_free(self.clock(), lane, longest, ticket)

    def take_free(
        self, now: float, lane: Lane, longest: float, ticket: Ticket | None
    ) -> LocalSlot | None:
        """Grant a slot where the window has one; nobody waits."""
        self.turns.sends_in_a_row = 0  # no bulk run is passed by
        lease = self.window.take(now, longest, self.spare_for(lane))
        if not lease:
            return None
        self.pace.has_token = False
        place = ticket.place if ticket else next(self.places)
        return LocalSlot(self, lease, now, now, lane, place)

    def spare_for(self, lane: Lane) -> int:
        """Say how many slots *lane* leaves: none if it has its turn, or bulk runs would starve."""
        return 0 if lane is _SEND or self.turns.order[0] is lane else self.reserve

    def opens_at(self, lane: Lane, now: float) -> float:
        """Say when pause and window let *lane* through; *now* where they do."""
        at = self.window.opens_at(now, self.spare_for(lane))
        return at if at > self.pause.until else max(self.pause.until, now)

    def take(self, lane: Lane, now: float, longest: float) -> int:
        """Take a slot, and the token where *lane* is paced, once all gates are open."""
        lease = self.window.take(now, longest, self.spare_for(lane))
        if lease and self.pace.is_for(lane):
            self.pace.spent(now)
        return lease

    def earliest(self, now: float, ahead: int) -> float:
        """Say when a newcomer behind *ahead* others could go at the earliest."""
        at = max(self.pause.until, self.window.earliest(now, ahead))
        if self.pace.was_refused:  # then everyone is paced, one by one
            at = max(at, now + ahead * self.pace.interval)
        return at

    def is_waited_for(self) -> bool:
        """Whether anybody waits, in whatever loop that runs."""
        return any(queue.waiting for queue in self.queues.values())

    def served(self, lane: Lane) -> None:
        """Note who was served, for the bulk runs' share."""
        bulks = 0
        for queue in self.queues.values():
            bulks += queue.line.bulks
        self.turns.served(lane, bulks)

    def next_before(self, own: LoopQueue, ticket: Ticket, now: float) -> LoopQueue | None:
        """Give the queue of another loop whose first goes before *ticket*, where one answers."""
        for queue in self.queues.values():
            if queue is not own and queue.answers(now) and self._goes_before(queue, ticket, now):
                return queue
        return None

    def _goes_before(self, queue: LoopQueue, ticket: Ticket, now: float) -> bool:
        """Whether the first of *queue* goes before *ticket*, for which all gates are open."""
        ahead = self.turns.order[0]
        if ahead is not ticket.lane and queue.line.first(ahead) and self._may_go(ahead, now):
            return True
        first = queue.line.first(ticket.lane)
        return first is not None and first.ticket.place < ticket.place

    def _may_go(self, lane: Lane, now: float) -> bool:
        has_token = self.pace.has_token or not self.pace.is_for(lane)
        return has_token and self.opens_at(lane, now) <= now

    def look_again(self, at: float, but: LoopQueue | None = None) -> None:
        """A slot comes free at this instant: let every queue know that would look later."""
        for queue in self.queues.values():
            if queue.looks_at > at and queue is not but:
                queue.look_again()

    def refused(self, lease: int, granted_at: float, retry_after: float | None) -> float:
        """Hold everyone back; give the seconds until the pause ends."""
        with lock:
            now = self.clock()
            is_ours = self.window.busy(now) >= self.window.rate.limit
            until = self.window.answered(lease, now)
            self.pause.refused(now, granted_at, retry_after)
            self.pace.refused(now)
            self.refused_by_others += not is_ours
            is_first = self.refused_by_others == 1 and not is_ours
            seconds = self.pause.until - now
        if is_first:
            _logger.warning(REFUSED_BELOW_OUR_COUNT, extra={"event": "limit.shared"})
        self.look_again(until)
        return seconds

    def usage(self) -> Usage:
        with lock:
            now = self.clock()
            return Usage(
                limit=self.window.rate.limit,
                busy=self.window.busy(now),
                in_flight=self.window.in_flight,
                waiting=sum(queue.waiting for queue in self.queues.values()),
                next_free_at=self.window.next_free_at(now),
                paused_until=self.pause.until if self.pause.until > now else None,
                refused_by_others=self.refused_by_others,
            )

    def forget_loops(self) -> None:
        """Begin without the queues of the parent: this is a forked child."""
        self.queues = {}
        self._resting = WeakValueDictionary()
        self.pace.has_token = False


class LocalSlot:
    """Leave for one request; see `Slot`."""

    __slots__ = ("_account", "_lane", "_lease", "_place", "asked_at", "granted_at")

    def __init__(  # noqa: PLR0917  # by position in the one hot path, where a keyword costs
        self,
        account: Account,
        lease: int,
        granted_at: float,
        asked_at: float,
        lane: Lane,
        place: int,
    ) -> None:
        self._account = account
        self._lease = lease
        self._lane = lane
        self._place = place
        self.granted_at = granted_at
        self.asked_at = asked_at

    @property
    def ticket(self) -> Ticket:
        return Ticket(self._lane, self._place)

    @property
    def waited(self) -> float:
        return self.granted_at - self.asked_at

    def answered(self) -> None:
        account = self._account
        with lock:
            until = account.window.answered(self._lease, account.clock())
            if account.pace.was_refused:
                account.pause.accepted()
        for queue in account.queues.values():  # as `look_again`, without a call for nothing
            if queue.looks_at > until:
                queue.look_again()

    def lost(self) -> None:
        account = self._account
        with lock:
            until = account.window.lost(self._lease, account.clock())
        account.look_again(until)

    def unused(self) -> None:
        account = self._account
        with lock:
            account.window.unused(self._lease)
        account.look_again(account.clock())

    def refused(self, retry_after: float | None) -> float:
        return self._account.refused(self._lease, self.granted_at, retry_after)

    def hand_back(self) -> None:
        """The caller was cancelled before it ran: let the next in line have slot and token."""
        account = self._account
        with lock:
            account.pace.has_token |= account.pace.is_for(self._lane) and account.is_waited_for()
        self.unused()
