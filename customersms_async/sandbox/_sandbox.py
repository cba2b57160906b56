"""The sandbox itself: start, stop, and what a test can query and change."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Final, Self, Unpack

from aiohttp import web
from attrs import define, field, frozen, setters

from ._gateway.fault_script import make_steps
from ._gateway.fault_settings import FaultSettings
from ._gateway.faults import Fault
from ._gateway.message_query import MessageQuery
from ._gateway.rate_budget import LimitSettings, SandboxUsage
from ._gateway.records import SandboxMessage, SandboxRequest
from ._gateway.summaries import outline
from ._http.app import make_app
from ._http.endpoint import PATH
from ._http.origin_policy import OriginPolicy
from ._http.routes import PREFIX
from ._http.service import SandboxService
from ._options import SandboxOptions

__all__ = ["Sandbox"]

#: Seconds to wait for requests whose body is still arriving when the sandbox closes.
_CLOSING_GRACE: Final = 1.0


@frozen
class _Running:
    closing: asyncio.Future[None]
    runner: web.AppRunner
    url: str


@define(eq=False, kw_only=True, on_setattr=setters.frozen, repr=False)
class Sandbox(SandboxOptions):
    """
    A gateway on this machine that speaks the documented API and sends nothing.

    Use it as ``async with Sandbox(keys={"cspro_test": 98}) as sandbox`` and send to `endpoint`.
    Messages and requests can still be read after the block.

    Its options are those of `SandboxOptions`.
    """

    _service: SandboxService = field(init=False, on_setattr=setters.NO_OP)
    _running: _Running | None = field(init=False, default=None, on_setattr=setters.NO_OP)

    def __attrs_post_init__(self) -> None:
        self._service = self.make_service()

    async def __aenter__(self) -> Self:
        if self._running is not None:
            msg = "this sandbox is already running; make another one"
            raise RuntimeError(msg)
        closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        policy = OriginPolicy([self.host, *self.allowed_hosts])
        app = make_app(self._service, policy, closing)
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=_CLOSING_GRACE,
            handler_cancellation=True,  # a client that left frees its wait or stream at once
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port, backlog=1024).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._running = _Running(closing, runner, _url(runner.addresses[0]))
        return self

    async def __aexit__(self, *_: object) -> None:
        running = self._running
        if running is not None:
            self._running = None
            running.closing.set_result(None)
            await running.runner.cleanup()

    def __repr__(self) -> str:
        if not hasattr(self, "_service"):  # its constructor refused an argument
            return "<Sandbox that was not made>"
        where = "not running" if self._running is None else self._running.url
        mailboxes = self._service.handler.mailboxes
        return f"<Sandbox {where}, {outline(mailboxes.messages, mailboxes.requests)}>"

    @property
    def url(self) -> str:
        """
        Scheme, host and port, without a trailing slash.

        Raises:
            RuntimeError: The sandbox is not running.
        """
        if self._running is None:
            msg = "this sandbox is not running; enter it with `async with`"
            raise RuntimeError(msg)
        return self._running.url

    @property
    def endpoint(self) -> str:
        """The full URL of the API; the value for `CUSTOMERSMS_ENDPOINT`."""
        return self.url + PATH

    @property
    def inbox_url(self) -> str:
        """The page that shows what arrived."""
        return f"{self.url}/"

    @property
    def help_url(self) -> str:
        """The page that describes the HTTP calls."""
        return f"{self.url}{PREFIX}/"

    @property
    def messages(self) -> tuple[SandboxMessage, ...]:
        """The accepted messages, oldest first."""
        return tuple(self._service.handler.mailboxes.messages)

    @property
    def requests(self) -> tuple[SandboxRequest, ...]:
        """The requests that arrived, refused ones included, oldest first."""
        return tuple(self._service.handler.mailboxes.requests)

    @property
    def refused(self) -> tuple[SandboxRequest, ...]:
        """The requests that were refused entirely, for any reason."""
        return tuple(self._service.handler.mailboxes.refused())

    def find(
        self, *, phone: str | None = None, contains: str | None = None, key: str | None = None
    ) -> tuple[SandboxMessage, ...]:
        """Return the matching messages, oldest first; see `wait_for`."""
        return tuple(self._service.handler.mailboxes.find(MessageQuery(phone, contains, key)))

    def duplicates(self, key: str | None = None) -> tuple[SandboxMessage, ...]:
        """Return each message whose number and text the same key had sent before."""
        return tuple(self._service.handler.mailboxes.duplicates(key))

    def last_code(self, phone: str | None = None, key: str | None = None) -> str | None:
        """Return the code in the newest message with one, to *phone* or to anyone, or None."""
        return self._service.handler.mailboxes.last_code(phone, key)

    @property
    def credits(self) -> int:
        """
        The credits left to the sandbox's only account; can be set.

        Raises:
            ValueError: There are several accounts, or none; see `credits_of` and `set_credits`.
        """
        return self._service.credits(self._only_key())

    @credits.setter  # noqa: A003  # the property above, not the builtin
    def credits(self, left: int) -> None:
        self._service.set_credits(self._only_key(), left)

    def _only_key(self) -> str:
        keys = list(self._service.handler.accounts.credits)
        if len(keys) != 1:
            msg = (
                f"credits is for a sandbox with one account, and this one has {len(keys)}; "
                "use credits_of(key) and set_credits(key, ...)"
            )
            raise ValueError(msg)
        return keys[0]

    def credits_of(self, key: str) -> int:
        """
        Return the credits left to *key*.

        Raises:
            ValueError: There is no such account.
        """
        return self._service.credits(key)

    def set_credits(self, key: str, credits_left: int) -> None:
        """
        Set the credits left to *key*; a new key opens an account.

        Raises:
            ValueError: The key is empty, or the credits are not a whole number ≥ 0.
        """
        self._service.set_credits(key, credits_left)

    def close_account(self, key: str, *, reason: str | None = None) -> None:
        """
        Delete an account with its credits, messages, requests, faults and limit.

        Args:
            key: The key.

            reason: Added to the error of later requests with this key.
        """
        self._service.close_account(key, reason)

    def set_limit(
        self, limit: int | None, *, key: str | None = None, **more: Unpack[LimitSettings]
    ) -> None:
        """
        Limit the requests of *key*, or of all keys without their own limit.

        Earlier requests no longer count.

        Args:
            limit: Requests per period; None for no limit.

            key: The key; all if not given.

            more: ``per``, ``rule``, ``burst``, ``rate_refusal`` and ``retry_after``, as in the
                options of the sandbox; omitted ones stay as they are.

        Raises:
            ValueError: An option is not valid; the text names it.
        """
        self._service.set_limit({"limit": limit, **more}, key)

    def usage(self, key: str) -> SandboxUsage:
        """Return the current use of a key's limit."""
        return self._service.usage(key)

    def advance(self, seconds: float) -> None:
        """
        Move the sandbox's clock forward; it drives the limit and dates messages.

        Raises:
            ValueError: *seconds* is not a number of at least 0.
        """
        self._service.advance(seconds)

    def reset_clock(self) -> None:
        """
        Undo all moves of the clock.

        A limit keeps its count: set it again, or close the account, first.
        """
        self._service.clock.ahead = 0.0
        self._service.advance(0)  # updates the page

    def fail_next(
        self,
        fault: Fault | str,
        times: int = 1,
        *,
        retry_after: float | str | None = None,
        key: str | None = None,
    ) -> None:
        """
        Apply a fault to the next requests, after the faults that are already pending.

        Args:
            fault: Its name, or ``"ok"`` for a request without a fault.

            times: For how many requests, ≥ 1. Requests that are refused for the rate or for their
                content do not count.

            retry_after: ``Retry-After`` header of a rate-limit refusal, sent unchanged.

            key: Whose requests; everyone's if not given.

        Raises:
            ValueError: There is no such fault, *times* is below 1, or *retry_after* is not valid in
                a header.
        """
        self._service.fail_next(make_steps(fault, times, retry_after), key)

    def set_faults(self, *, key: str | None = None, **settings: Unpack[FaultSettings]) -> None:
        """
        Set faults; omitted settings stay as they are.

        Args:
            key: For which key; for all if not given.

            settings: ``script``, ``standing``, ``probabilities``, ``seed`` and ``latency``, as in
                the options of the sandbox.

        Raises:
            ValueError: A setting is not valid; the text names it, and nothing has changed.
        """
        self._service.set_faults(settings, key)

    def clear_faults(self, key: str | None = None) -> None:
        """Switch off all faults and the latency, for one key, or for all and each single one."""
        self._service.clear_faults(key)

    def clear(self, key: str | None = None) -> None:
        """
        Forget messages, requests, and the pending faults of `fail_next` and ``script``.

        Standing faults, probabilities and latency stay (see `clear_faults`), and so do credits
        and the limit.

        Args:
            key: Whose; everyone's if not given.
        """
        self._service.clear(key)

    async def wait_for(
        self,
        *,
        phone: str | None = None,
        contains: str | None = None,
        timeout: float = 5.0,
        key: str | None = None,
    ) -> SandboxMessage:
        """
        Wait until a message is accepted; an earlier one counts too.

        Args:
            phone: Its number, in any notation.

            contains: A part of its text.

            timeout: Seconds, ≥ 0.

            key: The key that pays.

        Returns:
            The oldest matching message.

        Raises:
            TimeoutError: No such message came in time; the text lists those that did.
        """
        query = MessageQuery(phone, contains, key)
        found = await self._service.wait(query, timeout)
        if found is None:
            raise TimeoutError(self._service.describe_miss(query, timeout))
        return found


def _url(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Return the URL at which this machine reaches a socket bound to *address*."""
    host = ipaddress.ip_address(address[0])
    if isinstance(host, ipaddress.IPv6Address):
        return f"http://[{'::1' if host.is_unspecified else host}]:{address[1]}"
    return f"http://{'127.0.0.1' if host.is_unspecified else host}:{address[1]}"
