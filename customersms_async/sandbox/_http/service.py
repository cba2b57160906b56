"""
Every query and change that a sandbox supports, for Python, HTTP and the page.

Rules of this module:

1. It runs in one event loop and is called only from there.
2. Every change is published to the stream of events.
3. It waits for messages only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

from attrs import define, field

from .._gateway import validation
from .._gateway.clock import MovableClock
from .._gateway.fault_script import FaultStep
from .._gateway.masking import mask_key
from .._gateway.message_query import MessageQuery
from .._gateway.rate_budget import KeyLimit, SandboxUsage
from .._gateway.records import SandboxMessage
from .._gateway.request_handler import HandledRequest, RequestHandler
from .._gateway.transcripts import Transcript, Transcripts
from . import views
from .events import Events

__all__ = ["SandboxService"]

#: How many messages the error of an unsuccessful wait lists.
_SHOWN: Final = 5

_Waiter = tuple[MessageQuery, "asyncio.Future[SandboxMessage]"]


@define(eq=False)
class SandboxService:
    """
    The queries and changes that a sandbox supports.

    Attributes:
        handler: Decides about requests and holds the accounts, limits, faults and mailboxes.
        clock: Dates requests and drives the limit.
        transcripts: Raw requests and answers.
        events: The stream of events.
    """

    handler: RequestHandler
    clock: MovableClock
    transcripts: Transcripts = field(factory=Transcripts)
    events: Events = field(factory=Events)
    _waiters: list[_Waiter] = field(init=False, factory=list[_Waiter])

    def receive(self, body: bytes, head: str = "") -> HandledRequest:
        """Process a request, record it, and wake the waits that it satisfies."""
        handled = self.handler.handle(body, self.clock.now())
        key = handled.request.key
        self.transcripts.add(Transcript(handled.request.id, key, head, body, handled.reply))
        self._publish("request", views.handled_request(self.handler, handled, self.clock.now))
        for query, future in self._waiters:
            found = next(filter(query.matches, handled.messages), None)
            if found is not None and not future.done():
                future.set_result(found)
        return handled

    def note_answered(self, request: int, seconds: float) -> None:
        """Record how long the answer to a request took, in seconds."""
        self.transcripts.note_answered(request, seconds)
        self._publish("answered", lambda: {"id": request, "took": self.transcripts.took(request)})

    def credits(self, key: str) -> int:
        """
        Return the credits left to *key*.

        Raises:
            ValueError: There is no such account.
        """
        accounts = self.handler.accounts.credits
        if key not in accounts:
            msg = f"there is no account {mask_key(key)}; open it with set_credits"
            raise ValueError(msg)
        return accounts[key]

    def set_credits(self, key: str, credits_left: int) -> None:
        """
        Set the credits of *key*; a new key opens an account.

        Raises:
            ValueError: The key is empty, or the credits are not a whole number ≥ 0.
        """
        validation.check_credits(key, credits_left)
        self.handler.accounts.open(key, credits_left)
        self._publish("credits", lambda: views.account(self.handler, key, self.clock.now()))

    def close_account(self, key: str, reason: str | None = None) -> None:
        """Delete a key with all its data; *reason* is added to the error of later requests."""
        self.handler.accounts.close(key, reason)
        self.handler.faults.own.pop(key, None)
        self.clear(key)
        self.handler.limits.forget(key)
        self._publish("closed", lambda: {"account": mask_key(key)})

    def clear(self, key: str | None = None) -> None:
        """Forget messages, requests and scripts, of one key or all."""
        self.handler.mailboxes.clear(key)
        self.transcripts.clear(key)
        self.handler.faults.clear_scripts(key)
        self._publish("clear", lambda: {"account": key and mask_key(key)})

    def set_faults(self, settings: Mapping[str, object], key: str | None = None) -> None:
        """
        Set the faults of one key or of all.

        Raises:
            ValueError: A name is unknown or a value is out of range; nothing has changed.
        """
        self.handler.faults.of(key).change(settings)
        self._publish("faults", lambda: views.faults(self.handler.faults, key))

    def fail_next(self, steps: Iterable[FaultStep], key: str | None = None) -> None:
        """Add steps to the script of one key, or to that of all."""
        self.handler.faults.of(key).script.extend(steps)
        self._publish("faults", lambda: views.faults(self.handler.faults, key))

    def clear_faults(self, key: str | None = None) -> None:
        """Switch off all faults and the latency, for one key or all."""
        self.handler.faults.clear(key)
        self._publish("faults", lambda: views.faults(self.handler.faults, key))

    def set_limit(self, settings: Mapping[str, object], key: str | None = None) -> KeyLimit:
        """
        Limit one key, or all keys without their own limit; earlier requests no longer count.

        Raises:
            ValueError: A name is unknown or a value is out of range; nothing has changed.
        """
        limits = self.handler.limits
        limit = limits.limit_of(key).changed(settings)
        limits.set(limit, key)
        self._publish("limit", lambda: views.limit(limit, key))
        return limit

    def usage(self, key: str) -> SandboxUsage:
        """Return a key's use of its limit."""
        return self.handler.limits.usage(key, self.clock.now())

    def advance(self, seconds: object) -> float:
        """
        Move the clock forward and return the new time.

        Raises:
            ValueError: *seconds* is not a number of at least 0.
        """
        now = self.clock.advance(seconds)
        self._publish("clock", lambda: views.clock(self.clock))
        return now

    async def wait(
        self, query: MessageQuery, seconds: float, *until: asyncio.Future[None]
    ) -> SandboxMessage | None:
        """
        Wait until a matching message is accepted; an earlier one counts too.

        Args:
            query: Which message.

            seconds: How long to wait, ≥ 0.

            until: Futures that also end the wait.

        Returns:
            The oldest match; None if none arrived in time.
        """
        found = self.handler.mailboxes.first(query)
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

    def describe_miss(self, query: MessageQuery, seconds: float) -> str:
        """Describe an unsuccessful wait: what was waited for, and what arrived instead."""
        mailboxes = self.handler.mailboxes
        count = len(mailboxes.of(query.key).messages)
        newest = self.newest(query.key)
        shown = "".join(f"\n  {message.phone}: {message.text!r}" for message in newest)
        return f"no message{query} within {seconds:g} s; {count} arrived{shown}"

    def newest(self, key: str | None) -> list[SandboxMessage]:
        """Return the messages for the error of an unsuccessful wait."""
        return self.handler.mailboxes.newest(_SHOWN, key)

    def _publish(self, kind: str, make_data: Callable[[], object]) -> None:
        self.events.publish(kind, make_data)
