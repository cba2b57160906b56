"""
A web team's evening at the real pace, with everything that goes wrong in it; then compare.

    python -m tests.programs.soak --minutes 25

One key, 100 requests a minute, an outbox and its limiter on a real PostgreSQL: two processes send a
campaign, two send login codes. Every few seconds one of them is killed, terminated, interrupted or
frozen, and begun again; the database is killed, stopped for a while, and frozen. 1.5 % of the
requests are lost, reset or answered with an error page.

At the end, every fate is compared with the gateway's ledger. The program fails if anybody got a
message twice, if a fate is wrong, if more than 100 requests arrived in any minute, or if any was
refused.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TextIO

from customersms_async import CustomerSMS, Message, NotSent, OutcomeUnknown, Rejected, Status
from customersms_async.outbox import CampaignHeld, Outbox, OutboxUnavailable
from customersms_async.sandbox import Sandbox
from tests.support.postgres import PostgresServer

KEY = "cspro_soak"
CAMPAIGN = "evening"
LIMIT, PERIOD = 100, 60.0

#: Numbers in a request of the campaign, and seconds between two codes of a process, on average.
BATCH, PAUSE = 10, 6.0
FAULTS = {"answer-lost": 0.004, "reset-before": 0.003, "reset-after": 0.003, "http-500": 0.005}
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSTOP)

#: Seconds between two strikes, of a freeze, and without the database.
STRIKES, FROZEN, STOPPED = (15.0, 60.0), (1.0, 10.0), 20.0


# --- The processes --------------------------------------------------------------------------------


async def send_campaign(url: str, endpoint: str) -> None:
    """Send the campaign to its end, or until a signal."""
    async with Outbox(url) as outbox:
        campaign = outbox.campaign(CAMPAIGN)
        with contextlib.suppress(CampaignHeld):
            await campaign.resume()
        async with CustomerSMS(KEY, endpoint=endpoint, limiter=outbox.limiter) as sms:
            print(await campaign.send(sms, batch_size=BATCH))


async def send_code(sms: CustomerSMS, phone: str, log: TextIO) -> None:
    """Send a code, and write when it begins and how it ends."""
    log.write(f"{phone} begun\n")
    fate = "left"
    try:
        await sms.send(phone, "Your code is 4711", timeout=15)
        fate = "sent"
    except OutcomeUnknown:
        fate = "unknown"
    except NotSent:
        fate = "not_sent"
    except Rejected:
        fate = "rejected"
    finally:
        log.write(f"{phone} {fate}\n")


async def send_codes(url: str, endpoint: str, log: TextIO, first: int) -> None:
    """Send codes to numbers from *first* on, until a signal."""
    dice = random.Random(first)
    async with (
        Outbox(url) as outbox,
        CustomerSMS(KEY, endpoint=endpoint, limiter=outbox.limiter) as sms,
        asyncio.TaskGroup() as codes,
    ):
        for number in range(first, first + 10_000):
            codes.create_task(send_code(sms, f"+1650{number:07}", log))
            await asyncio.sleep(dice.expovariate(1 / PAUSE))


async def until_a_signal(work) -> None:
    """End *work* at SIGTERM as at Ctrl-C."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError, OutboxUnavailable, CampaignHeld):
        await task


# --- The evening ----------------------------------------------------------------------------------


