"""
The accounts: who may send, what is accepted, and what it costs.

Rules of this module:

1. No clock, no randomness, no network: the time is passed in with the request.
2. A message is accepted, paid for and given its id in one step, or not at all.
3. An array is processed in order; once credits run out, the remaining entries fail.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from attrs import define, evolve, field, frozen

from .documented_answers import (
    INSUFFICIENT_CREDITS,
    INVALID_API_KEY,
    INVALID_PHONE_NUMBER,
    Entry,
    GatewayRefusal,
    failed,
    missing,
    sent,
    too_many,
)
from .records import SandboxMessage
from .request_parser import ParsedRequest

__all__ = [
    "MOST_CLOSED",
    "MOST_NUMBERS",
    "Accounts",
    "Price",
    "ReceivedRequest",
    "SendResult",
]

#: Returns the price of a message in credits, by its text.
Price = Callable[[str], int]

#: The number of the first message id; the documentation's example begins with ``msg_123456``.
_FIRST_ID: Final = 123_456

#: The most numbers in one request. Each takes about 20 µs, during which no other request is
#: answered; the documentation names no limit.
MOST_NUMBERS: Final = 10_000

#: How many closed accounts have their reason kept.
MOST_CLOSED: Final = 10_000

_is_e164 = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch


@frozen
class ReceivedRequest:
    """
    A request that has arrived.

    Attributes:
        parsed: Its content.
        id: Its id.
        at: When it arrived, in seconds of the sandbox's clock.
        rejected: The numbers to refuse, each with its refusal.
    """

    parsed: ParsedRequest
    id: int
    at: float
    rejected: Mapping[str, GatewayRefusal] = field(factory=dict[str, GatewayRefusal])


@frozen
class SendResult:
    """
    What became of a request that was carried out.

    Attributes:
        entries: One entry per number, in the order of the request.
        messages: The accepted messages.
        remaining: Credits left.
    """

    entries: list[Entry]
    messages: list[SandboxMessage]
    remaining: int


@define(eq=False)
class Accounts:
    """
    The accounts, and what becomes of their requests.

    Attributes:
        credits: Credits left, by key.
        price: Returns the price of a message, by its text.
        most_numbers: The most numbers in one request.
        closed: Why an account was closed, by key; part of the answer to later requests with it.
    """

    credits: dict[str, int] = field(repr=False)
    price: Price
    most_numbers: int = MOST_NUMBERS
    closed: dict[str, str] = field(init=False, repr=False, factory=dict[str, str])
    _ids: Iterator[int] = field(init=False, repr=False, factory=lambda: itertools.count(_FIRST_ID))

    def refuse_sender(self, parsed: ParsedRequest) -> GatewayRefusal | None:
        """Refuse a request that cannot be read or whose key has no account."""
        if parsed.problem is not None:
            return parsed.problem
        if not parsed.key:
            return missing("api_key")
        return None if parsed.key in self.credits else self._unknown_key(parsed.key)

    def _unknown_key(self, key: str) -> GatewayRefusal:
        reason = self.closed.get(key)
        if reason is None:
            return INVALID_API_KEY
        return evolve(INVALID_API_KEY, error=f"{INVALID_API_KEY.error}: {reason}")

    def open(self, key: str, credits_left: int) -> None:
        """Set the credits of an account, new or not."""
        self.credits[key] = credits_left
        self.closed.pop(key, None)

    def close(self, key: str, reason: str | None) -> None:
        """Forget an account, but keep its *reason* if there is one; old ones are dropped first."""
        self.credits.pop(key, None)
        if reason is not None:
            self.closed[key] = reason
        while len(self.closed) > MOST_CLOSED:
            del self.closed[next(iter(self.closed))]

    def refuse_request(self, parsed: ParsedRequest) -> GatewayRefusal | None:
        """
        Refuse a request that lacks a field, has too many numbers, or exceeds the credits entirely.

        Raises:
            ValueError: The function ``price`` did not return a price.
        """
        if not parsed.phones:
            return missing("phone")
        if len(parsed.phones) > self.most_numbers:
            return too_many(self.most_numbers)
        if not parsed.text:
            return missing("message")
        price = self._price_of(parsed.text)
        return INSUFFICIENT_CREDITS if self.credits[parsed.key] < price else None

    def carry_out(self, received: ReceivedRequest) -> SendResult:
        """Carry out a request that `refuse_request` has passed."""
        messages: list[SandboxMessage] = []
        price = self._price_of(received.parsed.text)
        entries = [
            self._entry(phone, price, received, messages) for phone in received.parsed.phones
        ]
        return SendResult(entries, messages, self.credits[received.parsed.key])

    def _price_of(self, text: str) -> int:
        price: object = self.price(text)
        if isinstance(price, int) and not isinstance(price, bool) and price >= 0:
            return price
        msg = f"the function price must return a whole number of at least 0, not {price!r}"
        raise ValueError(msg)

    def _entry(
        self, phone: str, price: int, received: ReceivedRequest, messages: list[SandboxMessage]
    ) -> Entry:
        refusal = self._refusal(phone, price, received)
        if refusal is not None:
            return failed(phone, refusal)
        parsed = received.parsed
        self.credits[parsed.key] -= price
        message_id = f"msg_{next(self._ids)}"
        messages.append(
            SandboxMessage(phone, parsed.text, message_id, parsed.key, received.at, received.id)
        )
        return sent(phone, message_id)

    def _refusal(self, phone: str, price: int, received: ReceivedRequest) -> GatewayRefusal | None:
        if phone in received.rejected:
            return received.rejected[phone]
        if not _is_e164(phone):
            return INVALID_PHONE_NUMBER
        return INSUFFICIENT_CREDITS if self.credits[received.parsed.key] < price else None
