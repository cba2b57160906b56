"""
One run of one campaign: the state its parts share, and its heartbeats.

Rules of this module:

1. Heartbeats come from the event loop, never from the database's thread: a blocked loop is a worker
   that does not send.
2. A worker that was declared dead takes a new token, and never touches what it had under the old.
3. A write that fails is kept, and retried before the next write and at each heartbeat.
4. A job that decides nothing (a claim, a count) is retried while the database is unavailable, for
   as long as the rules of the run allow.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from attrs import define, field

from .. import codes
from .._clock import boot_time
from ..bulk import Bulk
from ..outcomes import Progress
from ._core.campaign_states import CampaignState
from ._core.campaigns import bind, facts, read_status
from ._core.claim import Claim, beat, end_worker, reap, register
from ._core.decisions import cancel_some
from ._core.engine import Named, Runner
from ._core.errors import CampaignHeld, Hold, OutboxError, OutboxUnavailable
from ._core.guards import check_binding, check_start
from ._core.hours import Schedule
from ._core.job import Job
from ._host import Host
from ._lease import is_gone, this_process
from ._sender import Sender

__all__ = ["CampaignRun", "Unit", "cancel_all", "end_of"]

Result = TypeVar("Result")

#: Seconds between two tries while the database is unavailable.
_ASK_AGAIN: Final = 0.25

#: Batches that are cancelled in one transaction.
_AT_ONCE: Final = 1000

_logger = logging.getLogger("customersms_async")


def _no_run() -> None:
    """There is no run to stop yet."""


async def cancel_all(engine: Runner, campaign: int) -> None:
    """Settle what waits in a cancelled campaign, some batches at a time."""
    while await engine.run(cancel_some(campaign, _AT_ONCE, time.time())):
        pass


async def end_of(run: asyncio.Task[Progress]) -> Progress:
    """Wait for a run. A cancellation stops it; another one only ends the wait."""
    try:
        await asyncio.wait([run])
    except asyncio.CancelledError as exc:
        run.cancel()
        await asyncio.wait([run])
        for note in _notes_of(run):
            exc.add_note(note)
        raise
    return run.result()


def _notes_of(run: asyncio.Task[Progress]) -> Sequence[str]:
    """Return what a run that was cancelled says of its counts."""
    try:
        return [f"the campaign had ended by then: {run.result()}"]
    except asyncio.CancelledError as exc:
        return getattr(exc, "__notes__", ())
    except Exception as exc:  # noqa: BLE001  # a note on the cancellation, which is raised
        return [f"the campaign had failed by then: {exc}"]


@define(eq=False)
class Unit:
    """
    The messages of one request, while this run owns them.

    Attributes:
        token: The token of its claim.
        batches: Its batches.
        messages: Ids of its messages.
        fenced_at: When it passed the fence, by `boot_time`.
        is_recent: Whether the client had heard a balance just before.
        others: Numbers of the client's other attempts that had ended by then.
    """

    token: str
    batches: Sequence[int]
    messages: Sequence[int]
    fenced_at: float = 0.0
    is_recent: bool = False
    others: int = 0


@define(eq=False, kw_only=True)
class CampaignRun:
    """
    A run.

    Attributes:
        engine: The database.
        campaign: The id of the campaign.
        name: Its name.
        place: Where the outbox is.
        lease: Seconds that a claim lasts without a heartbeat.
        patience: Seconds to wait for an unavailable database.
        sender: Its client.
        schedule: When it may send.
        token: The worker's current token.
        state: The campaign's state, as of the last heartbeat.
        stopped: The code of what ended the run, or None.
        failure: The database's error, if that ended the run.
        stop: Stops new requests.
        units: What the run owns, by the ids of its messages.
        changed: Set when a unit is gone.
        must_wait: Whether its next request depends on those in flight, of any run.
    """

    engine: Runner
    campaign: int
    name: str
    place: str
    lease: float
    patience: float
    sender: Sender
    schedule: Schedule = field(factory=Schedule)
    token: str = field(factory=lambda: secrets.token_hex(8))
    state: CampaignState = CampaignState.OPEN
    stopped: str | None = None
    failure: OutboxError | None = None
    stop: Callable[[], object] = _no_run
    units: dict[int, Unit] = field(factory=dict[int, Unit])
    changed: asyncio.Event = field(factory=asyncio.Event)
    must_wait: bool = False
    _heart: asyncio.Task[None] | None = None
    _owed: deque[Callable[[], Job[Any]]] = field(factory=deque[Callable[[], Job[Any]]])
    _turn: asyncio.Lock = field(factory=asyncio.Lock)

    @classmethod
    def over(
        cls,
        sender: Sender,
        host: Host,
        campaign: int,
        name: str,
        *,
        patience: float,
        schedule: Schedule | None = None,
    ) -> CampaignRun:
        """Make a run of an outbox's campaign; the other arguments are attributes."""
        return cls(
            engine=Named(host.engine, name),
            campaign=campaign,
            name=name,
            place=host.place,
            lease=host.lease,
            patience=patience,
            sender=sender,
            schedule=schedule or Schedule(),
        )

    async def carry_out(self, make_bulk: Callable[[], Bulk]) -> None:
        """
        Carry out the run, from its registration to its end.

        Args:
            make_bulk: Makes the bulk run, once this one has begun.

        Raises:
            CampaignHeld: Someone must decide first.
            OutboxError: The database was unavailable for too long, or refused a statement.
        """
        await self.begin()
        try:
            async with make_bulk() as bulk:
                self.join(bulk.stop)
                progress = await bulk.finish()
            self.stopped = self.stopped or progress.stopped
        finally:
            await self.end()
        if self.failure is not None:
            raise self.failure

    async def begin(self) -> None:
        """
        Take over from dead workers, check the guards, bind the campaign, and register.

        Raises:
            CampaignHeld: Someone must decide first.
        """
        await self.engine.run(reap(self.campaign, time.time(), is_gone))
        try:
            await self.engine.run(self._start())
        except CampaignHeld as held:
            if held.code == Hold.CANCELLED:
                await self._cancel_the_rest()
            raise
        self._heart = asyncio.create_task(self._live())

    def _start(self) -> Job[None]:
        known = yield from facts(self.campaign, self.place)
        check_start(known, self.sender.account, self.sender.endpoint, time.time())
        yield from bind(self.campaign, self.sender.account, self.sender.endpoint)
        yield from register(self.campaign, self.token, self.lease, this_process())
        yield from beat(self.campaign, self.token, self.lease, time.time())

    def _start_again(self, token: str) -> Job[None]:
        """Continue under a new token, unless a run of another account has begun meanwhile."""
        known = yield from facts(self.campaign, "")  # its place was checked when it began
        check_binding(known, self.sender.account, self.sender.endpoint)
        yield from bind(self.campaign, self.sender.account, self.sender.endpoint)
        yield from register(self.campaign, token, self.lease, this_process())

    def join(self, stop: Callable[[], object]) -> None:
        """Connect the bulk run that has begun; *stop* stops it."""
        self.stop = stop
        if self.stopped is not None:
            stop()

    async def end(self) -> None:
        """Retry failed writes, give back what was not begun, and end cleanly."""
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.wait([self._heart])
        await self.pay()
        with contextlib.suppress(OutboxError):  # else its lease expires
            await self.engine.run(end_worker(self.campaign, self.token))
            await self._cancel_the_rest()

    async def _cancel_the_rest(self) -> None:
        """Cancel what was given back to a cancelled campaign, or what an interrupted call left."""
        if (await self.engine.run(read_status(self.campaign))).state == CampaignState.CANCELLED:
            await cancel_all(self.engine, self.campaign)

    def end_with(self, code: str) -> None:
        """Send nothing new; the first reason counts."""
        self.stopped = self.stopped or code
        self.changed.set()
        self.stop()

    def fail(self, exc: OutboxError) -> None:
        """Send nothing new: the database was unavailable for too long, or refuses."""
        self.failure = self.failure or exc
        self.end_with(codes.JOURNAL_FAILED)

    def note(self, exc: OutboxError) -> None:
        """Record a failed job; a failure that retrying would not fix ends the run."""
        if not isinstance(exc, OutboxUnavailable):
            self.fail(exc)

    def take(self, claim: Claim) -> None:
        """Remember what was claimed."""
        unit = Unit(claim.token, claim.batches, claim.messages)
        self.units.update(dict.fromkeys(claim.messages, unit))

    def forget(self, unit: Unit) -> None:
        """Drop a unit that has a fate, or is no longer ours."""
        for row_id in unit.messages:
            self.units.pop(row_id, None)
        self.changed.set()

    async def write(self, make_job: Callable[[], Job[Result]]) -> Result | None:
        """Write, after the failed writes; if that is not possible, keep it for later."""
        if await self.pay():
            try:
                return await self.engine.run(make_job())
            except OutboxError as exc:
                what = f"cannot record how a request ended, and will try again: {exc}"
                self.log(logging.ERROR, "outbox.owed", what)
                self.note(exc)
        self.owe(make_job)
        return None

    def owe(self, make_job: Callable[[], Job[Any]]) -> None:
        """Keep a write for later."""
        self._owed.append(make_job)

    async def pay(self) -> bool:
        """Retry the failed writes, in order; return whether all have succeeded."""
        async with self._turn:
            while self._owed:
                try:
                    await self.engine.run(self._owed[0]())
                except OutboxError as exc:
                    self.note(exc)
                    return False
                self._owed.popleft()
        return True

    async def ask(self, make_job: Callable[[], Job[Result]]) -> Result:
        """
        Run a job that decides nothing; retry while the database is unavailable.

        Raises:
            OutboxUnavailable: It was unavailable for longer than the rules allow.
            OutboxError: It refuses.
        """
        gives_up_at, is_told = boot_time() + self.patience, False
        while True:
            try:
                return await self.engine.run(make_job())
            except OutboxUnavailable as exc:
                if self.stopped is not None or boot_time() > gives_up_at:
                    raise
                if not is_told:  # once, not four times a second
                    self.log(logging.WARNING, "outbox.away", f"waits for its database: {exc}")
                is_told = True
            await asyncio.sleep(_ASK_AGAIN)

    def log(self, level: int, event: str, what: str) -> None:
        """Log what happens to the campaign."""
        extra = {"event": event, "campaign": self.name}
        _logger.log(level, "campaign %r %s", self.name, what, extra=extra)

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(self.lease / 3)
            try:
                await self.beat()
            except OutboxError as exc:
                self.note(exc)  # the next heartbeat tries again

    async def beat(self) -> None:
        """Send one heartbeat, and take over from dead workers."""
        state = await self.engine.run(beat(self.campaign, self.token, self.lease, time.time()))
        if state is None:
            self.log(logging.WARNING, "outbox.reborn", "was unresponsive for longer than its lease")
            token = secrets.token_hex(8)
            await self.engine.run(self._start_again(token))
            self.token = token
        else:
            self.state = state
        await self.engine.run(reap(self.campaign, time.time(), is_gone))
        await self.pay()
