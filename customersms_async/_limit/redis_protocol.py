"""
What a member of a shared limit says to the store and when, and what it knows from the answers.

Pure: instants of the event loop come in, and nothing here waits or calls. `Member` does.

Rules of this module:

1. How requests ended is told along with the next call. Nobody can use a slot before a whole period
   has passed since, so there is time; but for a slot that was not used, and for a refusal.
2. A call without an answer is made again with the same names for its leases, so that what the
   store granted unheard is granted anew, or is free.
3. Only durations of the member's clock are told; instants are the store's.
"""

from __future__ import annotations

from typing import Final, Literal

from attrs import define, field, frozen

from .._ports.limiter import Lane, Ticket
from .redis_messages import Ask, Ended, Rules, Told, Turn, Wish

__all__ = ["Dialogue", "Grant", "How", "SharedTicket"]

#: How requests ended is told within this part of the period: where nobody waits for a slot, and
#: where somebody does, so that there will be a call anyway.
_TELL_WITHIN: Final = 0.05
_TELL_WITHIN_IF_ANYONE_WAITS: Final = 0.5
#: Seconds between two tries to reach a store that is away: the first, and the longest.
_FIRST_RETRY: Final = 0.1
_LONGEST_RETRY: Final = 5.0
#: Seconds after which something is told that is best told at once, but not before others have run.
_A_MOMENT: Final = 0.005

_NEVER: Final = float("inf")
_AT_ONCE: Final = float("-inf")

How = Literal["answered", "lost", "unused", "refused"]


@frozen
class SharedTicket(Ticket):
    """A place in the queue of a member, with the member's place in the line of the store."""

    shared_place: float


@frozen
class Grant:
    """
    What the store gave.

    Attributes:
        lane: The lane in whose line it was given.
        lease: Its name.
        place: The place in that line.
        longest: The most seconds from the grant to the end of the request.
        granted_at: The instant of the store, exactly as it said it.
        heard_at: The instant of the loop.
    """

    lane: Lane
    lease: str
    place: float
    longest: float
    granted_at: str
    heard_at: float


@frozen
class _End:
    """How a request ended, and the instant of the loop."""

    lease: str
    how: How
    at: float
    granted_at: str | None = None
    retry_after: float | None = None

    def told_at(self, now: float) -> Ended:
        return Ended(
            lease=self.lease,
            how=self.how,
            age=now - self.at,
            granted_at=self.granted_at,
            retry_after=self.retry_after,
        )


@define(eq=False)
class _Standing:
    """
    How the member stands in one line of the store.

    Attributes:
        waiting: How many of the member wait.
        place: Its place, or None where it has none.
        due_at: When it was told to call again.
        longest: The most seconds that a request of who waits can take.
    """

    waiting: int = 0
    place: float | None = None
    due_at: float = _AT_ONCE
    longest: float = 0.0


