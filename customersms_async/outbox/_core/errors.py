"""
What an outbox refuses, and why. Nothing was sent by the call that raises one of these.

::

    CustomerSMSError
    └─ OutboxError             the database refuses; the text names the cure
       ├─ OutboxUnavailable     the database cannot be asked; try again
       └─ CampaignHeld          .campaign .code: a person has to decide; the text says how
"""

from __future__ import annotations

from ...errors import CustomerSMSError

__all__ = ["CampaignHeld", "OutboxError", "OutboxUnavailable"]


class OutboxError(CustomerSMSError):
    """
    The root of what an outbox raises on purpose; by itself, what another try would not mend.

    Attributes:
        campaign: The name of the campaign that was at work, or None.
    """

    campaign: str | None = None

    def __str__(self) -> str:
        said = super().__str__()
        return said if self.campaign is None else f"campaign {self.campaign!r}: {said}"


class OutboxUnavailable(OutboxError):
    """The database did not answer, is full, or is locked; nothing of this call was written."""


class CampaignHeld(OutboxError):
    """
    A campaign may not be sent until a person has decided.

    Attributes:
        code: Why: ``PAUSED``, ``CRASHED``, ``STALE``, ``CANCELLED``, ``COPIED``,
            ``OTHER_ACCOUNT`` or ``OTHER_ENDPOINT``.
        reason: What happened, and the call that goes on.
    """

    def __init__(self, campaign: str, code: str, reason: str) -> None:
        super().__init__(campaign, code, reason)
        self.campaign: str | None = campaign
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"campaign {self.campaign!r} ({self.code}): {self.reason}"
