"""The time of a message: total timeout, retries, refusals for the rate."""

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
from tests.support.callers import usage_now
from tests.support.memory import (
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

pytestmark = pytest.mark.virtual_time

PHONE = "+12125551234"


def local(limit=100, per=60.0, **options):
    return LocalLimiter(Rate(limit, per=per), clock=asyncio.get_running_loop().time, **options)


async def test_who_cannot_be_served_in_time_is_told_at_once(make_client):
    """Where every slot is taken for a minute, a timeout of five seconds ends without waiting."""
    gateway = MemoryTransport()
    client = make_client(gateway, limiter=local(limit=1))
    await client.send(PHONE, "first")
    asked_at = now()

    with pytest.raises(WaitTooLong) as caught:
        await client.send(PHONE, "second", timeout=5)

    assert asked_at == now()
    assert "its turn comes in 60.1 s at the earliest, and 4.8 s are left" == caught.value.detail


async def test_who_stands_behind_others_is_told_at_once(make_client):
    """The queue counts: a slot that goes to somebody else first is of no use."""
    client = make_client(MemoryTransport(), limiter=local(limit=1))
    await client.send(PHONE, "first")
    waiting = asyncio.create_task(client.send(PHONE, "second", timeout=100))
    await asyncio.sleep(50)
    asked_at = now()

    with pytest.raises(WaitTooLong):
        await client.send(PHONE, "third", timeout=30)

    assert asked_at == now()
    assert "msg_12125551234" == (await waiting).message_id


async def test_a_turn_that_does_not_come_ends_when_time_is_up(make_client):
    """A slot that might have come in time and did not ends the wait, with time for an answer."""
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


async def test_time_that_ends_while_connecting_is_a_wait_too_long(make_client):
    """Where the time is over before the hand-over, nothing was sent and nothing ever leaves."""
    gateway = MemoryTransport(connects_slowly(10))
    began_at = now()

    with pytest.raises(WaitTooLong):
        await make_client(gateway).send(PHONE, "hello", timeout=3)

    assert 3 == pytest.approx(now() - began_at)
    await asyncio.sleep(60)
    assert [] == gateway.started


async def test_time_that_ends_after_the_hand_over_is_unknown(make_client):
    """Where the time is over after the hand-over, the outcome is unknown."""
    gateway = MemoryTransport(accepts(takes=10))
    began_at = now()

    with pytest.raises(OutcomeUnknown):
        await make_client(gateway).send(PHONE, "hello", timeout=3)

    assert 3 == pytest.approx(now() - began_at)


async def test_the_client_has_a_timeout_of_its_own(make_client):
    """`send_timeout` holds where the call does not say."""
    began_at = now()

    with pytest.raises(OutcomeUnknown):
        await make_client(MemoryTransport(hangs()), send_timeout=7).send(PHONE, "hello")

    assert 7 == pytest.approx(now() - began_at)


async def test_one_attempt_is_bounded_by_request_timeout(make_client):
    """`request_timeout` ends an attempt, also where more time is left."""
    began_at = now()

    with pytest.raises(OutcomeUnknown):
        await make_client(MemoryTransport(hangs()), request_timeout=4).send(PHONE, "hello")

    assert 4 == pytest.approx(now() - began_at)


class _LateLimiter(LocalLimiter):
    """Grants, but the loop was busy until the time of the request was over."""

    async def acquire(self, *args, **options):
        slot = await super().acquire(*args, **options)
        await asyncio.sleep(5)
        return slot


async def test_a_grant_that_comes_too_late_is_not_used(make_client):
    """Where the time is over when the slot is had, nothing is sent and the slot is free again."""
    gateway = MemoryTransport()
    limiter = _LateLimiter(clock=asyncio.get_running_loop().time)
    client = make_client(gateway, limiter=limiter)

    with pytest.raises(WaitTooLong):
        await client.send(PHONE, "hello", timeout=5)

    assert [] == gateway.began
    assert 0 == usage_now(limiter, client.account).busy


async def test_only_what_was_not_sent_is_tried_again(make_client):
    """Failed connections are tried again with full jitter, up to `retries` times."""
    gateway = MemoryTransport(cannot_connect(), cannot_connect(), cannot_connect())
    clock = LoopClock(jitter=0.5)
    client = make_client(gateway, clock=clock)

    receipt = await client.send(PHONE, "hello")

    assert "msg_12125551234" == receipt.message_id
    assert [0.25, 0.5, 1.0] == clock.slept
    assert (4, 1) == (len(gateway.began), gateway.ledger[PHONE])


async def test_retries_end(make_client):
    """After `retries` failed tries more, the error of the last stands."""
    gateway = MemoryTransport(then=cannot_connect())

    with pytest.raises(ConnectFailed):
        await make_client(gateway, retries=2).send(PHONE, "hello")

    assert 3 == len(gateway.began)


async def test_no_retries_means_one_try(make_client):
    """`retries=0` turns them off."""
    gateway = MemoryTransport(cannot_connect())

    with pytest.raises(ConnectFailed):
        await make_client(gateway, retries=0).send(PHONE, "hello")

    assert 1 == len(gateway.began)


async def test_a_try_that_would_begin_too_late_is_not_made(make_client):
    """Where the next try would begin after the timeout, the last failure is told at once."""
    gateway = MemoryTransport(then=cannot_connect())
    began_at = now()

    with pytest.raises(ConnectFailed):
        await make_client(gateway, clock=LoopClock(jitter=0.99)).send(PHONE, "hello", timeout=0.4)

    assert 1 == len(gateway.began)
    assert 0.01 == pytest.approx(now() - began_at)


async def test_what_was_handed_over_is_never_tried_again(make_client):
    """A lost answer ends it, whatever retries are left."""
    gateway = MemoryTransport(loses_answer())

    with pytest.raises(OutcomeUnknown):
        await make_client(gateway, retries=9).send(PHONE, "hello")

    assert (1, 1) == (len(gateway.began), gateway.ledger[PHONE])


async def test_a_refusal_for_the_rate_uses_up_no_retry(make_client):
    """Turned away again and again, a message is sent as soon as the gateway lets it through."""
    gateway = MemoryTransport(*[turns_away()] * 4)

    receipt = await make_client(gateway, retries=0).send(PHONE, "hello", timeout=100)

    assert PHONE == receipt.phone
    pauses = [
        b.began_at - a.began_at for a, b in zip(gateway.began, gateway.began[1:], strict=False)
    ]
    assert [1, 2, 4, 8] == [pytest.approx(int(pause)) for pause in pauses]


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("0", 0), ("nonsense", 1), ("-5", 1)])
async def test_retry_after_is_waited_for(make_client, header, seconds):
    """The pause is as long as the gateway asks; what cannot be read is as good as none."""
    gateway = MemoryTransport(turns_away(header))

    await make_client(gateway).send(PHONE, "hello")

    paused = gateway.began[1].began_at - gateway.began[0].began_at
    assert seconds <= paused <= seconds + 0.8


