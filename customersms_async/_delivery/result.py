"""The result of a delivery: the fates of one request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from .. import codes
from .._values.opaque import Opaque
from .._values.status import Status, Verdict
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
    WaitTooLong,
)
from .retry import has_no_credits, is_key_refused

__all__ = ["DeliveryResult"]


class DeliveryResult(Opaque, eq=False):
    """
    The result of one request.

    Attributes:
        verdicts: One for all numbers, or one for each, in the given order.
        message_ids: One for each number, or None if no number has one.
        request: The number of the attempt that decided; 0 if there was none.
        credits: The balance reported in the answer, or None.
        retry_after: Seconds after which another call makes sense, if it was refused for the rate or
            for lack of time.
        cause: The exception that caused it, or None.
    """

    verdicts: Verdict | Sequence[Verdict]
    message_ids: Sequence[str | None] | None = None
    request: int = 0
    credits: int | None = None
    retry_after: float = 0.0
    cause: Exception | None = None

    @property
    def whole(self) -> Verdict | None:
        """The verdict about the whole request, or None if each number has its own."""
        return self.verdicts if isinstance(self.verdicts, Verdict) else None

    @property
    def first(self) -> Verdict:
        """The verdict about the first number."""
        return self.verdicts if isinstance(self.verdicts, Verdict) else self.verdicts[0]

    @property
    def is_unknown(self) -> bool:
        """Whether the fate of every number is unknown."""
        if isinstance(self.verdicts, Verdict):
            return self.verdicts.status is Status.UNKNOWN
        return all(verdict.status is Status.UNKNOWN for verdict in self.verdicts)

    def fates(self, numbers: int) -> Counter[Status]:
        """Count the fates."""
        if isinstance(self.verdicts, Verdict):
            return Counter({self.verdicts.status: numbers})
        return Counter(verdict.status for verdict in self.verdicts)

    def error(self, phone: str, request: str | None = None) -> SendError:
        """
        Make the error that says why there is no receipt for the one number of this request.

        Args:
            phone: The number.

            request: The id of the attempt that decided.
        """
        exc = self._error(phone)
        exc.request = request
        return exc

    def _error(self, phone: str) -> SendError:
        verdict = self.first
        code, phones = verdict.code or codes.REJECTED, (phone,)
        if verdict.status is Status.UNKNOWN:
            return OutcomeUnknown(code, phones, verdict.detail)
        if verdict.status is Status.NOT_SENT:
            later = _LATER.get(code)
            if later is not None:
                return later(code, phones, verdict.detail, self.retry_after)
            return _NOT_SENT.get(code, NotSent)(code, phones, verdict.detail)
        kind = AuthenticationError if is_key_refused(verdict) else Rejected
        if has_no_credits(verdict):
            kind = OutOfCredits
        return kind(code, phones, verdict.detail)


_NOT_SENT: Final[dict[str, type[NotSent]]] = {
    codes.CONNECT_FAILED: ConnectFailed,
    codes.LIMITER_UNAVAILABLE: LimiterUnavailable,
}
_LATER: Final[dict[str, type[RateLimited | WaitTooLong]]] = {
    codes.RATE_LIMITED: RateLimited,
    codes.WAIT_TOO_LONG: WaitTooLong,
    codes.PAUSED: WaitTooLong,
    codes.LIMITER_OPENING: WaitTooLong,
    codes.TIME_IS_OVER: WaitTooLong,
}
