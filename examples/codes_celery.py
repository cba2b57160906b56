"""
Messages from a queue, with Celery.

    celery -A examples.codes_celery worker --concurrency 2

The broker, the results and the shared limit of all workers are in one Redis, at REDIS_URL.

A task is removed from the queue before it begins (Celery's default, `acks_late=False`), so that a
worker that dies may leave a message unsent, but does not send it twice. A message that was
certainly not sent is retried; an unknown one is not. On SIGTERM Celery finishes the tasks that have
begun, and leaves the others in the queue. A task that began only milliseconds before SIGTERM may be
left there as well: Celery has not yet recorded that it began, and the next worker sends its message
again. Where that must not happen, queue messages in an outbox (docs/campaigns.md).
"""

from __future__ import annotations

import os

from celery import Celery, Task

from customersms_async import NotSent, OutcomeUnknown, Rejected
from customersms_async.sync import CustomerSMS

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")

app = Celery("codes", broker=REDIS_URL, backend=REDIS_URL)
app.conf.worker_prefetch_multiplier = 1
sms = CustomerSMS(limiter=REDIS_URL)  # opens nothing before the first task of each child


@app.task(bind=True, max_retries=None)  # type: ignore[untyped-decorator]  # Celery has no types
def send_code(task: Task[[str, str], str], phone: str, text: str) -> str:
    """Send a message; the result is its fate."""
    try:
        sms.send(phone, text, timeout=5)
    except NotSent as error:  # the queue is long, or the gateway is down: nothing was sent
        raise task.retry(countdown=error.retry_after or 5.0) from None
    except Rejected as error:
        return f"rejected: {error.code}"
    except OutcomeUnknown:
        return "unknown"
    return "sent"
