"""
`Outbox` and `Campaign` for programs without an event loop.

    with Outbox("tonight.db") as outbox, CustomerSMS() as sms:
        campaign = outbox.campaign("parents-evening-2026-12")
        campaign.add(messages)
        print(campaign.send(sms))

Rules of this module:

1. It decides nothing itself: every call runs the asynchronous outbox's in the background.
2. An outbox belongs to the process that entered its block; a forked child makes its own.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import Final, Self, TypedDict, TypeVar, Unpack, cast

from .._bulk.stop_rules import StopRules
from .._ports.limiter import Limiter
from .._values.safe_repr import safe_repr
from .._values.status import Status
from ..outbox import Added, CampaignStatus, Line, Worker
from ..outbox import Campaign as AsyncCampaign
from ..outbox import Outbox as AsyncOutbox
from ..outcomes import Message, Outcome, Progress
from ..phones import ParsePhone, normalize_phone
from ..plan import Plan, Refusal
from .call import CallerExecutor, call
from .client import CustomerSMS, asynchronous

__all__ = ["Campaign", "Outbox", "SendOptions"]

T = TypeVar("T")

#: Messages, outcomes or lines that are passed between threads at once.
_AT_ONCE: Final = 500


class SendOptions(TypedDict, total=False):
    """
    The options of `Campaign.send`; see `customersms_async.outbox.Campaign.send`.

    Attributes:
        stop: When to end early.
        hours: Daily hours, like ``("08:00", "21:00", "Europe/Rome")``.
        deadline: An aware datetime after which no new request is sent.
        batch_size: Numbers in one request; 100 by default.
        max_in_flight: Requests in flight at once; 16 by default.
        drain: Seconds that an interrupted call waits for requests in flight.
    """

    stop: StopRules | None
    hours: tuple[str, str, str] | None
    deadline: dt.datetime | None
    batch_size: int
    max_in_flight: int
    drain: float | None


class Outbox:
    """
    Campaigns in a database; see `customersms_async.outbox.Outbox`.

    Args:
        url: A path, ``sqlite:///...`` or ``postgresql://...``.

        prefix: The prefix of the tables.

        lease: Seconds without a heartbeat after which a worker counts as dead.
    """

    def __init__(
        self, url: str | os.PathLike[str], *, prefix: str = "sms_", lease: float = 30.0
    ) -> None:
        self._outbox = AsyncOutbox(url, prefix=prefix, lease=lease)
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        call(self._outbox.__aenter__)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop its workers, and close the connections to the database."""
        call(self._close)

    async def _close(self) -> None:
        while self._workers:
            await self._workers.pop().__aexit__(None, None, None)
        await self._outbox.aclose()

    @property
    def limiter(self) -> Limiter:
        """The gateway's limit, shared by all users of this outbox: ``CustomerSMS(limiter=...)``."""
        return self._outbox.limiter

    def campaign(self, name: str) -> Campaign:
        """Return the campaign of this name."""
        return Campaign(self._outbox.campaign(name))

    @property
    def queue(self) -> Campaign:
        """The messages of `enqueue`, as a campaign."""
        return Campaign(self._outbox.queue)

    def start_worker(self, sms: CustomerSMS, *, stop: StopRules | None = None) -> None:
        """Send what is enqueued, in the background, until the outbox is closed."""
        worker = self._outbox.worker(asynchronous(sms), stop=stop)
        call(worker.__aenter__)
        self._workers.append(worker)

    def purge(self, *, older_than: dt.timedelta) -> int:
        """Blank texts and numbers of messages settled longer ago."""
        return call(lambda: self._outbox.purge(older_than=older_than))

    def adopt(self) -> None:
        """Declare this database the one to continue with, although it was copied or moved."""
        call(self._outbox.adopt)

    def schema(self) -> str:
        """Return the SQL that creates the tables."""
        return self._outbox.schema()

    @safe_repr
    def __repr__(self) -> str:
        return f"<sync {repr(self._outbox).removeprefix('<')}"


