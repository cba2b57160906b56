"""
`CustomerSMS`: configuration, the lifetime of a client, and the public calls.

Rules of this module:

1. Wrong arguments are refused here, before any I/O.
2. A caller may be cancelled at any time; a request in flight still runs to its end.
3. No local variable of a frame that may raise holds the key.
"""

from __future__ import annotations

import datetime as dt
import functools
import time
from collections.abc import AsyncIterable, Callable, Collection, Iterable
from os import PathLike
from typing import Any, Final, NoReturn, Self, Unpack

import aiohttp
from attrs import evolve

from ._bulk.batch_reader import BatchReader
from ._bulk.message_reader import read_messages
from ._bulk.options import BulkOptions, LookingOptions, MessageOptions, Options, choose
from ._bulk.phone_reader import read_phones
from ._bulk.reader import Phones, Reader
from ._bulk.run import Run
from ._clock import SystemClock
from ._delivery.context import DeliveryContext
from ._delivery.delivery import Delivery
from ._delivery.in_flight import InFlight
from ._delivery.send import Sending
from ._delivery.settings import ClientParts, Settings
from ._environment import NOT_GIVEN, NotGiven, find_endpoint, find_key, most_connections
from ._http.sessions import Sessions, calling_line, check_session, running_loop
from ._ports.clock import Clock
from ._ports.hooks import RequestRecord
from ._ports.journal import Batch
from ._ports.limiter import Lane, Limiter, Usage
from ._ports.transport import Network
from ._values.api_key import ApiKey, read_key
from ._values.attempt_ids import request_name
from ._values.attributes import attributes_of
from ._values.columns import Columns
from ._values.safe_repr import safe_repr
from ._values.status import SENT, Status
from ._values.validation import check_endpoint, check_seconds
from ._wire.codec import check_text
from .bulk import Bulk
from .errors import ConfigurationError
from .limiters import enter_limiter, find_limiter, leave_limiter, observable
from .outcomes import Credits, Message, Receipt, Report
from .phones import ParsePhone, checked, normalize_phone

__all__ = ["CustomerSMS"]

_SEND: Final = Lane.SEND  # looked up once, as in `_delivery`


