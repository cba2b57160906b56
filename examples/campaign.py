"""
Sends a personal text to each row of a spreadsheet; run it again, however it ended.

    python examples/campaign.py people.csv result.csv

Key and endpoint come from CUSTOMERSMS_API_KEY and CUSTOMERSMS_ENDPOINT. The file tonight.db.limit
carries the rate limit over from one run to the next.
"""

import asyncio
import sys

from customersms_async import CustomerSMS, StopRules
from customersms_async.outbox import Outbox
from customersms_async.recipients import read

TEXT = "Hi {name}, the parents' evening is on 3 December at 19:00."


async def main(people: str, result: str) -> None:
    """Add the list, print the plan, send what is left, and write the results."""
    async with Outbox("tonight.db") as outbox, CustomerSMS(limiter=outbox.limiter) as sms:
        campaign = outbox.campaign("parents-evening-2026-12")
        print(await campaign.add(read(people, text=TEXT)))
        print(await campaign.plan())
        print(await campaign.send(sms, stop=StopRules(max_credits=5_000)))
        await campaign.export(result)


asyncio.run(main(*sys.argv[1:]))
