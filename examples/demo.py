"""
Make a campaign from a spreadsheet, kill the sending process halfway, and finish it.

The demo starts a process that sends, kills it with ``kill -9`` while requests are in flight, and
starts the same command again. Finally, it compares the campaign's journal with the gateway's own
records.

The gateway is the sandbox that comes with the library: it speaks the real one's API, runs in this
process, and sends nothing. The rows in `recipients.csv` are as people keep them, with numbers that
belong to no one. A few of them make the sandbox misbehave, as a real gateway does now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TypeAlias

from attrs import define, field, frozen
from rich.box import ROUNDED
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from customersms_async import CustomerSMS, Outcome, Status
from customersms_async.outbox import Campaign, CampaignStatus, Outbox
from customersms_async.recipients import read
from customersms_async.sandbox import Sandbox

RECIPIENTS = Path(__file__).with_name("recipients.csv")
KEY = "cspro_demo"
TEXT = "We have moved! From Monday you find us at 12 Harbour Street, nine to six."
DATABASE, CAMPAIGN = "tonight.db", "we-have-moved"

LIMIT = 100  # requests a minute: the gateway's, and the client's default
AT_ONCE = 3  # requests in flight
MOST_SHOWN = 8  # rows with the same need
SLOW = range(11, 14)  # requests with slow answers, during which the client is killed

Until: TypeAlias = Callable[[CampaignStatus], bool]

STYLES = {
    Status.SENT: "green",
    Status.UNKNOWN: "magenta",
    Status.REJECTED: "red",
    Status.NOT_SENT: "yellow",
}
ADVICE = {
    Status.REJECTED: "the gateway refuses this number: ask for another",
    Status.UNKNOWN: "it may have arrived: ask before you send it again",
}


# --- The process that sends -----------------------------------------------------------------------


async def send() -> None:
    """Send what is left of the campaign; key and endpoint come from the environment."""
    async with Outbox(DATABASE) as outbox, CustomerSMS(limiter=outbox.limiter) as sms:
        campaign = outbox.campaign(CAMPAIGN)
        await campaign.add(read(RECIPIENTS, phone="Mobile", text=TEXT))
        await campaign.send(sms, max_in_flight=AT_ONCE)


# --- The process that watches, and kills ----------------------------------------------------------


async def show(console: Console) -> None:
    """Send the campaign with a process that is killed, and finish it with another one."""
    people, started = read_people(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Sandbox(keys={KEY: 2_500}, limit=LIMIT, latency=make_latency()) as sandbox,
            Outbox(Path(folder, DATABASE)) as outbox,
        ):
            sender = Sender(folder, sandbox.endpoint, console)
            meter = Meter(outbox.campaign(CAMPAIGN), len(people))
            async with shown(meter, console):
                await send_twice(sender, meter, console)
            outcomes = [outcome async for outcome in meter.campaign.outcomes()]
    seconds = time.monotonic() - started
    console.print("[bold]Rows that need attention[/]")
    console.print(attention(outcomes, people))
    console.print(f"[bold]The campaign's journal and the gateway's own records[/], {seconds:.1f} s")
    console.print(comparison(outcomes, sandbox, len(people)))
    console.print(witness(sandbox))


def make_latency() -> Callable[[], float]:
    """Return the latency function: a request that is carried out may be answered much later."""
    numbers = itertools.count(1)
    return lambda: 30.0 if next(numbers) in SLOW else 0.4


def is_in_the_middle(now: CampaignStatus) -> bool:
    """Whether the slow requests, of 100 numbers each, are in flight and all others done."""
    return now.requests == SLOW[-1] and now.sending == len(SLOW) * 100


async def send_twice(sender: Sender, meter: Meter, console: Console) -> None:
    """Kill the first process halfway, and let a second one finish."""
    async with sender.process() as first:
        await meter.watch(first, until=is_in_the_middle)
        first.kill()
    now = await meter.look()
    console.print(
        f"[bold red]kill -9[/] of process {first.pid}: {now.sent:,} messages are sent, and "
        f"{now.sending:,} are in flight, whose answers no one will read."
    )
    async with sender.process() as second:
        console.print(f"[bold]The same command again[/], as process {second.pid}.")
        await meter.watch(second)


@frozen
class Sender:
    """Starts processes that send."""

    folder: str
    endpoint: str
    console: Console

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncGenerator[Process, None]:
        """Run one, in the folder of the database; print what it logs above the bar."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, "send"),
            cwd=self.folder,
            env=os.environ | {"CUSTOMERSMS_API_KEY": KEY, "CUSTOMERSMS_ENDPOINT": self.endpoint},
            stdin=DEVNULL,
            stderr=PIPE,
        )
        log = asyncio.create_task(self.relay(process))
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await log

    async def relay(self, process: Process) -> None:
        """Print its log, which contains no keys, texts or full numbers."""
        if process.stderr is None:
            raise TypeError("its stderr is a pipe")
        async for line in process.stderr:
            self.console.print(Text(line.decode().rstrip(), "yellow"))


