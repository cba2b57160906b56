"""The time of a message: total timeout, retries, rate limits."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async import (
    ConnectFailed,
    Lane,
    LocalLimiter,
    OutcomeUnknown,
    Rate,
    RateLimited,
    SendError,
    WaitTooLong,
)
from tests.support.client_in_memory import (
    LoopClock,
    MemoryTransport,
    accepts,
    cannot_connect,
    connects_slowly,
    hangs,
    loses_answer,
    now,
    phones,
    turns_away,
)
from tests.support.limiter_callers import usage_now

pytestmark = pytest.mark.virtual_time

PHONE = "+12125551234"


def local(limit=100, per=60.0, **options):
    return LocalLimiter(Rate(limit, per=per), clock=asyncio.get_running_loop().time, **options)


async def test_a_message_without_a_slot_in_time_fails_at_once(make_client):
    """If every slot is busy for a minute, a timeout of five seconds fails without waiting."""
    gateway = MemoryTransport()
    client = make_client(gateway, limiter=local(limit=1))
    await client.send(PHONE, "first")
    asked_at = now()

    with pytest.raises(WaitTooLong) as caught:
        await client.send(PHONE, "second", timeout=5)

    assert asked_at == now()
    assert "its turn comes in 60.1 s at the earliest, and 4.8 s are left" == caught.value.detail


async def test_a_message_behind_others_fails_at_once(make_client):
    """Slots that go to earlier waiters are not counted on."""
    client = make_client(MemoryTransport(), limiter=local(limit=1))
    await client.send(PHONE, "first")
    waiting = asyncio.create_task(client.send(PHONE, "second", timeout=100))
    await asyncio.sleep(50)
    asked_at = now()

    with pytest.raises(WaitTooLong):
        await client.send(PHONE, "third", timeout=30)

    assert asked_at == now()
    assert "msg_12125551234" == (await waiting).message_id


async def test_a_wait_for_a_slot_ends_in_time(make_client):
    """A wait for a slot ends early enough to leave time for an answer."""
    gateway = MemoryTransport(hangs())
    client = make_client(gateway, limiter=local(limit=1, per=1.0))
    first = asyncio.create_task(client.send(PHONE, "first", timeout=50))
    await asyncio.sleep(1)
    asked_at = now()

    with pytest.raises(WaitTooLong):
        await client.send(PHONE, "second", timeout=5)

    assert asked_at + 4.75 == pytest.approx(now(), abs=1e-6)
    assert 1 == len(gateway.began)
    with pytest.raises(OutcomeUnknown):
        await first


async def test_a_timeout_while_connecting_is_not_sent(make_client):
    """If the timeout ends before the hand-over, nothing was sent and nothing will be."""
    gateway = MemoryTransport(connects_slowly(10))
    began_at = now()

    with pytest.raises(WaitTooLong):
        await make_client(gateway).send(PHONE, "hello", timeout=3)

    assert 3 == pytest.approx(now() - began_at)
    await asyncio.sleep(60)
    assert [] == gateway.started


async def test_a_timeout_after_the_hand_over_is_unknown(make_client):
    """If the timeout ends after the hand-over, the outcome is unknown."""
    gateway = MemoryTransport(accepts(takes=10))
    began_at = now()

    with pytest.raises(OutcomeUnknown):
        await make_client(gateway).send(PHONE, "hello", timeout=3)

    assert 3 == pytest.approx(now() - began_at)


async def test_the_default_timeout_of_a_client(make_client):
    """`send_timeout` applies to calls without `timeout`."""
    began_at = now()

    with pytest.raises(OutcomeUnknown):
        await make_client(MemoryTransport(hangs()), send_timeout=7).send(PHONE, "hello")

    assert 7 == pytest.approx(now() - began_at)


async def test_request_timeout_limits_one_attempt(make_client):
    """`request_timeout` ends an attempt even if the message has more time."""
    began_at = now()

    with pytest.raises(OutcomeUnknown):
        await make_client(MemoryTransport(hangs()), request_timeout=4).send(PHONE, "hello")

    assert 4 == pytest.approx(now() - began_at)


class _LateLimiter(LocalLimiter):
    """Grants a slot five seconds late."""

    async def acquire(self, *args, **options):
        slot = await super().acquire(*args, **options)
        await asyncio.sleep(5)
        return slot


async def test_a_late_grant_is_not_used(make_client):
    """If the timeout ended before the slot came, nothing is sent and the slot is released."""
    gateway = MemoryTransport()
    limiter = _LateLimiter(clock=asyncio.get_running_loop().time)
    client = make_client(gateway, limiter=limiter)

    with pytest.raises(WaitTooLong):
        await client.send(PHONE, "hello", timeout=5)

    assert [] == gateway.began
    assert 0 == usage_now(limiter, client.account).busy


async def test_only_unsent_messages_are_retried(make_client):
    """Failed connections are retried with full jitter, up to `retries` times."""
    gateway = MemoryTransport(cannot_connect(), cannot_connect(), cannot_connect())
    clock = LoopClock(jitter=0.5)
    client = make_client(gateway, clock=clock)

    receipt = await client.send(PHONE, "hello")

    assert "msg_12125551234" == receipt.message_id
    assert [0.25, 0.5, 1.0] == clock.slept
    assert (4, 1) == (len(gateway.began), gateway.ledger[PHONE])


async def test_retries_are_limited(make_client):
    """After `retries` retries, the last error is raised."""
    gateway = MemoryTransport(then=cannot_connect())

    with pytest.raises(ConnectFailed):
        await make_client(gateway, retries=2).send(PHONE, "hello")

    assert 3 == len(gateway.began)


async def test_retries_can_be_disabled(make_client):
    """With `retries=0` there is one attempt."""
    gateway = MemoryTransport(cannot_connect())

    with pytest.raises(ConnectFailed):
        await make_client(gateway, retries=0).send(PHONE, "hello")

    assert 1 == len(gateway.began)


async def test_a_retry_beyond_the_timeout_is_not_made(make_client):
    """If a retry would begin after the timeout, the last error is raised at once."""
    gateway = MemoryTransport(then=cannot_connect())
    began_at = now()

    with pytest.raises(ConnectFailed):
        await make_client(gateway, clock=LoopClock(jitter=0.99)).send(PHONE, "hello", timeout=0.4)

    assert 1 == len(gateway.began)
    assert 0.01 == pytest.approx(now() - began_at)


async def test_a_handed_over_message_is_not_retried(make_client):
    """A lost answer is not retried, whatever `retries` says."""
    gateway = MemoryTransport(loses_answer())

    with pytest.raises(OutcomeUnknown):
        await make_client(gateway, retries=9).send(PHONE, "hello")

    assert (1, 1) == (len(gateway.began), gateway.ledger[PHONE])


async def test_a_rate_limit_uses_up_no_retry(make_client):
    """A rate-limited message is retried until the gateway accepts it, even with `retries=0`."""
    gateway = MemoryTransport(*[turns_away()] * 4)

    receipt = await make_client(gateway, retries=0).send(PHONE, "hello", timeout=100)

    assert PHONE == receipt.phone
    pauses = [
        b.began_at - a.began_at for a, b in zip(gateway.began, gateway.began[1:], strict=False)
    ]
    assert [1, 2, 4, 8] == [pytest.approx(int(pause)) for pause in pauses]


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("0", 0), ("nonsense", 1), ("-5", 1)])
async def test_retry_after_is_obeyed(make_client, header, seconds):
    """The pause is as long as Retry-After; an invalid value counts as none."""
    gateway = MemoryTransport(turns_away(header))

    await make_client(gateway).send(PHONE, "hello")

    paused = gateway.began[1].began_at - gateway.began[0].began_at
    assert seconds <= paused <= seconds + 0.8


async def test_a_pause_applies_to_all_messages_of_the_key(make_client):
    """While one message is rate-limited, others of the same key wait as well."""
    gateway = MemoryTransport(turns_away("20"))
    client = make_client(gateway)
    first = asyncio.create_task(client.send(PHONE, "first"))
    await asyncio.sleep(1)

    await client.send(PHONE, "second")

    assert [0, 20, 20.6] == [
        pytest.approx(post.began_at - gateway.began[0].began_at, abs=0.3) for post in gateway.began
    ]
    await first


async def test_a_rate_limited_message_keeps_its_place(make_client):
    """A rate-limited message is sent before one that came later."""
    gateway = MemoryTransport(turns_away("1"))
    client = make_client(gateway, limiter=local(limit=1, per=5.0))

    await asyncio.gather(*(client.send(PHONE, text) for text in ("first", "second")))

    assert ["first", "first", "second"] == [post.text for post in gateway.began]


async def test_a_rate_limited_message_first_in_line_is_not_refused(make_client):
    """Messages behind the first in line do not count against its timeout."""
    gateway = MemoryTransport(turns_away("2"))
    client = make_client(gateway)
    first = asyncio.create_task(client.send(PHONE, "first", timeout=4))
    await asyncio.sleep(0.04)
    others = [asyncio.create_task(client.send(PHONE, "other", timeout=90)) for _ in range(9)]

    assert PHONE == (await first).phone
    await asyncio.gather(*others)


async def test_no_time_for_another_try_is_rate_limited(make_client):
    """If the pause is longer than the remaining time, the error says when to try again."""
    gateway = MemoryTransport(turns_away("30"))
    began_at = now()

    with pytest.raises(RateLimited) as caught:
        await make_client(gateway).send(PHONE, "hello", timeout=10)

    assert 30 == pytest.approx(caught.value.retry_after, abs=0.5)
    assert "RATE_LIMITED" == caught.value.code
    assert now() - began_at < 1


async def test_rate_limits_until_the_timeout(make_client):
    """A message that is always rate-limited raises RateLimited within its timeout."""
    gateway = MemoryTransport(then=turns_away())
    began_at = now()

    with pytest.raises(RateLimited):
        await make_client(gateway).send(PHONE, "hello", timeout=20)

    assert now() - began_at <= 20
    assert not gateway.ledger


@pytest.mark.parametrize("header", [None, "600", "999999", "45"])
async def test_rate_limits_for_ten_minutes_at_most(make_client, header):
    """Without an acceptance, a message gives up after ten minutes, whatever its timeout."""
    gateway = MemoryTransport(then=turns_away(header))
    began_at = now()

    with pytest.raises(RateLimited):
        await make_client(gateway).send(PHONE, "hello", timeout=5_000)

    assert now() - began_at <= 601


@pytest.mark.parametrize("header", [None, "600", "999999", "45"])
async def test_a_bulk_run_gives_up_after_ten_minutes(make_client, header):
    """A run that is only ever rate-limited ends with everything not sent."""
    gateway = MemoryTransport(then=turns_away(header))
    began_at = now()

    report = await make_client(gateway).send_many(phones(250), "hello")

    assert now() - began_at <= 601
    assert (250, "RATE_LIMITED") == (report.not_sent, report[0].code)
    assert {"RATE_LIMITED"} == {outcome.code for outcome in report}


async def test_an_acceptance_restarts_the_ten_minutes(make_client):
    """A rate-limited run goes on as long as the gateway accepts other requests."""
    gateway = MemoryTransport(
        turns_away("500"), accepts(), turns_away("500"), accepts(), turns_away("500")
    )

    client = make_client(gateway)
    report = await client.send_many(phones(4), "hello", batch_size=1, max_in_flight=1)

    assert 4 == report.sent


async def test_a_waiting_message_is_sent_before_a_bulk_run(make_client):
    """A waiting message is sent before requests of an earlier run."""
    gateway = MemoryTransport()
    client = make_client(gateway, limiter=local(limit=2, per=10.0))
    run = asyncio.create_task(client.send_many(phones(400), "bulk"))
    await asyncio.sleep(4)

    await client.send(PHONE, "now")
    at = [post.text for post in gateway.began].index("now")

    assert at <= 3
    await run


async def test_a_custom_limiter(make_client):
    """A limiter needs only the port; it is given account, lane, and seconds."""
    asked = []

    class Asked(LocalLimiter):
        async def acquire(self, account, lane, **options):
            asked.append((account, lane, options))
            return await super().acquire(account, lane, **options)

    limiter = Asked(clock=asyncio.get_running_loop().time)
    client = make_client(MemoryTransport(), limiter=limiter)

    await client.send(PHONE, "hello", timeout=20)
    await client.send_many(phones(11), "hello")

    assert [(client.account, Lane.SEND), (client.account, Lane.BULK)] == [a[:2] for a in asked]
    assert [(20, 19.75), (35, None)] == [(a[2]["longest"], a[2]["patience"]) for a in asked]


async def test_every_error_is_a_send_error(make_client):
    """Everything that ends a message can be caught as SendError."""
    with pytest.raises(SendError):
        await make_client(MemoryTransport(then=cannot_connect())).send(PHONE, "hello")


class _ImpatientLimiter(LocalLimiter):
    """Refuses the second caller after five seconds, as if its patience had ended."""

    calls = 0

    async def acquire(self, *args, **options):
        self.calls += 1
        if self.calls == 2:
            await asyncio.sleep(5)
            raise WaitTooLong("WAIT_TOO_LONG", (), "its patience ended")
        return await super().acquire(*args, **options)


async def test_a_refused_message_asks_again_after_an_acceptance(make_client):
    """If another message was accepted meanwhile, a refused one may wait another ten minutes."""
    gateway = MemoryTransport(turns_away("1"))
    limiter = _ImpatientLimiter(clock=asyncio.get_running_loop().time)
    client = make_client(gateway, limiter=limiter)
    first = asyncio.create_task(client.send(PHONE, "first"))
    await asyncio.sleep(3)

    await client.send(PHONE, "second")

    assert PHONE == (await first).phone
    assert ["first", "second", "first"] == [post.text for post in gateway.began]
