"""
One member of a shared limit: the queue of an account in one event loop.

Theory of operation
===================

Who wants a slot stands in line here. The member as a whole stands in the lines of the store (see
``_limit.lua``), once for each lane, and is told how many of its own may go and when to call again.
So a call serves many, and in a steady run there is one for each grant: what ended is told along
with it, and a bulk run that was served keeps a place for its next request.

Rules of this module:

1. One call at a time. What comes up meanwhile is said in the next one.
2. Single messages are told when the store is away; bulk runs wait until it is back.
3. A granted slot whose waiter was cancelled before it ran goes straight to the next in line.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable

from attrs import evolve

from .. import codes
from .._ports.limiter import Lane, Ticket, Usage
from ..errors import LimiterUnavailable, WaitTooLong
from .lanes import Line
from .pause import REFUSED_BELOW_OUR_COUNT, RateLimitPause
from .redis_messages import Ask, Rules, Told
from .redis_protocol import Dialogue, Grant, How, SharedTicket
from .redis_store import Store
from .waiter import Waiter, give_up, too_late

__all__ = ["Member", "SharedSlot"]

_logger = logging.getLogger("customersms_async")


class SharedSlot:
    """Leave for one request; see `Slot`."""

    __slots__ = ("_member", "grant", "ticket", "waited")

    def __init__(self, member: Member, grant: Grant, ticket: Ticket, asked_at: float) -> None:
        self._member = member
        self.grant = grant
        self.ticket: Ticket = SharedTicket(ticket.lane, ticket.place, grant.place)
        self.waited = grant.heard_at - asked_at

    def answered(self) -> None:
        self._member.ended(self.grant, "answered")

    def lost(self) -> None:
        self._member.ended(self.grant, "lost")

    def unused(self) -> None:
        self._member.ended(self.grant, "unused")

    def refused(self, retry_after: float | None) -> float:
        return self._member.ended(self.grant, "refused", retry_after)


class Member:
    """
    The waiters of one account in one loop.

    Args:
        account: The hash that stands for a key.

        store: Where the limit is kept.

        rules: What holds for every call.

        loop: The loop that all of this runs in.

        clock: Gives the instant in place of the store's own clock, or None.
    """

    def __init__(
        self,
        account: str,
        store: Store,
        rules: Rules,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] | None,
    ) -> None:
        self.line: Line[Waiter[SharedSlot]] = Line()
        self._account = account
        self._store = store
        self._rules = rules
        self._loop = loop
        self._clock = clock
        self._places = itertools.count()
        self._dialogue = Dialogue(secrets.token_hex(6), rules, store.timeout)
        self._pause = RateLimitPause()  # as far as it is known here, for who wants to know at once
        self._has_refused = False  # whether the gateway has turned one of ours away for the rate
        self._has_warned = False  # of somebody else who uses the key
        self._is_store_empty = False  # whether the store has said that it lost its memory
        self._is_closed = False
        self._calling: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(
        self, lane: Lane, longest: float, patience: float | None, ticket: Ticket | None
    ) -> SharedSlot:
        """Wait for a slot."""
        ticket = ticket or Ticket(lane, next(self._places))
        now = self._loop.time()
        waiter: Waiter[SharedSlot] = Waiter(
            self._loop.create_future(), ticket, longest, now, patience
        )
        timer = None
        if patience is not None:
            timer = self._loop.call_later(patience, give_up, waiter, patience)
        self.line.add(waiter)
        self._dialogue.joined(ticket, longest, has_patience=patience is not None)
        try:
            self._plan()
            return await waiter.future
        except asyncio.CancelledError:
            self._hand_back(waiter)
            raise
        finally:
            self._leave(waiter)
            if timer is not None:
                timer.cancel()

    def ended(self, grant: Grant, how: How, retry_after: float | None = None) -> float:
        """A request has ended; give the seconds until the pause ends, as far as is known here."""
        now = self._loop.time()
        if how == "refused":
            self._has_refused = True
            self._pause.refused(now, grant.heard_at, retry_after)
        elif how == "answered":
            self._pause.accepted()
        self._dialogue.ended(grant, how, now, retry_after)
        self._plan()
        return self._pause.until - now

    async def usage(self) -> Usage:
        """
        Say how the account stands.

        Raises:
            LimiterUnavailable: The store does not answer.
        """
        await self.flush()
        told = await self._call(self._dialogue.question(secrets.token_hex(6)))
        now, usage = float(told.now), told.usage
        assert usage is not None  # noqa: S101  # the script answers what it was asked
        free_in = usage.next_free_in
        return Usage(
            limit=self._rules.limit,
            busy=usage.busy,
            in_flight=usage.in_flight,
            waiting=usage.waiting + len(self.line),
            next_free_at=None if free_in is None else now + free_in,
            paused_until=now + told.paused_for if told.paused_for > 0 else None,
            refused_by_others=usage.refused_by_others,
            share=float(self._rules.limit),
        )

    async def flush(self) -> None:
        """Tell the store now how requests ended, if it is there."""
        self._dialogue.flush()
        self._plan()
        if self._calling is not None:
            await asyncio.wait([self._calling])

    async def close(self) -> None:
        """Tell the store how requests ended, and ask it no more; whoever still waits is told."""
        await self.flush()
        self._is_closed = True
        detail = "the limiter was closed"
        for lane in Lane:
            for waiter in self.line.in_order(lane):
                self._refuse(waiter, LimiterUnavailable(codes.LIMITER_UNAVAILABLE, (), detail))

    # --- When to call -----------------------------------------------------------------------------

    def _plan(self) -> None:
        """See to it that the next call is made in time."""
        if self._calling is not None or self._is_closed or self._loop.is_closed():
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._dialogue.next_call_at()
        if at <= self._loop.time():
            self._calling = self._loop.create_task(self._converse())
            self._calling.add_done_callback(self._has_called)
        elif at < float("inf"):
            self._timer = self._loop.call_at(at, self._plan)

    async def _converse(self) -> None:
        while self._dialogue.next_call_at() <= self._loop.time():
            ask = self._dialogue.ask(secrets.token_hex(6), self._loop.time())
            try:
                told = await self._call(ask)
            except LimiterUnavailable as exc:
                self._store_is_away(ask, exc)
            except asyncio.CancelledError:
                self._dialogue.interrupted(ask, self._loop.time())
                raise
            else:
                self._take_in(ask, told)

    async def _call(self, ask: Ask) -> Told:
        if self._clock is not None:
            ask.now = self._clock()
        return await self._store.call(self._account, ask)

    def _has_called(self, _: asyncio.Task[None]) -> None:
        self._calling = None
        self._plan()

    # --- What was answered ------------------------------------------------------------------------

    def _take_in(self, ask: Ask, told: Told) -> None:
        now = self._loop.time()
        is_paused = self._pause.until > now  # by a refusal that came during the call
        self._say_what_is_odd(told)
        self._pause.until = max(self._pause.until, now + told.paused_for)
        for grant in self._dialogue.answered(ask, told, now):
            waiter = self._first_for(grant)
            if waiter is None or is_paused:
                self._dialogue.ended(grant, "unused", now)
            else:
                self._let_go(waiter, grant)
        if ask.wants_forecast:
            self._refuse_the_hopeless(Lane.SEND, told.send.forecast, told.opens_in)
            self._refuse_the_hopeless(Lane.BULK, told.bulk.forecast, told.opens_in)

    def _let_go(self, waiter: Waiter[SharedSlot], grant: Grant) -> None:
        waiter.future.set_result(SharedSlot(self, grant, waiter.ticket, waiter.asked_at))
        self._leave(waiter)

    def _refuse_the_hopeless(self, lane: Lane, forecast: list[float], opens_in: float) -> None:
        """Tell those whose turn comes too late, by the line as it stands."""
        now = self._loop.time()
        waiters = self.line.in_order(lane) if forecast else []
        for number, waiter in enumerate(waiters):
            rounds, place = divmod(number, len(forecast))
            wait = forecast[place] + rounds * self._rules.per
            if waiter.gives_up_at is not None and now + wait >= waiter.gives_up_at:
                why = ", since its store has lost its memory" if opens_in > 0 else ""
                left = max(waiter.gives_up_at - now, 0.0)
                self._refuse(waiter, too_late(wait, left, why))

    def _store_is_away(self, ask: Ask, exc: LimiterUnavailable) -> None:
        if not self._dialogue.is_store_away:
            _logger.warning("%s", exc.detail, extra={"event": "limit.store_away"})
        self._dialogue.failed(ask, self._loop.time())
        for waiter in self.line.in_order(Lane.SEND):
            error = LimiterUnavailable(exc.code, exc.phones, exc.detail)
            error.__cause__ = exc.__cause__
            self._refuse(waiter, error)

    def _say_what_is_odd(self, told: Told) -> None:
        if told.is_shared and self._has_refused and not self._has_warned:
            self._has_warned = True
            _logger.warning(REFUSED_BELOW_OUR_COUNT, extra={"event": "limit.shared"})
        if told.opens_in > 0 and not self._is_store_empty:
            _logger.warning(
                "the store of the limiter knows nothing of account %s: it is new, or has lost its "
                "memory; the next request leaves in %.1f s",
                self._account,
                told.opens_in,
                extra={"event": "limit.store_empty", "account": self._account},
            )
        self._is_store_empty = told.opens_in > 0

    # --- Who leaves -------------------------------------------------------------------------------

    def _refuse(self, waiter: Waiter[SharedSlot], error: WaitTooLong | LimiterUnavailable) -> None:
        waiter.future.set_exception(error)
        self._leave(waiter)

    def _leave(self, waiter: Waiter[SharedSlot]) -> None:
        if waiter.is_counted:
            waiter.is_counted = False
            self.line.leave(waiter)
            self._dialogue.left(waiter.ticket.lane)

    def _hand_back(self, waiter: Waiter[SharedSlot]) -> None:
        """Whoever was granted a slot and cancelled before it ran gives it to the next in line."""
        if not waiter.is_granted:
            return
        now, grant = self._loop.time(), waiter.future.result().grant
        following = self._first_for(grant)
        if following is not None:
            self._let_go(following, evolve(grant, heard_at=now))
        else:
            self._dialogue.ended(grant, "unused", now)
            self._plan()

    def _first_for(self, grant: Grant) -> Waiter[SharedSlot] | None:
        """Give the first in line, if its request ends before the lease."""
        waiter = self.line.first(grant.lane)
        return waiter if waiter and self._dialogue.fits(waiter.longest, grant) else None
