"""
Messages from a queue, with Celery.

    celery -A examples.codes_celery worker --concurrency 2

The broker, the results and the shared limit of all workers are in one Redis, at REDIS_URL.

Celery may run a task twice, with any settings: on SIGTERM, it leaves a task in the queue that it
has just handed to a child, and the child runs it. So each task leaves a mark in Redis before it
sends, and a task that finds its own mark sends nothing: the fate of its message is unknown, unless
the first run stored another, which Celery keeps. Protected by its mark, a task stays in the queue
until it has ended, so that it is not lost if its worker is killed. A message that was certainly not
sent removes the mark and is retried later.
"""

from __future__ import annotations

import os

from celery import Celery, Task
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from customersms_async import NotSent, OutcomeUnknown, Rejected
from customersms_async.sync import CustomerSMS

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
WEEK = 604_800  # seconds for which a mark is kept; an interrupted task runs again before that

app = Celery("codes", broker=REDIS_URL, backend=REDIS_URL)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    result_backend_always_retry=True,  # a fate is not lost while Redis is away
    worker_prefetch_multiplier=1,
    # Seconds after which the tasks of a killed worker run again; no retry waits longer.
    broker_transport_options={"visibility_timeout": 900},
)
# Neither opens anything before the first task of each child; Redis may be away for a minute.
sms = CustomerSMS(limiter=REDIS_URL)
marks = Redis.from_url(REDIS_URL, retry=Retry(ConstantBackoff(1), 60))


@app.task(bind=True, max_retries=None)  # type: ignore[untyped-decorator]  # Celery has no types
def send_code(task: Task[[str, str], str], phone: str, text: str) -> str:
    """Send a message; the result is its fate."""
    mark = f"sms-sent:{task.request.id}"
    if not marks.set(mark, "", nx=True, ex=WEEK):
        return "unknown"
    try:
        sms.send(phone, text, timeout=5)
    except NotSent as error:  # the queue is long, or the gateway is down: nothing was sent
        marks.delete(mark)
        raise task.retry(countdown=error.retry_after or 5.0) from None
    except Rejected as error:
        return f"rejected: {error.code}"
    except OutcomeUnknown:
        return "unknown"
    return "sent"