@define(eq=False)
class Dialogue:
    """
    One member's side of it.

    Attributes:
        name: The member's name, unlike any other's.
        rules: What holds for every call.
        slack: The most seconds between a grant and its being heard.
        is_store_away: Whether the last call had no answer.
    """

    name: str
    rules: Rules
    slack: float
    is_store_away: bool = False
    _lanes: dict[Lane, _Standing] = field(factory=lambda: {lane: _Standing() for lane in Lane})
    _ends: list[_End] = field(factory=list[_End])
    _told: int = 0  # of the ends, how many the call under way tells
    _next_lease: int = 1
    _unheard: int = 0  # so many leases may have been granted in calls without an answer
    _longest: float = 0.0
    _known: Told | None = None
    _heard_at: float = _AT_ONCE
    _has_news: bool = False
    _tells_soon_at: float = _NEVER
    _wants_forecast: bool = False
    _retry: float = 0.0
    _retry_at: float = _AT_ONCE

    # --- What comes up ----------------------------------------------------------------------------

    def joined(self, ticket: Ticket, longest: float, *, has_patience: bool) -> None:
        """Take in that somebody wants a slot."""
        standing = self._lanes[ticket.lane]
        standing.waiting += 1
        standing.longest = max(standing.longest, longest)
        self._longest = max(self._longest, longest)
        self._wants_forecast |= has_patience
        # A bulk run that was served a moment ago has a place already, and was told when to come.
        self._has_news |= ticket.lane is Lane.SEND
        if isinstance(ticket, SharedTicket):
            known = ticket.shared_place if standing.place is None else standing.place
            standing.place = min(known, ticket.shared_place)

    def fits(self, longest: float, grant: Grant) -> bool:
        """Whether a request that takes so long ends before the lease; it may have come since."""
        return longest + self.slack <= grant.longest

    def left(self, lane: Lane) -> None:
        """Take in that somebody wants it no longer, or has it."""
        standing = self._lanes[lane]
        standing.waiting -= 1
        if not standing.waiting:
            standing.longest = 0.0

    def ended(self, grant: Grant, how: How, now: float, retry_after: float | None = None) -> None:
        """Take in how a request ended."""
        granted_at = grant.granted_at if how == "refused" else None
        self._ends.append(_End(grant.lease, how, now, granted_at, retry_after))
        if how in ("refused", "unused"):
            # Not at once: whoever was cancelled, the event loop itself may be ending, and a call
            # that begins now would be left behind.
            self._tells_soon_at = min(self._tells_soon_at, now + _A_MOMENT)

    def flush(self) -> None:
        """Let what is not told yet be told at once."""
        self._has_news |= bool(self._ends)

    # --- When to call -----------------------------------------------------------------------------

    def next_call_at(self) -> float:
        """Say when the next call is to be made; infinity where there is nothing to say."""
        if self._has_news:
            return _AT_ONCE
        due = [its.due_at for its in self._lanes.values() if its.waiting]
        if self._ends:
            due += [self._tell_by(), self._tells_soon_at]
        if self._unheard:
            due.append(_AT_ONCE)
        return max(min(due), self._retry_at) if due else _NEVER

    def _tell_by(self) -> float:
        is_waiting = any(standing.waiting for standing in self._lanes.values())
        part = _TELL_WITHIN_IF_ANYONE_WAITS if is_waiting else _TELL_WITHIN
        return self._ends[0].at + self.rules.per * part

    # --- What is said -----------------------------------------------------------------------------

    def question(self, call: str) -> Ask:
        """Ask how the account stands, and change nothing."""
        return Ask(
            member=self.name,
            call=call,
            longest=self._longest + self.slack,
            first_lease=self._next_lease,
            is_question=True,
        )

    def ask(self, call: str, now: float) -> Ask:
        """Make the call that is due."""
        ask = Ask(
            member=self.name,
            call=call,
            longest=self._longest + self.slack,
            first_lease=self._next_lease,
            unheard=self._unheard,
            send=self._wish(Lane.SEND, now),
            bulk=self._wish(Lane.BULK, now),
            ended=[end.told_at(now) for end in self._ends],
            wants_forecast=self._wants_forecast,
        )
        if self._known is not None and now - self._heard_at < self._look_back:
            ask.generation, ask.sequence = self._known.generation, self._known.sequence
        self._told = len(self._ends)
        self._has_news = self._wants_forecast = False
        self._tells_soon_at = _NEVER
        return ask

    @property
    def _look_back(self) -> float:
        """For how long a grant matters, at the most."""
        rules = self.rules
        return self._longest + self.slack + rules.grace + rules.per + rules.margin

    def _wish(self, lane: Lane, now: float) -> Wish | None:
        standing = self._lanes[lane]
        is_served = standing.waiting > 0 or standing.due_at > now
        more = int(lane is Lane.BULK and is_served)  # a run that is served asks again
        if not standing.waiting and not more:
            return None
        return Wish(
            waiting=standing.waiting,
            more=more,
            longest=standing.longest + self.slack,
            place=standing.place,
        )

    # --- What was answered ------------------------------------------------------------------------

    def answered(self, ask: Ask, told: Told, now: float) -> list[Grant]:
        """Take in an answer; give what was granted, in its order."""
        del self._ends[: self._told]
        self._known, self._heard_at = told, now
        self.is_store_away, self._retry, self._retry_at = False, 0.0, _AT_ONCE
        grants = [
            Grant(lane, f"{self.name}:{number}", place, wish.longest, told.now, now)
            for lane, wish, turn in self._turns(ask, told)
            for number, place in turn.granted
            if wish is not None
        ]
        for lane, _, turn in self._turns(ask, told):
            standing = self._lanes[lane]
            standing.place = turn.place
            standing.due_at = _AT_ONCE if turn.wait is None else now + turn.wait
        self._next_lease += max(len(grants), self._unheard)
        self._unheard = 0
        return grants

    @staticmethod
    def _turns(ask: Ask, told: Told) -> tuple[tuple[Lane, Wish | None, Turn], ...]:
        return (Lane.SEND, ask.send, told.send), (Lane.BULK, ask.bulk, told.bulk)

    def failed(self, ask: Ask, now: float) -> None:
        """Take in that the store is away."""
        self.is_store_away = True
        self._retry = min(max(2 * self._retry, _FIRST_RETRY), _LONGEST_RETRY)
        self._retry_at = now + self._retry
        self._has_no_answer(ask)

    def interrupted(self, ask: Ask, now: float) -> None:
        """Take in that the call was cancelled."""
        self._retry_at = now + _A_MOMENT
        self._has_no_answer(ask)

    def _has_no_answer(self, ask: Ask) -> None:
        self._unheard = max(self._unheard, min(ask.wanted, self.rules.limit))
