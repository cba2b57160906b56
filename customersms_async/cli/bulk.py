"""``customersms bulk``: plan, confirm, run; the same command continues where it ended."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from attrs import evolve, frozen
from cyclopts import Parameter
from cyclopts.validators import Number

from .._bulk.stop_rules import StopRules
from .._values.refusal_words import Family, family_of
from ..client import CustomerSMS
from ..errors import ConfigurationError
from ..outbox import Campaign, CampaignHeld, CampaignStatus
from ..outbox._core.hours import read_hours as check_hours
from ..outcomes import Message, Progress
from ..plan import Plan
from ..recipients import Recipients
from .campaign_location import BESIDE_LIST, CampaignLocation
from .check import details, headline
from .confirmation import Changed, agree, check_unchanged
from .confirmation_file import Confirmation
from .connection import FROM_ENVIRONMENT, Connection
from .console import complain, counted, fitted, result, result_json, say
from .exits import Exit, UsageError, worst
from .export import result_table, row_results, write_rows
from .hold_reasons import held_line
from .interrupts import interruptible
from .list_rows import compare, list_rows
from .manage import summary
from .progress import shown
from .selection import DEFAULTS, ListOptions, Selection, look_through
from .send import send_samples
from .stop_reasons import stop_line
from .table_files import check_output
from .time_parsing import read_hours, read_until

__all__ = ["bulk"]

_ABOUT_REJECTED: Final = (
    "the gateway refused the rejected; list them with its codes: {} --only rejected"
)
_ABOUT_UNKNOWN: Final = "the unknown may or may not have been sent; list them: {} --only unknown"


@frozen
class _Terms:
    """When a run ends, and when it waits, as arguments of `Campaign.send`."""

    stop: StopRules
    hours: tuple[str, str, str] | None
    deadline: dt.datetime | None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """When a run ends, and when it waits."""

    max_credits: Annotated[
        int | None,
        Parameter(help="Credits that the list may cost, over all runs.", validator=Number(gte=1)),
    ] = None
    hours: Annotated[
        str | None, Parameter(help='Daily hours: 08:00-21:00, or "08:00-21:00 Europe/Rome".')
    ] = None
    until: Annotated[
        str | None, Parameter(help="Send nothing new after this time: 2026-12-24T20:00.")
    ] = None

    def read(self) -> _Terms:
        """
        Parse the options.

        Raises:
            UsageError: There is no such hour, time zone or time.
        """
        hours = read_hours(self.hours)
        try:
            check_hours(hours)
        except ConfigurationError as exc:
            msg = f"--{exc}"
            raise UsageError(msg) from None
        return _Terms(StopRules(max_credits=self.max_credits), hours, read_until(self.until))


_NO_LIMITS: Final = RunOptions()


def bulk(
    file: Annotated[Path, Parameter(help="The list: .csv, .txt or .xlsx, with a header.")],
    /,
    *,
    options: ListOptions = DEFAULTS,
    run: RunOptions = _NO_LIMITS,
    location: CampaignLocation = BESIDE_LIST,
    connection: Connection = FROM_ENVIRONMENT,
    test_to: Annotated[
        str | None, Parameter(help="Send only the samples of check, to this number.")
    ] = None,
    yes: Annotated[bool, Parameter(help="Do not ask.")] = False,
    confirm: Annotated[str | None, Parameter(help="The token that check or bulk printed.")] = None,
    out: Annotated[Path | None, Parameter(help="Write the results to this file.")] = None,
    json: Annotated[bool, Parameter(help="Print one line of JSON for each row.")] = False,
) -> Exit:
    """Send a list: plan, confirm, run; run it again to continue."""
    terms = run.read()
    check_output("--out", out, file)
    people = options.open(file)
    look = look_through(people, options.batch_size)
    plan = look.plan
    wanted = Confirmation(Selection.of(file, options), options, plan.bad + plan.skipped)
    known = Confirmation.read(file, location.name(file))
    is_new = known is None
    goes_on = known is not None and known.selection == wanted.selection and not test_to
    is_first_look = is_new and not (confirm or test_to)
    about = headline(people, plan, is_all=not goes_on)
    for line in (*about, *(details(look) if is_first_look else ())):
        say(fitted(line, sys.stderr))
    if is_new and not plan.recipients:
        complain("there is nobody to send to")
        return Exit.PARTIAL if plan.bad else Exit.OK
    if test_to is not None:
        return send_samples(connection, plan, test_to, options.country)
    connection.announce(plan.recipients if is_new else 0)
    list_run = _ListRun(file, people, plan, wanted, terms, location, is_new)
    try:
        agree(file, location.name(file), wanted, plan, yes=yes, token=confirm)
        return asyncio.run(list_run.carry_out(connection, out, as_json=json))
    except Changed as changed:
        complain(str(changed))
        return Exit.CHANGED


@frozen
class _ListRun:
    """One run of a list."""

    file: Path
    people: Recipients
    plan: Plan
    confirmed: Confirmation
    terms: _Terms
    location: CampaignLocation
    is_new: bool

    async def carry_out(self, connection: Connection, out: Path | None, *, as_json: bool) -> Exit:
        """Send what is queued and show the results; after a Ctrl-C, the results so far."""
        try:
            return await interruptible(self._work(connection, out, as_json=as_json))
        except asyncio.CancelledError:
            self._say_how_to_go_on()
            return Exit.INTERRUPTED

    async def _work(self, connection: Connection, out: Path | None, *, as_json: bool) -> Exit:
        async with self.location.open(self.file) as outbox, connection.open() as sms:
            campaign = self.location.of(outbox, self.file)
            await self._bring_up_to_date(campaign)
            if not self.is_new:
                now = await campaign.status()
                say(fitted(self._goes_on(now, await campaign.plan()), sys.stderr))
                connection.announce(now.queued + now.claimed)
            ended = await self._send(campaign, sms)
            now = await campaign.status()
            is_written = await self._write_results(campaign, out, as_json=as_json)
        self._sum_up(now, as_json=as_json)
        exits = _exits(now, self.plan, ended, self._other_key(now))
        return worst(exits if is_written else [*exits, Exit.ERROR])

    async def _bring_up_to_date(self, campaign: Campaign) -> None:
        """
        Update the campaign to the present list.

        Raises:
            Changed: The list was saved while it was being read; nothing of it was sent.
        """
        lines = [line async for line in campaign.lines()]
        found = compare(self.people, lines) if lines else None
        edited = frozenset[str]() if found is None else found.edited
        new = (
            evolve(row.item, ref=row.ref)
            for row in list_rows(self.people)
            if isinstance(row.item, Message) and row.ref not in edited
        )
        await campaign.add(new, batch_size=self.confirmed.options.batch_size)
        check_unchanged(self.file, self.confirmed)
        gone = [] if found is None else [line for line in found.gone if line.status == "queued"]
        left = await campaign.withdraw([line.ref or "" for line in gone])
        if taken_out := len(gone) - len(left):
            say(f"no longer in the list, so not sent: {taken_out:,} queued")
        if edited:
            say(f"edited after they were sent, so not sent again: {len(edited):,}")

    def _goes_on(self, now: CampaignStatus, queued: Plan) -> str:
        """Describe what was done before and what is left, including what a dead process held."""
        unknown, left = now.unknown + now.abandoned, now.queued + now.claimed
        before = f"continuing: {now.sent:,} sent before"
        before += f", {unknown:,} unknown" if unknown else ""
        if not left:
            return f"{before}, nothing is left"
        requests = queued.requests - -now.claimed // self.confirmed.options.batch_size
        plan = evolve(queued, requests=requests)
        takes = f"{counted(requests, 'request')}, {plan.minutes:,} min"
        return f"{before}, {left:,} left, {takes}"

    async def _send(self, campaign: Campaign, sms: CustomerSMS) -> Progress | Exit:
        """Send what is queued; return its progress, or the exit status if it could not run."""
        try:
            async with shown(campaign):
                return await campaign.send(
                    sms,
                    stop=self.terms.stop,
                    hours=self.terms.hours,
                    deadline=self.terms.deadline,
                    batch_size=self.confirmed.options.batch_size,
                )
        except asyncio.CancelledError:
            await sms.aclose(drain=0)  # after a second Ctrl-C, requests in flight are given up
            self._say_how_to_go_on()
            return Exit.INTERRUPTED
        except CampaignHeld as held:
            complain(held_line(held, self.file, self.location))
            return Exit.STOPPED

    async def _write_results(self, campaign: Campaign, out: Path | None, *, as_json: bool) -> bool:
        """Write the results; return whether that was possible."""
        if as_json:
            async for one in row_results(campaign, self.people):
                result_json(one.to_dict())
        if out is None:
            return True
        try:
            write_rows([row async for row in result_table(campaign, self.people)], out, self.people)
        except OSError as exc:
            again = self.location.command("export", self.file, "--out", "FILE")
            complain(f"{out}: {exc.strerror}; write the results by: {again}")
            return False
        return True

    def _sum_up(self, now: CampaignStatus, *, as_json: bool) -> None:
        if as_json:
            say(fitted(summary(now, self.confirmed.bad), sys.stderr))
        else:
            result(fitted(summary(now, self.confirmed.bad), sys.stdout))
        export = self.location.command("export", self.file)
        if now.rejected:
            say(_ABOUT_REJECTED.format(export))
        if now.unknown:
            say(_ABOUT_UNKNOWN.format(export))

    def _other_key(self, now: CampaignStatus) -> str | None:
        """Return the command that binds it to another key; None if it takes any."""
        is_begun = now.sent or now.rejected or now.unknown
        return self.location.command("resume", self.file, "--new-key") if is_begun else None

    def _say_how_to_go_on(self) -> None:
        say(f"interrupted; continue with the same command: customersms bulk {self.file} ...")


def _exits(
    now: CampaignStatus, plan: Plan, ended: Progress | Exit, other_key: str | None
) -> list[Exit]:
    exits = [ended] if isinstance(ended, Exit) else []
    if isinstance(ended, Progress) and ended.stopped is not None:
        say(stop_line(ended.stopped, other_key))
        is_key = family_of(ended.stopped) is Family.KEY
        exits.append(Exit.KEY if is_key else Exit.STOPPED)
    if now.unknown or now.abandoned:
        exits.append(Exit.UNKNOWN)
    if now.rejected or now.queued or plan.bad:
        exits.append(Exit.PARTIAL)
    return exits
