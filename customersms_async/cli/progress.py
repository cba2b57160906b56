"""
The progress of a run: a bar on a terminal, a line per minute elsewhere; always on standard error.

Rule of this module: progress is read from the outbox, so that several processes that send one list
all show the whole of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ..outbox import Campaign, CampaignStatus
from ..outbox._core.campaign_states import CampaignState
from .console import say
from .manage import summary

__all__ = ["shown"]

#: Seconds between two reads of the outbox, and between two lines.
_LOOK_AGAIN: Final = 0.5
_SPEAK_AGAIN: Final = 60.0

#: Terminals that cannot redraw a line.
_NO_BAR: Final = ("dumb", "unknown")

#: Columns of the bar. The line leaves room for ``^C``, which terminals print at its end; if that
#: wrapped, the bar could not be erased.
_WIDTH: Final = 30


@contextlib.asynccontextmanager
async def shown(campaign: Campaign) -> AsyncGenerator[None]:
    """Show the progress of *campaign* while the block runs."""
    show = _bar if sys.stderr.isatty() and os.environ.get("TERM") not in _NO_BAR else _lines
    task = asyncio.create_task(show(campaign))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _lines(campaign: Campaign) -> None:
    while True:
        await asyncio.sleep(_SPEAK_AGAIN)
        say(summary(await campaign.status()))


async def _bar(campaign: Campaign) -> None:
    columns = (
        BarColumn(bar_width=_WIDTH),
        TextColumn("{task.completed:,} of {task.total:,},"),
        TimeRemainingColumn(compact=True),
        TextColumn("left{task.description}"),
    )
    now = await campaign.status()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=_total(now))
        while True:
            bar.update(task, completed=_settled(now), total=_total(now), description=_said(now))
            await asyncio.sleep(_LOOK_AGAIN)
            now = await campaign.status()


def _settled(now: CampaignStatus) -> int:
    return now.sent + now.rejected + now.unknown


def _total(now: CampaignStatus) -> int:
    return _settled(now) + now.waiting


def _said(now: CampaignStatus) -> str:
    """Return the exceptions to show beside the bar."""
    words = [f"{now.unknown:,} unknown"] if now.unknown else []
    words += [f"{now.rejected:,} rejected"] if now.rejected else []
    words += [now.state] if now.state != CampaignState.OPEN else []
    return "".join(f", {word}" for word in words)
