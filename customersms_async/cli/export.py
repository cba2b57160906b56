"""``customersms export``: the list as it was, with what became of each row."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from ..outbox import Campaign, Line
from ..outcomes import Message
from ..recipients import Recipients, Refusal
from ..segments import count
from .campaign_location import File, Place
from .confirmation_file import Accepted
from .console import say
from .exits import Exit, UsageError
from .results import check_output, harmless, write_table

__all__ = ["export", "result_rows"]

#: What is added to the columns of a list.
_ADDED: Final = (
    "status",
    "code",
    "detail",
    "message_id",
    "request",
    "segments",
    "at",
    "duplicate_of",
)
_FATES: Final = ("sent", "rejected", "not_sent", "unknown", "queued", "claimed", "sending")


def export(
    file: File = None,
    /,
    *,
    place: Place | None = None,
    only: Annotated[
        str | None, Parameter(help="Only these: sent, rejected, not_sent, unknown, queued.")
    ] = None,
    out: Annotated[Path | None, Parameter(help="Write to this file, not to the output.")] = None,
) -> Exit:
    """Write the list with what became of each row."""
    if only is not None and only not in _FATES:
        msg = f"--only must be one of {', '.join(_FATES)}, not {only!r}"
        raise UsageError(msg)
    check_output("--out", out, file)
    place = place or Place()
    people = _list_of(file, place)

    async def write() -> Exit:
        async with place.existing(file) as outbox:
            rows = [row async for row in result_rows(place.of(outbox, file), people, only)]
        write_rows(rows, out)
        return Exit.OK

    return asyncio.run(write())


def write_rows(rows: Sequence[Sequence[str]], out: Path | None) -> None:
    """Write a table to a file, or to the output."""
    if out is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
        return
    write_table(out, rows)
    say(f"{len(rows) - 1:,} rows are in {out}")


def _list_of(file: Path | None, place: Place) -> Recipients | None:
    """Open the list as it was read when it was confirmed; None where there is none."""
    accepted = None if file is None else Accepted.read(file, place.name(file))
    return None if file is None or accepted is None else accepted.options.open(file)


async def result_rows(
    campaign: Campaign, people: Recipients | None, only: str | None = None
) -> AsyncIterator[list[str]]:
    """
    Give the table of results, its header first.

    Args:
        campaign: The campaign.

        people: The list, whose cells stand untouched before what is added; None where only the
            campaign is at hand.

        only: The fate that is wanted; None for all rows.
    """
    lines = {line.ref or str(line.id): line async for line in _first_lines(campaign)}
    names = {line.id: ref for ref, line in lines.items()}
    if people is None:
        yield ["ref", "phone", *_ADDED]
    else:
        yield [*people.columns, *_ADDED]
        for ref, cells, message in _listed(people):
            line = lines.pop(ref, None)
            if only is None or (line is not None and line.status == only):
                yield [*cells, *_cells(line, message, names)]
    width = 2 if people is None else len(people.columns)
    for ref, line in lines.items():
        if only in (None, line.status):
            whose = [harmless(ref), harmless(line.phone), *[""] * width][:width]
            yield [*whose, *_cells(line, None, names)]


async def _first_lines(campaign: Campaign) -> AsyncIterator[Line]:
    """Leave out what contradicts an earlier row of the same reference."""
    seen: set[str] = set()
    async for line in campaign.lines():
        if line.ref is None or line.ref not in seen:
            yield line
        seen.add(line.ref or "")


def _listed(people: Recipients) -> Iterator[tuple[str, list[str], Message | Refusal]]:
    """Give each row of the list: its reference, its cells under the header, and what it is."""
    width = len(people.columns)
    for (number, cells), message in zip(people.rows(), people, strict=True):
        yield f"row-{number}", [*cells[:width], *[""] * (width - len(cells))], message


def _cells(
    line: Line | None, message: Message | Refusal | None, names: Mapping[int, str]
) -> list[str]:
    if line is None:
        return [""] * len(_ADDED)
    text = message.text if isinstance(message, Message) else ""
    doubled = "" if line.duplicate_of is None else names.get(line.duplicate_of, "")
    return [
        line.status,
        harmless(line.code or ""),
        harmless(line.detail or ""),
        harmless(line.message_id or ""),
        line.request or "",
        str(count(text).segments) if text else "",
        _instant(line.left_at),
        doubled,
    ]


def _instant(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(" ", "seconds")
