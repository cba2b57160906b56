"""``customersms bulk``: plan, confirm, run; the same command again goes on where it ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from attrs import frozen
from cyclopts import Parameter

from .._bulk.stop_rules import StopRules
from .._values.refusal_words import Family, family_of
from ..client import CustomerSMS
from ..outbox import Added, Campaign, CampaignHeld, CampaignStatus
from ..outcomes import Progress
from ..plan import Plan
from ..recipients import Recipients
from .campaign_location import Place
from .check import details, headline
from .confirmation_file import Accepted
from .connection import Connection
from .consent import Changed, agree, check_unchanged
from .console import complain, result, result_json, say
from .exits import Exit, worst
from .export import result_rows, write_rows
from .interrupts import interruptible
from .manage import summary
from .progress import shown
from .selection import ListOptions, Selection, look_through
from .send import send_samples
from .time_parsing import read_hours, read_until

__all__ = ["bulk"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """When a run ends, and when it waits."""

    max_credits: Annotated[
        int | None, Parameter(help="Credits that the list may cost, over all runs.")
    ] = None
    hours: Annotated[
        str | None, Parameter(help='Daily hours: 08:00-21:00, or "08:00-21:00 Europe/Rome".')
    ] = None
    until: Annotated[
        str | None, Parameter(help="When nothing new leaves any more: 2026-12-24T20:00.")
    ] = None


def bulk(
    file: Annotated[Path, Parameter(help="The list: .csv, .txt or .xlsx, with a header.")],
    /,
    *,
    options: ListOptions | None = None,
    run: RunOptions | None = None,
    place: Place | None = None,
    connection: Connection | None = None,
    test_to: Annotated[
        str | None, Parameter(help="Send only the samples of check, to this number.")
    ] = None,
    yes: Annotated[bool, Parameter(help="Ask nothing.")] = False,
    confirm: Annotated[
        str | None, Parameter(help="The token that check or bulk has printed.")
    ] = None,
    out: Annotated[Path | None, Parameter(help="Write the results to this file.")] = None,
    json: Annotated[bool, Parameter(help="Print one line of JSON for each row.")] = False,
) -> Exit:
    """Send a list: plan, confirm, run; the same command goes on."""
    options = options or ListOptions()
    connection = connection or Connection()
    people = options.open(file)
    plan, problems = look_through(people, options.batch_size)
    place = place or Place()
    is_new = Accepted.read(file, place.name(file)) is None and not (confirm or test_to)
    for line in (*headline(people, plan), *(details(plan, problems) if is_new else ())):
        say(line)
    if test_to is not None:
        return send_samples(connection, plan, test_to, options.country)
    connection.announce(plan.recipients)
    wanted = Accepted(Selection.of(file, options), options)
    job = _Job(file, people, plan, wanted, run or RunOptions(), place)
    try:
        agree(file, place.name(file), wanted, plan, yes=yes, token=confirm)
        return asyncio.run(job.carry_out(connection, out, as_json=json))
    except Changed as changed:
        complain(str(changed))
        return Exit.CHANGED


@frozen
class _Job:
    """One run of a list."""

    file: Path
    people: Recipients
    plan: Plan
    accepted: Accepted
    options: RunOptions
    place: Place

    async def carry_out(self, connection: Connection, out: Path | None, *, as_json: bool) -> Exit:
        async with self.place.open(self.file) as outbox, connection.open() as sms:
            campaign = self.place.of(outbox, self.file)
            added = await campaign.add(self.people, batch_size=self.accepted.options.batch_size)
            check_unchanged(self.file, self.accepted)
            ended = await self._send(campaign, sms)
            now = await campaign.status()
            await _tell(campaign, self.people, out, as_json=as_json)
        result_line = say if as_json else result
        result_line(summary(now))
        return _exit(now, added, self.plan, ended)

    async def _send(self, campaign: Campaign, sms: CustomerSMS) -> Progress | Exit:
        """Send what waits; where that is no progress, what the exit status has to say."""
        try:
            async with shown(campaign):
                return await interruptible(
                    campaign.send(
                        sms,
                        stop=StopRules(max_credits=self.options.max_credits),
                        hours=read_hours(self.options.hours),
                        deadline=read_until(self.options.until),
                        batch_size=self.accepted.options.batch_size,
                    ),
                    lambda: say("waiting for the answers of what is under way; again to give up"),
                )
        except asyncio.CancelledError:
            say(f"interrupted; go on with the same command: customersms bulk {self.file} ...")
            return Exit.INTERRUPTED
        except CampaignHeld as held:
            complain(_in_words_of_the_command(held, self.file))
            return Exit.STOPPED


async def _tell(campaign: Campaign, people: Recipients, out: Path | None, *, as_json: bool) -> None:
    if as_json:
        async for line in campaign.lines():
            result_json(line.to_dict())
    if out is not None:
        write_rows([row async for row in result_rows(campaign, people)], out)


def _exit(now: CampaignStatus, added: Added, plan: Plan, ended: Progress | Exit) -> Exit:
    exits = [ended] if isinstance(ended, Exit) else []
    if isinstance(ended, Progress) and ended.stopped is not None:
        say(f"stopped: {ended.stopped}")
        is_key = family_of(ended.stopped) is Family.KEY
        exits.append(Exit.KEY if is_key else Exit.STOPPED)
    if now.unknown:
        exits.append(Exit.UNKNOWN)
    if now.rejected or now.queued or plan.bad or added.conflicts:
        exits.append(Exit.PARTIAL)
    return worst(exits)


def _in_words_of_the_command(held: CampaignHeld, file: Path) -> str:
    words = {
        "campaign.resume()": f"customersms resume {file}",
        "campaign.adopt(sms)": f"customersms resume {file} --new-key",
        "outbox.adopt()": f"customersms resume {file} --moved",
        "campaign.outcomes(Status.UNKNOWN)": f"customersms export {file} --only unknown",
    }
    text = str(held)
    for call, command in words.items():
        text = text.replace(f"call {call}", command).replace(call, command)
    return text
