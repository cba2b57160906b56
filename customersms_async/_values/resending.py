"""Which fates are safe to send again."""

from __future__ import annotations

from typing import Final, Protocol

from .. import codes
from .refusal_words import concerns_recipient
from .status import Status

__all__ = ["is_safe_to_resend"]

#: Codes of `Status.NOT_SENT` that are not safe to resend: the same input would end the same way, is
#: not wanted, or is being sent elsewhere.
_NEVER: Final = codes.REFUSED_AS_INPUT | {
    codes.DUPLICATE,
    codes.TAKEN,
    codes.REF_CONFLICT,
    codes.WITHDRAWN,
}


class _Fate(Protocol):
    @property
    def status(self) -> Status: ...
    @property
    def code(self) -> str | None: ...


def is_safe_to_resend(fate: _Fate) -> bool:
    """Decide on a verdict or an outcome; see `Outcome.is_safe_to_resend`."""
    if fate.status is Status.NOT_SENT:
        return fate.code not in _NEVER
    return fate.status is Status.REJECTED and not concerns_recipient(fate.code)
