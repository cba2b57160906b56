"""What the deliveries of one account share, and what each of them gives back."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Final

from attrs import define, field

from .. import codes
from .._columns import Verdict
from .._key import ApiKey
from .._ports import Clock, Limiter, RequestRecord, Transport
from ..errors import (
    AuthenticationError,
    ConnectFailed,
    LimiterUnavailable,
    NotSent,
    OutcomeUnknown,
    OutOfCredits,
    RateLimited,
    Rejected,
    SendError,
    Status,
    WaitTooLong,
)
from ..outcomes import request_name
from .retry import has_no_credits, is_key_refused

__all__ = ["Delivered", "Desk"]

_logger = logging.getLogger("customersms_async")


@define(eq=False, kw_only=True)
class Desk:
    """
    What all deliveries of one account share.

    Attributes:
        key: The key.
        transport: Gives the transport of the running event loop.
        limiter: Grants the slots.
        clock: Time and dice.
        retries: How often a message that was not sent is tried again.
        request_timeout: Seconds for one attempt; None for 30 and half a second more per further
            number.
        rate_statuses: HTTP statuses that mean "turned away for the rate" by themselves.
        on_request: Told of every attempt, or None.
        on_credits: Told of every balance that an answer names.
        name: A few letters that begin the name of every attempt.
        numbers: Numbers the attempts.
        accepted_at: When the gateway last let a request through, monotonic seconds.
    """

    key: ApiKey
    transport: Callable[[], Transport]
    limiter: Limiter
    clock: Clock
    retries: int
    request_timeout: float | None
    rate_statuses: Collection[int]
    on_request: Callable[[RequestRecord], object] | None
    on_credits: Callable[[int], None]
    name: str
    numbers: itertools.count[int] = field(factory=lambda: itertools.count(1))
    accepted_at: float = float("-inf")

    def timeout_for(self, numbers: int) -> float:
        """Seconds that one attempt with so many numbers may take."""
        if self.request_timeout is not None:
            return self.request_timeout
        return 30.0 + 0.5 * (numbers - 1)

    def tell(self, record: Callable[[], RequestRecord]) -> None:
        """Tell the caller's hook of an attempt; *record* is made where there is a hook."""
        if self.on_request is None:
            return
        told = record()
        try:
            self.on_request(told)
        except Exception:
            # What is told must not change what happens; the caller's hook is the caller's to mend.
            _logger.exception("on_request raised", extra={"event": "hook.failed"})

    def warn(self, event: str, number: int, what: str) -> None:
        """Log something of the attempt of this *number*."""
        request, account = request_name(self.name, number), self.key.account
        _logger.warning(
            "request %s of account %s: %s",
            request,
            account,
            what,
            extra={"event": event, "request": request, "account": account},
        )


@define(eq=False)
class Delivered:
    """
    What became of one request.

    Attributes:
        verdicts: One for all numbers, or one for each, in the order given.
        message_ids: One for each number, or None where no number has one.
        request: The number of the attempt that decided; 0 where none was made.
        credits: The balance that the answer named, or None.
        retry_after: Seconds that the pause of the key lasts, for a refusal for the rate.
        cause: What was raised below, or None.
    """

    verdicts: Verdict | Sequence[Verdict]
    message_ids: Sequence[str | None] | None = field(default=None, repr=False)
    request: int = 0
    credits: int | None = None
    retry_after: float = 0.0
    cause: Exception | None = None

    @property
    def whole(self) -> Verdict | None:
        """The one verdict about the whole request, or None where each number has its own."""
        return self.verdicts if isinstance(self.verdicts, Verdict) else None

    @property
    def first(self) -> Verdict:
        """The verdict about the first number."""
        return self.verdicts if isinstance(self.verdicts, Verdict) else self.verdicts[0]

    @property
    def is_unknown(self) -> bool:
        """Whether nothing at all is known of any number."""
        if isinstance(self.verdicts, Verdict):
            return self.verdicts.status is Status.UNKNOWN
        return all(verdict.status is Status.UNKNOWN for verdict in self.verdicts)

    def fates(self, numbers: int) -> Counter[Status]:
        """Count the fates."""
        if isinstance(self.verdicts, Verdict):
            return Counter({self.verdicts.status: numbers})
        return Counter(verdict.status for verdict in self.verdicts)

    def error(self, phone: str) -> SendError:
        """Make the error that says why there is no receipt for the one number of this request."""
        verdict = self.first
        code, phones = verdict.code or codes.REJECTED, (phone,)
        if verdict.status is Status.UNKNOWN:
            return OutcomeUnknown(code, phones, verdict.detail)
        if verdict.status is Status.NOT_SENT:
            if code == codes.RATE_LIMITED:
                return RateLimited(code, phones, verdict.detail, self.retry_after)
            return _NOT_SENT.get(code, NotSent)(code, phones, verdict.detail)
        kind = AuthenticationError if is_key_refused(verdict) else Rejected
        if has_no_credits(verdict):
            kind = OutOfCredits
        return kind(code, phones, verdict.detail)


_NOT_SENT: Final[dict[str, type[NotSent]]] = {
    codes.CONNECT_FAILED: ConnectFailed,
    codes.WAIT_TOO_LONG: WaitTooLong,
    codes.LIMITER_UNAVAILABLE: LimiterUnavailable,
}
