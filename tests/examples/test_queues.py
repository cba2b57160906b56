"""The workers of examples/ on a real Valkey: under load, stopped in the middle, restarted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import pytest
from arq import create_pool
from arq.connections import RedisSettings
from arq.jobs import Job
from celery import Celery
from celery.result import AsyncResult

from tests.support.application import SECONDS, Arrivals, Service, judge, running
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM")

PHONES = [f"+1212555{n:04}" for n in range(60)]
STEADILY = 20
IN_FLIGHT = 0.4  # seconds
TEXT = "Your code is 4711"
CELERY = [
    "celery",
    "-A",
    "examples.codes_celery",
    "worker",
    "--concurrency",
    "2",
    "--pool",
    "prefork",
]
ARQ = ["arq", "examples.codes_arq.WorkerSettings"]


@pytest.fixture
def store() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.close()


def pauses() -> Iterator[tuple[str, float]]:
    """Yield each number and the pause after it: some evenly within `SECONDS`, then all at once."""
    for n, phone in enumerate(PHONES):
        yield phone, SECONDS / STEADILY if n < STEADILY else 0.0


def arrivals(sandbox) -> Arrivals:
    """Make the gateway slow, and signal the arrival of a message from the burst."""
    latency = Arrivals(IN_FLIGHT, STEADILY + 5)
    sandbox.set_faults(latency=latency)
    return latency


@contextlib.contextmanager
def ended_at(reached: threading.Event, worker: Service) -> Iterator[None]:
    """
    Send SIGTERM to the worker while that message is in flight, even while enqueuing.

    Not in the milliseconds in which its task begins: Celery's main process, if it has not yet read
    that a task began, gives it to the next worker as well.
    """

    def end() -> None:
        if reached.wait(60):
            time.sleep(IN_FLIGHT / 2)
            worker.terminate()

    ending = threading.Thread(target=end)
    ending.start()
    try:
        yield
    finally:
        ending.join()
    assert reached.is_set(), worker.log


def until(condition: Callable[[], bool], seconds: float = 90) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "in vain"
        threading.Event().wait(0.05)


@pytest.mark.sms_sandbox(limit=100)
def test_celery(sms_sandbox, store, tmp_path):
    """Started tasks are finished, others wait for the next worker; each message is sent once."""
    app = Celery("client", broker=store.url, backend=store.url)
    environment, reached = {"REDIS_URL": store.url}, arrivals(sms_sandbox).reached
    results: dict[str, AsyncResult] = {}

    def told() -> Mapping[str, str]:
        return {
            phone: result.result if result.state == "SUCCESS" else "nothing"
            for phone, result in results.items()
        }

    with running(tmp_path, CELERY, environment) as worker:
        with ended_at(reached, worker):
            for phone, pause in pauses():
                results[phone] = app.send_task("examples.codes_celery.send_code", (phone, TEXT))
                time.sleep(pause)
        assert (0, []) == (worker.wait(), judge(told(), sms_sandbox)), worker.log
    assert STEADILY < len(sms_sandbox.messages) < len(PHONES)

    sms_sandbox.clear_faults()
    with running(tmp_path, CELERY, environment) as worker:
        until(lambda: len(sms_sandbox.messages) == len(PHONES))
        until(lambda: "nothing" not in told().values())
        worker.terminate()
        assert 0 == worker.wait()

    assert {"sent": len(PHONES)} == Counter(told().values())
    assert ([], (), ()) == (
        judge(told(), sms_sandbox),
        sms_sandbox.refused,
        sms_sandbox.duplicates(),
    )
    app.close()


@pytest.mark.filterwarnings("ignore:Call to .* deprecated:DeprecationWarning")  # arq's signature
@pytest.mark.sms_sandbox(limit=100)
async def test_arq(sms_sandbox, store, tmp_path):
    """Started jobs are finished, others wait for the next worker; each message is sent once."""
    environment, latency = {"REDIS_URL": store.url}, arrivals(sms_sandbox)
    pool = await create_pool(RedisSettings.from_dsn(store.url))
    jobs: dict[str, Job] = {}

    async def told() -> Mapping[str, str]:
        infos = {phone: await job.result_info() for phone, job in jobs.items()}
        return {phone: info.result if info else "nothing" for phone, info in infos.items()}

    with running(tmp_path, ARQ, environment) as worker:
        with ended_at(latency.reached, worker):
            for phone, pause in pauses():
                job = await pool.enqueue_job("send_code", phone, TEXT)
                assert job is not None
                jobs[phone] = job
                await asyncio.sleep(pause)
        code = await asyncio.to_thread(worker.wait)
        assert [] == judge(await told(), sms_sandbox), worker.log
    assert code in {0, -15}, worker.log
    assert STEADILY < len(sms_sandbox.messages) < len(PHONES)

    sms_sandbox.clear_faults()
    with running(tmp_path, ARQ, environment) as worker:
        for job in jobs.values():
            await job.result(timeout=90, poll_delay=0.05)
        worker.terminate()
        await asyncio.to_thread(worker.wait)
    said = await told()
    await pool.aclose()

    assert {"sent": len(PHONES)} == Counter(said.values())
    assert [] == judge(said, sms_sandbox)
    assert ((), ()) == (sms_sandbox.refused, sms_sandbox.duplicates())
