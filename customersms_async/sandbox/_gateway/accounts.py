"""
Accounts: who may send, what is accepted, and what it costs.

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

import msgspec
from attrs import define, evolve, field, frozen

from .answers import (
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
from .mailboxes import SandboxMessage
from .masking import masked

__all__ = [
    "MOST_CLOSED",
    "MOST_NUMBERS",
    "Gateway",
    "Order",
    "OrderJob",
    "OrderResult",
    "Price",
    "read_order",
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
class _Body:
    api_key: str = ""
    phone: str | list[str] = ""
    message: str = ""


@frozen
class Order:
    """
    The content of a request.

    Attributes:
        key: The key, empty if missing; masked in the repr.
        phones: The numbers, each as it was written.
        text: The text, empty if missing.
        problem: Why the body could not be read; the other fields are empty then.
    """

    key: str = field(default="", repr=masked)
    phones: tuple[str, ...] = ()
    text: str = ""
    problem: GatewayRefusal | None = None


@frozen
class OrderJob:
    """
    An order on its way through the gateway.

    Attributes:
        order: The content of the request.
        request: Id of the request.
        at: When it arrived, in seconds of the sandbox's clock.
        rejected: The numbers to refuse, each with its refusal.
    """

    order: Order
    request: int
    at: float
    rejected: Mapping[str, GatewayRefusal] = field(factory=dict[str, GatewayRefusal])


@frozen
class OrderResult:
    """
    The outcome of a job.

    Attributes:
        entries: One entry per number, in the order of the request.
        messages: The accepted messages.
        remaining: Credits left.
    """

    entries: list[Entry]
    messages: list[SandboxMessage]
    remaining: int


def read_order(body: bytes) -> Order:
    """
    Read the body of a request.

    Args:
        body: The JSON object of the documentation. ``phone`` is a string with one number or
            several between commas, or an array of strings.

    Returns:
        The order; it has a ``problem`` if the body is not such an object.
    """
    try:
        fields = msgspec.json.decode(body, type=_Body)
    except msgspec.ValidationError as error:
        return Order(problem=GatewayRefusal(f"Invalid request: {error}", "INVALID_REQUEST"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Order(problem=GatewayRefusal("Invalid JSON", "INVALID_JSON"))
    return Order(fields.api_key, _split(fields.phone), fields.message)


def _split(phone: str | list[str]) -> tuple[str, ...]:
    if isinstance(phone, list):
        return tuple(phone)
    return tuple(filter(None, map(str.strip, phone.split(","))))


@define(eq=False)
class Gateway:
    """
    The accounts, and the processing of their requests.

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

    def unknown_sender(self, order: Order) -> GatewayRefusal | None:
        """Refuse an order that cannot be read or whose key has no account."""
        if order.problem is not None:
            return order.problem
        if not order.key:
            return missing("api_key")
        return None if order.key in self.credits else self._stranger(order.key)

    def _stranger(self, key: str) -> GatewayRefusal:
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

    def objection(self, order: Order) -> GatewayRefusal | None:
        """
        Refuse an order that lacks a field, has too many numbers, or exceeds the credits entirely.

        Raises:
            ValueError: The function ``price`` did not return a price.
        """
        if not order.phones:
            return missing("phone")
        if len(order.phones) > self.most_numbers:
            return too_many(self.most_numbers)
        if not order.text:
            return missing("message")
        price = self._price_of(order.text)
        return INSUFFICIENT_CREDITS if self.credits[order.key] < price else None

    def carry_out(self, job: OrderJob) -> OrderResult:
        """Process a job that `objection` has passed."""
        messages: list[SandboxMessage] = []
        price = self._price_of(job.order.text)
        entries = [self._entry(phone, price, job, messages) for phone in job.order.phones]
        return OrderResult(entries, messages, self.credits[job.order.key])

    def _price_of(self, text: str) -> int:
        price: object = self.price(text)
        if isinstance(price, int) and not isinstance(price, bool) and price >= 0:
            return price
        msg = f"the function price must return a whole number of at least 0, not {price!r}"
        raise ValueError(msg)

    def _entry(
        self, phone: str, price: int, job: OrderJob, messages: list[SandboxMessage]
    ) -> Entry:
        refusal = self._refusal(phone, price, job)
        if refusal is not None:
            return failed(phone, refusal)
        order = job.order
        self.credits[order.key] -= price
        message_id = f"msg_{next(self._ids)}"
        messages.append(
            SandboxMessage(phone, order.text, message_id, order.key, job.at, job.request)
        )
        return sent(phone, message_id)

    def _refusal(self, phone: str, price: int, job: OrderJob) -> GatewayRefusal | None:
        if phone in job.rejected:
            return job.rejected[phone]
        if not _is_e164(phone):
            return INVALID_PHONE_NUMBER
        return INSUFFICIENT_CREDITS if self.credits[job.order.key] < price else None
