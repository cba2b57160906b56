"""
A campaign by Celery beat: every five minutes, send what is left of it.

    celery -A examples.campaign_celery worker --beat

Celery may run a task twice, or lose one with its worker. The outbox records what was sent, so the
next task continues and sends nothing twice. A task ends when the next one is due: on SIGTERM Celery
waits for it. Two tasks at once share the work. OUTBOX is a path, or a ``postgresql://`` URL if the
workers are on several machines.
"""

from __future__ import annotations

import datetime as dt
import os

from celery import Celery

from customersms_async.recipients import read
from customersms_async.sync import CustomerSMS, Outbox

TEXT = "Hi {name}, the parents' evening is on 3 December at 19:00."
SECONDS = float(os.environ.get("SEND_EVERY", "300"))

app = Celery("campaigns", broker=os.environ.get("BROKER_URL", "redis://localhost:6379/0"))


@app.task(name="send_tonight", ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def send_tonight() -> None:
    """Add new rows of the list, and send what is left."""
    next_one = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=SECONDS)
    with Outbox(os.environ["OUTBOX"]) as outbox, CustomerSMS(limiter=outbox.limiter) as sms:
        campaign = outbox.campaign("parents-evening-2026-12")
        campaign.add(read("people.csv", text=TEXT))
        campaign.send(sms, deadline=next_one)


app.conf.beat_schedule = {"tonight": {"task": "send_tonight", "schedule": SECONDS}}
