"""A gateway that keeps a ledger, for runs that are killed, and workers that are killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import web

from customersms_async import CustomerSMS, LocalLimiter, Rate
from customersms_async.outbox import Campaign
from customersms_async.outbox._context import OutboxContext

KEY = "cspro_test_4711"

#: Numbers per request.
BATCH = 5

#: Seconds of a lease in these tests; the loop of a busy machine may be blocked for part of it.
LEASE = 1.0


class Ledger:
    """
    What a gateway has accepted.

    Args:
        at: Called with ``received`` and ``done`` and the number of the request, from 1.

        takes: Seconds until it answers.
    """

    def __init__(self, at: Callable[[str, int], Awaitable[None]] | None = None, takes=0.005):
        self.sent: Counter[str] = Counter()
        self.requests = 0
        self.credits = 1_000_000
        self.price = 1  # credits per number
        self.refuses_from: int | None = None  # for lack of credits, from this request on
        self.turns_away: set[int] = set()  # for the rate
        self.pause = 1  # seconds that it then asks for
        self.prefix = "m"  # of the ids of messages
        self._at = at
        self._takes = takes
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(128)
        self.endpoint = f"http://127.0.0.1:{self._socket.getsockname()[1]}/api.php"

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/api.php", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        return self

    async def __aexit__(self, *exc):
        await self._runner.cleanup()

    async def _answer(self, request):
        said = await request.json()
        phones = [said["phone"]] if isinstance(said["phone"], str) else said["phone"]
        self.requests += 1
        number = self.requests
        if self._at is not None:
            await self._at("received", number)
        await asyncio.sleep(self._takes)
        if self.refuses_from is not None and number >= self.refuses_from:
            refusal = {"success": False, "error": "No credit", "code": "INSUFFICIENT_CREDITS"}
            return web.json_response(refusal)
        if number in self.turns_away:
            return web.json_response({}, status=429, headers={"Retry-After": str(self.pause)})
        self.sent.update(phones)
        self.credits -= self.price * len(phones)
        if self._at is not None:
            await self._at("done", number)
        results = [
            {"phone": phone, "success": True, "message_id": self.prefix + phone} for phone in phones
        ]
        answer = {"success": True, "results": results, "remaining_credits": self.credits}
        return web.json_response(answer)


class Striking:
    """
    An engine that kills or stops its own process at a given job.

    Args:
        engine: The engine.

        point: Such as ``before fence`` or ``after settle``, or None.

        turn: At which of these jobs, from 1.

        sign: The signal.
    """

    def __init__(self, engine, point, turn=2, sign=signal.SIGKILL):
        self._engine = engine
        self._when, _, self._job = (point or "").partition(" ")
        self._left = turn
        self._sign = sign
        self._running = 0
        self.kind, self.prefix = engine.kind, engine.prefix

    async def open(self):
        await self._engine.open()

    async def identity(self):
        return await self._engine.identity()

    async def aclose(self):
        await self._engine.aclose()

    async def run(self, job):
        is_it = job.__name__ == self._job
        self._left -= is_it
        is_now = is_it and self._left == 0
        if is_now and self._when == "before":
            await self._strike()
        self._running += 1
        try:
            result = await self._engine.run(job)
        finally:
            self._running -= 1
        if is_now and self._when == "after":
            await self._strike()
        return result

    async def _strike(self):
        """Strike, but not within a transaction, which would lock others out if stopped."""
        while self._running and self._sign == signal.SIGSTOP:  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(0)
        os.kill(os.getpid(), self._sign)


def context_of(engine, lease=LEASE):
    """Return what the campaigns of an outbox with this engine share."""
    return OutboxContext(engine, lease, "here")


class StrikingLimiter(LocalLimiter):
    """A limiter that kills its own process after it has granted a slot."""

    def __init__(self, turn):
        super().__init__(Rate(10_000, per=1.0), reserve=1)
        self._left = turn

    async def acquire(self, *args, **options):
        slot = await super().acquire(*args, **options)
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return slot


async def work(engine, endpoint, limiter=None, *, lease=LEASE, **options):
    """Send a campaign as one process does."""
    await engine.open()
    host = context_of(engine, lease)
    try:
        async with CustomerSMS(
            KEY, endpoint=endpoint, limiter=limiter or LocalLimiter(Rate(10_000, per=1.0))
        ) as sms:
            campaign = Campaign(host, "tonight")
            return await campaign.send(sms, batch_size=BATCH, **options)
    finally:
        await host.stop_runs()
        await engine.aclose()


def in_a_child(make_coroutine):
    """Run a coroutine in a forked process; return its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        asyncio.run(make_coroutine())
    finally:
        os._exit(0)
