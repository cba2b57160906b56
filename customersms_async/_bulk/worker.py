"""
One request of a bulk run: claim → deliver → settle, in a task of its own.

Rule of this module: whatever ends the task, the fate of the batch is known afterwards. A task that
was cancelled while it delivers reads it off the mark of the attempt; one that was cancelled before
its first step has sent nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from .. import codes
from .._delivery.delivery import Delivery
from .._delivery.result import DeliveryResult
from .._ports.journal import Batch, Journal
from .._status import Status, Verdict
from ..outcomes import Outcome

__all__ = ["Crew", "Worker", "not_sent"]


class Crew(Protocol):
    """What a worker knows of its run."""

    @property
    def halted(self) -> str | None:
        """The word of what ended the run, or None."""
        ...

    def fail(self, exc: Exception, code: str) -> None:
        """Something of the caller's own raised."""
        ...


def not_sent(code: str | None) -> DeliveryResult:
    """Give the fate of what a halted run did not begin."""
    return DeliveryResult(Verdict(Status.NOT_SENT, code or codes.STOPPED))


class Worker:
    """
    One request, and how far it is.

    Attributes:
        batch: Its inputs.
        delivery: Its delivery.
        is_let_go: Whether the limiter has let it go, or it is at its end.
        task: The task that it lives in.
    """

    __slots__ = (
        "_crew",
        "_is_begun",
        "_is_claimed",
        "_is_claiming",
        "_is_delivering",
        "_journal",
        "batch",
        "delivery",
        "is_let_go",
        "task",
    )

    def __init__(
        self, crew: Crew, batch: Batch, delivery: Delivery, journal: Journal | None
    ) -> None:
        self._crew = crew
        self._journal = journal
        self._is_begun = False
        self._is_claiming = False
        self._is_claimed = False
        self._is_delivering = False
        self.batch = batch
        self.delivery = delivery
        self.is_let_go = False
        self.task: asyncio.Task[None] | None = None

    def was_let_go(self) -> bool:
        """Whether the next request may be started."""
        return self.is_let_go

    def halt(self, code: str) -> None:
        """Let nothing of it leave from now on."""
        if self.delivery.halt(code) and self._is_delivering:
            self._cancel()

    def abandon(self) -> None:
        """Wait for nothing any longer."""
        if self._is_begun:
            self._cancel()

    def end_claim(self) -> None:
        """Wait for the journal no longer, where nothing has left yet."""
        if self._is_claiming:
            self._cancel()

    async def deliver(self) -> DeliveryResult:
        """Claim the batch and deliver it; give its fate, also where the task is cancelled."""
        self._is_begun = True
        if not await self._claim():
            return not_sent(self._crew.halted)
        self._is_delivering = True
        try:
            return await self.delivery.run()
        except asyncio.CancelledError:
            return self.delivery.abandoned()
        except Exception as exc:  # noqa: BLE001  # a port that breaks its word loses no number
            self._crew.fail(exc, codes.STOPPED)
            return self.delivery.abandoned()
        finally:
            self._is_delivering = False
            self.delivery.on_granted = None  # it knows this one: a circle

    async def settle(self, outcomes: Callable[[], Iterable[Outcome]]) -> None:
        """Note the fates of a claimed batch in the journal."""
        if self._journal is None or not self._is_claimed:
            return
        try:
            await self._journal.settle(list(outcomes()))
        except asyncio.CancelledError:
            return  # nobody waits for the journal any longer; the fate is known here all the same
        except Exception as exc:  # noqa: BLE001  # the caller's journal raises what it likes
            self._crew.fail(exc, codes.JOURNAL_FAILED)

    async def _claim(self) -> bool:
        """Note the batch in the journal; tell whether it may leave."""
        if self._crew.halted is not None:
            return False
        if self._journal is None:
            return True
        self._is_claiming = True
        try:
            await self._journal.claim(self.batch)
        except asyncio.CancelledError:
            return False
        except Exception as exc:  # noqa: BLE001  # the caller's journal raises what it likes
            self._crew.fail(exc, codes.JOURNAL_FAILED)
            return False
        finally:
            self._is_claiming = False
        self._is_claimed = True
        return True

    def _cancel(self) -> None:
        # Not the task that asks: it sees for itself what was halted.
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()
