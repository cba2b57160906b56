"""The pace of an account, as the token buckets of several event loops keep it together."""

from __future__ import annotations

import asyncio
import random

import pytest

from customersms_async import Rate
from customersms_async._limit.local_account import Account
from customersms_async._limit.pacing import Pace, Pacer
from customersms_async._limit.window import Window
from tests.support.callers import BULK, now

pytestmark = pytest.mark.virtual_time

INTERVAL = 60 / 98


def use_all(pace, *pacers):
    """Draw and use what tokens there are; count them."""
    count = 0
    while any(pacer.draw(now()) <= now() for pacer in pacers):
        pace.spent(now())
        count += 1
    return count


async def test_the_first_bucket_is_full_and_those_of_other_loops_are_not():
    """One burst for all: what one loop has drawn is drawn for the others too."""
    pace = Pace(Rate(), 9)

    assert 9 == use_all(pace, Pacer(pace), Pacer(pace))


async def test_a_bucket_that_others_have_overtaken_begins_at_their_last_token():
    """A loop that comes back after a rest has what has come in since anybody's last token."""
    pace = Pace(Rate(), 9)
    first, second = Pacer(pace), Pacer(pace)
    use_all(pace, first)
    await asyncio.sleep(5 * INTERVAL)
    use_all(pace, second)
    await asyncio.sleep(3.5 * INTERVAL)

    assert 3 == use_all(pace, first)


@pytest.mark.parametrize("was_refused", [False, True])
@pytest.mark.parametrize("count", [1, 3])
async def test_any_number_of_loops_use_one_pace(count, was_refused):
    """Whoever draws when, in a hundred intervals as many tokens come in, and no more."""
    dice, pace = random.Random(count), Pace(Rate(), 9)
    pacers = [Pacer(pace) for _ in range(count)]
    use_all(pace, *pacers)
    if was_refused:
        pace.refused(now())
    end, tokens = now() + 100 * pace.interval, 0

    while now() < end:
        tokens += use_all(pace, dice.choice(pacers))
        await asyncio.sleep(dice.random() * 0.1)

    assert 90 <= tokens <= 100


async def test_a_token_that_is_used_late_brings_the_next_no_nearer():
    """A token that was kept for another loop counts from when it is used."""
    pace = Pace(Rate(), 1)
    pacer = Pacer(pace)
    pacer.draw(now())
    await asyncio.sleep(0.3)

    pace.spent(now())

    assert INTERVAL == pytest.approx(pacer.draw(now()) - now(), abs=1e-5)


async def test_a_slot_that_is_taken_late_uses_its_token_late():
    """A grant that waited for another loop with its token in hand sets the pace from then on."""
    pace = Pace(Rate(), 1)
    account = Account(
        pace=pace, reserve=0, clock=now, window=Window(Rate()), make_queue=lambda *_: None
    )
    pacer = Pacer(pace)
    pacer.draw(now())
    await asyncio.sleep(0.3)

    account.take(BULK, now(), 30.0)

    assert INTERVAL == pytest.approx(pacer.draw(now()) - now(), abs=1e-5)


async def test_a_token_that_was_drawn_before_a_refusal_is_void():
    """What was drawn at the old pace does not leave at the new one."""
    pace = Pace(Rate(), 9)
    pacer = Pacer(pace)
    pacer.draw(now())

    pace.refused(now())

    assert pace.interval == pytest.approx(pacer.draw(now()) - now(), abs=1e-5)
    assert 60 / 95 == pytest.approx(pace.interval)
