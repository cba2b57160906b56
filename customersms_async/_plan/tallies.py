"""Tallies of a plan; each has a bounded size, however long the input."""

from __future__ import annotations

from typing import Final

from attrs import define, field, frozen

from ..outcomes import Message
from ..segments import count

__all__ = ["BadTally", "Forced", "ForcingTally", "Reason", "Samples", "Size"]

#: How many different reasons, and different characters, are counted separately.
_MOST_REASONS: Final = 100
_MOST_CHARS: Final = 1_000

_OTHERS: Final = "for other reasons"


@frozen
class Reason:
    """
    Why some of the input cannot be sent.

    Attributes:
        code: A stable upper-case word.
        reason: What is wrong and what would be right, in one line.
        count: Messages or rows with it.
        first: The ref of the first of them, or its position in the input, from 0.
    """

    code: str
    reason: str
    count: int
    first: object


@frozen
class Forced:
    """
    A character that forces UCS-2, counted over all texts.

    Attributes:
        char: The character, with its combining marks if it has any.
        name: Its name in Unicode.
        swap: What to write instead; empty if it can be left out, None if nothing means the same.
        messages: Messages that contain it.
    """

    char: str
    name: str
    swap: str | None
    messages: int


@define
class BadTally:
    """Counts of what cannot be sent, by reason."""

    count: int = 0
    _reasons: dict[tuple[str, str], tuple[int, object]] = field(
        factory=dict[tuple[str, str], tuple[int, object]]
    )

    def add(self, code: str, reason: str, who: object) -> None:
        """Count one more; *who* names it."""
        self.count += 1
        key = (code, reason)
        if key not in self._reasons and len(self._reasons) >= _MOST_REASONS:
            key = (code, _OTHERS)
        times, first = self._reasons.get(key, (0, who))
        self._reasons[key] = (times + 1, first)

    def reasons(self) -> tuple[Reason, ...]:
        """Return the reasons, the most frequent first."""
        found = [Reason(*key, *counted) for key, counted in self._reasons.items()]
        return tuple(sorted(found, key=lambda reason: -reason.count))


@frozen
class Size:
    """
    What a plan keeps about a text.

    Attributes:
        segments: Segments of the text as it is.
        segments_swapped: Segments after all swaps.
        forcing: The characters that force UCS-2, each once.
    """

    segments: int
    segments_swapped: int
    forcing: tuple[Forced, ...]

    @classmethod
    def of(cls, text: str) -> Size:
        """Measure *text*."""
        counted = count(text)
        if not counted.is_forced:
            return cls(counted.segments, counted.segments, ())
        forcing = (Forced(one.char, one.name, one.swap, 1) for one in counted.forcing)
        return cls(counted.segments, counted.segments_swapped, tuple(forcing))


@define
class ForcingTally:
    """The characters that force UCS-2, and how many messages contain each."""

    _found: dict[str, tuple[Forced, int]] = field(factory=dict[str, tuple[Forced, int]])

    def add(self, forcing: tuple[Forced, ...]) -> None:
        """Count one more message that contains them."""
        for one in forcing:
            _, times = self._found.get(one.char, (one, 0))
            if times or len(self._found) < _MOST_CHARS:
                self._found[one.char] = (one, times + 1)

    def forced(self) -> tuple[Forced, ...]:
        """Return the characters, the most frequent first."""
        found = [Forced(one.char, one.name, one.swap, n) for one, n in self._found.values()]
        return tuple(sorted(found, key=lambda one: -one.messages))


@define
class Samples:
    """The first message, the longest, and the first of those with the most segments."""

    first: Message | None = None
    longest: Message | None = None
    dearest: Message | None = None
    _length: int = 0
    _segments: int = 0

    def look_at(self, message: Message, segments: int) -> None:
        """Keep *message* if it is one of the three."""
        if self.first is None:
            self.first = message
        if len(message.text) > self._length:
            self.longest, self._length = message, len(message.text)
        if segments > self._segments:
            self.dearest, self._segments = message, segments
