"""
Everything that can be asked of a sandbox and changed in it, whoever asks: Python, HTTP or the page.

Rules of this module:

1. It runs in one event loop; others come in through it.
2. Whatever changes is told to the stream of events.
3. It waits for messages, and for nothing else.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import attrs

from .._gateway import validation as _options
from .._gateway.clock import MovableClock
from .._gateway.fault_script import Step
from .._gateway.mailboxes import Query, SandboxMessage
from .._gateway.masking import masked
from .._gateway.rate_budget import Limit, SandboxUsage
from .._gateway.request_handler import RequestHandler, Visit
from .._gateway.transcripts import Transcript, Transcripts
from . import views as _views
from .events import Events

__all__ = ["SandboxService"]

#: Messages that a wait in vain shows.
SHOWN = 5

_Waiter = tuple[Query, "asyncio.Future[SandboxMessage]"]


@attrs.define(eq=False)
class SandboxService:
    """
    The desk behind the counter.

    Attributes:
        exchange: The gateway.

        clock: Dates requests and counts the limit.

        transcripts: What went over the wire.

        events: What happens.
    """

    exchange: RequestHandler
    clock: MovableClock
    transcripts: Transcripts = attrs.field(factory=Transcripts)
    events: Events = attrs.field(factory=Events)
    _waiters: list[_Waiter] = attrs.field(init=False, factory=list[_Waiter])

    def receive(self, body: bytes, head: str = "") -> Visit:
        """Carry out a request, remember it, and tell whoever waits."""
        visit = self.exchange.handle(body, self.clock.now())
        key = visit.request.key
        self.transcripts.add(Transcript(visit.request.id, key, head, body, visit.reply))
        self._tell("request", _views.visit(self.exchange, visit, self.clock.now))
        for query, future in self._waiters:
            found = next(filter(query.matches, visit.messages), None)
            if found is not None and not future.done():
                future.set_result(found)
        return visit

    def note_answered(self, request: int, seconds: float) -> None:
        """Remember how long the answer to a request took."""
        self.transcripts.note_answered(request, seconds)
        self._tell("answered", lambda: {"id": request, "took": self.transcripts.took(request)})

    def credits(self, key: str) -> int:
        """
        Give the credits that are left to *key*.

        Raises:
            ValueError: There is no such account.
        """
        accounts = self.exchange.gateway.credits
        if key not in accounts:
            raise ValueError(f"there is no account {masked(key)}; open it with set_credits")
        return accounts[key]

    def set_credits(self, key: str, credits_left: int) -> None:
        """
        Set the credits of *key*; a new key opens an account.

        Raises:
            ValueError: The key is empty, or the credits are no whole number ≥ 0.
        """
        _options.check_credits(key, credits_left)
        self.exchange.gateway.credits[key] = credits_left
        self._tell("credits", lambda: _views.account(self.exchange, key, self.clock.now()))

    def close_account(self, key: str) -> None:
        """Forget a key with its credits, messages, requests, faults and limit."""
        self.exchange.gateway.credits.pop(key, None)
        self.exchange.faults.own.pop(key, None)
        self.clear(key)
        self.exchange.limits.forget(key)
        self._tell("closed", lambda: {"account": masked(key)})

    def clear(self, key: str | None = None) -> None:
        """Forget messages, requests and scripts, of one key or all."""
        self.exchange.ledger.clear(key)
        self.transcripts.clear(key)
        self.exchange.faults.clear_scripts(key)
        self._tell("clear", lambda: {"account": key and masked(key)})

    def set_faults(self, settings: Mapping[str, object], key: str | None = None) -> None:
        """
        Set what goes wrong, for one key or all.

        Raises:
            ValueError: A name is unknown or a value cannot be; nothing has changed then.
        """
        self.exchange.faults.of(key).change(settings)
        self._tell("faults", lambda: _views.faults(self.exchange.faults, key))

    def fail_next(self, steps: Iterable[Step], key: str | None = None) -> None:
        """Add steps to the script of one key, or to that of all."""
        self.exchange.faults.of(key).script.extend(steps)
        self._tell("faults", lambda: _views.faults(self.exchange.faults, key))

    def clear_faults(self, key: str | None = None) -> None:
        """Switch all faults off, latency included, for one key or all."""
        self.exchange.faults.clear(key)
        self._tell("faults", lambda: _views.faults(self.exchange.faults, key))

    def set_limit(self, settings: Mapping[str, object], key: str | None = None) -> Limit:
        """
        Limit one key, or all that have no limit of their own; what was counted is forgotten.

        Raises:
            ValueError: A name is unknown or a value cannot be; nothing has changed then.
        """
        limits = self.exchange.limits
        limit = limits.limit_of(key).changed(settings)
        limits.set(limit, key)
        self._tell("limit", lambda: _views.limit(limit, key))
        return limit

    def usage(self, key: str) -> SandboxUsage:
        """Say how a key stands with its limit."""
        return self.exchange.limits.usage(key, self.clock.now())

    def advance(self, seconds: object) -> float:
        """
        Move the clock forward, and give the new instant.

        Raises:
            ValueError: *seconds* is no number of at least 0.
        """
        now = self.clock.advance(seconds)
        self._tell("clock", lambda: _views.clock(self.clock))
        return now

    async def wait(
        self, query: Query, seconds: float, *until: "asyncio.Future[None]"
    ) -> SandboxMessage | None:
        """
        Wait until a message that is meant is accepted; one that is there already counts too.

        Args:
            query: Which message.

            seconds: How long to wait, ≥ 0.

            until: What ends the wait besides.

        Returns:
            The oldest that is meant; none if none came in time.
        """
        found = self.exchange.ledger.first(query)
        if found is not None:
            return found
        future: asyncio.Future[SandboxMessage] = asyncio.get_running_loop().create_future()
        waiter = (query, future)
        self._waiters.append(waiter)
        try:
            await asyncio.wait(
                cast("tuple[asyncio.Future[object], ...]", (future, *until)),
                timeout=seconds,
                return_when="FIRST_COMPLETED",
            )
        finally:
            self._waiters.remove(waiter)
        return future.result() if future.done() else None

    def missed(self, query: Query, seconds: float) -> str:
        """Say that no message came, and what did."""
        ledger = self.exchange.ledger
        count = len(ledger.of(query.key).messages)
        newest = self.newest(query.key)
        shown = "".join(f"\n  {message.phone}: {message.text!r}" for message in newest)
        return f"no message{query} within {seconds:g} s; {count} arrived{shown}"

    def newest(self, key: str | None) -> list[SandboxMessage]:
        """Give the messages that a wait in vain shows."""
        return self.exchange.ledger.newest(SHOWN, key)

    def _tell(self, kind: str, say: Callable[[], object]) -> None:
        self.events.publish(kind, say)