# --- While it runs --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def shown(meter: Meter, console: Console) -> AsyncGenerator[None, None]:
    """Show the progress: redrawn on a terminal, a line every three seconds in a file."""
    if console.is_terminal:
        with Live(meter, console=console, refresh_per_second=10):
            yield
        return
    reporter = asyncio.create_task(report_now_and_then(meter, console))
    try:
        yield
    finally:
        reporter.cancel()
        console.print(meter.line())


async def report_now_and_then(meter: Meter, console: Console) -> None:
    """Print a line every three seconds, until cancelled."""
    while True:
        await asyncio.sleep(3)
        console.print(meter.line())


@define(eq=False)
class Meter:
    """The progress of the campaign, read from its database."""

    campaign: Campaign
    total: int
    status: CampaignStatus | None = None
    started: float = field(factory=time.monotonic)

    async def look(self) -> CampaignStatus:
        """Read the database."""
        self.status = await self.campaign.status()
        return self.status

    async def watch(self, process: Process, *, until: Until = lambda _: False) -> None:
        """Poll until *process* has ended, or *until* is satisfied."""
        while process.returncode is None:
            if until(await self.look()):
                return
            await asyncio.sleep(0.1)
        await self.look()

    def __rich__(self) -> Group:
        """Draw a bar and two lines; rich asks for it ten times a second."""
        bar = Table.grid(padding=(0, 2))
        bar.add_row(ProgressBar(self.total, self.settled, width=50), self.rows)
        return Group("", bar, self.fates(), self.budget(), "")

    def line(self) -> Text:
        """Return the same in one line."""
        return Text.assemble(self.rows, ": ", self.fates(), " · ", self.budget())

    @property
    def settled(self) -> int:
        """Rows that have a fate."""
        now = self.status
        return 0 if now is None else now.sent + now.rejected + now.not_sent + now.unknown

    @property
    def rows(self) -> str:
        """Return how many rows have a fate."""
        return f"{self.settled:,} of {self.total:,} rows"

    def fates(self) -> Text:
        """Return the four counts, each in its colour."""
        counts = ((status, getattr(self.status, status.value, 0)) for status in STYLES)
        return Text(" · ").join(
            Text(f"{count:,} {spoken(status)}", STYLES[status] if count else "dim")
            for status, count in counts
        )

    def budget(self) -> Text:
        """Return the used requests of the minute. The whole run takes less than one."""
        requests = 0 if self.status is None else self.status.requests
        pace = requests / max(time.monotonic() - self.started, 1.0)
        return Text(f"{requests} of {LIMIT} requests of the minute, {pace:.1f} a second", "dim")


# --- Results --------------------------------------------------------------------------------------


@frozen
class Person:
    """
    A row of the spreadsheet.

    Attributes:
        row: Its number, as a spreadsheet shows it.

        name: The person's, as it was typed.

        phone: The number, as it was typed.
    """

    row: int
    name: str
    phone: str


@frozen
class Need:
    """
    Why a row needs attention, and what to do about it.

    Attributes:
        status: Its fate.

        code: The reason code, the same in every program.

        advice: What to do.
    """

    status: Status
    code: str
    advice: str

    @property
    def urgency(self) -> int:
        """Rank of the fate: unknown comes first."""
        return [Status.UNKNOWN, Status.REJECTED, Status.NOT_SENT].index(self.status)

    def __rich__(self) -> Text:
        """Write the heading above the rows."""
        fate = (f"{spoken(self.status)} · {self.code}", f"bold {STYLES[self.status]}")
        return Text.assemble(fate, f" · {self.advice}")


