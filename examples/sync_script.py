"""
Send one text to the numbers in a file, without an event loop, and write the outcome of each.

    python examples/sync_script.py numbers.csv results.csv "We open at nine"

The file has a column ``phone``. The key is in CUSTOMERSMS_API_KEY. Exit status: 0 if every message
was sent, 1 if some were not, 2 if the file cannot be read.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from customersms_async import BulkInterrupted, Report
from customersms_async.sync import CustomerSMS


def read_numbers(path: Path) -> Iterator[str]:
    """Read the numbers lazily, one by one; runs in the thread of `main`."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for row in csv.DictReader(lines):
            yield row["phone"]


def send(numbers: Iterator[str], text: str) -> tuple[Report, BaseException | None]:
    """Send, and return the report, and the error that ended it early."""
    with CustomerSMS() as sms:
        try:
            return sms.send_many(numbers, text), None
        except BulkInterrupted as error:  # the file could not be read completely
            return error.report, error.__cause__


def main(source: Path, target: Path, text: str) -> int:
    """Send and write; return the exit status."""
    report, problem = send(read_numbers(source), text)
    with target.open("w", encoding="utf-8-sig", newline="") as lines:
        report.to_csv(lines)
    print(report)
    if problem is not None:
        print(f"{source} could not be read completely: {problem!r}", file=sys.stderr)
        return 2
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
