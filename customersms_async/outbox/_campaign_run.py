"""
One run of one campaign: its registration, its heartbeats and its end.

Rules of this module:

1. Heartbeats come from the event loop, never from the database's thread: a blocked loop is a worker
   that does not send.
2. A worker that was declared dead takes a new token, and never touches what it had under the old.
3. A job that decides nothing (a claim, a count) is retried while the database is unavailable, for
   as long as the rules of the run allow.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from attrs import define, field

from .._clock import boot_time
from ..bulk import Bulk
from ..outcomes import Progress
from ._core.campaign_states import CampaignState
from ._core.campaigns import bind, facts, read_status
from ._core.claim import beat, end_worker, reap, register
from ._core.decisions import cancel_some
from ._core.engine import Runner
from ._core.errors import CampaignHeld, Hold, OutboxError, OutboxUnavailable
from ._core.guards import check_binding, check_start
from ._core.job import Job
from ._lease import is_gone, this_process
from ._open_claims import OpenClaim, OpenClaims
from ._run_stop import RunStop
from ._run_target import RunTarget
from ._run_writes import RunWrites

__all__ = ["CampaignRun", "cancel_all", "end_of"]

Result = TypeVar("Result")

#: Seconds between two tries while the database is unavailable.
_ASK_AGAIN: Final = 0.25

#: Batches that are cancelled in one transaction.
_AT_ONCE: Final = 1000


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
class CampaignRun:
    """
    A run.

    Attributes:
        target: What it sends, by which client, and within which bounds.
        changed: Set when there may be something new to do.
        stop: Stops it, and remembers why.
        claims: What it owns.
        writes: Its writes, in order.
        token: The worker's current token.
        state: The campaign's state, as of the last heartbeat.
        must_wait: Whether its next request depends on those in flight, of any run.
    """

    target: RunTarget
    changed: asyncio.Event = field(init=False, factory=asyncio.Event)
    stop: RunStop = field(init=False)
    claims: OpenClaims = field(init=False, factory=OpenClaims)
    writes: RunWrites = field(init=False)
    token: str = field(init=False, factory=lambda: secrets.token_hex(8))
    state: CampaignState = field(init=False, default=CampaignState.OPEN)
    must_wait: bool = field(init=False, default=False)
    _heart: asyncio.Task[None] | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.stop = RunStop(self.changed)
        self.writes = RunWrites(self.target, self.stop)

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
                self.stop.connect(bulk.stop)
                progress = await bulk.finish()
            self.stop.code = self.stop.code or progress.stopped
        finally:
            await self.close()
        if self.stop.failure is not None:
            raise self.stop.failure

    async def begin(self) -> None:
        """
        Take over from dead workers, check the guards, bind the campaign, and register.

        Raises:
            CampaignHeld: Someone must decide first.
        """
        engine = self.target.engine
        await engine.run(reap(self.target.campaign, time.time(), is_gone))
        try:
            await engine.run(self._start())
        except CampaignHeld as held:
            if held.code == Hold.CANCELLED:
                await self._cancel_the_rest()
            raise
        self._heart = asyncio.create_task(self._live())

    def _start(self) -> Job[None]:
        target, sender = self.target, self.target.sender
        known = yield from facts(target.campaign, target.identity)
        check_start(known, sender.account, sender.endpoint, time.time())
        yield from bind(target.campaign, sender.account, sender.endpoint)
        yield from register(target.campaign, self.token, target.lease, this_process())
        yield from beat(target.campaign, self.token, target.lease, time.time())

    def _start_again(self, token: str) -> Job[None]:
        """Continue under a new token, unless a run of another account has begun meanwhile."""
        target, sender = self.target, self.target.sender
        known = yield from facts(target.campaign, "")  # its identity was checked when it began
        check_binding(known, sender.account, sender.endpoint)
        yield from bind(target.campaign, sender.account, sender.endpoint)
        yield from register(target.campaign, token, target.lease, this_process())

    async def close(self) -> None:
        """Retry failed writes, give back what was not begun, and end cleanly."""
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.wait([self._heart])
        await self.writes.retry()
        with contextlib.suppress(OutboxError):  # else its lease expires
            await self.target.engine.run(end_worker(self.target.campaign, self.token))
            await self._cancel_the_rest()

    async def _cancel_the_rest(self) -> None:
        """Cancel what was given back to a cancelled campaign, or what an interrupted call left."""
        engine, campaign = self.target.engine, self.target.campaign
        if (await engine.run(read_status(campaign))).state == CampaignState.CANCELLED:
            await cancel_all(engine, campaign)

    def forget(self, claim: OpenClaim) -> None:
        """Drop a claim that has a fate, or is no longer ours."""
        self.claims.forget(claim)
        self.changed.set()

    async def ask(self, make_job: Callable[[], Job[Result]]) -> Result:
        """
        Run a job that decides nothing; retry while the database is unavailable.

        Raises:
            OutboxUnavailable: It was unavailable for longer than the rules allow.
            OutboxError: It refuses.
        """
        gives_up_at, is_logged = boot_time() + self.target.patience, False
        while True:
            try:
                return await self.target.engine.run(make_job())
            except OutboxUnavailable as exc:
                if self.stop.code is not None or boot_time() > gives_up_at:
                    raise
                if not is_logged:  # once, not four times a second
                    what = f"waits for its database: {exc}"
                    self.target.log(logging.WARNING, "outbox.away", what)
                is_logged = True
            await asyncio.sleep(_ASK_AGAIN)

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(self.target.lease / 3)
            try:
                await self.beat()
            except OutboxError as exc:
                self.stop.note(exc)  # the next heartbeat tries again

    async def beat(self) -> None:
        """Send one heartbeat, and take over from dead workers."""
        target, engine = self.target, self.target.engine
        state = await engine.run(beat(target.campaign, self.token, target.lease, time.time()))
        if state is None:
            target.log(
                logging.WARNING, "outbox.reborn", "was unresponsive for longer than its lease"
            )
            token = secrets.token_hex(8)
            await engine.run(self._start_again(token))
            self.token = token
        else:
            self.state = state
        await engine.run(reap(target.campaign, time.time(), is_gone))
        await self.writes.retry()
