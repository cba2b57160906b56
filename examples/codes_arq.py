"""
Messages from a queue, with arq.

    arq examples.codes_arq.WorkerSettings

arq runs a job at least once: a job that was interrupted, by a crash or a slow shutdown, runs again.
So each job leaves a mark in Redis before it sends, and a job that finds its own mark sends nothing:
the fate of its message is unknown, since it was in flight when the first run ended. A message that
was certainly not sent removes the mark and is retried later.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, ClassVar

from arq import Retry
from arq.connections import RedisSettings
from redis.asyncio.retry import Retry as RedisRetry
from redis.backoff import ConstantBackoff

from customersms_async import CustomerSMS, NotSent, OutcomeUnknown, Rejected

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
DAY = 86_400  # seconds for which a mark is kept; arq keeps a job for a day after its enqueuing


async def startup(ctx: dict[str, Any]) -> None:
    """Open a client; all workers share its limit."""
    ctx["sms"] = await CustomerSMS(limiter=REDIS_URL).__aenter__()


async def shutdown(ctx: dict[str, Any]) -> None:
    """Close the client."""
    await ctx["sms"].aclose()


async def send_code(ctx: dict[str, Any], phone: str, text: str) -> str:
    """Send a message; the result is its fate."""
    redis, mark = ctx["redis"], f"sms-sent:{ctx['job_id']}"
    if not await redis.set(mark, "", nx=True, ex=DAY):
        return "unknown"
    try:
        await ctx["sms"].send(phone, text, timeout=5)
    except NotSent as error:
        await redis.delete(mark)
        raise Retry(defer=error.retry_after or 5.0) from None
    except Rejected as error:
        return f"rejected: {error.code}"
    except OutcomeUnknown:
        return "unknown"
    return "sent"


class WorkerSettings:
    """The settings for the command `arq`."""

    functions: ClassVar = [send_code]
    on_startup = startup
    on_shutdown = shutdown
    redis_settings = dataclasses.replace(
        RedisSettings.from_dsn(REDIS_URL),
        retry=RedisRetry(ConstantBackoff(1), 60),  # by default arq exits, and forgets fates
    )
    job_completion_wait = 60  # seconds after SIGTERM for jobs that have begun
    max_tries = 1_000  # a refusal for lack of time is not a failure
