"""The options and parts that a client shares with its `for_key` clients."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection

from attrs import Factory, field, frozen

from .._ports.clock import Clock
from .._ports.hooks import RequestRecord
from .._ports.limiter import Limiter
from .._ports.transport import Network
from .._values.api_key import ApiKey
from .._values.validation import (
    check_count,
    check_hook,
    check_method,
    check_seconds,
    check_seconds_or_none,
    check_statuses,
)
from ..phones import ParsePhone
from .answer_time import AnswerTime
from .connection_limit import ConnectionLimit
from .context import DeliveryContext
from .in_flight import InFlight

__all__ = ["ClientParts", "Settings"]


def _statuses(given: Collection[int]) -> frozenset[int]:
    return check_statuses("rate_limit_statuses", given)


@frozen(kw_only=True)
class Settings:
    """
    The options of a client; see `CustomerSMS`.

    Raises:
        ConfigurationError: One is out of range.
    """

    limiter: Limiter
    request_timeout: float | None
    send_timeout: float
    retries: int
    rate_statuses: frozenset[int] = field(converter=_statuses)
    parse_phone: ParsePhone
    on_request: Callable[[RequestRecord], object] | None
    max_connections: int

    def __attrs_post_init__(self) -> None:
        check_method("limiter", self.limiter, "acquire")
        check_seconds_or_none("request_timeout", self.request_timeout)
        check_seconds("send_timeout", self.send_timeout)
        check_count("retries", self.retries, 0)
        check_method("parse_phone", self.parse_phone, "__call__")
        check_hook("on_request", self.on_request)
        check_count("max_connections", self.max_connections, 1)


def _connections_for(parts: ClientParts) -> ConnectionLimit:
    return ConnectionLimit(parts.settings.max_connections)


@frozen
class ClientParts:
    """
    What a client shares with the clients that `CustomerSMS.for_key` makes from it.

    Attributes:
        settings: The options.
        network: Transports, one per event loop.
        clock: Monotonic time, randomness and sleep.
        in_flight: Tasks and runs in flight.
        answers: How long the endpoint's answers take.
        connections: Places for requests in flight.
    """

    settings: Settings
    network: Network
    clock: Clock
    in_flight: InFlight
    answers: AnswerTime = field(factory=AnswerTime)
    connections: ConnectionLimit = field(
        default=Factory(_connections_for, takes_self=True), init=False
    )

    def context_for(self, key: ApiKey, on_credits: Callable[[int], None]) -> DeliveryContext:
        """Make what the deliveries of one client share."""
        settings = self.settings
        return DeliveryContext(
            key=key,
            transport=self.network.transport,
            limiter=settings.limiter,
            connections=self.connections,
            clock=self.clock,
            retries=settings.retries,
            request_timeout=settings.request_timeout,
            rate_statuses=settings.rate_statuses,
            on_request=settings.on_request,
            on_credits=on_credits,
            answers=self.answers,
            name=secrets.token_hex(3),
        )
