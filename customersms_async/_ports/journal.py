"""The memory of a durable run, and the batches that it is told of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen

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
        refs: Their `Message.ref`, one each; empty where there are none.
        is_personal: Whether each number has a text of its own, as in `CustomerSMS.send_messages`.
    """

    indexes: Sequence[int]
    phones: Sequence[str] = field(repr=lambda phones: f"<{len(phones)} numbers>")
    text: str = field(repr=lambda text: f"<{len(text)} characters>")
    refs: Sequence[object] = ()
    is_personal: bool = False


class Journal(Protocol):
    """
    The memory of a durable run.

    A run that died finds in it what was claimed and never settled: those numbers are unknown.
    """

    async def claim(self, batch: Batch) -> None:
        """
        Note that *batch* is about to leave; awaited before its first byte may.

        Whatever it raises ends the run, and the batch was not sent.
        """
        ...

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Note the fates of a claimed batch; whatever it raises ends the run."""
        ...
