"""No input blocks the event loop for long while it is read, sent, or stopped."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from asyncio import events

import pytest

from customersms_async import LocalLimiter, Message, Rate
from customersms_async._ports.transport import Reply
from tests.support.client_in_memory import phones
from tests.support.sizes import sized

COUNT = sized(30_000, 100_000)


class Gateway:
    """Accepts everything and stores nothing, so that only the client's work is measured."""

    async def post(self, body, attempt, *, timeout, most):
        said = json.loads(body.content)
        attempt.start()
        await asyncio.sleep(0)
        results = [{"phone": phone, "success": True} for phone in said["phone"]]
        return Reply(200, json.dumps({"success": True, "results": results}).encode(), {})


class Callbacks:
    """Measures the CPU time of each callback of the loop, without garbage collection."""

    def __init__(self, monkeypatch):
        self.longest = self._collecting = 0.0
        self._began = 0.0
        run = events.Handle._run
        gc.callbacks.append(self._collect)

        def timed(handle):
            began, collected = time.thread_time(), self._collecting
            run(handle)
            took = time.thread_time() - began - (self._collecting - collected)
            self.longest = max(self.longest, took)

        monkeypatch.setattr(events.Handle, "_run", timed)

    def _collect(self, phase, info):
        if phase == "start":
            self._began = time.thread_time()
        else:
            self._collecting += time.thread_time() - self._began

    def close(self):
        gc.callbacks.remove(self._collect)


@pytest.fixture
def callbacks(monkeypatch):
    watched = Callbacks(monkeypatch)
    yield watched
    watched.close()


async def one_by_one(items):
    for item in items:
        yield item


NUMBERS = phones(COUNT)
INPUTS = {
    "distinct texts": [Message(phone, f"Hello {phone}") for phone in NUMBERS],
    "distinct texts, async": [Message(phone, f"Hello {phone}") for phone in NUMBERS],
    "few texts": [Message(phone, f"Hello {phone[-2:]}") for phone in NUMBERS],
    "numbers": NUMBERS,
    "numbers with commas": ", ".join(NUMBERS),
    "numbers as people write them": [f"+1 (212) {p[5:8]}-{p[8:]}" for p in NUMBERS],
    "bad numbers": [f"{phone} or so" for phone in NUMBERS],
    "doubles": NUMBERS[:1] * COUNT,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", INPUTS)
async def test_no_callback_is_long(make_client, callbacks, kind):
    """No callback takes long while a large input is read, sent and stopped."""
    items = one_by_one(INPUTS[kind]) if kind.endswith("async") else INPUTS[kind]
    limiter = LocalLimiter(Rate(100_000, per=1), burst=1_000)
    client = make_client(Gateway(), limiter=limiter)
    is_messages = isinstance(INPUTS[kind][0], Message)
    if is_messages:
        bulk = client.stream_messages(items)
    else:
        bulk = client.stream_many(items, "hi", batch_size=1_000)
    callbacks.longest = 0.0

    async with bulk:
        finishing = asyncio.create_task(bulk.finish())
        await asyncio.sleep(1.0)
        bulk.stop()
        progress = await finishing

    assert progress.waiting == 0
    # Coverage or a debugger slows every line down, which says nothing about a normal run.
    assert callbacks.longest < (0.05 if sys.gettrace() is None else 0.2)
