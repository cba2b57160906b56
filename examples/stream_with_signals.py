"""
Send one text to any number of numbers, write each outcome as soon as it is known, and stop well.

    python examples/stream_with_signals.py numbers.txt results.csv "We open at nine"

The file has one number a line. Ctrl-C, SIGTERM (a container or service that is stopped) and SIGHUP
(a terminal that is closed) let nothing new leave; what is in flight is answered and written. A
second signal ends that wait. Run the same command again: it goes on with the numbers that have no
line in the results, or one that says that nothing was sent.

Exit status: 0 where everything was sent to, 1 where something was not, 130 after a signal.
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
    """A CSV file that each outcome is added to at once, so that a crash loses none of them."""

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
    """Read the numbers that need nothing more: what is unknown may have been sent, too."""
    if not path.exists():
        return set()
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {row["phone"] for row in rows if row["status"] != Status.NOT_SENT}


def read_numbers(path: Path) -> Iterator[str]:
    """Read the numbers as they are needed."""
    with path.open(encoding="utf-8") as lines:
        yield from filter(None, map(str.strip, lines))


class Stop:
    """The first signal stops a run; the second one waits no longer for what is in flight."""

    def __init__(self, sms: CustomerSMS, bulk: Bulk) -> None:
        self._sms = sms
        self._bulk = bulk
        self._closing: asyncio.Task[None] | None = None
        self.is_asked = False

    def listen(self) -> None:
        """Hear signals from now on."""
        with contextlib.suppress(NotImplementedError):  # Windows; there Ctrl-C cancels the program
            for number in SIGNALS:
                asyncio.get_running_loop().add_signal_handler(number, self._ask)

    def _ask(self) -> None:
        if not self.is_asked:
            self.is_asked = True
            self._bulk.stop()
            print("stopping; waiting for what is in flight", file=sys.stderr)
        elif self._closing is None:
            self._closing = asyncio.ensure_future(self._sms.aclose(drain=0))


async def send(source: Path, results: Results, text: str, done: set[str]) -> int:
    """Send to all that are not *done*, and return the exit status."""
    async with CustomerSMS() as sms:
        bulk = sms.stream_many(read_numbers(source), text, skip=done)
        stop = Stop(sms, bulk)
        try:
            async with bulk:
                stop.listen()
                async for outcome in bulk:
                    if outcome.code not in {"SKIPPED", "DUPLICATE"}:
                        results.add(outcome)
        finally:  # what became known after the block was left, by an error say
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
