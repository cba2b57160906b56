"""``customersms status``, ``pause``, ``resume`` and ``resolve``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final

from cyclopts import Parameter

from .._values.status import Status
from ..outbox import Campaign, CampaignHeld, CampaignStatus, Line
from ..outbox._core.campaign_states import CampaignState
from ..recipients import Recipients
from .campaign_location import BESIDE_LIST, CampaignLocation, File
from .confirmation_file import Confirmation
from .connection import FROM_ENVIRONMENT, Connection
from .console import complain, counted, fitted, result, result_json, say
from .exits import Exit, UsageError
from .export import list_of
from .hold_reasons import held_line
from .list_rows import compare, list_rows
from .row_choice import chosen_rows

__all__ = ["pause", "resolve", "resume", "status", "summary"]

#: Seconds between two updates of ``--watch``.
_LOOK_AGAIN: Final = 2.0

_ABANDONED: Final = "left in flight by a process that has died: {:,}, counted as unknown"

_SENT_AGAIN: Final = (
    "the next customersms bulk sends again, once the first request can no longer be in progress"
)

#: How many of the unchanged rows are named.
_MOST_SHOWN: Final = 20


def status(
    file: File = None,
    /,
    *,
    location: CampaignLocation = BESIDE_LIST,
    watch: Annotated[bool, Parameter(help="Repeat until nothing is queued.")] = False,
    json: Annotated[bool, Parameter(help="Print lines of JSON.")] = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> Exit:
    """Show how far a list is."""
    confirmed = None if file is None else Confirmation.read(file, location.name(file))
    bad = 0 if confirmed is None else confirmed.bad

    async def look(campaign: Campaign) -> Exit:
        while True:
            now = await campaign.status()
            held = await _held(campaign, connection) if now.waiting else None
            if json:
                code = None if held is None else held.code
                result_json({**now.to_dict(), "bad": bad, "held": code})
            else:
                result(fitted(summary(now, bad), sys.stdout))
                _say_more(now, held, file, location)
            if not (watch and now.waiting > now.abandoned):
                return Exit.OK
            await asyncio.sleep(_LOOK_AGAIN)

    return _with(file, location, look)


def pause(file: File = None, /, *, location: CampaignLocation = BESIDE_LIST) -> Exit:
    """Send nothing new, in any process."""

    async def hold(campaign: Campaign) -> Exit:
        await campaign.pause()
        say(f"paused; continue with: {location.command('resume', file)}")
        return Exit.OK

    return _with(file, location, hold)


def resume(
    file: File = None,
    /,
    *,
    location: CampaignLocation = BESIDE_LIST,
    new_key: Annotated[
        bool, Parameter(help="The key was changed: continue with the one that is set now.")
    ] = False,
    moved: Annotated[
        bool, Parameter(help="The outbox was moved here; the original will not send.")
    ] = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> Exit:
    """Continue a list that was paused or held."""

    async def go_on() -> Exit:
        async with location.existing(file) as outbox:
            if moved:
                await outbox.adopt()
            campaign = await location.begun(outbox, file)
            if new_key:
                await _bind(campaign, connection)
            await campaign.resume()
            held = await _held(campaign, connection)
        if held is not None:
            complain(held_line(held, file, location))
            return Exit.STOPPED
        say("it may continue; the same customersms bulk sends the rest")
        return Exit.OK

    return asyncio.run(go_on())


async def _bind(campaign: Campaign, connection: Connection) -> None:
    async with connection.open() as sms:
        await campaign.adopt(sms)


def resolve(
    file: File = None,
    /,
    *,
    location: CampaignLocation = BESIDE_LIST,
    sent: Annotated[
        str | None,
        Parameter(help="Rows that were sent after all: 17,20-25, or all, or @FILE."),
    ] = None,
    again: Annotated[
        str | None, Parameter(help="Rows to send again, as --sent; some may get it twice.")
    ] = None,
) -> Exit:
    """Resolve unknown messages: sent after all, or send again."""
    if (sent is None) == (again is None):
        msg = "name the rows: --sent 17,20-25, or --again 17,20-25"
        raise UsageError(msg)
    chosen = chosen_rows(sent or again or "")
    people = list_of(file, location)

    async def settle(campaign: Campaign) -> Exit:
        lines = await _lines_by_row(people, campaign)
        unknown = (row for row, line in lines.items() if line.status == Status.UNKNOWN)
        rows = list(unknown if chosen is None else dict.fromkeys(chosen))
        refs = {row: line.ref for row in rows if (line := lines.get(row)) is not None}
        known = [ref for ref in refs.values() if ref is not None]
        done = set(known) - set(await (campaign.mark_sent if sent else campaign.send_again)(known))
        left = [row for row in rows if refs.get(row) not in done]
        _say_resolved(len(rows) - len(left), left, is_again=again is not None)
        return Exit.PARTIAL if left else Exit.OK

    return _with(file, location, settle)


def _say_resolved(resolved: int, left: Sequence[int], *, is_again: bool) -> None:
    say(f"{counted(resolved, 'row')} resolved")
    if is_again and resolved:
        say(_SENT_AGAIN)
    if left:
        more = f" and {len(left) - _MOST_SHOWN:,} more" if len(left) > _MOST_SHOWN else ""
        named = ", ".join(f"row {row}" for row in left[:_MOST_SHOWN])
        say(f"left unchanged, since not found or not unknown: {named}{more}")


def summary(now: CampaignStatus, bad: int = 0) -> str:
    """
    Describe the status of a list in one line.

    Args:
        now: The status of its campaign.

        bad: How many of its rows are not part of that.
    """
    parts = [
        f"{now.sent:,} sent",
        f"{now.rejected:,} rejected",
        f"{now.unknown + now.abandoned:,} unknown",  # as the next run will have it
        f"{now.not_sent + bad:,} not sent",
        f"{now.queued + now.claimed:,} waiting",
    ]
    if under_way := now.sending - now.abandoned:
        parts.append(f"{under_way:,} in flight")
    if now.credits is not None:
        parts.append(f"{now.credits:,} credits left")
    if now.state != CampaignState.OPEN:
        parts.append(now.state)
    return ", ".join(parts)


async def _held(campaign: Campaign, connection: Connection) -> CampaignHeld | None:
    """Return what would hold the campaign, with the current key and gateway."""
    try:
        async with connection.known() as sms:
            await campaign.check(sms)
    except CampaignHeld as held:
        return held
    return None


def _say_more(
    now: CampaignStatus, held: CampaignHeld | None, file: File, location: CampaignLocation
) -> None:
    if now.abandoned:
        say(_ABANDONED.format(now.abandoned))
    if held is not None:
        say(f"held: {held_line(held, file, location)}")


async def _lines_by_row(people: Recipients | None, campaign: Campaign) -> dict[int, Line]:
    """Return a campaign's lines, by the numbers that `export` shows under ``row``."""
    lines = [line async for line in campaign.lines()]
    if people is None:
        return {line.id: line for line in lines}
    found = compare(people, lines)
    return {row.number: line for row in list_rows(people) if (line := found.of(row))}


def _with(
    file: File, location: CampaignLocation, work: Callable[[Campaign], Awaitable[Exit]]
) -> Exit:
    async def run() -> Exit:
        async with location.existing(file) as outbox:
            return await work(await location.begun(outbox, file))

    return asyncio.run(run())
