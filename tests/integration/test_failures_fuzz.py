"""
Random failures at random times: nothing that the server received is called "not sent".

With seeds. The suite runs a few hundred requests; ``CUSTOMERSMS_FUZZ_SECONDS`` sets the duration of
a longer run, each round with a different seed.
"""

import asyncio
import contextlib
import os
import random
import time
from collections import Counter

import pytest

from customersms_async import Receipt, SendError, Status
from tests.support.raw_server import (
    OTHER,
    TEXT,
    RawServer,
    Talk,
    accepted,
    client,
    http,
)

SECONDS = float(os.environ.get("CUSTOMERSMS_FUZZ_SECONDS", "0"))
REQUESTS = 300
AT_ONCE = 24


class Gateway:
    """A script that fails at random, and records which numbers it rate-limited."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.turned_away: Counter[str] = Counter()
        self.url = ""

    async def play(self, talk: Talk) -> None:
        dice = self._dice
        while not talk.writer.is_closing():
            moment = dice.random()
            end = dice.choice([Talk.close, Talk.reset])
            if moment < 0.04:
                return end(talk)
            if moment < 0.08:
                await talk.reader.readuntil(b"\r\n\r\n")
                return end(talk)
            if moment < 0.10:
                return None  # reads everything, answers nothing
            request = await talk.request()
            await asyncio.sleep(dice.choice([0, 0, 0.001, 0.01]))
            self._answer(talk, request.phones)
            await asyncio.sleep(dice.choice([0, 0, 0.002]))
            if dice.random() < 0.15:
                return end(talk)
        return None

    def _answer(self, talk: Talk, phones: list[str]) -> None:
        good = http(200, accepted(phones))
        foreign = http(200, accepted([OTHER]))
        moment = self._dice.random()
        if moment < 0.6:
            talk.say(good)
        elif moment < 0.65:
            self.turned_away.update(phones)
            talk.say(http(429, "", "Retry-After: 0"))
        else:
            answers = [
                foreign,
                good + foreign,
                good[: self._dice.randrange(len(good))],
                b"\0\1\2 no HTTP\r\n\r\n",
                http(307, "", f"Location: {self.url}"),
                http(500, "<h1>no</h1>"),
                http(100) + good,
                b"",
            ]
            talk.say(self._dice.choice(answers))


async def attempt(sms, phone, dice):
    """Send with a random timeout and sometimes a cancellation; return the fate as told."""
    sending = asyncio.create_task(sms.send(phone, TEXT, timeout=dice.uniform(0.005, 0.2)))
    if dice.random() < 0.25:
        with contextlib.suppress(TimeoutError, SendError):
            await asyncio.wait_for(asyncio.shield(sending), dice.uniform(0, 0.02))
        sending.cancel()
    try:
        receipt = await sending
    except SendError as exc:
        return exc.status
    except asyncio.CancelledError as exc:
        note = " ".join(getattr(exc, "__notes__", ["not sent"]))
        told = {"outcome is unknown": Status.UNKNOWN, "was sent": Status.SENT}
        told |= {"was rejected": Status.REJECTED, "was unknown": Status.UNKNOWN}
        return next((told[words] for words in told if words in note), Status.NOT_SENT)
    assert isinstance(receipt, Receipt)
    return Status.SENT


async def fuzz(seed: int) -> Counter[Status]:
    """Run one round; return how many requests ended in which way."""
    dice = random.Random(seed)
    gateway = Gateway(dice)
    phones = [f"+1212{number:07}" for number in range(REQUESTS)]
    told = {}
    async with RawServer(gateway.play) as server:
        gateway.url = server.url
        async with client(server.url, retries=2) as sms:
            todo = iter(phones)

            async def work():
                for phone in todo:
                    told[phone] = await attempt(sms, phone, dice)

            await asyncio.gather(*[work() for _ in range(AT_ONCE)])
            await sms.aclose()
        arrived = Counter(phone for request in server.requests for phone in request.phones)
        assert not any(talk.has_bare_head for talk in server.talks), seed
    had = arrived - gateway.turned_away
    assert phones == sorted(told)
    assert not [phone for phone in phones if had[phone] > 1], seed
    assert not [phone for phone in phones if told[phone] is Status.NOT_SENT and had[phone]], seed
    assert not [phone for phone in phones if told[phone] is Status.SENT and not had[phone]], seed
    return Counter(told.values())


@pytest.mark.parametrize("seed", [1, 2])
async def test_fuzz_failures(seed):
    """Nothing received is called not sent, nothing is sent twice, and no bare head is sent."""
    until = time.monotonic() + SECONDS / 2
    fates = await fuzz(seed)
    while time.monotonic() < until:
        seed += 2
        fates += await fuzz(seed)

    assert min(fates[Status.SENT], fates[Status.UNKNOWN], fates[Status.NOT_SENT]) > 5
