"""
Errors, sorted by the question that matters: may something have been sent?

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
       └─ OutcomeUnknown   never send again automatically

Rules of this module:

1. An error for something that may have been sent has no builtin base, and no error at all is a
   `TimeoutError`: ``except TimeoutError: send again`` must never catch a request in flight.
2. Every error can be pickled without loss (``args`` are the arguments). ``str`` and ``repr``, which
   end up in logs, are one line each; they mask numbers, and never show keys or texts.
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
    """The base of every error that this package raises on purpose. Its ``str`` is ASCII."""

    def __str__(self) -> str:
        return plain(self._said())

    def _said(self) -> str:
        return super().__str__()

    def __repr__(self) -> str:
        # The default shows the arguments, including numbers, and asyncio logs it for tasks that
        # were never awaited.
        return f"{type(self).__name__}({str(self)!r})"


class ConfigurationError(CustomerSMSError, ValueError):
    """
    An option of the client or a limiter is not valid: no key, plain http, a closed session.

    Args:
        why: What is wrong and what would be right.

        in_code: What a program may write instead, if it can.

    Attributes:
        why: What is wrong and what would be right.
    """

    def __init__(self, why: str, in_code: str | None = None) -> None:
        super().__init__(*((why,) if in_code is None else (why, in_code)))
        self.why = why

    def _said(self) -> str:
        return "; ".join(self.args)


class InvalidPhone(CustomerSMSError, ValueError):
    """
    The input is not a phone number in international form; nothing was sent.

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
    """The text is empty, not a string, or cannot be encoded; nothing was sent."""


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
    The caller's iterable, journal or session failed; ``__cause__`` is the error.

    Attributes:
        report: The results so far, in a `Report`; for a streamed run, which has already yielded its
            outcomes, with counts only.
    """

    _WHAT = "the run was interrupted by"

    def __str__(self) -> str:
        by = _INTERRUPTED_BY.get(self.report.stopped or "", "what it was given")
        return f"{self._WHAT} {by}: {self.report}"


class BulkFailed(_BulkError):
    """
    `Report.raise_for_failures` found numbers that were not sent.

    Attributes:
        report: The report.
    """

    _WHAT = "not everything was sent"


class SendError(CustomerSMSError):
    """
    There is no receipt for a message; the subclass and ``status`` say what became of it.

    Attributes:
        status: The fate: `Status.NOT_SENT`, `Status.REJECTED` or `Status.UNKNOWN`.
        code: A stable upper-case word, the gateway's own or one of `customersms_async.codes`.
        phones: The numbers concerned, in E.164; the message shows them masked.
        detail: One line for people, or None.
        request: The short id of the last attempt, the same in logs and in `RequestRecord.request`;
            None if a limiter raised it.
    """

    status: ClassVar[Status] = Status.UNKNOWN  # alone, it proves nothing; each subclass says more
    args: tuple[Any, ...]

    def __init__(
        self,
        code: str,
        phones: tuple[str, ...] = (),
        detail: str | None = None,
        *,
        request: str | None = None,
    ) -> None:
        # `ConnectionError` would take three arguments for errno, text and file name.
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
    Never handed over, or refused before it was carried out: it is safe to send again.

    Attributes:
        retry_after: Seconds after which another call makes sense, as known when this was raised; 0
            if not known.
    """

    status = Status.NOT_SENT
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


class ConnectFailed(NotSent, ConnectionError):
    """No connection was made, or it was lost before a byte of the body left."""


class WaitTooLong(NotSent):
    """
    It could not be sent early enough to read the answer within ``timeout``.

    Its ``code`` says why: ``WAIT_TOO_LONG`` the queue, ``PAUSED`` a refusal for the rate,
    ``LIMITER_OPENING`` a shared limiter whose store is new or lost its memory, ``TIME_IS_OVER``
    a busy event loop, a slow connection, or answers that take longer than ``timeout``.

    Attributes:
        retry_after: Seconds after which the same call would be in time, by the queue when this was
            raised and if no other call comes first; 0 if there is nothing to wait for.
    """


class RateLimited(NotSent):
    """
    The gateway refused it for the rate, and there was no time for another try.

    Attributes:
        retry_after: Seconds until the pause of this key ends, as known when this was raised.
    """


class LimiterUnavailable(NotSent):
    """The store of a shared limiter is unavailable, so no slot was granted."""


class Rejected(SendError):
    """The gateway processed it and said no; ``code`` is the gateway's own."""

    status = Status.REJECTED


class AuthenticationError(Rejected):
    """The gateway does not accept the key."""


class OutOfCredits(Rejected):
    """The account has no credits left for this message."""


class OutcomeUnknown(SendError):
    """
    Handed over, and no readable answer came: it may have been sent, and paid for.

    The gateway has no status call and no idempotency, so there is no way to find out. Do not
    repeat it blindly. For a login code, let the person request a new one; for anything else, set
    the number aside and check the gateway's own history.
    """

    status = Status.UNKNOWN
