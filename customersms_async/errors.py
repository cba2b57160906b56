"""
What can go wrong, sorted by the question that matters: may something have been sent?

::

    CustomerSMSError
    ├─ ConfigurationError (ValueError)
    ├─ InvalidPhone (ValueError) · InvalidMessage (ValueError)
    ├─ BulkInterrupted · BulkFailed                  .report
    └─ SendError                                     .status .code .phones .detail
       ├─ NotSent          safe to send again        .retry_after
       │  ├─ ConnectFailed (ConnectionError)
       │  ├─ WaitTooLong
       │  ├─ RateLimited
       │  └─ LimiterUnavailable
       ├─ Rejected         the gateway said no
       │  ├─ AuthenticationError
       │  └─ OutOfCredits
       └─ OutcomeUnknown   never send again by itself

Rules of this module:

1. Nothing that may have been sent is a builtin's subclass, and nothing at all is a
   `TimeoutError`: ``except TimeoutError: send again`` must never catch a request in flight.
2. Every error survives ``pickle`` whole (``args`` are the arguments). ``str`` and ``repr``, which
   logs are made of, are one line each and show numbers masked, keys and texts never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from ._values.redaction import mask_phone, plain
from ._values.status import Status

if TYPE_CHECKING:
    from .outcomes import Report

__all__ = [
    "AuthenticationError",
    "BulkFailed",
    "BulkInterrupted",
    "ConfigurationError",
    "ConnectFailed",
    "CustomerSMSError",
    "InvalidMessage",
    "InvalidPhone",
    "LimiterUnavailable",
    "NotSent",
    "OutOfCredits",
    "OutcomeUnknown",
    "RateLimited",
    "Rejected",
    "SendError",
    "Status",
    "WaitTooLong",
    "mask_phone",
]


class CustomerSMSError(Exception):
    """The root: every error that this package raises on purpose. Its ``str`` is ASCII."""

    def __str__(self) -> str:
        return plain(self._said())

    def _said(self) -> str:
        return super().__str__()

    def __repr__(self) -> str:
        # The default shows the arguments, numbers included, and asyncio logs it for tasks that
        # were never awaited.
        return f"{type(self).__name__}({str(self)!r})"


class ConfigurationError(CustomerSMSError, ValueError):
    """An option of the client or a limiter makes no sense: no key, plain http, a closed session."""


class InvalidPhone(CustomerSMSError, ValueError):
    """
    The input is no phone number in international form; nothing was sent.

    Attributes:
        phone: The input as given; the message shows only its shape.
        reason: What is wrong with it and what would be right.
    """

    def __init__(self, phone: object, reason: str) -> None:
        super().__init__(phone, reason)
        self.phone = phone
        self.reason = reason

    def _said(self) -> str:
        return f"phone {mask_phone(self.phone)!r}: {self.reason}"


class InvalidMessage(CustomerSMSError, ValueError):
    """The text is empty, no string, or cannot be encoded; nothing was sent."""


class _BulkError(CustomerSMSError):
    _WHAT: ClassVar[str]

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report

    def _said(self) -> str:
        return f"{self._WHAT}: {self.report}"


_INTERRUPTED_BY: Final = {"INPUT_FAILED": "its input", "JOURNAL_FAILED": "its journal"}


class BulkInterrupted(_BulkError):
    """
    Something of the caller's own ended the run; ``__cause__`` is the error.

    Its iterable or its journal raised, or its session was closed.

    Attributes:
        report: Everything that was done until then, in a `Report`; empty of outcomes, with counts
            only, for a streamed run, which has handed its outcomes over already.
    """

    _WHAT = "the run was interrupted by"

    def __str__(self) -> str:
        by = _INTERRUPTED_BY.get(self.report.stopped or "", "what it was given")
        return f"{self._WHAT} {by}: {self.report}"


class BulkFailed(_BulkError):
    """
    `Report.raise_for_failures` found numbers that were not sent.

    Attributes:
        report: The report that was asked.
    """

    _WHAT = "not everything was sent"


class SendError(CustomerSMSError):
    """
    One message did not get a receipt; the subclass and ``status`` say what became of it.

    Attributes:
        status: The fate: `Status.NOT_SENT`, `Status.REJECTED` or `Status.UNKNOWN`.
        code: A stable upper-case word, the gateway's own or one of `customersms_async.codes`.
        phones: The numbers concerned, in E.164; the message shows them masked.
        detail: One line for people, or None.
        request: The short id of the last attempt, the same in logs and in `RequestRecord.request`;
            None where a limiter raises it.
    """

    status: ClassVar[Status]
    args: tuple[Any, ...]

    def __init__(
        self,
        code: str,
        phones: tuple[str, ...] = (),
        detail: str | None = None,
        *,
        request: str | None = None,
    ) -> None:
        # `ConnectionError` would read three arguments as errno, text and file name.
        super().__init__()
        self.args = (code, phones, detail)
        self.code = code
        self.phones = phones
        self.detail = detail
        self.request = request

    def _said(self) -> str:
        fate = self.status.value.replace("_", " ")
        to = f"to {', '.join(map(mask_phone, self.phones))}, " if self.phones else ""
        said = f": {' '.join(self.detail.split())}" if self.detail else ""
        return f"{self.code} ({to}{fate}){said}"


class NotSent(SendError):
    """
    Never handed over, or turned away before it was carried out: it is safe to send again.

    Attributes:
        retry_after: Seconds after which another call makes sense, as known when this was raised; 0
            where nobody can say.
    """

    status = Status.NOT_SENT
    retry_after: float = 0.0


class ConnectFailed(NotSent, ConnectionError):
    """No connection was made, or it was gone before a byte of the body left."""


class WaitTooLong(NotSent):
    """
    It could not be handed over early enough to hear the answer within ``timeout``.

    Its ``code`` says why: ``WAIT_TOO_LONG`` the queue, ``PAUSED`` a refusal for the rate,
    ``LIMITER_OPENING`` a shared limiter whose store is new or lost its memory, ``TIME_IS_OVER``
    a busy event loop, a slow connection, or answers that take longer than ``timeout``.

    Attributes:
        retry_after: Seconds after which the same call would be in time, as things stood when this
            was raised and if no other call comes first; 0 if there is nothing to wait for.
    """

    args: tuple[Any, ...]

    def __init__(
        self,
        code: str,
        phones: tuple[str, ...] = (),
        detail: str | None = None,
        retry_after: float = 0.0,
        *,
        request: str | None = None,
    ) -> None:
        super().__init__(code, phones, detail, request=request)
        self.args = (code, phones, detail, retry_after)
        self.retry_after = retry_after


class RateLimited(NotSent):
    """
    The gateway turned it away for the rate, and the time did not allow another try.

    Attributes:
        retry_after: Seconds until the pause of this key ends, as known when this was raised.
    """

    args: tuple[Any, ...]

    def __init__(
        self,
        code: str,
        phones: tuple[str, ...] = (),
        detail: str | None = None,
        retry_after: float = 0.0,
        *,
        request: str | None = None,
    ) -> None:
        super().__init__(code, phones, detail, request=request)
        self.args = (code, phones, detail, retry_after)
        self.retry_after = retry_after


class LimiterUnavailable(NotSent):
    """The store of a shared limiter does not answer, so no slot could be had."""


class Rejected(SendError):
    """The gateway carried it out or looked at it, and said no; ``code`` is its own word."""

    status = Status.REJECTED


class AuthenticationError(Rejected):
    """The gateway does not accept the key."""


class OutOfCredits(Rejected):
    """The account has no credits left for this message."""


class OutcomeUnknown(SendError):
    """
    Handed over, and no readable answer came: it may have been sent, and paid for.

    The gateway has no status call and no idempotency, so there is no way to find out. Do not
    repeat it blindly. For a login code, let the person ask for a new one; for anything else, set
    the number aside and look at the gateway's own history.
    """

    status = Status.UNKNOWN
