"""
What went over the wire, verbatim, with keys masked.

Rule of this module: memory is bounded; the oldest transcripts are dropped first, long before their
requests.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import define, field, frozen

from .masking import mask_keys
from .replies import PlannedReply

__all__ = ["LONGEST", "OVERHEAD", "Transcript", "Transcripts"]

#: Bytes of bodies that are kept.
_ROOM: Final = 32 * 1024 * 1024

#: Bytes that a transcript takes besides its bodies, roughly.
OVERHEAD: Final = 1_000

#: How many characters of a body are shown.
LONGEST: Final = 200_000


@frozen
class Transcript:
    """
    A request and its answer.

    Attributes:
        request: Id of the request.
        key: Its key.
        head: Request line and headers, including the blank line.
        body: The body of the request.
        reply: The answer.
    """

    request: int
    key: str = field(repr=False)
    head: str = field(repr=False)
    body: bytes = field(repr=False)
    reply: PlannedReply = field(repr=False)

    @property
    def size(self) -> int:
        """The bytes that it takes, approximately."""
        return len(self.head) + len(self.body) + len(self.reply.body) + OVERHEAD

    @property
    def sent(self) -> str:
        """The request as it arrived, cut if it is very long."""
        return mask_keys(self.head + _text(self.body), self.key)

    @property
    def answered(self) -> str:
        """The whole answer, even if only part of it was sent; cut if it is very long."""
        return mask_keys(_cut(self.reply.raw), self.key)


@define(eq=False)
class Transcripts:
    """
    The newest transcripts.

    Attributes:
        room: Bytes that they may take in total.
    """

    room: int = _ROOM
    _kept: dict[int, Transcript] = field(init=False, factory=dict[int, Transcript])
    _order: deque[int] = field(init=False, factory=deque[int])
    _took: dict[int, float] = field(init=False, factory=dict[int, float])
    _taken: int = field(init=False, default=0)

    def add(self, transcript: Transcript) -> None:
        """Keep a transcript; the newest is always kept."""
        self._kept[transcript.request] = transcript
        self._order.append(transcript.request)
        self._taken += transcript.size
        while self._taken > self.room and len(self._order) > 1:
            self._forget(self._order.popleft())

    def get(self, request: int) -> Transcript | None:
        """Return the transcript of a request, unless it has been forgotten."""
        return self._kept.get(request)

    def note_answered(self, request: int, seconds: float) -> None:
        """Record how long an answer took, while its transcript is kept."""
        if request in self._kept:
            self._took[request] = round(seconds, 4)

    def took(self, request: int) -> float | None:
        """Return the seconds until a request was answered; None until then, or once forgotten."""
        return self._took.get(request)

    def _forget(self, request: int) -> None:
        self._taken -= self._kept.pop(request).size
        self._took.pop(request, None)

    def clear(self, key: str | None = None) -> None:
        """Forget all transcripts, or those of one key."""
        left = [kept for kept in self._kept.values() if key is not None and kept.key != key]
        self._kept = {kept.request: kept for kept in left}
        self._took = {number: self._took[number] for number in self._kept if number in self._took}
        self._order = deque(self._kept)
        self._taken = sum(kept.size for kept in left)


def _text(body: bytes) -> str:
    return _cut(body[: 4 * LONGEST].decode(errors="replace"))


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n… cut after {LONGEST:,} characters"
