"""
The errors of an outbox. A call that raises one of these has sent nothing.

::

    CustomerSMSError
    └─ OutboxError             the database refuses; the text names the cure
       ├─ OutboxUnavailable     the database is unavailable; try again
       └─ CampaignHeld          .campaign .code: someone must decide; the text says how
"""

from __future__ import annotations

import enum

from ...errors import CustomerSMSError

__all__ = ["CampaignHeld", "Hold", "OutboxError", "OutboxUnavailable"]


class Hold(enum.StrEnum):
    """
    What holds a campaign until someone decides; the value is the code of `CampaignHeld`.

    Attributes:
        PAUSED: Someone, a stop rule or a slow database has paused it.
        CRASHED: Its last runs died with requests in flight.
        STALE: Its last run ended long ago.
        CANCELLED: It was cancelled, for ever.
        COPIED: Its database is not where it was created.
        OTHER_ACCOUNT: It was started with another key.
        OTHER_ENDPOINT: It was started at another endpoint.
    """

    PAUSED = "PAUSED"
    CRASHED = "CRASHED"
    STALE = "STALE"
    CANCELLED = "CANCELLED"
    COPIED = "COPIED"
    OTHER_ACCOUNT = "OTHER_ACCOUNT"
    OTHER_ENDPOINT = "OTHER_ENDPOINT"


class OutboxError(CustomerSMSError):
    """
    The base of an outbox's errors; raised itself for errors that retrying would not fix.

    Attributes:
        campaign: The name of the campaign concerned, or None.
    """

    campaign: str | None = None

    def __str__(self) -> str:
        said = super().__str__()
        return said if self.campaign is None else f"campaign {self.campaign!r}: {said}"


class OutboxUnavailable(OutboxError):
    """The database did not answer, is full, or is locked; this call wrote nothing."""


class CampaignHeld(OutboxError):
    """
    A campaign must not be sent until someone has decided what to do.

    Attributes:
        code: Why: ``PAUSED``, ``CRASHED``, ``STALE``, ``CANCELLED``, ``COPIED``,
            ``OTHER_ACCOUNT`` or ``OTHER_ENDPOINT``.
        why: What happened.
        reason: What happened, and the call that continues.
    """

    def __init__(self, campaign: str, code: str, why: str, cure: str) -> None:
        super().__init__(campaign, code, why, cure)
        self.campaign: str | None = campaign
        self.code = code
        self.why = why
        self.reason: str = f"{why}; {cure}"

    def __str__(self) -> str:
        return f"campaign {self.campaign!r} ({self.code}): {self.reason}"
