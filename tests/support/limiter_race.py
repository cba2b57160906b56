"""
Members of a shared limiter that race, in virtual time.

Their store behaves as badly as allowed, and the server counts each arrival.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from bisect import bisect_right
from contextlib import suppress

from attrs import define, field, frozen

from customersms_async import LimiterUnavailable, Rate, WaitTooLong
from customersms_async._limit.shared_limiter import SharedLimiter
from customersms_async._ports.store import TIMEOUT, Seen, StoreAway, Swap
from tests.support.limiter_callers import BULK, KEY, SEND
from tests.support.memory_store import may_replace

LIMIT, PER = 10, 5.0

#: The longest time of a request, and when the server has counted it at the latest.
LONGEST, GRACE = 1.0, 1.0


def now():
    return asyncio.get_running_loop().time()


@frozen
class Weather:
    """
    How badly the store behaves.

    Attributes:
        trip: The longest one-way latency, in seconds.
        loses: The share of answers that are lost, from 0 to 1.
        delays: The share of swaps that arrive seconds later, after the caller has given up.
        steps: Whether its clock is changed from time to time.
    """

    trip: float = 0.3
    loses: float = 0.0
    delays: float = 0.0
    steps: bool = False


class BadStore:
    """The store that members share: a value, a token, a run, and a clock that may be changed."""

    def __init__(self, dice: random.Random, weather: Weather) -> None:
        self.dice = dice
        self.weather = weather
        self.held: dict[str, tuple[bytes, bytes]] = {}
        self.run = "run-0"
        self.since = now() - 1_000
        self.ahead = 0.0
        self._numbers = itertools.count(1)
        self._late: set[asyncio.Task[None]] = set()

    def clock(self):
        return now() + self.ahead

    def begin_run(self):
        self.run = f"run-{next(self._numbers)}"
        self.since = self.clock()

    async def read(self, account):
        return await self._travel(lambda: self._seen(account))

    async def swap(self, account, base, value, *, within=None):
        def carry_out():
            seen = self._seen(account)
            done = may_replace(base, seen, within)
            if done:
                self.held[account] = value, b"%d" % next(self._numbers)
            return Swap(done, self._seen(account))

        if self.dice.random() < self.weather.delays:
            self._carry_out_later(carry_out)
            await asyncio.sleep(TIMEOUT)
            raise StoreAway("it has not answered")
        return await self._travel(carry_out)

    async def aclose(self):
        pass

    def _seen(self, account):
        value, token = self.held.get(account, (None, b""))
        return Seen(value, token, self.clock(), self.run, self.since)

    async def _travel(self, work):
        there, back = (self.dice.uniform(0.001, self.weather.trip) for _ in range(2))
        await asyncio.sleep(there)
        answer = work()
        if there + back > TIMEOUT or self.dice.random() < self.weather.loses:
            await asyncio.sleep(max(0.0, TIMEOUT - there))
            raise StoreAway("its answer was lost")
        await asyncio.sleep(back)
        return answer

    def _carry_out_later(self, work):
        async def later():
            await asyncio.sleep(self.dice.uniform(0, 4))
            work()

        task = asyncio.create_task(later())
        self._late.add(task)
        task.add_done_callback(self._late.discard)


class Process(SharedLimiter):
    """The limiter of one process."""

    def __init__(self, store, **options):
        super().__init__(Rate(LIMIT, per=PER), clock=now, burst=LIMIT, grace=GRACE, **options)
        self._store = store

    def _open_store(self):
        return self._store


@define(eq=False)
class Race:
    """
    Members that send as much as they can for a while.

    Attributes:
        arrivals: Times at which the server counted a request.
        granted: Slots that were granted.
    """

    dice: random.Random
    weather: Weather
    seconds: float = 60.0
    arrivals: list[float] = field(factory=list)
    granted: int = 0
    store: BadStore = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(factory=set)
    _members: list[list[asyncio.Task[None]]] = field(factory=list)

    def __attrs_post_init__(self):
        self.store = BadStore(self.dice, self.weather)

    def begin_member(self):
        """Start another process that sends: a bulk run, and single messages from time to time."""
        limiter = Process(self.store)
        tasks = [
            asyncio.create_task(self._bulk(limiter)),
            asyncio.create_task(self._messages(limiter)),
        ]
        self._members.append(tasks)
        return limiter

    async def kill_member(self):
        """Kill a process; what it has sent is still on its way, and never reported."""
        tasks = self._members.pop(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def end(self):
        while self._members:
            await self.kill_member()
        await asyncio.gather(*self._tasks)

    def most_in_a_period(self):
        """Return the largest number of arrivals in any half-open period."""
        times = sorted(self.arrivals)
        return max(number + 1 - bisect_right(times, at - PER) for number, at in enumerate(times))

    async def _bulk(self, limiter):
        while True:
            with suppress(LimiterUnavailable, WaitTooLong):
                await self._take(limiter, BULK)

    async def _messages(self, limiter):
        while True:
            await asyncio.sleep(self.dice.expovariate(0.8))
            self._spawn(self._one_message(limiter))

    async def _one_message(self, limiter):
        with suppress(LimiterUnavailable, WaitTooLong, asyncio.CancelledError):
            await self._take(limiter, SEND, patience=self.dice.uniform(0.1, 6))

    async def _take(self, limiter, lane, patience=None):
        slot = await limiter.acquire(KEY, lane, longest=LONGEST, patience=patience)
        self.granted += 1
        self._spawn(self._request(slot))

    async def _request(self, slot):
        fate = self.dice.random()
        if fate < 0.05:
            slot.unused()
            return
        if fate < 0.15:  # given up, and counted by the server afterwards
            await asyncio.sleep(LONGEST)
            slot.lost()
            await asyncio.sleep(self.dice.uniform(0, GRACE))
            self.arrivals.append(now())
            return
        there, back = (self.dice.uniform(0.001, 0.45) for _ in range(2))
        await asyncio.sleep(there)
        self.arrivals.append(now())
        await asyncio.sleep(back)
        slot.answered()

    def _spawn(self, work):
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
