"""
Send one text to everybody in a spreadsheet, and see what became of each row.

The gateway is the sandbox that comes with the library: it speaks the real one's API, runs in this
process, and sends nothing. The rows in `recipients.csv` are as people keep them, and their numbers
belong to nobody. A few of them make the sandbox misbehave, as a real gateway does now and then.
"""

from __future__ import annotations

import asyncio
import csv
import logging
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define, field, frozen
from rich.box import ROUNDED
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.logging import RichHandler
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from customersms_async import Bulk, CustomerSMS, Message, Outcome, Progress, Status
from customersms_async.sandbox import Sandbox

RECIPIENTS = Path(__file__).with_name("recipients.csv")
KEY = "cspro_demo"
TEXT = "We have moved! From Monday you find us at 12 Harbour Street, nine to six."

LIMIT = 100  # requests a minute: the gateway's, and the client's default
BATCH = 100  # numbers that share a request
MOST_SHOWN = 12  # rows that need the same

STYLES = {
    Status.SENT: "green",
    Status.REJECTED: "red",
    Status.NOT_SENT: "yellow",
    Status.UNKNOWN: "magenta",
}
ADVICE = {
    Status.REJECTED: "the gateway refuses this number: ask for another",
    Status.NOT_SENT: "nothing was sent: send it again",
    Status.UNKNOWN: "it may have arrived: ask before you send it again",
}


@frozen
class Row:
    """
    A row of the spreadsheet.

    Attributes:
        line: Where an editor shows it.

        name: The person's, as it was typed.

        phone: The number, as it was typed.
    """

    line: int
    name: str
    phone: str


@define(eq=False)
class Tally:
    """
    What the tables at the end show.

    Attributes:
        codes: How often each code came with each fate.

        attention: The outcomes that a person has to look at. A duplicate is none: its first row
            was sent.
    """

    codes: Counter[tuple[Status, str | None]] = field(factory=Counter[tuple[Status, str | None]])
    attention: list[Outcome] = field(factory=list[Outcome])

    def add(self, outcome: Outcome) -> None:
        """Count an outcome, and keep it if a person has to look at it."""
        self.codes[outcome.status, outcome.code] += 1
        if outcome.status is not Status.SENT and outcome.code != "DUPLICATE":
            self.attention.append(outcome)


@frozen
class Need:
    """
    Why a row needs attention, and what to do about it.

    Attributes:
        status: Its fate.

        code: The reason in one word, the same in every program.

        advice: What to do.
    """

    status: Status
    code: str
    advice: str

    @property
    def urgency(self) -> int:
        """Rank of the fate: what is unknown comes first."""
        return [Status.UNKNOWN, Status.REJECTED, Status.NOT_SENT].index(self.status)

    def __rich__(self) -> Text:
        """Write the heading above the rows."""
        fate = (f"{spoken(self.status)} · {self.code}", f"bold {STYLES[self.status]}")
        return Text.assemble(fate, f" · {self.advice}")


def read_rows(path: Path) -> list[Row]:
    """Read the spreadsheet, as Excel exports it: UTF-8 with a byte-order mark."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        return [Row(reader.line_num, row["Name"], row["Mobile"]) for row in reader]


async def send(rows: list[Row], console: Console) -> None:
    """Send to all rows, showing how it goes, and print what became of them."""
    tally = Tally()
    started = time.monotonic()
    messages = (Message(row.phone, TEXT, ref=row) for row in rows)
    async with (
        Sandbox(keys={KEY: 2_500}, limit=LIMIT, latency=0.2) as sandbox,
        CustomerSMS(KEY, endpoint=sandbox.endpoint) as sms,
        sms.stream_messages(messages, batch_size=BATCH) as bulk,
        shown(bulk, len(rows), console),
    ):
        async for outcome in bulk:
            tally.add(outcome)
    seconds = time.monotonic() - started

    console.print(f"[bold]What became of them[/] after {seconds:.1f} s")
    console.print(fates(tally))
    console.print(witness(bulk.progress, sandbox))
    console.print("\n[bold]Rows that need attention[/]")
    console.print(attention(tally))


# --- While it runs --------------------------------------------------------------------------------


@asynccontextmanager
async def shown(bulk: Bulk, total: int, console: Console) -> AsyncGenerator[None, None]:
    """Show how *bulk* gets on: redrawn on a terminal, a line every three seconds in a file."""
    meter = Meter(bulk, total)
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
    """How far a run has come, and what it has used of the minute's requests."""

    bulk: Bulk
    total: int
    started: float = field(factory=time.monotonic)

    def __rich__(self) -> Group:
        """Draw a bar and three lines; rich asks for it ten times a second."""
        now = self.bulk.progress
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            ProgressBar(self.total, now.total, width=50), f"{now.total:,} of {self.total:,} rows"
        )
        return Group("", bar, self.fates(now), self.budget(now), "")

    def line(self) -> Text:
        """Say the same in one line."""
        now = self.bulk.progress
        rows = f"{now.total:,} of {self.total:,} rows: "
        return Text.assemble(rows, self.fates(now), " · ", self.budget(now))

    def fates(self, now: Progress) -> Text:
        """Give the four counts, each in its colour."""
        counts = {
            Status.SENT: now.sent,
            Status.REJECTED: now.rejected,
            Status.NOT_SENT: now.not_sent,
            Status.UNKNOWN: now.unknown,
        }
        return Text(" · ").join(
            Text(f"{count:,} {spoken(status)}", STYLES[status] if count else "dim")
            for status, count in counts.items()
        )

    def budget(self, now: Progress) -> Text:
        """Say what is used of the requests that a minute has. The whole run takes less than one."""
        pace = now.requests / max(time.monotonic() - self.started, 1.0)
        return Text(f"{now.requests} of {LIMIT} requests of the minute, {pace:.1f} a second", "dim")


