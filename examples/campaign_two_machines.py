"""
One campaign, sent by any number of machines, through one PostgreSQL.

    OUTBOX=postgresql://… python examples/campaign_two_machines.py people.csv    # where the list is
    OUTBOX=postgresql://… python examples/campaign_two_machines.py               # on all others

They share the work and the gateway's limit. If a machine dies, the others send what it had not
begun after its lease of 30 seconds; what it had in flight is unknown, and is not sent again.
"""

import asyncio
import os
import sys

from customersms_async import CustomerSMS
from customersms_async.outbox import Outbox
from customersms_async.recipients import read

TEXT = "Hi {name}, the parents' evening is on 3 December at 19:00."


async def main(*lists: str) -> None:
    """Add the given lists, and send what is left."""
    async with (
        Outbox(os.environ["OUTBOX"]) as outbox,
        CustomerSMS(limiter=outbox.limiter) as sms,
    ):
        campaign = outbox.campaign("parents-evening-2026-12")
        for people in lists:
            print(await campaign.add(read(people, text=TEXT)))
        print(await campaign.send(sms))


asyncio.run(main(*sys.argv[1:]))
