"""What a run has claimed and not yet settled or given back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field

from ._core.claim import Claim

__all__ = ["OpenClaim", "OpenClaims"]


@define(eq=False)
class OpenClaim:
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


@define(eq=False)
class OpenClaims:
    """The open claims of a run, by the ids of their messages."""

    _by_message: dict[int, OpenClaim] = field(init=False, factory=dict[int, OpenClaim])

    def __bool__(self) -> bool:
        return bool(self._by_message)

    def __getitem__(self, message: int) -> OpenClaim:
        return self._by_message[message]

    def take(self, claim: Claim) -> None:
        """Remember what was claimed."""
        self._add(OpenClaim(claim.token, claim.batches, claim.messages))

    def of(self, message: Any) -> OpenClaim | None:  # noqa: ANN401  # our own refs are ids
        """Return the claim of a message; None if the run does not own it any more."""
        return self._by_message.get(message)

    def split(
        self, whole: OpenClaim, messages: Sequence[int], batch: int, left: Sequence[int]
    ) -> OpenClaim:
        """Separate some messages, which are in *batch* now; *left* are the batches of the rest."""
        gone = set(messages)
        whole.messages = [one for one in whole.messages if one not in gone]
        whole.batches = left
        part = OpenClaim(whole.token, (batch,), list(messages))
        self._add(part)
        return part

    def forget(self, claim: OpenClaim) -> None:
        """Drop a claim that has a fate, or is no longer ours."""
        for row_id in claim.messages:
            self._by_message.pop(row_id, None)

    def _add(self, claim: OpenClaim) -> None:
        self._by_message.update(dict.fromkeys(claim.messages, claim))
