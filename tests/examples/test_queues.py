"""The workers of examples/ on a real Valkey: under load, stopped in the middle, restarted."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import psutil
import pytest
from arq import create_pool
from arq.connections import RedisSettings
from arq.jobs import Job
from celery import Celery
from celery.result import AsyncResult
from redis import Redis

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
UNREAD = 90  # seconds; it waits 30 s longer for a child if it has not read that its task began
ARQ = ["arq", "examples.codes_arq.WorkerSettings"]


@contextlib.contextmanager
def serving(server: RedisServer) -> Iterator[RedisServer]:
    server.start()
    yield server
    gc.collect()  # Celery's results unsubscribe when they are collected
    server.close()


@pytest.fixture
def store() -> Iterator[RedisServer]:
    with serving(RedisServer()) as server:
        yield server


@pytest.fixture
def durable() -> Iterator[RedisServer]:
    with serving(RedisServer(durable=True)) as server:
        yield server


def pauses() -> Iterator[tuple[str, float]]:
    """Yield each number and the pause after it: some evenly within `SECONDS`, then all at once."""
    for n, phone in enumerate(PHONES):
        yield phone, SECONDS / STEADILY if n < STEADILY else 0.0


def arrivals(sandbox, count: int = STEADILY + 5) -> Arrivals:
    """Make the gateway slow, and signal an arrival; by default, that of a message of the burst."""
    latency = Arrivals(IN_FLIGHT, count)
    sandbox.set_faults(latency=latency)
    return latency


@contextlib.contextmanager
def ended_at(reached: threading.Event, worker: Service) -> Iterator[None]:
    """Send SIGTERM to the worker as soon as that message is in flight, even while enqueuing."""

    def end() -> None:
        if reached.wait(60):
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


def client(store: RedisServer) -> Celery:
    return Celery("client", broker=store.url, backend=store.url)


def send(app: Celery, phone: str) -> AsyncResult:
    return app.send_task("examples.codes_celery.send_code", (phone, TEXT))


@pytest.mark.sms_sandbox(limit=100)
def test_celery(sms_sandbox, store, tmp_path):
    """Started tasks are finished, others wait for the next worker; each message is sent once."""
    app, environment = client(store), {"REDIS_URL": store.url}
    reached = arrivals(sms_sandbox).reached
    results: dict[str, AsyncResult] = {}

    def told() -> Mapping[str, str]:
        return {
            phone: result.result if result.state == "SUCCESS" else "nothing"
            for phone, result in results.items()
        }

    with running(tmp_path, CELERY, environment) as worker:
        with ended_at(reached, worker):
            for phone, pause in pauses():
                results[phone] = send(app, phone)
                time.sleep(pause)
        assert (0, []) == (worker.wait(UNREAD), judge(told(), sms_sandbox)), worker.log
    assert STEADILY < len(sms_sandbox.messages) < len(PHONES)

    sms_sandbox.clear_faults()
    with running(tmp_path, CELERY, environment) as worker:
        until(lambda: len(sms_sandbox.messages) == len(PHONES))
        until(lambda: "nothing" not in told().values())
        worker.terminate()
        assert 0 == worker.wait(UNREAD)

    assert "Traceback" not in worker.log
    assert {"sent": len(PHONES)} == Counter(told().values())
    assert ([], (), ()) == (
        judge(told(), sms_sandbox),
        sms_sandbox.refused,
        sms_sandbox.duplicates(),
    )
    app.close()


def test_celery_ended_as_it_hands_over(sms_sandbox, store, tmp_path):
    """A task that Celery runs and leaves in the queue as well, at SIGTERM, sends one message."""
    app, environment = client(store), {"REDIS_URL": store.url}

    with running(tmp_path, CELERY, environment) as worker, Redis.from_url(store.url) as broker:
        assert "sent" == send(app, PHONES[0]).get(timeout=60)
        until(lambda: broker.hlen("unacked") == 0)  # its child is free
        children = psutil.Process(worker.pid).children()
        for child in children:  # as on a busy machine
            child.suspend()
        results = [send(app, phone) for phone in PHONES[1:3]]
        until(lambda: broker.hlen("unacked") == len(results))
        time.sleep(0.5)  # the tasks are in the pipes of the children
        worker.terminate()
        time.sleep(3)  # the main process looks at its signals once a second at least
        for child in children:
            child.resume()
        assert ["sent", "sent"] == [result.get(timeout=60) for result in results]
        for child in children:  # they would wait for 30 s
            child.kill()
        assert 0 == worker.wait(), worker.log
        assert len(results) == broker.llen("celery"), "it is no longer left in the queue"

    with running(tmp_path, CELERY, environment) as worker, Redis.from_url(store.url) as broker:
        until(lambda: broker.llen("celery") == broker.hlen("unacked") == 0)
        worker.terminate()
        assert 0 == worker.wait(), worker.log

    assert ["sent", "sent"] == [result.get(timeout=1) for result in results]
    assert (3, ()) == (len(sms_sandbox.messages), sms_sandbox.duplicates())
    app.close()


def test_celery_killed(sms_sandbox, store, tmp_path):
    """Of a killed worker's tasks, those in flight are unknown, and the others are carried out."""
    app, environment = client(store), {"REDIS_URL": store.url}
    reached = arrivals(sms_sandbox, 1).reached

    with running(tmp_path, CELERY, environment) as worker:
        results = {phone: send(app, phone) for phone in PHONES[:5]}
        assert reached.wait(60), worker.log
        worker.kill()
    with Redis.from_url(store.url) as broker:  # the 15 minutes are over
        broker.zadd("unacked_index", dict.fromkeys(broker.zrange("unacked_index", 0, -1), 1.0))
    with running(tmp_path, CELERY, environment) as worker:
        said = {phone: result.get(timeout=90) for phone, result in results.items()}
        worker.terminate()
        assert 0 == worker.wait(UNREAD), worker.log

    assert {"sent", "unknown"} == set(said.values())
    assert [] == judge(said, sms_sandbox)
    app.close()


