"""
How many segments a text takes as SMS, and what makes it long.

Rules of this module:

1. One character outside the GSM alphabet forces the whole text into UCS-2, which more than halves
   the room of a segment. Such characters are listed, with what to write instead.
2. An escape sequence or a surrogate pair is never split: what does not fit goes to the next part.
3. National shift tables are not used: the gateway documents none.

Source: 3GPP TS 23.038, 6.2.1 (the GSM 7-bit default alphabet and its extension table, in which a
character takes two septets) and 6.2.3 (UCS-2); 3GPP TS 23.040, 9.2.3.24.1 (what a concatenated
message leaves for text): 160 septets or 70 UTF-16 code units alone, 153 or 67 in each of several.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Final, Literal

from attrs import field, frozen

from ._text.swaps import clusters, may_join, name_of, swap_for

__all__ = ["GSM7", "UCS2", "Encoding", "Forcing", "Segments", "count"]

Encoding = Literal["GSM-7", "UCS-2"]

GSM7: Final = "GSM-7"
UCS2: Final = "UCS-2"

_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
_GSM: Final = _EXTENDED | frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)

#: Units of a single-part message, and of each part of a longer one.
_ROOM: Final[dict[Encoding, tuple[int, int]]] = {GSM7: (160, 153), UCS2: (70, 67)}

_LAST_UNIT: Final = "\uffff"


@frozen
class Forcing:
    """
    A character in a text that the GSM alphabet lacks.

    Attributes:
        char: The character, with its combining marks if it has any.
        name: Its name in Unicode, or ``U+0085`` if it has none.
        positions: Where it is: offsets in characters, from 0.
        swap: What to write instead, in the GSM alphabet; empty if it can be left out, None if
            nothing means the same.
    """

    char: str
    name: str
    positions: tuple[int, ...]
    swap: str | None

    @property
    def count(self) -> int:
        """How often it appears in the text."""
        return len(self.positions)

    def to_dict(self) -> dict[str, object]:
        """Return character, name, count and swap, ready for JSON."""
        return {"char": self.char, "name": self.name, "count": self.count, "swap": self.swap}

    def __str__(self) -> str:
        times = "" if self.count == 1 else f", {self.count} times"
        return f"{self.name}{times}: {self._advice()}"

    def _advice(self) -> str:
        if self.swap is None:
            return "nothing else means the same"
        return f"write {_spelt(self.swap)}" if self.swap else "leave it out"


@frozen
class Segments:
    """
    A text as SMS.

    Attributes:
        text: The text; never shown by ``repr``.
        encoding: ``"GSM-7"`` or ``"UCS-2"``.
        units: Septets in GSM-7, UTF-16 code units in UCS-2.
        joints: Where each part after the first begins: offsets in characters.
    """

    text: str = field(repr=False)
    encoding: Encoding
    units: int
    joints: tuple[int, ...]

    @property
    def segments(self) -> int:
        """The number of parts, at least 1."""
        return len(self.joints) + 1

    @property
    def room(self) -> int:
        """Units that fit into this number of segments."""
        alone, part = _ROOM[self.encoding]
        return part * self.segments if self.joints else alone

    @property
    def is_forced(self) -> bool:
        """Whether a character forces UCS-2."""
        return self.encoding == UCS2

    @property
    def parts(self) -> tuple[str, ...]:
        """The text, split at the joints."""
        edges = (0, *self.joints, len(self.text))
        return tuple(self.text[a:b] for a, b in itertools.pairwise(edges))

    @property
    def forcing(self) -> tuple[Forcing, ...]:
        """The characters that force UCS-2, each once, in order of appearance; empty in GSM-7."""
        starts_by_cluster: dict[str, list[int]] = {}
        for start, cluster in _foreign(self.text):
            starts_by_cluster.setdefault(cluster, []).append(start)
        return tuple(
            Forcing(char, name_of(char), tuple(starts), _swap(char))
            for char, starts in starts_by_cluster.items()
        )

    @property
    def swapped(self) -> str:
        """The text with all swaps applied; characters without one stay."""
        foreign = {cluster: _swap(cluster) for _, cluster in _foreign(self.text)}
        return _replaced(self.text, {old: new for old, new in foreign.items() if new is not None})

    @property
    def segments_swapped(self) -> int:
        """How many segments `swapped` takes."""
        return count(self.swapped).segments

    def to_dict(self) -> dict[str, object]:
        """Return everything except the text itself, ready for JSON."""
        return {
            "segments": self.segments,
            "encoding": self.encoding,
            "units": self.units,
            "joints": list(self.joints),
            "forcing": [forcing.to_dict() for forcing in self.forcing],
            "swapped": self.swapped,
            "segments_swapped": self.segments_swapped,
        }

    def __str__(self) -> str:
        plural = "" if self.segments == 1 else "s"
        size = f"{self.segments} segment{plural}, {self.encoding}, {self.units} of {self.room}"
        swapped = self.segments_swapped
        return f"{size}; {swapped} with other characters" if swapped < self.segments else size


def count(text: str) -> Segments:
    """
    Count the segments of *text*, at least 1.

    Raises:
        TypeError: *text* is not a string.
    """
    used = _characters(text)
    if used <= _GSM:
        wide = sum(map(text.count, used & _EXTENDED))
        return _cut(text, GSM7, wide, _EXTENDED.__contains__)
    wide = sum(map(_is_pair, text)) if _is_pair(max(used)) else 0
    return _cut(text, UCS2, wide, _is_pair)


def _characters(text: object) -> set[str]:
    if not isinstance(text, str):
        msg = f"text must be a string, not {type(text).__name__}"
        raise TypeError(msg)
    return set(text)


def _cut(text: str, encoding: Encoding, wide: int, is_wide: Callable[[str], bool]) -> Segments:
    units = len(text) + wide
    alone, part = _ROOM[encoding]
    if units <= alone:
        return Segments(text, encoding, units, ())
    joints = _joints(text, part, is_wide) if wide else range(part, len(text), part)
    return Segments(text, encoding, units, tuple(joints))


def _joints(text: str, room: int, is_wide: Callable[[str], bool]) -> Iterator[int]:
    used = 0
    for position, char in enumerate(text):
        width = 1 + is_wide(char)
        if used + width > room:
            yield position
            used = 0
        used += width


def _is_pair(char: str) -> bool:
    return char > _LAST_UNIT


def _foreign(text: str) -> list[tuple[int, str]]:
    """Return what is outside the alphabet, with offsets; marks stay with their base."""
    outside = set(text) - _GSM
    if any(map(may_join, outside)):
        return [(start, one) for start, one in clusters(text) if not _GSM.issuperset(one)]
    return [(position, char) for position, char in enumerate(text) if char in outside]


@functools.lru_cache(1024)
def _swap(cluster: str) -> str | None:
    return swap_for(cluster, _GSM.issuperset)


def _replaced(text: str, swaps: dict[str, str]) -> str:
    if not any(map(may_join, set(text) - _GSM)):
        return text.translate({ord(old): new for old, new in swaps.items()})
    return "".join(swaps.get(cluster, cluster) for _, cluster in clusters(text))


def _spelt(swap: str) -> str:
    """Show a swap on any stream: by name unless it is printable ASCII."""
    is_clear = swap.isascii() and swap.isprintable() and swap != " "
    return swap if is_clear else name_of(swap)