class Evening:
    """The gateway, the database, and the processes that come and go."""

    def __init__(self, minutes: float, seed: int, folder: Path) -> None:
        self.minutes = minutes
        self.dice = random.Random(seed)
        self.folder = folder
        self.database = PostgresServer()
        self.sandbox = Sandbox(
            keys={KEY: 10**9},
            limit=LIMIT,
            per=PERIOD,
            probabilities=FAULTS,
            seed=seed,
            latency=lambda: self.dice.uniform(0.1, 0.5),
        )
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.begun = 0
        self.strikes = Counter[str]()

    def begin(self, name: str) -> None:
        self.begun += 1
        words = [name.partition("-")[0], self.database.url, self.sandbox.endpoint]
        if name.startswith("codes"):
            words += [str(self.folder / f"{name}.txt"), str(self.begun * 10_000)]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "tests.programs.soak", *words], stdout=log, stderr=log
            )

    async def keep_running(self) -> None:
        while True:
            for name in ("campaign-1", "campaign-2", "codes-1", "codes-2"):
                process = self.running.get(name)
                if process is None or process.poll() is not None:
                    self.begin(name)
            await asyncio.sleep(1)

    async def strike(self) -> None:
        while True:
            await asyncio.sleep(self.dice.uniform(*STRIKES))
            process = self.dice.choice(list(self.running.values()))
            number = self.dice.choice(SIGNALS)
            self.strikes[number.name] += 1
            process.send_signal(number)
            if number == signal.SIGSTOP:
                await asyncio.sleep(self.dice.uniform(*FROZEN))
                process.send_signal(signal.SIGCONT)

    async def strike_the_database(self) -> None:
        part = self.minutes * 60 / 4
        await asyncio.sleep(part)
        self.database.kill()
        await asyncio.to_thread(self.database.start)
        await asyncio.sleep(part)
        self.database.stop()
        try:
            await asyncio.sleep(STOPPED)
        finally:
            self.database.start()
        await asyncio.sleep(part)
        self.database.freeze()
        try:
            await asyncio.sleep(FROZEN[1])
        finally:
            self.database.thaw()
        await asyncio.sleep(self.minutes * 60)

    async def live(self) -> None:
        async with Outbox(self.database.url) as outbox:
            numbers = range(int(self.minutes * LIMIT * BATCH))
            messages = (Message(f"+1212{n:07}", "We open at nine") for n in numbers)
            print(await outbox.campaign(CAMPAIGN).add(messages, batch_size=BATCH))
        ends_at = time.monotonic() + self.minutes * 60
        parts = [self.keep_running(), self.strike(), self.strike_the_database()]
        tasks = [asyncio.ensure_future(part) for part in parts]
        while (left := ends_at - time.monotonic()) > 0:
            await asyncio.wait(tasks, timeout=min(left, 10), return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()
            usage = self.sandbox.usage(KEY)
            print(f"{left:5.0f} s left, {usage.requests:,} requests, {usage.refused} refused")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for process in self.running.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.running.values():
            await asyncio.to_thread(process.wait)

    async def compare(self) -> list[str]:
        """Return what is wrong."""
        reached = Counter(message.phone for message in self.sandbox.messages)
        wrong = [f"{phone} got {count}" for phone, count in reached.items() if count > 1]
        async with Outbox(self.database.url) as outbox:
            campaign = outbox.campaign(CAMPAIGN)
            print("campaign:", await campaign.status())
            async for outcome in campaign.outcomes():
                wrong += _check(outcome.phone, outcome.status.value, reached)
        fates = Counter[str]()
        for log in self.folder.glob("codes-*.txt"):
            last = dict(line.split() for line in log.read_text().splitlines() if " " in line)
            fates.update(last.values())
            for phone, fate in last.items():
                wrong += _check(phone, fate, reached)
        print("codes:", dict(fates))
        arrived = sorted(request.at for request in self.sandbox.requests)
        most = max(
            sum(one <= at < one + PERIOD for at in arrived[place : place + 3 * LIMIT])
            for place, one in enumerate(arrived)
        )
        refused = self.sandbox.usage(KEY).refused
        print(f"{len(arrived):,} requests, {most} at most in {PERIOD:.0f} s, {refused} refused")
        print("strikes:", dict(self.strikes))
        return wrong + [f"{most} in one period"] * (most > LIMIT) + ["refusals"] * (refused > 0)


def _check(phone: str, fate: str, reached: Counter[str]) -> list[str]:
    """Compare a fate with the ledger; one that nobody was told may be either."""
    expected = {Status.SENT.value: True, "not_sent": False, "rejected": False}
    if fate in expected and expected[fate] != (reached[phone] > 0):
        return [f"{phone} is {fate}, and reached {reached[phone]} times"]
    return []


async def spend(evening: Evening) -> list[str]:
    """Let it pass; return what was wrong."""
    evening.database.start()
    try:
        async with evening.sandbox:
            await evening.live()
        return await evening.compare()
    finally:
        for process in evening.running.values():
            process.kill()
        evening.database.close()


def main() -> int:
    logging.basicConfig(level=logging.WARNING)
    if sys.argv[1:2] == ["campaign"]:
        return asyncio.run(until_a_signal(send_campaign(*sys.argv[2:]))) or 0
    if sys.argv[1:2] == ["codes"]:
        url, endpoint, log, first = sys.argv[2:]
        with Path(log).open("a", buffering=1, encoding="ascii") as file:
            return asyncio.run(until_a_signal(send_codes(url, endpoint, file, int(first)))) or 0
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=25.0)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = asyncio.run(spend(Evening(chosen.minutes, chosen.seed, Path(folder))))
        for log in sorted(Path(folder).glob("*.log")):
            lines = log.read_text().splitlines()
            print(f"--- {log.name}, the last of {len(lines)} lines:", *lines[-4:], sep="\n")
    print("\n".join(wrong) or "nobody twice, nobody lost")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
