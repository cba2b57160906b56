"""What the crash tests counted, for the table in docs/campaigns.md."""

from __future__ import annotations

import json
import os
from pathlib import Path

__all__ = ["NOTES", "note"]

#: Names the file that takes the notes; without it nothing is written.
NOTES = "CUSTOMERSMS_CRASH_NOTES"


def note(*, sent: int, unknown: int, doubled: int, lost: int) -> None:
    """Write down what the test at hand has counted."""
    if NOTES not in os.environ:
        return
    test = os.environ["PYTEST_CURRENT_TEST"].partition("::")[2].rpartition(" (")[0]
    counted = {"sent": sent, "unknown": unknown, "doubled": doubled, "lost": lost}
    with Path(os.environ[NOTES]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"test": test} | counted) + "\n")