async def test_a_pause_holds_everyone_on_the_key(make_client):
    """While one is turned away, others of the same key wait as well."""
    gateway = MemoryTransport(turns_away("20"))
    client = make_client(gateway)
    first = asyncio.create_task(client.send(PHONE, "first"))
    await asyncio.sleep(1)

    await client.send(PHONE, "second")

    assert [0, 20, 20.6] == [
        pytest.approx(post.began_at - gateway.began[0].began_at, abs=0.3) for post in gateway.began
    ]
    await first


async def test_who_was_turned_away_keeps_the_place(make_client):
    """A message that was turned away leaves before one that came later and waits already."""
    gateway = MemoryTransport(turns_away("1"))
    client = make_client(gateway, limiter=local(limit=1, per=5.0))

    await asyncio.gather(*(client.send(PHONE, text) for text in ("first", "second")))

    assert ["first", "first", "second"] == [post.text for post in gateway.began]


async def test_a_place_in_front_counts_when_time_is_short(make_client):
    """Who was turned away and is first in line is not refused for those behind."""
    gateway = MemoryTransport(turns_away("2"))
    client = make_client(gateway)
    first = asyncio.create_task(client.send(PHONE, "first", timeout=4))
    await asyncio.sleep(0.04)
    others = [asyncio.create_task(client.send(PHONE, "other", timeout=90)) for _ in range(9)]

    assert PHONE == (await first).phone
    await asyncio.gather(*others)


