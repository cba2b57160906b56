"""
Kill -9 and SIGSTOP at random times until a campaign is complete; then compare.

    python -m tests.programs.crash_outbox --engine sqlite --kills 100 --pauses 50 --numbers 40000

Two workers at a time share the campaign; its lease is two seconds, and a third of the answers is
slow. The gateway slows down if the numbers would run out before the kills. At the end, nobody may
have been sent to twice or been lost. The program fails if nothing changes for a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from customersms_async import Message, Status
from customersms_async.outbox import Campaign
from customersms_async.outbox._postgres import PostgresEngine
from customersms_async.outbox._sqlite import SqliteEngine
from tests.support.outbox_gateway import Ledger, context_of, in_a_child, work
from tests.support.postgres import PostgresServer

LEASE = 2.0

#: Seconds within which the number of queued messages must change.
PATIENCE = 60.0
BATCH = 10


class Trial:
    """One campaign, its ledger, and the processes that are killed."""

    def __init__(self, make_engine, options, dice):
        self.make_engine = make_engine
        self.options = options
        self.dice = dice
        self.ledger = Ledger(self.dawdle, takes=0.03)
        self.kills, self.pauses = options.kills, options.pauses
        self.waiting = options.numbers
        self.moved_at = time.monotonic()
        self.running: set[int] = set()

    async def dawdle(self, point, number):
        if point == "done" and self.is_ahead:
            await asyncio.sleep(0.3)
        elif point == "done" and self.dice.random() < 0.3:
            await asyncio.sleep(self.dice.random() * 0.2)

    @property
    def is_ahead(self):
        """Whether the campaign has progressed further than the kills."""
        strikes = self.options.kills + self.options.pauses
        left = self.kills + self.pauses
        return self.waiting * strikes < left * self.options.numbers

    def note(self, waiting):
        if waiting != self.waiting:
            self.waiting, self.moved_at = waiting, time.monotonic()
        elif time.monotonic() - self.moved_at > PATIENCE:
            sys.exit(f"\n{waiting:,} wait, and nothing moves")

    @contextlib.asynccontextmanager
    async def campaign(self):
        engine = self.make_engine()
        await engine.open()
        yield Campaign(context_of(engine, LEASE), "tonight")
        await engine.aclose()

    async def fill(self):
        async with self.campaign() as campaign:
            numbers = range(self.options.numbers)
            await campaign.add(
                (Message(f"+1212{n:07}", "hi", f"row-{n}") for n in numbers), batch_size=BATCH
            )

    def begin(self):
        engine = self.make_engine()
        endpoint = self.ledger.endpoint
        self.running.add(in_a_child(lambda: work(engine, endpoint, max_in_flight=4, lease=LEASE)))

    async def bury(self):
        for pid in list(self.running):
            found, _ = os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222  # WNOHANG does not block
            if found:
                self.running.discard(pid)

    async def strike(self):
        """Kill or stop one of the workers at a random time."""
        await asyncio.sleep(self.dice.uniform(0.05, 0.6))
        await self.bury()
        if not self.running:
            return
        pid = self.dice.choice(sorted(self.running))
        if self.pauses and (not self.kills or self.dice.random() < 0.3):
            self.pauses -= 1
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(self.dice.uniform(0.1, 1.5 * LEASE))
            os.kill(pid, signal.SIGCONT)
        elif self.kills:
            self.kills -= 1
            os.kill(pid, signal.SIGKILL)

    async def live(self):
        await self.fill()
        async with self.ledger:
            while True:
                async with self.campaign() as campaign:
                    await campaign.resume()
                    status = await campaign.status()
                waiting = status.queued + status.claimed + status.sending
                self.note(waiting)
                print(
                    f"\r{waiting:>7,} wait, {self.kills} kills and {self.pauses} pauses to come ",
                    end="",
                    file=sys.stderr,
                )
                await self.bury()
                if not waiting and not self.running:
                    return
                while waiting and len(self.running) < 2:
                    self.begin()
                await self.strike()

    async def compare(self):
        async with self.campaign() as campaign:
            found = {outcome.phone: outcome.status async for outcome in campaign.outcomes()}
        doubled = sum(count > 1 for count in self.ledger.sent.values())
        sent = {phone for phone, status in found.items() if status is Status.SENT}
        lost = self.options.numbers - sum(
            s in (Status.SENT, Status.UNKNOWN) for s in found.values()
        )
        lost += len(sent - set(self.ledger.sent))
        unknown = sum(status is Status.UNKNOWN for status in found.values())
        return len(sent), unknown, doubled, lost


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--pauses", type=int, default=50)
    options.add_argument("--numbers", type=int, default=40_000)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        path = str(Path(folder) / "outbox.db")
        if chosen.engine == "sqlite":
            make_engine = lambda: SqliteEngine(path, "sms_")  # noqa: E731
        else:
            server = PostgresServer()
            stack.callback(server.close)
            server.start()
            make_engine = lambda: PostgresEngine(server.url, "sms_")  # noqa: E731
        trial = Trial(make_engine, chosen, random.Random(chosen.seed))
        asyncio.run(trial.live())
        sent, unknown, doubled, lost = asyncio.run(trial.compare())
    print(
        f"\n{chosen.engine}: {chosen.kills - trial.kills} kills,"
        f" {chosen.pauses - trial.pauses} pauses, {sent:,} sent, {unknown:,} unknown,"
        f" doubled {doubled}, lost {lost}"
    )
    sys.exit(1 if doubled or lost else 0)


if __name__ == "__main__":
    main()
