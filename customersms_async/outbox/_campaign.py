"""
`Campaign`: a list of messages with a name, each of which is sent once, in any number of runs.

Rules of this module:

1. The same name is always the same campaign, in every process and run.
2. What a call decides is in the database when it returns.
3. Nothing is sent but by `Campaign.send`, and that only what is queued.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from pathlib import Path
from typing import Final, Protocol

from attrs import evolve

from .._bulk.stop_rules import StopRules, check_rules
from .._values.status import Status
from .._values.validation import check_count
from ..client import CustomerSMS, route_of, stream_batches
from ..outcomes import Outcome, Progress
from ..phones import ParsePhone, normalize_phone
from ..plan import Plan
from ._batch_source import AT_ONCE, Feed
from ._core.add import OpenBatches
from ._core.campaigns import (
    QUEUE_NAME,
    CampaignStatus,
    count,
    facts,
    find,
    hold,
    rebind,
    resume,
)
from ._core.engine import Engine, Named
from ._core.errors import CampaignHeld
from ._core.guards import CANCELLED, IS_CANCELLED, PAUSED, check_start
from ._core.hours import check_deadline, read_hours
from ._core.read import PAGE, Line, page
from ._core.resolve import cancel_some, mark_sent, send_again, withdraw
from ._core.rows import Added
from ._export import as_csv
from ._journal import OutboxJournal
from ._lease import is_gone
from ._plan import plan_queued
from ._row_reader import Addition, read_rows
from ._session import Session, check_client
from ._writer import Writer

__all__ = ["Campaign", "Host"]

#: Batches of a campaign that are cancelled in one transaction.
_AT_ONCE: Final = 1000


class Host(Protocol):
    """What a campaign needs of its outbox."""

    @property
    def engine(self) -> Engine: ...
    @property
    def lease(self) -> float: ...
    @property
    def place(self) -> str: ...


class Campaign:
    """
    Messages with a name; get one by `Outbox.campaign`.

    ::

        campaign = outbox.campaign("parents-evening-2026-12")
        await campaign.add(read("people.csv", text="Hi {name}, ..."))
        progress = await campaign.send(sms)      # after a crash or a Ctrl-C: the same line again
    """

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._name = name
        self._engine = Named(host.engine, name or QUEUE_NAME)
        self._id: int | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def __repr__(self) -> str:
        return f"<Campaign {self._name!r}>"

    async def add(
        self,
        messages: Iterable[Addition] | AsyncIterable[Addition],
        *,
        parse_phone: ParsePhone = normalize_phone,
        batch_size: int = 100,
    ) -> Added:
        """
        Add messages; what was added before adds nothing.

        A bad row never stops it: it is kept with its reason, and counted.

        Args:
            messages: Any iterable of `Message`, async or not, read lazily; the refusals of
                `customersms_async.recipients.read` may stand among them.

            parse_phone: Reads a number.

            batch_size: Numbers in one request.

        Raises:
            TypeError: *messages* cannot be iterated over, or a `Message.ref` is no string.
            ValueError: A ref is empty or too long.
            OutboxUnavailable: The database cannot be asked. Rows before were added; add all again.
        """
        size = check_count("batch_size", batch_size, 1)
        writer = Writer(self._engine, await self._find(), OpenBatches(size))
        try:
            async for rows in read_rows(messages, parse_phone):
                await writer.write(rows)
        finally:
            await writer.end()
        return writer.added

    async def plan(self) -> Plan:
        """Say what sending will be: what waits, in how many requests, minutes and segments."""
        return await plan_queued(self._engine, await self._find())

    async def send(
        self,
        sms: CustomerSMS,
        *,
        stop: StopRules | None = None,
        hours: tuple[str, str, str] | None = None,
        deadline: dt.datetime | None = None,
        batch_size: int = 100,
        max_in_flight: int = 16,
        drain: float | None = None,
    ) -> Progress:
        """
        Send what waits, until nothing of the campaign waits or is under way anywhere.

        It may be called again after any kind of end, and by several processes at once.

        Args:
            sms: The client. The campaign is bound to its account and endpoint at the first call.

            stop: What ends it early; ``max_credits`` is a budget for the campaign, over all calls
                and processes.

            hours: Daily hours, like ``("08:00", "21:00", "Europe/Rome")``; outside it waits.

            deadline: An aware instant after which nothing new leaves.

            batch_size: Numbers in one request, where equal texts were added one by one.

            max_in_flight: Requests under way at once.

            drain: Seconds that a cancelled call waits for what is in flight; None for as long as a
                request can take.

        Returns:
            The counts of the whole campaign. ``stopped`` is the word of what ended the call early.

        Raises:
            CampaignHeld: A person has to decide first; the text says what, and how.
            OutboxUnavailable: The database was away for longer than ``stop.outage``.
            ConfigurationError: An option is out of its range.
            asyncio.CancelledError: It was cancelled; what was in flight was waited for.
        """
        rules = StopRules() if stop is None else check_rules(stop)
        run = await self._session(sms, rules)
        feed = Feed(
            session=run,
            hours=read_hours(hours),
            deadline=check_deadline(deadline),
            batch_size=check_count("batch_size", batch_size, 1),
            at_once=min(AT_ONCE, check_count("max_in_flight", max_in_flight, 1)),
        )
        await run.begin(self._host.place)
        try:
            await self._run(sms, run, feed, rules, max_in_flight=max_in_flight, drain=drain)
        finally:
            await run.end()
        if run.failure is not None:
            raise run.failure
        return _progress(await self.status(), run.word)

    async def _run(
        self,
        sms: CustomerSMS,
        run: Session,
        feed: Feed,
        rules: StopRules,
        *,
        max_in_flight: int,
        drain: float | None,
    ) -> None:
        journal = OutboxJournal(run, rules.max_credits)
        bulk = stream_batches(
            sms,
            feed.batches(),
            journal=journal,
            stop=evolve(rules, max_credits=None),
            max_in_flight=max_in_flight,
            drain=drain,
        )
        async with bulk:
            run.join(bulk.stop, journal.pay)
            progress = await bulk.finish()
        run.word = run.word or progress.stopped

    async def outcomes(self, *statuses: Status) -> AsyncIterator[Outcome]:
        """
        Give what is settled, in the order in which it was added.

        Args:
            statuses: Only these fates; none for all.
        """
        wanted = [Status(status).value for status in statuses or Status]
        async for line in self._lines(wanted):
            yield line.outcome()

    async def lines(self) -> AsyncIterator[Line]:
        """Give all rows with the evidence, settled or not, in the order of their adding."""
        async for line in self._lines(None):
            yield line

    async def status(self) -> CampaignStatus:
        """Count its messages by state."""
        return await self._engine.run(count(await self._find(), is_gone))

    async def check(self, sms: CustomerSMS | None = None) -> None:
        """
        Ask the guards as `send` would, and send nothing.

        Args:
            sms: The client; without one, nothing is asked about account and endpoint.

        Raises:
            CampaignHeld: `send` would raise it, too.
        """
        account, endpoint = (None, None) if sms is None else (sms.account, route_of(sms)[0])
        known = await self._engine.run(facts(await self._find(), self._host.place))
        check_start(known, account, endpoint, time.time())

    async def mark_sent(self, refs: Iterable[str]) -> list[str]:
        """
        Say of unknown messages that they were sent after all.

        Returns:
            The refs about which nothing was done, since they are not there or not unknown.
        """
        job = mark_sent(await self._find(), _refs(refs), time.time())
        return await self._engine.run(job)

    async def send_again(self, refs: Iterable[str]) -> list[str]:
        """
        Queue messages again that are unknown or rejected.

        An unknown one waits until nothing of its first request can be under way any more: the
        lease, and the ``request_timeout`` of the client that sent it. It may reach a person twice:
        the first request may have been carried out.

        Returns:
            The refs about which nothing was done, since they are not there or have another fate.
        """
        job = send_again(await self._find(), _refs(refs), time.time())
        return await self._engine.run(job)

    async def withdraw(self, refs: Iterable[str]) -> list[str]:
        """
        Take messages out that wait: they become ``NOT_SENT`` with the code ``WITHDRAWN``.

        Returns:
            The refs about which nothing was done, since they are not there or do not wait.
        """
        job = withdraw(await self._find(), _refs(refs), time.time())
        return await self._host.engine.run(job)

    async def pause(self, reason: str | None = None) -> None:
        """Let nothing new leave, at any process; runs wait for `resume`."""
        await self._engine.run(hold(await self._find(), PAUSED, reason))

    async def resume(self) -> None:
        """
        Let it go on, for any reason for which a guard held it.

        Raises:
            CampaignHeld: It was cancelled, and that is for good.
        """
        if not await self._engine.run(resume(await self._find())):
            raise CampaignHeld(self._name, *IS_CANCELLED)

    async def cancel(self) -> int:
        """
        End it for good: what waits becomes ``NOT_SENT`` with the code ``CANCELLED``.

        Returns:
            How many messages were cancelled.
        """
        campaign, engine = await self._find(), self._engine
        await engine.run(hold(campaign, CANCELLED, None))
        before = (await self.status()).not_sent
        while await engine.run(cancel_some(campaign, _AT_ONCE)):
            pass
        return (await self.status()).not_sent - before

    async def adopt(self, sms: CustomerSMS) -> None:
        """Bind it to the account of *sms*, whose key has replaced the one it was begun with."""
        await self._engine.run(rebind(await self._find(), sms.account))

    async def export(self, path: str | os.PathLike[str]) -> int:
        """
        Write every row with its fate and the evidence into a CSV that opens in a spreadsheet.

        Returns:
            How many rows there are.
        """
        file, total, lines = Path(path), 0, list[Line]()
        await asyncio.to_thread(_write, file, as_csv((), with_header=True), "w")
        async for line in self._lines(None):
            lines.append(line)
            total += 1
            if len(lines) >= PAGE:
                await asyncio.to_thread(_write, file, as_csv(lines, with_header=False), "a")
                lines.clear()
        await asyncio.to_thread(_write, file, as_csv(lines, with_header=False), "a")
        return total

    async def _lines(self, statuses: list[str] | None) -> AsyncIterator[Line]:
        campaign, after = await self._find(), 0
        while lines := await self._engine.run(page(campaign, after, statuses)):
            for line in lines:
                yield line
            after = lines[-1].id

    async def _find(self) -> int:
        if self._id is None:
            self._id = await self._engine.run(find(self._name, time.time()))
        return self._id

    async def _session(self, sms: CustomerSMS, rules: StopRules) -> Session:
        endpoint, longest = route_of(check_client(sms))
        return Session(
            engine=self._engine,
            campaign=await self._find(),
            name=self._name,
            lease=self._host.lease,
            patience=rules.outage,
            credits=lambda: None if sms.credits is None else sms.credits.amount,
            endpoint=endpoint,
            longest=longest,
            account=sms.account,
        )


def _refs(refs: Iterable[str]) -> list[str]:
    if isinstance(refs, str):
        msg = f"refs must be a list of refs, not one string; write [{refs!r}]"
        raise TypeError(msg)
    return list(refs)


def _progress(status: CampaignStatus, word: str | None) -> Progress:
    waiting = status.queued + status.claimed + status.sending
    return Progress(
        sent=status.sent,
        rejected=status.rejected,
        not_sent=status.not_sent,
        unknown=status.unknown,
        duplicates=status.duplicates,
        waiting=waiting,
        requests=status.requests,
        remaining_credits=status.credits,
        stopped=word if waiting else None,
        complete=not waiting,
    )


def _write(file: Path, text: str, mode: str) -> None:
    with file.open(mode, encoding="utf-8", newline="") as out:
        out.write(text)
