"""What the deliveries of one account share."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Collection

from attrs import define, field

from .._ports.clock import Clock
from .._ports.hooks import RequestRecord
from .._ports.limiter import Limiter
from .._ports.transport import Transport
from .._values.api_key import ApiKey
from .._values.attempt_ids import request_name
from .answer_time import AnswerTime
from .connection_limit import ConnectionLimit

__all__ = ["DeliveryContext"]

_logger = logging.getLogger("customersms_async")


@define(eq=False, kw_only=True)
class DeliveryContext:
    """
    What all deliveries of one account share.

    Attributes:
        key: The key.
        transport: Returns the transport of the running event loop.
        limiter: Grants the slots.
        connections: Places for requests in flight, over all accounts of the client.
        clock: Monotonic time and randomness.
        retries: The most retries of a request that was not sent.
        request_timeout: Seconds for one attempt; None for 30, plus half a second per further
            number.
        rate_statuses: HTTP statuses that alone mean "refused for the rate".
        on_request: Called with a record of every attempt, or None.
        on_credits: Called with every reported balance.
        name: The prefix of the ids of this client's attempts.
        answers: How long the endpoint's answers take.
        numbers: Numbers the attempts, from 1.
        accepted_at: When the gateway last let a request through, monotonic seconds.
        begun: Numbers of all attempts that have begun.
        ended: Numbers of those that have ended.
    """

    key: ApiKey
    transport: Callable[[], Transport]
    limiter: Limiter
    connections: ConnectionLimit
    clock: Clock
    retries: int
    request_timeout: float | None
    rate_statuses: Collection[int]
    on_request: Callable[[RequestRecord], object] | None
    on_credits: Callable[[int], None]
    name: str
    answers: AnswerTime = field(factory=AnswerTime)
    numbers: itertools.count[int] = field(factory=lambda: itertools.count(1))
    accepted_at: float = float("-inf")
    begun: int = 0
    ended: int = 0

    def timeout_for(self, numbers: int) -> float:
        """Return the seconds that one attempt with this count of numbers may take."""
        if self.request_timeout is not None:
            return self.request_timeout
        return 30.0 + 0.5 * (numbers - 1)

    def warn(self, event: str, number: int, what: str) -> None:
        """Log a warning about attempt *number*."""
        request, account = request_name(self.name, number), self.key.account
        _logger.warning(
            "request %s of account %s: %s",
            request,
            account,
            what,
            extra={"event": event, "request": request, "account": account},
        )
