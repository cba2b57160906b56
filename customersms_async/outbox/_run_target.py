"""What a run of a campaign sends, by which client, and within which bounds."""

from __future__ import annotations

import logging
from typing import Final

from attrs import field, frozen

from ._context import OutboxContext
from ._core.engine import Named, Runner
from ._core.hours import Schedule
from ._sender import Sender

__all__ = ["RunTarget"]

_logger: Final = logging.getLogger("customersms_async")


@frozen(kw_only=True)
class RunTarget:
    """
    What does not change during a run.

    Attributes:
        engine: The database.
        campaign: The id of the campaign.
        name: Its name.
        identity: Which database it is, and where: a copy has another.
        lease: Seconds that a claim lasts without a heartbeat.
        patience: Seconds to wait for an unavailable database.
        sender: The client that sends it.
        schedule: When it may be sent.
    """

    engine: Runner
    campaign: int
    name: str
    identity: str
    lease: float
    patience: float
    sender: Sender
    schedule: Schedule = field(factory=Schedule)

    @classmethod
    def of(
        cls,
        context: OutboxContext,
        campaign: int,
        name: str,
        *,
        sender: Sender,
        patience: float,
        schedule: Schedule | None = None,
    ) -> RunTarget:
        """Describe a run of an outbox's campaign."""
        return cls(
            engine=Named(context.engine, name),
            campaign=campaign,
            name=name,
            identity=context.identity,
            lease=context.lease,
            patience=patience,
            sender=sender,
            schedule=schedule or Schedule(),
        )

    def log(self, level: int, event: str, what: str) -> None:
        """Log what happens to the campaign."""
        extra = {"event": event, "campaign": self.name}
        _logger.log(level, "campaign %r %s", self.name, what, extra=extra)
