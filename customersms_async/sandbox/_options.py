"""The options of a sandbox, and the service that is made from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from attrs import define, field, fields, setters

from ..segments import count
from ._gateway import validation
from ._gateway.accounts import MOST_NUMBERS, Accounts, Price
from ._gateway.clock import MovableClock, time_of_day
from ._gateway.fault_engine import FaultEngine
from ._gateway.fault_script import FaultScript
from ._gateway.fault_settings import FaultSettings
from ._gateway.faults import Fault
from ._gateway.key_limits import KeyLimits
from ._gateway.latency import Latency
from ._gateway.mailboxes import Mailboxes
from ._gateway.rate_budget import KeyLimit
from ._gateway.rate_rules import RuleName
from ._gateway.replies import Timing
from ._gateway.request_handler import RequestHandler
from ._http.service import SandboxService

__all__ = ["SandboxOptions"]

#: The default account of a sandbox.
_DEFAULT_KEYS: Final[Mapping[str, int]] = {"cspro_sandbox": 10_000}


@define(eq=False, kw_only=True, on_setattr=setters.frozen, repr=False)
class SandboxOptions:
    """
    The options of a sandbox.

    Attributes:
        keys: Credits by key, each ≥ 0; one key with 10,000 credits if not given.
        host: Address to listen on; others than 127.0.0.1 open the sandbox to the network.
        port: Port to listen on; 0 takes a free one.
        allowed_hosts: Host names to accept besides those of this machine and *host*, such as the
            name of a docker-compose service.
        script: What happens to the next requests, like ``"500, reset, rate-limited(7), ok*2"``,
            or a list of such steps.
        standing: What happens to every request until it is switched off.
        probabilities: The probability of each fault, by name; together at most 1.
        seed: Random seed for faults and latency; the same seed and the same requests give the same
            run.
        latency: Seconds before each answer: a number, ``"uniform(0.1, 0.5)"``,
            ``"normal(0.2, 0.05)"`` (mean and standard deviation), ``"exponential(0.3)"`` (mean),
            or a function that returns them for each.
        limit: Requests per period that each key may make; None for no limit.
        per: The period in seconds, from 0.001 to a year.
        rule: How requests are counted: ``fixed-window``, ``sliding-log``, ``sliding-counter``,
            ``token-bucket``, ``gcra`` or ``nginx``.
        burst: Requests at once with ``gcra`` (10 if not given) and ``nginx`` (20).
        rate_refusal: How a request above the limit is refused: ``rate-limited`` (status 429, JSON),
            ``rate-limited-html`` (429, a page), ``rate-limited-200`` (200, a code), or
            ``http-503`` (a bare page, as nginx does).
        retry_after: The header ``Retry-After`` of that refusal: the ``seconds`` to wait, the
            ``date`` when they are over, ``none``, or any other text, sent unchanged.
        refusal_status: HTTP status of a refusal that is not for the rate.
        price: Credits that a message costs, ``"segment"`` for one credit per SMS segment, or a
            function of the text that returns them, each ≥ 0.
        most_numbers: The most numbers in one request, at most 10,000; the documentation names no
            limit. More are refused with ``TOO_MANY_NUMBERS``.
        magic: Whether `MAGIC_NUMBERS` have an effect.
        slow: Seconds that a slow answer takes.
        stall: Seconds after which a stalled connection is closed.
        keep: Messages that are kept; beyond that, the oldest are dropped.
        clock: Returns seconds, never running backwards; drives the limit and dates the messages.
            If not given, wall time since 1970, UTC.
    """

    keys: Mapping[str, int] = field(
        factory=lambda: dict(_DEFAULT_KEYS), validator=validation.is_keys
    )
    host: str = field(default="127.0.0.1", validator=validation.is_text)
    port: int = field(default=0, validator=validation.is_port)
    allowed_hosts: Iterable[str] = field(
        factory=tuple, converter=validation.reusable, validator=validation.is_hosts
    )
    script: FaultScript = ()
    standing: Fault | str | None = None
    probabilities: Mapping[str, float] = field(factory=dict[str, float])
    seed: int = 0
    latency: float | str | Latency | Callable[[], float] = 0.0
    limit: int | None = None
    per: float = 60.0
    rule: RuleName = "sliding-log"
    burst: int | None = None
    rate_refusal: Fault | str = Fault.RATE_LIMITED
    retry_after: str = "seconds"
    refusal_status: int = field(default=200, validator=validation.is_status)
    price: int | Literal["segment"] | Price = field(
        default=1, validator=validation.is_count_or_function
    )
    most_numbers: int = field(
        default=MOST_NUMBERS, validator=[validation.is_count, validation.is_at_most(MOST_NUMBERS)]
    )
    magic: bool = True
    slow: float = field(default=1.0, validator=validation.is_seconds)
    stall: float = field(default=60.0, validator=validation.is_seconds)
    keep: int = field(default=50_000, validator=validation.is_count)
    clock: Callable[[], float] = field(default=time_of_day, validator=validation.is_function)

    def make_service(self) -> SandboxService:
        """
        Make the service, which is the whole sandbox except its network.

        Raises:
            ValueError: An option is out of range; the text names it.
        """
        handler = RequestHandler(
            Accounts(dict(self.keys), _price(self.price), self.most_numbers),
            KeyLimits(self._chosen_limit()),
            FaultEngine(self.magic),
            Mailboxes(self.keep),
            Timing(self.slow, self.stall),
            self.refusal_status,
        )
        handler.faults.common.change(self._chosen_faults())
        return SandboxService(handler, MovableClock(self.clock))

    def _chosen_limit(self) -> KeyLimit:
        return KeyLimit(**{field.name: getattr(self, field.name) for field in fields(KeyLimit)})

    def _chosen_faults(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in FaultSettings.__annotations__}


def _price(price: int | str | Price) -> Price:
    if callable(price):
        return price
    if isinstance(price, str):
        return lambda text: count(text).segments
    return lambda _text: price