class Campaign:
    """A named list of messages; get one from `Outbox.campaign`."""

    def __init__(self, campaign: AsyncCampaign) -> None:
        self._campaign = campaign

    @property
    def name(self) -> str:
        """Its name."""
        return self._campaign.name

    def add(
        self,
        messages: Iterable[Message | Refusal],
        *,
        parse_phone: ParsePhone = normalize_phone,
        batch_size: int = 100,
    ) -> Added:
        """Add messages, read in this thread; those that were added before are ignored."""
        executor = CallerExecutor()
        source = _read_in_parts(messages, executor)
        return call(
            lambda: self._campaign.add(source, parse_phone=parse_phone, batch_size=batch_size),
            executor,
        )

    def plan(self) -> Plan:
        """Estimate the run."""
        return call(self._campaign.plan)

    def send(self, sms: CustomerSMS, **options: Unpack[SendOptions]) -> Progress:
        """Send what is queued. An interruption waits for what is in flight; call again to go on."""
        return call(lambda: self._campaign.send(asynchronous(sms), **options))

    def outcomes(self, *statuses: Status) -> Iterator[Outcome]:
        """Yield the outcomes of settled messages, in the order in which they were added."""
        return _in_parts(self._campaign.outcomes(*statuses))

    def lines(self) -> Iterator[Line]:
        """Yield all rows with the evidence, settled or not, in the order they were added."""
        return _in_parts(self._campaign.lines())

    def status(self) -> CampaignStatus:
        """Count its messages by state."""
        return call(self._campaign.status)

    def check(self, sms: CustomerSMS | None = None) -> None:
        """Check the guards as `send` would, without sending anything."""
        client = None if sms is None else asynchronous(sms)
        call(lambda: self._campaign.check(client))

    def mark_sent(self, refs: Iterable[str]) -> list[str]:
        """Record that unknown messages were sent; return the refs that were left unchanged."""
        return call(lambda: self._campaign.mark_sent(refs))

    def send_again(self, refs: Iterable[str]) -> list[str]:
        """Requeue unknown or rejected messages; return the refs that were left unchanged."""
        return call(lambda: self._campaign.send_again(refs))

    def withdraw(self, refs: Iterable[str]) -> list[str]:
        """Remove messages from the queue; see `customersms_async.outbox.Campaign.withdraw`."""
        return call(lambda: self._campaign.withdraw(refs))

    def pause(self, reason: str | None = None) -> None:
        """Send nothing new, in any process."""
        call(lambda: self._campaign.pause(reason))

    def resume(self) -> None:
        """Let it continue."""
        call(self._campaign.resume)

    def cancel(self) -> int:
        """End it permanently; return how many messages were cancelled."""
        return call(self._campaign.cancel)

    def adopt(self, sms: CustomerSMS) -> None:
        """Bind it to the account of *sms*, after the key it was started with was replaced."""
        call(lambda: self._campaign.adopt(asynchronous(sms)))

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write every row with its fate and the evidence; return how many."""
        return call(lambda: self._campaign.export(path))

    @safe_repr
    def __repr__(self) -> str:
        return f"<sync {repr(self._campaign).removeprefix('<')}"


async def _read_in_parts(items: Iterable[T], executor: CallerExecutor) -> AsyncGenerator[T, None]:
    """Read *items* in the caller's thread, a few at a time."""
    iterator = await executor.submit(lambda: iter(items))
    while True:
        some, failure = await executor.submit(lambda: _read_some(iterator))
        for item in some:
            yield item
        if failure is not None:
            raise failure
        if len(some) < _AT_ONCE:
            return


def _read_some(iterator: Iterator[T]) -> tuple[list[T], Exception | None]:
    some: list[T] = []
    try:
        some.extend(islice(iterator, _AT_ONCE))  # items read before it raises are kept
    except Exception as exc:  # noqa: BLE001  # the caller's iterable may raise anything
        return some, exc
    return some, None


def _in_parts(items: AsyncIterator[T]) -> Iterator[T]:
    """Yield items from the background, a few at a time."""
    generator = cast("AsyncGenerator[T, None]", items)
    try:
        while some := call(lambda: _take(generator)):
            yield from some
    finally:
        call(generator.aclose)


async def _take(items: AsyncGenerator[T, None]) -> list[T]:
    some: list[T] = []
    async for item in items:
        some.append(item)
        if len(some) == _AT_ONCE:
            break
    return some
