"""Law and store together: racing members on a failing store never exceed the limit."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from tests.support.limiter_race import LIMIT, Race, Weather

pytestmark = pytest.mark.virtual_time

SECONDS = 60.0


async def nothing(race):
    """Let the members run undisturbed."""
    await asyncio.sleep(SECONDS)


async def set_the_clock(race):
    race.store.ahead += race.dice.choice([-100, -3, -0.4, -0.1, 0.1, 0.4, 3, 100, 3_600])


async def replace_a_member(race):
    await race.kill_member()
    race.begin_member()


async def lose_all(race):
    race.store.held.clear()
    race.store.begin_run()


async def put_back_an_old_copy(race):
    """Restore an old value in the same run, as if the server's files were replaced."""
    copy = dict(race.store.held)
    await asyncio.sleep(race.dice.uniform(1, 15))
    race.store.held = copy


async def restore_an_old_copy(race):
    await put_back_an_old_copy(race)
    race.store.begin_run()


CASES = {
    "slow ways": (Weather(), nothing),
    "quick ways": (Weather(trip=0.01), nothing),
    "lost answers": (Weather(trip=0.1, loses=0.1), nothing),
    "late swaps": (Weather(trip=0.05, delays=0.05), nothing),
    "a clock that is set": (Weather(trip=0.05), set_the_clock),
    "members that die": (Weather(trip=0.1), replace_a_member),
    "a store that loses all": (Weather(trip=0.05), lose_all),
    "an old copy": (Weather(trip=0.05), restore_an_old_copy),
    "an old copy in one run": (Weather(trip=0.05), put_back_an_old_copy),
}


async def run(seed, weather, mishap):
    dice = random.Random(seed)
    race = Race(dice, weather)
    for _ in range(3):
        race.begin_member()

    async def meet_mishaps():
        while True:
            await asyncio.sleep(dice.uniform(5, 20))
            await mishap(race)

    mishaps = asyncio.create_task(meet_mishaps())
    await asyncio.sleep(SECONDS)
    mishaps.cancel()
    await race.end()
    return race


#: Seeds that once exceeded the limit.
BROKE = [("an old copy in one run", seed) for seed in (8, 17, 32)]


@pytest.mark.parametrize(("case", "seed"), [*itertools.product(CASES, range(2)), *BROKE])
async def test_no_period_holds_more_than_the_limit(case, seed):
    """Under every failure of members and store, the limit holds and is used at least by half."""
    race = await run(seed, *CASES[case])

    assert LIMIT >= race.most_in_a_period()
    assert SECONDS / 5 * LIMIT * 0.5 <= len(race.arrivals)
