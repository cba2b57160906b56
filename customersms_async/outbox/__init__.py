"""
Campaigns that survive a crash, on SQLite or PostgreSQL: each message once.

::

    async with Outbox("tonight.db") as outbox, CustomerSMS() as sms:
        campaign = outbox.campaign("parents-evening-2026-12")
        await campaign.add(read("people.csv", text="Hi {name}, ..."))
        progress = await campaign.send(sms)
"""

from ._campaign import Campaign
from ._core.campaigns import CampaignStatus
from ._core.errors import CampaignHeld, OutboxError, OutboxUnavailable
from ._core.lines import Line
from ._core.rows import Added
from ._enqueue import enqueue, enqueue_async
from ._outbox import Outbox
from ._worker import Worker

__all__ = [
    "Added",
    "Campaign",
    "CampaignHeld",
    "CampaignStatus",
    "Line",
    "Outbox",
    "OutboxError",
    "OutboxUnavailable",
    "Worker",
    "enqueue",
    "enqueue_async",
]
