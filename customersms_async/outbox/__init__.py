"""
Campaigns that survive a crash, on SQLite or PostgreSQL: each message once.

::

    async with Outbox("tonight.db") as outbox, CustomerSMS() as sms:
        campaign = outbox.campaign("parents-evening-2026-12")
        await campaign.add(read("people.csv", text="Hi {name}, ..."))
        progress = await campaign.send(sms)
"""

from ._campaign import Campaign
from ._campaigns import CampaignStatus
from ._enqueue import enqueue, enqueue_async
from ._errors import CampaignHeld, OutboxError, OutboxUnavailable
from ._outbox import Outbox
from ._read import Line
from ._rows import Added
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
