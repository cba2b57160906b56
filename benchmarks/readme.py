"""
The tables of figures in the README, picked out of the result files: ``make bench`` ends with this.

Between ``<!-- results send -->`` and ``<!-- end -->`` stands what `PICKED` names ``send``: rows of
one table, word for word as a file of ``benchmarks/results`` has them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

__all__ = ["filled", "main"]

RESULTS = Path(__file__).with_name("results")
README = Path(__file__).parents[1] / "README.md"


@frozen
class Pick:
    """
    Rows of a table.

    Attributes:
        file: The result file.
        title: What the title of the table begins with.
        rows: What the first cells are; all rows where there are none.
    """

    file: str
    title: str
    rows: Sequence[str] = ()


PICKED = {
    "duplicates": Pick(
        "duplicates",
        "Copies of one message",
        (
            "customersms-async",
            "aiohttp",
            "requests (the vendor's example)",
            "httpx",
            "aiohttp-retry",
            "twilio, async, max_retries=3",
            "telnyx, async",
            "vonage",
            "slack_sdk, async",
        ),
    ),
    "send": Pick("send", "CPU of one message"),
    "bulk": Pick("bulk", "CPU of one number"),
    "memory": Pick("bulk", "Memory"),
    "login_codes": Pick(
        "login_codes", "Waits", ("LocalLimiter", "AsyncLimiter(100, 60)", "AsyncLimiter(1, 0.6)")
    ),
    "limit_redis": Pick("limit_redis", "Eight processes"),
}


def _table(text: str, pick: Pick) -> str:
    """Give the picked rows of the table below a title, with their head."""
    _, _, below = text.partition(f"\n## {pick.title}")
    lines = re.findall(r"^\|.*\|$", below.partition("\n## ")[0], flags=re.MULTILINE)
    head, rows = lines[:2], lines[2:]
    known = {row.split(" | ")[0].removeprefix("| "): row for row in rows}
    return "\n".join([*head, *(known[name] for name in pick.rows or known)])


def filled(readme: str) -> str:
    """Give the README with the figures that the result files have now."""
    for name, pick in PICKED.items():
        table = _table((RESULTS / f"{pick.file}.md").read_text("utf-8"), pick)
        between = re.compile(rf"(<!-- results {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        readme = between.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", readme)
    return readme


def main() -> None:
    """Write the figures into the README."""
    README.write_text(filled(README.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