# --- What it came to ------------------------------------------------------------------------------


def fates(tally: Tally) -> Table:
    """Draw the table of the four fates, with the codes that say why."""
    table = Table("Fate", Column("Rows", justify="right"), "Why", box=ROUNDED)
    for status, style in STYLES.items():
        codes = {code: n for (fate, code), n in tally.codes.items() if fate is status}
        table.add_row(spoken(status), f"{sum(codes.values()):,}", why(codes), style=style)
    table.add_section()
    table.add_row("all", f"{tally.codes.total():,}", "")
    return table


def why(codes: dict[str | None, int]) -> str:
    """Give the codes with their counts; what was sent has none."""
    named = sorted((code, count) for code, count in codes.items() if code)
    return " · ".join(f"{count} {code}" for code, count in named)


def witness(progress: Progress, sandbox: Sandbox) -> str:
    """Set what the gateway has seen beside what the client says."""
    accepted = len(sandbox.messages)
    refused = sum(request.code == "RATE_LIMIT_EXCEEDED" for request in sandbox.requests)
    return (
        f"The gateway allows {LIMIT} requests a minute and turned {refused} of "
        f"{progress.requests} away.\n"
        f"It accepted {accepted:,} messages, {len(sandbox.duplicates())} of them twice: "
        f"{accepted - progress.sent} of the {progress.unknown} unknown had arrived,\n"
        "and to send those again would have doubled them."
    )


def attention(tally: Tally) -> Group:
    """List the rows that a person has to look at, those together that need the same."""
    alike: defaultdict[Need, list[Row]] = defaultdict(list)
    for outcome in sorted(tally.attention, key=lambda outcome: outcome.index):
        need = Need(outcome.status, outcome.code or "", advice(outcome))
        alike[need].append(row_of(outcome))
    groups = sorted(alike.items(), key=lambda group: (group[0].urgency, group[1][0].line))
    parts: list[RenderableType] = []
    for need, rows in groups:
        parts += [need, listed(rows), ""]
    return Group(*parts)


def advice(outcome: Outcome) -> str:
    """Say what to do: the library's own words where the number is a bad one."""
    if outcome.code == "INVALID_PHONE" and outcome.detail:
        return f"the number {outcome.detail}"
    return ADVICE[outcome.status]


def row_of(outcome: Outcome) -> Row:
    """Give the row that an outcome is about: its message carried it along."""
    if not isinstance(outcome.ref, Row):
        raise TypeError("each message of this program has a Row as its ref")
    return outcome.ref


def listed(rows: list[Row]) -> Table:
    """List rows with their line; of very many the first ones."""
    table = Table.grid(Column(justify="right", width=6), Column(width=24), "", padding=(0, 2, 0, 0))
    for row in rows[:MOST_SHOWN]:
        # A cell of a spreadsheet is text; rich would take some brackets for markup.
        table.add_row(str(row.line), Text(row.name.strip()), Text(row.phone.strip()))
    if len(rows) > MOST_SHOWN:
        table.add_row("", f"and {len(rows) - MOST_SHOWN:,} more")
    return table


def spoken(status: Status) -> str:
    """Write a fate as people say it."""
    return status.name.lower().replace("_", " ")


def main() -> int:
    """Run the demo."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    # What the library logs appears above the bar, with keys, texts and numbers left out.
    log_lines = RichHandler(console=console, show_time=False, show_path=False)
    logging.basicConfig(format="%(message)s", handlers=[log_lines])
    rows = read_rows(RECIPIENTS)
    console.print(
        f"[bold]{len(rows):,} rows[/] of {RECIPIENTS.name} get one text each, through a gateway "
        "on this machine that sends nothing."
    )
    try:
        asyncio.run(send(rows, console))
    except KeyboardInterrupt:
        console.print("Stopped: what was on its way was answered first, and nothing more left.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
