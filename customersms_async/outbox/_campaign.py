"""
`Campaign`: a named list of messages, each of which is sent once, in any number of runs.

Rules of this module:

1. The same name is always the same campaign, in every process and run.
2. The effect of a call is in the database when it returns.
3. Only `Campaign.send` sends anything, and only messages that are queued.
4. A run belongs to the outbox, not to its caller, who only waits: a scope that cancels repeatedly
   must not keep a run from ending in order.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from attrs import evolve

from .. import codes
from .._bulk.stop_rules import StopRules, check_rules
from .._values.status import Status
from .._values.validation import check_count
from ..bulk import Bulk
from ..client import CustomerSMS, stream_batches
from ..outcomes import Outcome, Progress
from ..phones import ParsePhone, normalize_phone
from ..plan import Plan
from ._batch_source import AT_ONCE, BatchSource
from ._campaign_run import CampaignRun, cancel_all, end_of
from ._context import OutboxContext
from ._core.add import OpenBatches
from ._core.campaigns import (
    QUEUE,
    QUEUE_NAME,
    CampaignStatus,
    cancel,
    facts,
    find,
    pause,
    read_status,
    rebind,
    resume,
)
from ._core.claim import reap
from ._core.decisions import mark_sent, send_again, withdraw
from ._core.engine import Named
from ._core.errors import OutboxError
from ._core.guards import cancelled, check_start
from ._core.hours import Schedule, check_deadline, read_hours
from ._core.lines import Line, page
from ._core.rows import Added
from ._export import write_csv
from ._journal import OutboxJournal
from ._lease import is_gone
from ._plan import plan_queued
from ._row_reader import Addition, read_rows
from ._run_target import RunTarget
from ._sender import Sender, check_client
from ._writer import Writer

__all__ = ["Campaign"]

_QUEUE_STAYS: Final = (
    "the queue of enqueue() cannot be cancelled, or later messages would never be sent; "
    "withdraw(refs) takes messages out, and pause() holds it"
)


class Campaign:
    """
    A named list of messages; get one from `Outbox.campaign`.

    ::

        campaign = outbox.campaign("parents-evening-2026-12")
        await campaign.add(read("people.csv", text="Hi {name}, ..."))
        progress = await campaign.send(sms)      # after a crash or a Ctrl-C: the same line again
    """

    def __init__(self, context: OutboxContext, name: str) -> None:
        self._context = context
        self._name = name
        self._engine = Named(context.engine, name or QUEUE_NAME)
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
        Add messages; those that were added before are ignored.

        A bad row never stops it: it is kept with its reason, and counted.

        Args:
            messages: Any iterable of `Message`, async or not, read lazily; it may include the
                refusals of `customersms_async.recipients.read`.

            parse_phone: Parses a number.

            batch_size: Numbers in one request.

        Raises:
            TypeError: *messages* cannot be iterated over, or a `Message.ref` is not a string.
            ValueError: A ref is empty or too long.
            CampaignHeld: The campaign was cancelled.
            OutboxUnavailable: The database is unavailable. Earlier rows may have been added; add
                all of them again.
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
        """Estimate the run: messages queued, and the requests, minutes and segments they take."""
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
        Send what is queued, until nothing of the campaign is queued or in progress anywhere.

        It may be called again however it ended, and by several processes at once.

        Args:
            sms: The client. The first call binds the campaign to its account and endpoint.

            stop: When to end early; ``max_credits`` is a budget for the campaign, over all calls
                and processes.

            hours: Daily hours, like ``("08:00", "21:00", "Europe/Rome")``; outside them it waits.

            deadline: An aware datetime after which no new request is sent.

            batch_size: Numbers in one request, when equal texts were added one by one.

            max_in_flight: Requests in flight at once.

            drain: Seconds that a cancelled call waits for requests in flight; None for as long as
                a request can take.

        Returns:
            The counts of the whole campaign. ``stopped`` is the code of what ended the call early.

        Raises:
            CampaignHeld: Someone must decide first; the text says what, and how.
            OutboxUnavailable: The database was unavailable for longer than ``stop.outage``.
            ConfigurationError: An option is out of range.
            asyncio.CancelledError: It was cancelled, and has waited for the requests in flight.
        """
        rules = StopRules() if stop is None else check_rules(stop)
        schedule = Schedule(read_hours(hours), check_deadline(deadline))
        target = RunTarget.of(
            self._context,
            await self._find(),
            self._name or QUEUE_NAME,
            sender=Sender.of(sms),
            patience=rules.outage,
            schedule=schedule,
        )
        run = CampaignRun(target)
        source = BatchSource(
            run=run,
            batch_size=check_count("batch_size", batch_size, 1),
            at_once=min(AT_ONCE, check_count("max_in_flight", max_in_flight, 1)),
        )
        make_bulk = partial(
            stream_batches,
            sms,
            source.batches(),
            journal=OutboxJournal(run, rules.max_credits),
            stop=evolve(rules, max_credits=None),  # the journal keeps it, over all runs
            max_in_flight=max_in_flight,
            stop_after=schedule.left(dt.datetime.now(dt.UTC)) or None,
            drain=drain,
        )
        sending = self._carry_out(run, make_bulk)
        return await end_of(self._context.spawn(sending, partial(run.stop.request, codes.STOPPED)))

    async def _carry_out(self, run: CampaignRun, make_bulk: Callable[[], Bulk]) -> Progress:
        await run.carry_out(make_bulk)
        return _progress(await self.status(), run.stop.code)

    async def outcomes(self, *statuses: Status) -> AsyncIterator[Outcome]:
        """
        Yield the outcomes of settled messages, in the order in which they were added.

        Args:
            statuses: Only these fates; all if empty.
        """
        wanted = [Status(status).value for status in statuses or Status]
        async for line in self._lines(wanted):
            yield line.outcome()

    async def lines(self) -> AsyncIterator[Line]:
        """Yield all rows with the evidence, settled or not, in the order they were added."""
        async for line in self._lines(None):
            yield line

    async def status(self) -> CampaignStatus:
        """Count its messages by state."""
        return await self._engine.run(read_status(await self._find(), is_gone))

    async def check(self, sms: CustomerSMS | None = None) -> None:
        """
        Check the guards as `send` would, without sending anything.

        Args:
            sms: The client; without one, account and endpoint are not checked.

        Raises:
            CampaignHeld: `send` would raise it too.
        """
        sender = None if sms is None else Sender.of(sms)
        account, endpoint = (None, None) if sender is None else (sender.account, sender.endpoint)
        known = await self._engine.run(facts(await self._find(), self._context.identity))
        check_start(known, account, endpoint, time.time())

    async def mark_sent(self, refs: Iterable[str]) -> list[str]:
        """
        Record that unknown messages were sent after all.

        Returns:
            The refs that were left unchanged, because they do not exist or are not unknown.
        """
        await self._take_over()
        job = mark_sent(await self._find(), _refs(refs), time.time())
        return await self._engine.run(job)

    async def send_again(self, refs: Iterable[str]) -> list[str]:
        """
        Requeue messages that are unknown or rejected.

        An unknown one waits until its first request can no longer be in progress: for the lease and
        the ``request_timeout`` of the client that sent it. The recipient may get it twice: the
        first request may have been carried out.

        Returns:
            The refs that were left unchanged, because they do not exist, have another fate, or were
            purged.

        Raises:
            CampaignHeld: The campaign was cancelled.
        """
        await self._take_over()
        job = send_again(await self._find(), _refs(refs), time.time())
        return await self._engine.run(job)

    async def withdraw(self, refs: Iterable[str]) -> list[str]:
        """
        Remove messages from the queue: they become ``NOT_SENT`` with the code ``WITHDRAWN``.

        Those that were unknown before `send_again` become ``UNKNOWN`` again.

        Returns:
            The refs that were left unchanged, because they do not exist or are not queued.
        """
        job = withdraw(await self._find(), _refs(refs), time.time())
        return await self._engine.run(job)

    async def pause(self, reason: str | None = None) -> None:
        """Send nothing new, in any process; runs wait for `resume`."""
        await self._engine.run(pause(await self._find(), reason))

    async def resume(self) -> None:
        """
        Let it continue, whatever guard held it.

        Raises:
            CampaignHeld: It was cancelled, which cannot be undone.
        """
        if not await self._engine.run(resume(await self._find())):
            raise cancelled(self._name)

    async def cancel(self) -> int:
        """
        End it permanently: waiting messages become ``NOT_SENT`` with the code ``CANCELLED``.

        Requests in flight end as they end, and nothing can be added from now on. What was unknown
        before `send_again` becomes ``UNKNOWN`` again.

        Returns:
            How many messages were cancelled.

        Raises:
            OutboxError: It is the queue, in which later messages would never be sent.
        """
        if self._name == QUEUE:
            raise OutboxError(_QUEUE_STAYS)
        campaign, engine = await self._find(), self._engine
        await engine.run(cancel(campaign))
        before = (await self.status()).not_sent
        await cancel_all(engine, campaign)
        return (await self.status()).not_sent - before

    async def adopt(self, sms: CustomerSMS) -> None:
        """Bind it to the account of *sms*, after the key it was started with was replaced."""
        await self._engine.run(rebind(await self._find(), check_client(sms).account))

    async def export(self, path: str | os.PathLike[str]) -> int:
        """
        Write every row with its fate and the evidence to a CSV file for spreadsheets.

        Returns:
            How many rows were written.
        """
        return await write_csv(Path(path), self._lines(None))

    async def _lines(self, statuses: list[str] | None) -> AsyncIterator[Line]:
        with contextlib.suppress(OutboxError):  # on a full disk they are shown as in flight
            await self._take_over()
        campaign, after = await self._find(), 0
        while lines := await self._engine.run(page(campaign, after, statuses)):
            for line in lines:
                yield line
            after = lines[-1].id

    async def _take_over(self) -> None:
        """Make unknown what dead processes were sending, as the next run would."""
        await self._engine.run(reap(await self._find(), time.time(), is_gone))

    async def _find(self) -> int:
        if self._id is None:
            self._id = await self._engine.run(find(self._name, time.time()))
        return self._id


def _refs(refs: Iterable[str]) -> list[str]:
    if isinstance(refs, str):
        msg = f"refs must be a list of refs, not one string; write [{refs!r}]"
        raise TypeError(msg)
    return list(refs)


def _progress(status: CampaignStatus, stopped: str | None) -> Progress:
    return Progress(
        sent=status.sent,
        rejected=status.rejected,
        not_sent=status.not_sent,
        unknown=status.unknown,
        duplicates=status.duplicates,
        waiting=status.waiting,
        requests=status.requests,
        remaining_credits=status.credits,
        stopped=stopped if status.waiting else None,
        complete=not status.waiting,
    )
