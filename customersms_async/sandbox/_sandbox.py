"""The sandbox itself: its options, its life, and what a test asks it."""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import attrs
from aiohttp import web

from . import _options
from ._app import PATH, Desk, make_app
from ._exchange import Exchange, Limits, Visit
from ._faults import Fault, Faults, Step
from ._gateway import Gateway, Price
from ._ledger import Ledger, Query, SandboxMessage, SandboxRequest, masked
from ._replies import Timing
from ._rules import RuleName

__all__ = ["Sandbox"]

#: The account of a sandbox that was given none.
DEFAULT_KEYS: Mapping[str, int] = {"cspro_sandbox": 10_000}

#: Seconds for requests whose body is still on its way when the sandbox closes.
GRACE = 1.0

#: Messages that a failed wait shows.
SHOWN = 5

_Waiter = tuple[Query, "asyncio.Future[SandboxMessage]"]


@attrs.frozen
class _Running:
    desk: Desk
    runner: web.AppRunner
    url: str


@attrs.define(eq=False, kw_only=True, on_setattr=attrs.setters.frozen, repr=False)
class Sandbox:
    """
    A gateway on this machine that speaks the documented API and sends nothing.

    Use it as ``async with Sandbox(keys={"cspro_test": 98}) as sandbox`` and send to
    `endpoint`. What it has seen can still be read after the block.

    Attributes:
        keys: Credits by key, each ≥ 0; one key with 10,000 credits if not given.

        host: Address to listen on; another than 127.0.0.1 opens the sandbox to the network.

        port: Port to listen on; 0 takes a free one.

        latency: Seconds before each answer, or a function that gives them anew for each.

        limit: Requests in a period that each key may make; none for no limit.

        per: The period in seconds.

        rule: How requests are counted: ``fixed-window``, ``sliding-log``, ``sliding-counter``,
            ``token-bucket``, ``gcra`` or ``nginx``.

        burst: Requests at once by ``gcra`` (10 if not given) and ``nginx`` (20).

        tells_when: Whether a refusal for the rate has a ``Retry-After`` header.

        refusal_status: HTTP status of a refusal that is not for the rate.

        price: Credits that a message costs, or a function that gives them by the text.

        magic: Whether numbers have a meaning, as in `MAGIC_NUMBERS`.

        slow: Seconds that a slow answer takes.

        stall: Seconds after which a stalled connection is closed.

        keep: Messages that are held; beyond that, the oldest are forgotten.

        clock: Gives seconds, never running backwards; counts the limit and dates the messages.
    """

    keys: Mapping[str, int] = attrs.field(
        factory=lambda: dict(DEFAULT_KEYS), validator=_options.is_keys
    )
    host: str = attrs.field(default="127.0.0.1", validator=_options.is_text)
    port: int = attrs.field(default=0, validator=_options.is_port)
    latency: float | Callable[[], float] = attrs.field(
        default=0.0, validator=_options.is_seconds_or_function
    )
    limit: int | None = attrs.field(default=None, validator=_options.is_count_or_none)
    per: float = attrs.field(default=60.0, validator=_options.is_period)
    rule: RuleName = attrs.field(default="sliding-log", validator=_options.is_rule)
    burst: int | None = attrs.field(default=None, validator=_options.is_count_or_none)
    tells_when: bool = True
    refusal_status: int = attrs.field(default=200, validator=_options.is_status)
    price: int | Price = attrs.field(default=1, validator=_options.is_count_or_function)
    magic: bool = True
    slow: float = attrs.field(default=1.0, validator=_options.is_seconds)
    stall: float = attrs.field(default=60.0, validator=_options.is_seconds)
    keep: int = attrs.field(default=50_000, validator=_options.is_count)
    clock: Callable[[], float] = attrs.field(default=time.monotonic, validator=_options.is_function)

    _exchange: Exchange = attrs.field(init=False, on_setattr=attrs.setters.NO_OP)
    _waiters: list[_Waiter] = attrs.field(init=False, factory=list[_Waiter])
    _running: _Running | None = attrs.field(
        init=False, default=None, on_setattr=attrs.setters.NO_OP
    )

    def __attrs_post_init__(self) -> None:
        self._exchange = Exchange(
            Gateway(dict(self.keys), _price(self.price)),
            Limits(self.limit, self.per, self.rule, self.burst, self.tells_when),
            Faults(self.magic),
            Ledger(self.keep),
            Timing(self.slow, self.stall),
            self.refusal_status,
        )

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise RuntimeError("this sandbox is running already; make another one")
        desk = Desk(
            self._exchange,
            self.clock,
            _latency(self.latency),
            self._announce,
            asyncio.get_running_loop().create_future(),
        )
        runner = web.AppRunner(make_app(desk), access_log=None, shutdown_timeout=GRACE)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port, backlog=1024).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._running = _Running(desk, runner, _url(runner.addresses[0]))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        running = self._running
        if running is not None:
            self._running = None
            running.desk.closing.set_result(None)
            await running.runner.cleanup()

    def __repr__(self) -> str:
        where = "not running" if self._running is None else self._running.url
        ledger = self._exchange.ledger
        return (
            f"<Sandbox {where}, {len(ledger.messages)} messages, {len(ledger.requests)} requests>"
        )

    @property
    def url(self) -> str:
        """
        Scheme, host and port, without a slash at the end.

        Raises:
            RuntimeError: The sandbox is not running.
        """
        if self._running is None:
            raise RuntimeError("this sandbox is not running; enter it with `async with`")
        return self._running.url

    @property
    def endpoint(self) -> str:
        """The full address of the API; what `CUSTOMERSMS_ENDPOINT` is set to."""
        return self.url + PATH

    @property
    def messages(self) -> tuple[SandboxMessage, ...]:
        """The accepted messages, oldest first."""
        return tuple(self._exchange.ledger.messages)

    @property
    def requests(self) -> tuple[SandboxRequest, ...]:
        """The requests that arrived, oldest first, whatever became of them."""
        return tuple(self._exchange.ledger.requests)

    @property
    def refused(self) -> tuple[SandboxRequest, ...]:
        """The requests that were refused as a whole, for whatever reason."""
        return tuple(self._exchange.ledger.refused())

    def duplicates(self) -> tuple[SandboxMessage, ...]:
        """Give each message whose number and text had been accepted before."""
        return tuple(self._exchange.ledger.duplicates())

    def last_code(self, phone: str) -> str | None:
        """Give the code (4 to 8 digits) in the newest message to *phone* that has one."""
        return self._exchange.ledger.last_code(phone)

    def credits(self, key: str) -> int:
        """
        Give the credits that are left to *key*.

        Raises:
            ValueError: There is no such account.
        """
        accounts = self._exchange.gateway.credits
        if key not in accounts:
            raise ValueError(f"there is no account {masked(key)}; open it with set_credits")
        return accounts[key]

    def set_credits(self, key: str, credits_left: int) -> None:
        """
        Set the credits that are left to *key*; a new key opens an account.

        Raises:
            ValueError: The key is empty, or the credits are no whole number ≥ 0.
        """
        _options.check_credits(key, credits_left)
        self._exchange.gateway.credits[key] = credits_left

    def fail_next(
        self, fault: Fault | str, times: int = 1, *, retry_after: float | str | None = None
    ) -> None:
        """
        Let a fault happen to the next requests, after those that were asked for before.

        Args:
            fault: Its name, or ``"ok"`` for a request to which nothing happens.

            times: To how many requests, ≥ 1. Only requests count that are neither refused for
                the rate nor for what they contain.

            retry_after: ``Retry-After`` header of ``rate-limited`` and ``http-503``, sent as it
                stands.

        Raises:
            ValueError: There is no such fault, *times* is below 1, or *retry_after* is no text
                that fits in a header.
        """
        if times < 1:
            raise ValueError(f"times must be at least 1, not {times!r}")
        header = None if retry_after is None else str(retry_after)
        if header is not None and not header.isprintable():
            raise ValueError(f"retry_after must be one printable line, not {header!r}")
        step = Step(_fault(fault), header)
        self._exchange.faults.script.extend([step] * times)

    def clear(self) -> None:
        """Forget messages, requests and faults to come; credits and the limit stay as they are."""
        self._exchange.ledger.clear()
        self._exchange.faults.script.clear()

    async def wait_for(
        self,
        *,
        phone: str | None = None,
        contains: str | None = None,
        timeout: float = 5.0,
    ) -> SandboxMessage:
        """
        Wait until a message is accepted; one that was accepted before counts too.

        Args:
            phone: Its number, however it is written.

            contains: A part of its text.

            timeout: Seconds, ≥ 0.

        Returns:
            The oldest message that fits.

        Raises:
            TimeoutError: No such message came in time; says which messages did.
        """
        query = Query(phone, contains)
        found = query.first(self._exchange.ledger.messages)
        return found or await self._wait(query, timeout)

    async def _wait(self, query: Query, seconds: float) -> SandboxMessage:
        future: asyncio.Future[SandboxMessage] = asyncio.get_running_loop().create_future()
        waiter = (query, future)
        self._waiters.append(waiter)
        try:
            await asyncio.wait((future,), timeout=seconds)
        finally:
            self._waiters.remove(waiter)
        if not future.done():
            raise TimeoutError(self._missed(query, seconds))
        return future.result()

    def _announce(self, visit: Visit) -> None:
        for query, future in self._waiters:
            found = query.first(visit.messages)
            if found is not None and not future.done():
                future.set_result(found)

    def _missed(self, query: Query, seconds: float) -> str:
        seen = self._exchange.ledger.messages
        newest = "".join(f"\n  {m.phone}: {m.text!r}" for m in list(seen)[-SHOWN:])
        return f"no message{query} within {seconds:g} s; {len(seen)} arrived{newest}"


def _fault(name: Fault | str) -> Fault | None:
    if name == "ok":
        return None
    try:
        return Fault(name)
    except ValueError:
        names = ", ".join(Fault)
        raise ValueError(f"fault must be ok or one of {names}, not {name!r}") from None


def _price(price: int | Price) -> Price:
    return price if callable(price) else lambda _text: price


def _latency(latency: float | Callable[[], float]) -> Callable[[], float]:
    return latency if callable(latency) else lambda: latency


def _url(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Write the address at which this machine reaches a socket that is bound to *address*."""
    host = ipaddress.ip_address(address[0])
    if isinstance(host, ipaddress.IPv6Address):
        return f"http://[{'::1' if host.is_unspecified else host}]:{address[1]}"
    return f"http://{'127.0.0.1' if host.is_unspecified else host}:{address[1]}"
