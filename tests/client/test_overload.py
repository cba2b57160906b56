"""Overload: messages are refused in time instead of becoming unknown."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from customersms_async import (
    LocalLimiter,
    OutcomeUnknown,
    Rate,
    RateLimited,
    Receipt,
    SendError,
    WaitTooLong,
)
from tests.support.client_in_memory import (
    MemoryTransport,
    accepts,
    cannot_connect,
    hangs,
    now,
    turns_away,
)

pytestmark = pytest.mark.virtual_time


def phone(number):
    return f"+1212{number:07}"


def local(limit, per):
    return LocalLimiter(Rate(limit, per=per), clock=asyncio.get_running_loop().time)


class Crowd:
    """Sends codes at an even pace, each in its own task, and records how each ended."""

    def __init__(self, client, timeout):
        self._client = client
        self._timeout = timeout
        self._tasks = []
        self.ends = []  # start time, exception class or None

    async def send(self, count, per_second):
        for number in range(count):
            self._tasks.append(asyncio.create_task(self._one(len(self._tasks) + number)))
            await asyncio.sleep(1 / per_second)

    async def _one(self, number):
        began_at = now()
        try:
            await self._client.send(phone(number), "Your code", timeout=self._timeout)
        except SendError as exc:
            self.ends.append((began_at, type(exc)))
        else:
            self.ends.append((began_at, None))

    async def counts(self):
        await asyncio.gather(*self._tasks)
        return Counter(end for _, end in self.ends)


def per_minute(ends, since=0.0):
    """Count messages that were sent, by the minute in which they were requested."""
    return Counter(int((began_at - since) // 60) for began_at, end in ends if end is None)


async def test_overload_refuses_and_leaves_nothing_unknown(make_client):
    """At 1.5 times the rate, the limit is used and the rest is refused in time."""
    gateway = MemoryTransport(then=accepts(0.3))
    crowd = Crowd(make_client(gateway, limiter=local(20, 6.0)), timeout=2)

    await crowd.send(200, per_second=5)
    counts = await crowd.counts()

    assert counts[None] >= 130
    assert {None, WaitTooLong} == set(counts)
    assert counts[None] == len(gateway.began)


@pytest.mark.parametrize(("share", "is_in_time"), [(1.0, True), (0.8, False)])
async def test_retry_after_of_a_refusal(make_client, share, is_in_time):
    """The same call succeeds after `retry_after`, and is refused after 80 % of it."""
    gateway = MemoryTransport(then=accepts(0.3))
    client = make_client(gateway, limiter=local(20, 6.0))
    crowd = Crowd(client, timeout=2)
    await crowd.send(20, per_second=10)
    with pytest.raises(WaitTooLong) as caught:
        await client.send(phone(1), "Your code", timeout=2)
    assert "WAIT_TOO_LONG" == caught.value.code

    await asyncio.sleep(share * caught.value.retry_after)
    again = asyncio.create_task(client.send(phone(1), "Your code", timeout=2))
    (end,) = await asyncio.gather(again, return_exceptions=True)

    assert is_in_time == isinstance(end, Receipt)


async def test_retry_after_of_a_pause(make_client):
    """While a key is paused, other messages are refused with the time at which it ends."""
    client = make_client(MemoryTransport(turns_away("30"), then=accepts(0.3)))
    refused = asyncio.create_task(client.send(phone(1), "Your code", timeout=60))
    await asyncio.sleep(1)
    with pytest.raises(WaitTooLong) as caught:
        await client.send(phone(2), "Your code", timeout=2)
    await asyncio.sleep(caught.value.retry_after)

    assert "PAUSED" == caught.value.code
    await refused
    await client.send(phone(2), "Your code", timeout=2)


async def test_overload_uses_the_limit_of_every_minute(make_client):
    """Of 150 codes per minute for ten minutes, about 100 of each minute are sent."""
    gateway = MemoryTransport(then=accepts(0.5))
    crowd = Crowd(make_client(gateway), timeout=2)
    since = now()

    await crowd.send(1500, per_second=2.5)
    counts = await crowd.counts()

    sent = Counter(int((post.began_at - since) // 60) for post in gateway.began)
    assert min(sent[minute] for minute in range(10)) >= 95
    assert {None, WaitTooLong} == set(counts)


async def test_recovery_after_slow_answers(make_client):
    """Probes detect that the gateway is fast again, and few messages are unknown until then."""
    takes = [0.3]

    async def behave(post):
        return await accepts(takes[0])(post)

    crowd = Crowd(make_client(MemoryTransport(then=behave)), timeout=2)
    await crowd.send(90, per_second=1.5)
    takes[0] = 2.5
    await crowd.send(90, per_second=1.5)
    takes[0], ended_at = 0.3, now()
    await crowd.send(270, per_second=1.5)
    counts = await crowd.counts()

    assert counts[OutcomeUnknown] <= 35
    late = [end for began_at, end in crowd.ends if began_at >= ended_at + 10]
    assert late.count(None) >= 0.9 * len(late)


async def test_one_probe_at_a_time_while_answers_are_slow(make_client):
    """While a probe is in flight, other messages are refused with the time at which it ends."""
    gateway = MemoryTransport(then=hangs())
    client = make_client(gateway)
    with pytest.raises(OutcomeUnknown):
        await client.send(phone(0), "Your code", timeout=2)
    probe = asyncio.create_task(client.send(phone(1), "Your code", timeout=2))
    await asyncio.sleep(0.5)

    with pytest.raises(WaitTooLong) as caught:
        await client.send(phone(2), "Your code", timeout=2)
    await asyncio.gather(probe, return_exceptions=True)
    with pytest.raises(OutcomeUnknown):
        await client.send(phone(3), "Your code", timeout=2)

    assert ("TIME_IS_OVER", 3) == (caught.value.code, len(gateway.began))
    assert 1.5 == pytest.approx(caught.value.retry_after, abs=0.05)
    assert "2.0 s are left, and the answer may take" in caught.value.detail


async def test_each_key_has_its_own_probe(make_client):
    """If answers are slow, each key sends its own probe."""
    gateway = MemoryTransport(then=hangs())
    client = make_client(gateway)
    with pytest.raises(OutcomeUnknown):
        await client.send(phone(0), "Your code", timeout=2)

    probes = [
        asyncio.create_task(one.send(phone(1), "Your code", timeout=2))
        for one in (client, client.for_key("cspro_tenant"))
    ]
    await asyncio.gather(*probes, return_exceptions=True)

    assert 3 == len(gateway.began)


async def test_a_probe_does_not_wait_in_the_queue(make_client):
    """No probe is sent on a busy key, whose slots are for messages with more time."""
    client = make_client(MemoryTransport(then=hangs()), limiter=local(1, 3.0))
    with pytest.raises(OutcomeUnknown):
        await client.send(phone(0), "Your code", timeout=2)
    await asyncio.sleep(7.5)

    with pytest.raises(WaitTooLong) as caught:
        await client.send(phone(1), "Your code", timeout=2)

    assert "WAIT_TOO_LONG" == caught.value.code


async def test_a_short_timeout_on_an_idle_key(make_client):
    """Without known answer times, half of a short timeout is reserved, and the message is sent."""
    receipt = await make_client(MemoryTransport(then=accepts(0.09))).send(
        phone(1), "Your code", timeout=0.1
    )

    assert phone(1) == receipt.phone


async def test_a_pause_leaves_time_for_the_answer(make_client):
    """After a rate limit, a message is not sent again with too little time for an answer."""
    gateway = MemoryTransport(turns_away("1"), then=accepts(0.3))

    with pytest.raises(RateLimited):
        await make_client(gateway).send(phone(1), "Your code", timeout=1.15)

    assert 1 == len(gateway.began)


async def test_a_retry_leaves_time_for_the_answer(make_client):
    """A retry that would leave too little time for an answer is not made."""
    gateway = MemoryTransport(cannot_connect(0.7), then=accepts(0.3))

    with pytest.raises(SendError) as caught:
        await make_client(gateway).send(phone(1), "Your code", timeout=1.1)

    assert ("CONNECT_FAILED", 1) == (caught.value.code, len(gateway.began))


async def test_bulk_runs_do_not_affect_the_estimate(make_client):
    """The answer time of a batch does not count for single messages."""
    client = make_client(MemoryTransport(accepts(20), then=accepts(0.3)))
    await client.send_many([phone(n) for n in range(50)], "We open at nine")

    sends = [client.send(phone(n), "Your code", timeout=2) for n in range(3)]

    assert 3 == len(await asyncio.gather(*sends))
