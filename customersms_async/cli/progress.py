"""
How far a run is: a bar on a terminal, a line a minute elsewhere; always on standard error.

Rule of this module: what is shown is what the outbox says, so that several processes that send one
list all show the whole of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..outbox import Campaign, CampaignStatus
from .console import say
from .manage import summary

__all__ = ["shown"]

#: Seconds between two looks at the outbox, and between two lines.
_LOOK_AGAIN: Final = 0.5
_SPEAK_AGAIN: Final = 60.0


@contextlib.asynccontextmanager
async def shown(campaign: Campaign) -> AsyncGenerator[None]:
    """Show how far *campaign* is, as long as the block runs."""
    show = _bar if sys.stderr.isatty() else _lines
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
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        while True:
            now = await campaign.status()
            bar.update(task, completed=_settled(now), total=_total(now), description=_said(now))
            await asyncio.sleep(_LOOK_AGAIN)


def _settled(now: CampaignStatus) -> int:
    return now.sent + now.rejected + now.unknown


def _total(now: CampaignStatus) -> int:
    return _settled(now) + now.queued + now.claimed + now.sending


def _said(now: CampaignStatus) -> str:
    """Say beside the bar what is out of the ordinary."""
    words = [f"{now.unknown:,} unknown"] if now.unknown else []
    words += [f"{now.rejected:,} rejected"] if now.rejected else []
    words += [now.state] if now.state != "open" else []
    return ", ".join(words)
