"""What all clients made from one another have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection

from attrs import frozen

from .._ports.clock import Clock
from .._ports.hooks import RequestRecord
from .._ports.limiter import Limiter
from .._ports.transport import Network
from ..phones import ParsePhone
from .in_flight import InFlight

__all__ = ["Common", "Settings"]


@frozen(kw_only=True)
class Settings:
    """The options of a client, checked; see `CustomerSMS`."""

    limiter: Limiter
    request_timeout: float | None
    send_timeout: float
    retries: int
    rate_statuses: Collection[int]
    parse_phone: ParsePhone
    on_request: Callable[[RequestRecord], object] | None


@frozen
class Common:
    """
    What a client has in common with those that `CustomerSMS.for_key` made of it.

    Attributes:
        settings: The options.
        network: The way to the gateway.
        clock: Time, randomness and sleep.
        in_flight: What they have under way.
    """

    settings: Settings
    network: Network
    clock: Clock
    in_flight: InFlight
