"""What became of a request, from its sender's point of view."""

from __future__ import annotations

import enum
from typing import Final

from .faults import NOT_CARRIED_OUT, Fault
from .records import SandboxRequest
from .replies import Ending

__all__ = ["RequestFate", "fate_of"]


class RequestFate(enum.StrEnum):
    """
    The fate of a request.

    Attributes:
        ANSWERED: It has a readable answer.
        REFUSED: It was refused as a whole, with a reason.
        FAILED: It was not carried out, without such a refusal.
        LOST: It was carried out, without a readable answer.
    """

    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"
    LOST = "lost"


#: Endings with which the whole body arrives.
_COMPLETE: Final = (Ending.WHOLE, Ending.TRICKLE)

#: Faults whose answer arrives, and says nothing of any number.
_UNREADABLE: Final = (Fault.HTTP_504, Fault.HTML, Fault.EMPTY, Fault.NO_RESULTS)


def fate_of(request: SandboxRequest) -> RequestFate:
    """Decide what became of a request."""
    if request.code is not None:
        return RequestFate.REFUSED
    if request.fault in NOT_CARRIED_OUT:
        return RequestFate.FAILED
    if request.ending not in _COMPLETE or request.fault in _UNREADABLE:
        return RequestFate.LOST
    return RequestFate.ANSWERED
