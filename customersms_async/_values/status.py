"""A fate, and a fate with its reason."""

from __future__ import annotations

import enum
from typing import Final

from attrs import frozen

__all__ = ["SENT", "Status", "Verdict"]


class Status(enum.StrEnum):
    """
    The fate of one number.

    Attributes:
        SENT: The gateway said ``success`` for this number.
        REJECTED: The gateway said no, for this number or for the whole request.
        NOT_SENT: Never handed over, or refused for the rate before it was carried out.
        UNKNOWN: Handed over without a readable answer; it may have been sent, and paid for.
    """

    SENT = "sent"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


@frozen
class Verdict:
    """
    A fate and its reason, without the number it is about.

    Attributes:
        status: The fate.
        code: The reason code; None for `Status.SENT`.
        detail: One line for people, or None.
    """

    status: Status
    code: str | None = None
    detail: str | None = None


SENT: Final = Verdict(Status.SENT)
