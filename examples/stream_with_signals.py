"""
Send one text to any number of numbers, write each outcome as soon as it is known, and stop cleanly.

    python examples/stream_with_signals.py numbers.txt results.csv "We open at nine"

The file has one number per line. After Ctrl-C, SIGTERM (a container or service is stopped) or
SIGHUP (a terminal is closed), nothing new is sent; requests in flight are awaited and written. A
second signal ends that wait. Run the same command again to continue: it sends to the numbers that
have no line in the results, or one that says that nothing was sent.

Exit status: 0 if everything was sent, 1 if something was not, 130 after a signal.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from customersms_async import Bulk, CustomerSMS, Outcome, Status

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
HEADER = ["phone", "status", "code", "message_id", "request"]


class Results:
    """A CSV file to which each outcome is written at once, so that a crash loses none."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._rows = csv.writer(file)
        if not file.tell():
            self._rows.writerow(HEADER)

    def add(self, outcome: Outcome) -> None:
        """Write an outcome."""
        cells = (outcome.phone, outcome.status, outcome.code, outcome.message_id, outcome.request)
        self._rows.writerow(cells)
        self._file.flush()


def read_done(path: Path) -> set[str]:
    """Read the numbers that are done, including unknown ones, which may have been sent."""
    if not path.exists():
        return set()
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {row["phone"] for row in rows if row["status"] != Status.NOT_SENT}


def read_numbers(path: Path) -> Iterator[str]:
    """Read the numbers lazily."""
    with path.open(encoding="utf-8") as lines:
        yield from filter(None, map(str.strip, lines))


class Stop:
    """The first signal stops a run; the second one ends the wait for requests in flight."""

    def __init__(self, sms: CustomerSMS, bulk: Bulk) -> None:
        self._sms = sms
        self._bulk = bulk
        self._closing: asyncio.Task[None] | None = None
        self.is_asked = False

    def listen(self) -> None:
        """Listen to signals from now on."""
        with contextlib.suppress(NotImplementedError):  # Windows; there Ctrl-C cancels the program
            for number in SIGNALS:
                asyncio.get_running_loop().add_signal_handler(number, self._ask)

    def _ask(self) -> None:
        if not self.is_asked:
            self.is_asked = True
            self._bulk.stop()
            print("stopping; waiting for requests in flight", file=sys.stderr)
        elif self._closing is None:
            self._closing = asyncio.ensure_future(self._sms.aclose(drain=0))


async def send(source: Path, results: Results, text: str, done: set[str]) -> int:
    """Send to all numbers that are not *done*, and return the exit status."""
    async with CustomerSMS() as sms:
        bulk = sms.stream_many(read_numbers(source), text, skip=done)
        stop = Stop(sms, bulk)
        try:
            async with bulk:
                stop.listen()
                async for outcome in bulk:
                    if outcome.code not in {"SKIPPED", "DUPLICATE"}:
                        results.add(outcome)
        finally:  # outcomes known only after the block was left, for example by an error
            for outcome in bulk.leftovers:
                results.add(outcome)
            print(bulk.progress)
    if stop.is_asked:
        return 130
    return 0 if bulk.progress.ok else 1


def main(source: Path, target: Path, text: str) -> int:
    """Send; return the exit status."""
    done = read_done(target)
    with target.open("a", encoding="utf-8", newline="") as file:
        return asyncio.run(send(source, Results(file), text, done))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