class CustomerSMS:
    """
    A client of the gateway, for one key.

    ::

        async with CustomerSMS() as sms:
            receipt = await sms.send("+12125551234", "Your code is 4711", timeout=5)
            report = await sms.send_many(numbers, "We open at nine")

    It may be created anywhere and used in any event loop; the HTTP session is opened on first use.
    Close it with ``async with`` or `aclose`.

    Args:
        api_key: The key. If omitted: the environment variable ``CUSTOMERSMS_API_KEY``.

        endpoint: The URL of the API. If omitted: ``CUSTOMERSMS_ENDPOINT``, else the gateway's.

        limiter: The rate limiter, or a path, or a URL such as ``redis://localhost:6379/0`` or
            ``sqlite:////var/lib/app/sms.limit``, whose limiter is closed with the client. By
            default the URL in CUSTOMERSMS_LIMITER, else one object for the process, with 100
            requests in any 60 seconds per key.

        request_timeout: Seconds for one attempt; None for 30, plus half a second for each further
            number.

        send_timeout: Seconds in total for one `send`, if the call gives no ``timeout``.

        retries: How often a request is retried that provably was not sent.

        parse_phone: Converts an input to E.164, or raises; by default
            `customersms_async.phones.normalize_phone`, which guesses no country.

        session: An `aiohttp.ClientSession` to use but not close; by default the client has its own.

        allow_insecure_http: Allow plain http to another machine.

        on_request: Called with a `RequestRecord` once per attempt, in the event loop.

        rate_limit_statuses: HTTP statuses that mean "refused for the rate, not carried out". Add
            503 if nginx's ``limit_req`` is in front of the gateway.

        max_connections: The most requests in flight, over all accounts; None for half of the files
            that may be open, at most 500. Others wait within their time, single messages first.

    Raises:
        ConfigurationError: There is no key, the endpoint is plain http to another machine, or an
            option is out of range.
    """

    def __init__(
        self,
        api_key: str | NotGiven = NOT_GIVEN,
        *,
        endpoint: str | NotGiven = NOT_GIVEN,
        limiter: Limiter | str | PathLike[str] | NotGiven = NOT_GIVEN,
        request_timeout: float | None = None,
        send_timeout: float = 30.0,
        retries: int = 3,
        parse_phone: ParsePhone = normalize_phone,
        session: aiohttp.ClientSession | None = None,
        allow_insecure_http: bool = False,
        on_request: Callable[[RequestRecord], object] | None = None,
        rate_limit_statuses: Collection[int] = (429,),
        max_connections: int | None = None,
    ) -> None:
        key = find_key(api_key)
        api_key = NOT_GIVEN  # from here on, no local holds it
        if isinstance(key, ConfigurationError):
            raise key
        settings = Settings(
            limiter=find_limiter(limiter),
            request_timeout=request_timeout,
            send_timeout=send_timeout,
            retries=retries,
            rate_statuses=rate_limit_statuses,
            parse_phone=parse_phone,
            on_request=on_request,
            max_connections=most_connections() if max_connections is None else max_connections,
        )
        url = check_endpoint(find_endpoint(endpoint), allow_insecure_http=allow_insecure_http)
        network = Sessions(url, check_session(session), calling_line())
        self._assemble(key, ClientParts(settings, network, SystemClock(), InFlight(network)))

    def _assemble(self, key: ApiKey, parts: ClientParts, *, is_root: bool = True) -> None:
        """Assemble the client; all clients are made here."""
        self._parts = parts
        self._is_root = is_root
        self._credits: tuple[int, float] | None = None
        self._context = parts.context_for(key, self._hear_credits)

    def _over(self, network: Network, clock: Clock) -> Self:
        """Replace the ports, before the first use."""
        parts = evolve(self._parts, network=network, clock=clock, in_flight=InFlight(network))
        self._assemble(self._context.key, parts)
        return self

    def for_key(self, api_key: str) -> Self:
        """
        Return a client for another account that shares this one's session, limiter and options.

        Costs microseconds: create one per tenant on demand. Closing it stops its own bulk runs; the
        session is closed with the original client.

        Raises:
            ConfigurationError: The key is None, empty, or not valid.
        """
        key = read_key(api_key)
        del api_key  # from here on, no local holds it
        if isinstance(key, ConfigurationError):
            raise key
        other = object.__new__(type(self))
        for name, value in attributes_of(self).items():
            object.__setattr__(other, name, value)
        other._assemble(key, self._parts, is_root=False)
        return other

    @property
    def limiter(self) -> Limiter:
        """The rate limiter; by default all clients of a process share it."""
        return self._parts.settings.limiter

    async def usage(self) -> Usage:
        """Return the account's use of the limit; raises `LimiterUnavailable` as `send` does."""
        return await observable(self.limiter).usage(self.account)

    async def ready(self) -> None:
        """Wait until the limiter grants slots: a few seconds if its store is new; see `usage`."""
        await observable(self.limiter).ready()

    @property
    def account(self) -> str:
        """The hash that stands for the key in logs, in `RequestRecord` and in shared limiters."""
        return self._context.key.account

    @property
    def credits(self) -> Credits | None:
        """The last balance that this client was told, and when; None before the first."""
        if self._credits is None:
            return None
        amount, heard_at = self._credits
        return Credits(amount, dt.datetime.fromtimestamp(heard_at, dt.UTC))

    async def send(self, phone: str, text: str, *, timeout: float | None = None) -> Receipt:
        """
        Send one message now.

        Args:
            phone: The number, in international form.

            text: The text.

            timeout: Seconds in total: queue, connection, retries and answer. None for the client's
                ``send_timeout``.

        Returns:
            The gateway's confirmation that it accepted the message.

        Raises:
            InvalidPhone: *phone* is not a number in international form.
            InvalidMessage: *text* is empty or cannot be encoded.
            ConfigurationError: *timeout* is not above 0, or the session is unusable.
            NotSent: It was not sent; the subclass says why: `ConnectFailed`, `WaitTooLong`,
                `RateLimited` or `LimiterUnavailable`. It is safe to send it again.
            Rejected: The gateway said no; `AuthenticationError` and `OutOfCredits` are subclasses.
            OutcomeUnknown: It was handed over and no readable answer came. It may have been sent:
                do not repeat it blindly.
            asyncio.CancelledError: If it was still queued, nothing was sent; in flight, a note says
                that the outcome is unknown, and its end is logged.
        """
        settings = self._parts.settings
        number = checked(settings.parse_phone, phone)
        patience = settings.send_timeout
        if timeout is not None:
            patience = check_seconds("timeout", timeout)
        delivery = Delivery(self._context, [number], check_text(text), _SEND, patience)
        with Sending.begin(delivery, self._parts.in_flight) as answer:
            delivered = await answer
        request = request_name(self._context.name, delivered.request)
        if delivered.verdicts is not SENT and delivered.first.status is not Status.SENT:
            raise delivered.error(number, request) from delivered.cause
        message_ids = delivered.message_ids or (None,)
        return Receipt(number, message_ids[0], delivered.credits, request)

    async def send_many(self, phones: Phones, text: str, **options: Unpack[BulkOptions]) -> Report:
        """
        Send one text to many numbers, as fast as the limit allows.

        Args:
            phones: Any iterable of numbers, async or not, read lazily; one number; or several in
                one string, separated by commas.

            text: The text.

            options: See `BulkOptions`.

        Returns:
            The fate of every number, in input order.

        Raises:
            TypeError: *phones* cannot be iterated over, or an option is unknown.
            ValueError: The text or an option is out of range.
            BulkInterrupted: The iterable or the journal raised; ``.report`` has the results so far.
            asyncio.CancelledError: It was cancelled, and has waited up to ``drain`` seconds for
                requests in flight; a note has the counts. Use `stream_many` or a journal to keep
                the outcomes of a run that may be cancelled.
        """
        chosen = choose(Options, options)
        reader = read_phones(phones, text, chosen, self._parts.settings.parse_phone)
        return await self._run(reader, chosen, Columns()).run_to_end()

    async def send_messages(
        self,
        messages: Iterable[Message] | AsyncIterable[Message],
        **options: Unpack[MessageOptions],
    ) -> Report:
        """
        Send each number its own text; equal texts share requests.

        Duplicates are equal pairs of number and text. Otherwise like `send_many`.

        Args:
            messages: Any iterable of `Message`, async or not, read lazily.

            options: See `MessageOptions`.
        """
        chosen = choose(LookingOptions, options)
        reader = read_messages(messages, chosen, self._parts.settings.parse_phone)
        return await self._run(reader, chosen, Columns()).run_to_end()

    def stream_many(self, phones: Phones, text: str, **options: Unpack[BulkOptions]) -> Bulk:
        """
        Send one text to any number of numbers, and yield each outcome as soon as it is known.

        Nothing is read or sent before the block of the run is entered.

        Args:
            phones: As for `send_many`.

            text: The text.

            options: See `BulkOptions`.

        Raises:
            TypeError: *phones* cannot be iterated over, or an option is unknown.
            ValueError: The text or an option is out of range.
        """
        chosen, parse_phone = choose(Options, options), self._parts.settings.parse_phone
        return Bulk(self._run(read_phones(phones, text, chosen, parse_phone), chosen))

    def stream_messages(
        self,
        messages: Iterable[Message] | AsyncIterable[Message],
        **options: Unpack[MessageOptions],
    ) -> Bulk:
        """Send each number its own text, as `stream_many` does; see `send_messages`."""
        chosen, parse_phone = choose(LookingOptions, options), self._parts.settings.parse_phone
        return Bulk(self._run(read_messages(messages, chosen, parse_phone), chosen))

    async def aclose(self, drain: float | None = None) -> None:
        """
        Stop every bulk run, wait for requests in flight, close the session of this event loop.

        The client may be used again; it then opens a new session.

        Args:
            drain: Seconds to wait, at least 0; requests without an answer by then are unknown. None
                waits as long as requests may take, and for a bulk run its own ``drain``. A
                cancellation ends the wait.
        """
        if drain is not None:
            check_seconds("drain", drain, or_zero=True)
        context = None if self._is_root else self._context
        await self._parts.in_flight.close(drain, context)
        if self._is_root:
            await leave_limiter(self.limiter)

    async def __aenter__(self) -> Self:
        running_loop()
        await enter_limiter(self.limiter)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @safe_repr
    def __repr__(self) -> str:
        parts = self._parts
        under_way = f"{len(parts.in_flight.tasks)} tasks, {len(parts.in_flight.bulks)} runs"
        return f"<CustomerSMS account {self.account} at {parts.network.endpoint}: {under_way}>"

    def __reduce__(self) -> NoReturn:
        msg = "a client holds a key and connections, and cannot be pickled; create it where needed"
        raise TypeError(msg)

    def _run(self, reader: Reader, options: Options, columns: Columns | None = None) -> Run:
        spawn = functools.partial(self._parts.in_flight.spawn, self._context)
        context, register = self._context, self._register
        return Run(context, reader, options, spawn=spawn, register=register, columns=columns)

    def _register(self, run: Run, *, is_open: bool) -> None:
        """Register the start or end of a run; refuse to start it if the session is unusable."""
        if is_open:
            self._parts.network.transport()
            self._parts.in_flight.bulks[run] = self._context
        else:
            self._parts.in_flight.bulks.pop(run, None)

    def _hear_credits(self, amount: int) -> None:
        self._credits = (amount, time.time())


def make_client(
    network: Network,
    clock: Clock,
    api_key: str,
    **options: Any,  # noqa: ANN401  # those of `CustomerSMS`
) -> CustomerSMS:
    """Make a client with another network and clock than the system's."""
    over = CustomerSMS(api_key, **options)._over  # noqa: SLF001  # ours  # pyright: ignore[reportPrivateUsage]
    return over(network, clock)


def stream_batches(
    client: CustomerSMS,
    batches: AsyncIterable[Batch],
    *,
    lane: Lane = Lane.BULK,
    **options: Unpack[BulkOptions],
) -> Bulk:
    """Send finished batches, each as one request; an outbox has checked them."""
    chosen = evolve(choose(Options, options), lane=lane)
    run = client._run  # noqa: SLF001  # of this module  # pyright: ignore[reportPrivateUsage]
    return Bulk(run(BatchReader(batches), chosen))


def route_of(client: CustomerSMS) -> tuple[str, DeliveryContext]:
    """Return the URL that a client sends to, and what its requests share."""
    parts, context = client._parts, client._context  # noqa: SLF001  # of this module  # pyright: ignore[reportPrivateUsage]
    return parts.network.endpoint, context
