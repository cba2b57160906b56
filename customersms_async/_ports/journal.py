"""The journal of a durable run, and the batches it records."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from attrs import evolve, field, frozen

from ..outcomes import Outcome

__all__ = ["Batch", "Journal"]


@frozen
class Batch:
    """
    The inputs that share one request.

    Attributes:
        indexes: Their positions in the input.
        phones: Their numbers, in E.164.
        text: Their common text.
        refs: Their `Message.ref`, one each; empty if there are none.
        is_personal: Whether each number has its own text, as in `CustomerSMS.send_messages`.
        request: The short id of the attempt, as in `Outcome.request` and in logs; None until an
            attempt is about to begin.
    """

    indexes: Sequence[int]
    phones: Sequence[str] = field(repr=lambda phones: f"<{len(phones)} numbers>")
    text: str = field(repr=lambda text: f"<{len(text)} characters>")
    refs: Sequence[object] = field(default=(), repr=ascii)
    is_personal: bool = False
    request: str | None = None

    def cut(self, at: int) -> tuple[Batch, Batch]:
        """Split it in two; *at* is the size of the first part."""
        return self._slice(slice(at)), self._slice(slice(at, None))

    def part(self, wanted: Collection[int]) -> tuple[Batch, Batch]:
        """Split it into the inputs whose index is *wanted*, and the others."""
        offsets = range(len(self.phones))
        chosen = [offset for offset in offsets if self.indexes[offset] in wanted]
        others = [offset for offset in offsets if self.indexes[offset] not in wanted]
        return self._pick(chosen), self._pick(others)

    def _slice(self, where: slice) -> Batch:
        return evolve(
            self, indexes=self.indexes[where], phones=self.phones[where], refs=self.refs[where]
        )

    def _pick(self, offsets: Sequence[int]) -> Batch:
        refs = [self.refs[offset] for offset in offsets] if self.refs else ()
        indexes = [self.indexes[offset] for offset in offsets]
        return evolve(
            self, indexes=indexes, phones=[self.phones[offset] for offset in offsets], refs=refs
        )


class Journal(Protocol):
    """
    A durable record of a run, kept by the caller.

    ::

        claim(batch) -> settle(outcomes)        its fates are known
                     -> release(batch)          nothing of it was sent
        refuse(outcomes)                        for inputs that are never claimed

    The calls of one run never overlap: each completes before the next begins. What was claimed and
    neither settled nor released is unknown: a run that died may have sent it.

    An exception from any of these methods ends the run with `BulkInterrupted`.

    A journal whose claims expire may also have ``may_start(batch) -> bool``. It is called right
    before the first byte, with no await in between; if it returns False, nothing is sent.
    """

    async def claim(self, batch: Batch) -> Collection[int] | None:
        """
        Record that *batch* is about to be sent.

        Awaited once the request has its slot, right before its first byte may be written. If it
        raises, nothing of the batch was sent.

        Returns:
            The `Batch.indexes` that may be sent; None for all. The others end as ``TAKEN``, and the
            run continues.
        """
        ...

    async def release(self, batch: Batch) -> None:
        """Withdraw the claim of *batch*: it was refused for the rate, or never left."""
        ...

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record the fates of a claimed batch."""
        ...

    async def refuse(self, outcomes: Sequence[Outcome]) -> None:
        """Record inputs that are never claimed: bad numbers and texts, duplicates, skips."""
        ...