def restart(store: RedisServer) -> None:
    """Kill the store, and start it again two seconds later."""
    store.kill()
    time.sleep(2)
    store.start()


def test_celery_and_a_restart_of_redis(sms_sandbox, durable, tmp_path):
    """If Redis is restarted while messages are in flight, their fates are stored afterwards."""
    app, environment = client(durable), {"REDIS_URL": durable.url}
    reached = arrivals(sms_sandbox, 2).reached

    with running(tmp_path, CELERY, environment) as worker:
        results = {phone: send(app, phone) for phone in PHONES[:5]}
        assert reached.wait(60), worker.log
        restart(durable)
        app.close()  # its connections have ended
        said = {
            phone: app.AsyncResult(result.id).get(timeout=90) for phone, result in results.items()
        }
        worker.terminate()
        assert 0 == worker.wait(UNREAD), worker.log

    assert {"sent", "unknown"} >= set(said.values()), worker.log
    assert [] == judge(said, sms_sandbox)
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


@pytest.mark.filterwarnings("ignore:Call to .* deprecated:DeprecationWarning")  # arq's signature
async def test_arq_and_a_restart_of_redis(sms_sandbox, durable, tmp_path):
    """If Redis is restarted while a message is in flight, its fate is stored afterwards."""
    reached = arrivals(sms_sandbox, 1).reached
    pool = await create_pool(RedisSettings.from_dsn(durable.url))

    with running(tmp_path, ARQ, {"REDIS_URL": durable.url}) as worker:
        job = await pool.enqueue_job("send_code", PHONES[0], TEXT)
        await pool.aclose()
        assert job is not None
        assert await asyncio.to_thread(reached.wait, 60), worker.log
        await asyncio.sleep(0.2)  # arq polls twice a second, and ends if it is watching a key
        await asyncio.to_thread(restart, durable)
        said = {PHONES[0]: await job.result(timeout=60, poll_delay=0.05)}
        worker.terminate()
        assert 0 == await asyncio.to_thread(worker.wait), worker.log
    await pool.aclose()

    assert ("sent", []) == (said[PHONES[0]], judge(said, sms_sandbox)), worker.log


@pytest.mark.filterwarnings("ignore:Call to .* deprecated:DeprecationWarning")  # arq's signature
async def test_arq_killed(sms_sandbox, store, tmp_path):
    """Of a killed worker's jobs, those in flight are unknown, and the others are carried out."""
    reached, environment = arrivals(sms_sandbox, 1).reached, {"REDIS_URL": store.url}
    pool = await create_pool(RedisSettings.from_dsn(store.url))

    with running(tmp_path, ARQ, environment) as worker:
        jobs = [(phone, await pool.enqueue_job("send_code", phone, TEXT)) for phone in PHONES[:15]]
        assert await asyncio.to_thread(reached.wait, 60), worker.log
        worker.kill()
    await pool.delete(*await pool.keys("arq:in-progress:*"))  # the five minutes are over
    with running(tmp_path, ARQ, environment) as worker:
        said = {phone: await job.result(timeout=90, poll_delay=0.05) for phone, job in jobs if job}
        worker.terminate()
        assert 0 == await asyncio.to_thread(worker.wait), worker.log
    await pool.aclose()

    assert {"sent", "unknown"} == set(said.values())
    assert [] == judge(said, sms_sandbox)