def read_people() -> dict[str, Person]:
    """Read the rows; a campaign names a row by its number, like row-17."""
    cells = read(RECIPIENTS, phone="Mobile", text=TEXT).rows()
    return {f"row-{row}": Person(row, name, phone) for row, (name, phone, *_) in cells}


def attention(outcomes: list[Outcome], people: dict[str, Person]) -> Group:
    """List the rows that need attention, grouped by what they need."""
    alike: defaultdict[Need, list[Person]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.status is not Status.SENT and outcome.code != "DUPLICATE":
            need = Need(outcome.status, outcome.code or "", advice(outcome))
            alike[need].append(people[str(outcome.ref)])
    groups = sorted(alike.items(), key=lambda group: (group[0].urgency, group[1][0].row))
    parts: list[RenderableType] = []
    for need, rows in groups:
        parts += [need, listed(rows), ""]
    return Group(*parts)


def advice(outcome: Outcome) -> str:
    """Return what to do: the library's own text for a bad number."""
    if outcome.status is Status.NOT_SENT:
        return f"the {'number' if outcome.code == 'INVALID_PHONE' else 'row'} {outcome.detail}"
    return ADVICE[outcome.status]


def listed(people: list[Person]) -> Table:
    """List rows with their number; only the first if there are very many."""
    table = Table.grid(Column(justify="right", width=6), Column(width=24), "", padding=(0, 2, 0, 0))
    for person in people[:MOST_SHOWN]:
        # A cell is text; rich would take some brackets for markup.
        table.add_row(str(person.row), Text(person.name.strip()), Text(person.phone.strip()))
    if len(people) > MOST_SHOWN:
        table.add_row("", f"and {len(people) - MOST_SHOWN:,} more")
    return table


def comparison(outcomes: list[Outcome], sandbox: Sandbox, total: int) -> Table:
    """Compare each fate in the journal with the messages that the gateway has accepted."""
    right = [Column(name, justify="right") for name in ("Journal", "Gateway")]
    table = Table("Fate", *right, "Why", box=ROUNDED)
    accepted = Counter(message.phone for message in sandbox.messages)
    for status, style in STYLES.items():
        mine = [outcome for outcome in outcomes if outcome.status is status]
        theirs = sum(accepted[outcome.phone] for outcome in mine if outcome.code != "DUPLICATE")
        table.add_row(spoken(status), f"{len(mine):,}", f"{theirs:,}", why(mine), style=style)
    table.add_section()
    table.add_row("all", f"{len(outcomes):,}", f"{accepted.total():,}")
    table.add_section()
    table.add_row("doubled", "", f"{len(sandbox.duplicates()):,}")
    not_there = sum(o.status is Status.SENT and not accepted[o.phone] for o in outcomes)
    table.add_row("lost", f"{total - len(outcomes):,}", f"{not_there:,}")
    return table


def why(outcomes: list[Outcome]) -> str:
    """Return their codes with counts; sent messages have none."""
    codes = Counter(outcome.code for outcome in outcomes if outcome.code)
    return " · ".join(f"{count} {code}" for code, count in sorted(codes.items()))


def witness(sandbox: Sandbox) -> str:
    """Return what the gateway has seen of the limit."""
    turned_away = sum(request.code == "RATE_LIMIT_EXCEEDED" for request in sandbox.requests)
    return (
        f"The gateway allows {LIMIT} requests a minute and refused {turned_away} of "
        f"{len(sandbox.requests)}. The unknown messages that it has\n"
        "would have arrived twice if they had been sent again automatically."
    )


def spoken(status: Status) -> str:
    """Write a fate as people say it."""
    return status.name.lower().replace("_", " ")


def main() -> int:
    """Run the demo, or the process that it kills."""
    if sys.argv[1:] == ["send"]:
        logging.basicConfig(format="%(message)s")
        asyncio.run(send())
        return 0
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    console.print(
        f"[bold]{RECIPIENTS.name}[/] becomes a campaign: one text per row, through a gateway "
        "on this machine that sends nothing."
    )
    try:
        asyncio.run(show(console))
    except KeyboardInterrupt:
        console.print("Stopped; the sending process was killed.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