async def test_no_time_for_another_try_is_rate_limited(make_client):
    """Where the pause is longer than the time, the error says when to come back."""
    gateway = MemoryTransport(turns_away("30"))
    began_at = now()

    with pytest.raises(RateLimited) as caught:
        await make_client(gateway).send(PHONE, "hello", timeout=10)

    assert 30 == pytest.approx(caught.value.retry_after, abs=0.5)
    assert "RATE_LIMITED" == caught.value.code
    assert now() - began_at < 1


async def test_refusals_are_borne_until_time_is_up(make_client):
    """Turned away again and again, a message ends as RateLimited within its time."""
    gateway = MemoryTransport(then=turns_away())
    began_at = now()

    with pytest.raises(RateLimited):
        await make_client(gateway).send(PHONE, "hello", timeout=20)

    assert now() - began_at <= 20
    assert not gateway.ledger


@pytest.mark.parametrize("header", [None, "600", "999999", "45"])
async def test_ten_minutes_without_an_acceptance_end_it(make_client, header):
    """However long the caller would wait, refusals alone are borne for ten minutes."""
    gateway = MemoryTransport(then=turns_away(header))
    began_at = now()

    with pytest.raises(RateLimited):
        await make_client(gateway).send(PHONE, "hello", timeout=5_000)

    assert now() - began_at <= 601


@pytest.mark.parametrize("header", [None, "600", "999999", "45"])
async def test_a_bulk_run_bears_refusals_for_ten_minutes(make_client, header):
    """A run that is only ever turned away ends by itself, with everything not sent."""
    gateway = MemoryTransport(then=turns_away(header))
    began_at = now()

    report = await make_client(gateway).send_many(phones(250), "hello")

    assert now() - began_at <= 601
    assert (250, "RATE_LIMITED") == (report.not_sent, report[0].code)
    assert {"RATE_LIMITED"} == {outcome.code for outcome in report}


async def test_an_acceptance_begins_the_ten_minutes_anew(make_client):
    """As long as the gateway lets others through, a refused run waits on."""
    gateway = MemoryTransport(
        turns_away("500"), accepts(), turns_away("500"), accepts(), turns_away("500")
    )

    client = make_client(gateway)
    report = await client.send_many(phones(4), "hello", batch_size=1, max_in_flight=1)

    assert 4 == report.sent


async def test_a_message_that_waits_goes_before_a_bulk_run(make_client):
    """A waiting message leaves before the requests of a run that came first."""
    gateway = MemoryTransport()
    client = make_client(gateway, limiter=local(limit=2, per=10.0))
    run = asyncio.create_task(client.send_many(phones(400), "bulk"))
    await asyncio.sleep(4)

    await client.send(PHONE, "now")
    at = [post.text for post in gateway.began].index("now")

    assert at <= 3
    await run


async def test_a_limiter_may_be_anything_that_grants(make_client):
    """The port is all that is asked of a limiter; it is told who asks, and for how long."""
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


async def test_an_error_is_a_send_error(make_client):
    """Whatever ends a message is caught with one class."""
    with pytest.raises(SendError):
        await make_client(MemoryTransport(then=cannot_connect())).send(PHONE, "hello")


class _ImpatientLimiter(LocalLimiter):
    """Refuses the second caller, after a while, as if its patience had ended."""

    calls = 0

    async def acquire(self, *args, **options):
        self.calls += 1
        if self.calls == 2:
            await asyncio.sleep(5)
            raise WaitTooLong("WAIT_TOO_LONG", (), "its patience ended")
        return await super().acquire(*args, **options)


async def test_who_was_refused_asks_again_after_an_acceptance(make_client):
    """Where another message was let through meanwhile, the refused one has ten minutes anew."""
    gateway = MemoryTransport(turns_away("1"))
    limiter = _ImpatientLimiter(clock=asyncio.get_running_loop().time)
    client = make_client(gateway, limiter=limiter)
    first = asyncio.create_task(client.send(PHONE, "first"))
    await asyncio.sleep(3)

    await client.send(PHONE, "second")

    assert PHONE == (await first).phone
    assert ["first", "second", "first"] == [post.text for post in gateway.began]
