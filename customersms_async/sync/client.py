"""
`CustomerSMS` for programs without an event loop.

Rules of this module:

1. It sends nothing itself: every call runs the asynchronous client's in the background.
2. No local variable of a frame that may raise holds the key.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterable
from os import PathLike
from typing import NoReturn, Self, TypeAlias, TypeVar, Unpack, cast

from .._bulk.options import BulkOptions, MessageOptions
from .._environment import NOT_GIVEN, NotGiven, find_key
from .._ports.hooks import RequestRecord
from .._ports.limiter import Limiter, Usage
from .._values.api_key import ApiKey, read_key
from .._values.attributes import attributes_of
from .._values.safe_repr import safe_repr
from ..client import CustomerSMS as AsyncCustomerSMS
from ..errors import ConfigurationError
from ..outcomes import Credits, Message, Outcome, Receipt, Report
from ..phones import ParsePhone, normalize_phone
from .background import close_later, remember
from .bulk import Bulk
from .call import CallerExecutor, call, run
from .source import read_by_caller

__all__ = ["CustomerSMS", "Phones", "asynchronous"]

T = TypeVar("T")

#: Numbers: any iterable; one number; or several separated by commas. An `Outcome` stands for its
#: number.
Phones: TypeAlias = str | Iterable[str | Outcome]


class CustomerSMS:
    """
    A client of the gateway, for one key and for programs without an event loop.

    ::

        with CustomerSMS() as sms:
            receipt = sms.send("+12125551234", "Your code is 4711", timeout=5)
            report = sms.send_many(numbers, "We open at nine")

    Create one for the whole process, at import time if you like: it opens nothing before the first
    call, and is closed at exit at the latest. It may be used from any thread; a forked child opens
    new connections. Calls block the calling thread, and raise a `RuntimeError` if that thread runs
    an event loop.

    An interruption of that thread (Ctrl-C, an exception raised by a signal handler) cancels the
    call: nothing more is sent, a bulk run waits up to ``drain`` seconds for requests in flight, and
    the notes of the exception say what is proven.

    The iterable of a bulk run is read in the calling thread, so that a database connection stays in
    its thread. Callbacks (``parse_phone``, ``on_request``) and a journal run in the thread of the
    background event loop.

    Args:
        api_key: The key. Not given: the environment variable ``CUSTOMERSMS_API_KEY``.

        endpoint: The URL of the API. Not given: ``CUSTOMERSMS_ENDPOINT``, else the gateway's.

        limiter: The rate limiter, as for `customersms_async.CustomerSMS`; by default one object for
            the process, shared with asynchronous clients.

        request_timeout: Seconds for one attempt; None for 30, plus half a second for each further
            number.

        send_timeout: Seconds in total for one `send`, if the call gives no ``timeout``.

        retries: How often a request is retried that provably was not sent.

        parse_phone: Converts an input to E.164, or raises; by default
            `customersms_async.phones.normalize_phone`, which guesses no country.

        allow_insecure_http: Allow plain http to another machine.

        on_request: Called with a `RequestRecord` once per attempt.

        rate_limit_statuses: HTTP statuses that mean "refused for the rate, not carried out".

        max_connections: The most requests in flight, over all accounts; None for half of the files
            that may be open, at most 500.

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
        allow_insecure_http: bool = False,
        on_request: Callable[[RequestRecord], object] | None = None,
        rate_limit_statuses: Collection[int] = (429,),
        max_connections: int | None = None,
    ) -> None:
        key = find_key(api_key)
        api_key = NOT_GIVEN  # from here on, no local holds it
        self._client = AsyncCustomerSMS(
            _checked(key),
            endpoint=endpoint,
            limiter=limiter,
            request_timeout=request_timeout,
            send_timeout=send_timeout,
            retries=retries,
            parse_phone=parse_phone,
            allow_insecure_http=allow_insecure_http,
            on_request=on_request,
            rate_limit_statuses=rate_limit_statuses,
            max_connections=max_connections,
        )
        self._root = self
        remember(self._client)
        weakref.finalize(self, close_later, self._client).atexit = False

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
        other = object.__new__(type(self))
        for name, value in attributes_of(self).items():
            object.__setattr__(other, name, value)
        other._client = self._client.for_key(_checked(key))
        return other

    def usage(self) -> Usage:
        """Return the account's use of the limit; raises `LimiterUnavailable` as `send` does."""
        return call(self._client.usage)

    def ready(self) -> None:
        """Wait until the limiter grants slots: a few seconds if its store is new; see `usage`."""
        call(self._client.ready)

    @property
    def account(self) -> str:
        """The hash that stands for the key in logs, in `RequestRecord` and in shared limiters."""
        return self._client.account

    @property
    def credits(self) -> Credits | None:
        """The last balance that this client was told, and when; None before the first."""
        return self._client.credits

    @property
    def limiter(self) -> Limiter:
        """The rate limiter, by default shared with the other clients of the process."""
        return self._client.limiter

    def send(self, phone: str, text: str, *, timeout: float | None = None) -> Receipt:
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
            ConfigurationError: *timeout* is not above 0.
            NotSent: It was not sent; the subclass says why: `ConnectFailed`, `WaitTooLong`,
                `RateLimited` or `LimiterUnavailable`. It is safe to send it again.
            Rejected: The gateway said no; `AuthenticationError` and `OutOfCredits` are subclasses.
            OutcomeUnknown: It was handed over and no readable answer came. It may have been sent:
                do not repeat it blindly.
            KeyboardInterrupt: As raised in this thread, with notes: if it was still queued, nothing
                was sent; in flight, the outcome is unknown.
            RuntimeError: This thread runs an event loop, or the process is exiting.
        """
        return call(lambda: self._client.send(phone, text, timeout=timeout))

    def send_many(self, phones: Phones, text: str, **options: Unpack[BulkOptions]) -> Report:
        """
        Send one text to many numbers, as fast as the limit allows.

        Args:
            phones: Any iterable of numbers, read lazily, in this thread; one number; or several in
                one string, separated by commas.

            text: The text.

            options: See `customersms_async.BulkOptions`.

        Returns:
            The fate of every number, in input order.

        Raises:
            TypeError: *phones* cannot be iterated over, or an option is unknown.
            ValueError: The text or an option is out of range.
            BulkInterrupted: The iterable or the journal raised; ``.report`` has the results so far.
            KeyboardInterrupt: As raised in this thread; it has waited up to ``drain`` seconds for
                requests in flight, and a note has the counts.
            RuntimeError: This thread runs an event loop, or the process is exiting.
        """
        executor = CallerExecutor()
        source = read_by_caller(phones, executor)
        return call(lambda: self._client.send_many(source, text, **options), executor)

    def send_messages(
        self, messages: Iterable[Message], **options: Unpack[MessageOptions]
    ) -> Report:
        """
        Send each number its own text; equal texts share requests.

        Duplicates are equal pairs of number and text. Otherwise like `send_many`.

        Args:
            messages: Any iterable of `Message`, read lazily, in this thread.

            options: See `customersms_async.MessageOptions`.
        """
        executor = CallerExecutor()
        source = read_by_caller(messages, executor)
        return call(lambda: self._client.send_messages(source, **options), executor)

    def stream_many(self, phones: Phones, text: str, **options: Unpack[BulkOptions]) -> Bulk:
        """
        Send one text to any number of numbers, and yield each outcome as soon as it is known.

        Nothing is read or sent before the block of the run is entered.

        Args:
            phones: As for `send_many`; read in the thread that iterates over the run.

            text: The text.

            options: See `customersms_async.BulkOptions`.

        Raises:
            TypeError: *phones* cannot be iterated over, or an option is unknown.
            ValueError: The text or an option is out of range.
        """
        executor = CallerExecutor()
        source = read_by_caller(phones, executor)
        return Bulk(self._client.stream_many(source, text, **options), executor)

    def stream_messages(
        self, messages: Iterable[Message], **options: Unpack[MessageOptions]
    ) -> Bulk:
        """Send each number its own text, as `stream_many` does; see `send_messages`."""
        executor = CallerExecutor()
        source = read_by_caller(messages, executor)
        return Bulk(self._client.stream_messages(source, **options), executor)

    def close(self, drain: float | None = None) -> None:
        """
        Stop every bulk run, wait for requests in flight, and close the session.

        The client may be used again; it then opens a new session. Calling this is optional: it also
        happens at exit.

        Args:
            drain: Seconds to wait, at least 0; requests without an answer by then are unknown. None
                waits as long as requests may take, and for a bulk run its own ``drain``. An
                interruption ends the wait.
        """
        run(lambda: self._client.aclose(drain))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @safe_repr
    def __repr__(self) -> str:
        return f"<sync {repr(self._client).removeprefix('<')}"

    def __reduce__(self) -> NoReturn:
        msg = "a client holds a key and connections, and cannot be pickled; create it where needed"
        raise TypeError(msg)


def _checked(key: ApiKey | ConfigurationError) -> str:
    """Return the key as the asynchronous client takes it: a value that is never shown."""
    if isinstance(key, ConfigurationError):
        raise key
    return cast("str", key)


def asynchronous(client: object) -> AsyncCustomerSMS:
    """
    Return the client that does the work, for an outbox.

    Raises:
        TypeError: It is something else, such as the asynchronous client.
    """
    if not isinstance(client, CustomerSMS):
        kind = f"{type(client).__module__}.{type(client).__qualname__}"
        msg = f"sms must be a customersms_async.sync.CustomerSMS, not {kind}"
        raise TypeError(msg)
    return client._client  # noqa: SLF001  # of this module  # pyright: ignore[reportPrivateUsage]
