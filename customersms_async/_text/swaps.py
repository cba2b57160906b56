"""
Replacements for characters outside the GSM alphabet.

Rules of this module:

1. A swap means the same: another form of a quotation mark, a dash, a space; a letter without its
   accent. If nothing does (emoji, other scripts), there is none. A number is never changed: a
   superscript 2 or a half, written as plain digits after another digit, would be another number.
2. Compatibility forms (ligatures, full width, accents) come from Unicode's tables; the rest is in
   our own table.
3. A base and its combining marks are one unit, and so is an emoji sequence: half of it would mean
   something else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Final

__all__ = ["clusters", "may_join", "name_of", "swap_for"]

_JOINER: Final = "\u200d"

#: What to write, and instead of which.
_INSTEAD: Final = {
    "'": "\u2018\u2019\u201a\u201b\u2032\u2035\u2039\u203a\u02b9\u02bb\u02bc\u00b4`",
    '"': "\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2022\u2212",
    " ": "\t",
    "\n": "\u2028\u2029\u0085\v",
    ".": "\u00b7",
    "/": "\u2044\u2215\u00f7",
    "<=": "\u2264",
    ">=": "\u2265",
    "->": "\u2192",
    "<-": "\u2190",
    "(c)": "\u00a9",
    "(r)": "\u00ae",
    "x": "\u00d7",
    "u": "\u00b5",
    # Letters that Unicode does not decompose.
    "d": "\u0111\u00f0",
    "D": "\u0110\u00d0",
    "h": "\u0127",
    "i": "\u0131",
    "l": "\u0142",
    "L": "\u0141",
    "t": "\u0167",
    "th": "\u00fe",
    "TH": "\u00de",
    "oe": "\u0153",
    "OE": "\u0152",
    "\u00df": "\u1e9e",
    # Greek has capitals only: ten are in the GSM alphabet, the others look like Latin ones.
    "A": "\u0391\u03b1",
    "B": "\u0392\u03b2",
    "E": "\u0395\u03b5",
    "H": "\u0397\u03b7\u0126",
    "I": "\u0399\u03b9",
    "K": "\u039a\u03ba",
    "M": "\u039c\u03bc",
    "N": "\u039d\u03bd",
    "O": "\u039f\u03bf",
    "P": "\u03a1\u03c1",
    "T": "\u03a4\u03c4\u0166",
    "X": "\u03a7\u03c7",
    "Y": "\u03a5\u03c5",
    "Z": "\u0396\u03b6",
    "\u0393": "\u03b3",
    "\u0394": "\u03b4",
    "\u0398": "\u03b8",
    "\u039b": "\u03bb",
    "\u039e": "\u03be",
    "\u03a0": "\u03c0",
    "\u03a3": "\u03c3\u03c2",
    "\u03a6": "\u03c6",
    "\u03a8": "\u03c8",
    "\u03a9": "\u03c9",
}
_SWAPS: Final = {char: swap for swap, chars in _INSTEAD.items() for char in chars}

#: Marks, control and format characters: not visible on their own.
_UNSEEN: Final = frozenset({"Mn", "Me", "Cc", "Cf"})


def may_join(char: str) -> bool:
    """Whether *char* may form a unit with its neighbours."""
    return char >= "\u0300" and (_is_attached(char) or _is_regional(char))


def clusters(text: str) -> Iterator[tuple[int, str]]:
    """Split a non-empty *text* into units that are read as one, each with its offset."""
    start = 0
    for position in range(1, len(text)):
        if not _is_continued(text[start:position], text[position]):
            yield start, text[start:position]
            start = position
    yield start, text[start:]


def _is_continued(cluster: str, char: str) -> bool:
    if char < "\u0300":
        return cluster[-1] == _JOINER
    is_flag = _is_regional(char) and len(cluster) == 1 and _is_regional(cluster)
    return is_flag or _is_attached(char) or cluster[-1] == _JOINER


def _is_attached(char: str) -> bool:
    """Whether *char* belongs to the one before it: a mark, a joiner, a skin tone, a tag."""
    is_of_emoji = "\U0001f3fb" <= char <= "\U0001f3ff" or "\U000e0020" <= char <= "\U000e007f"
    return is_of_emoji or char == _JOINER or unicodedata.category(char)[0] == "M"


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def swap_for(cluster: str, is_plain: Callable[[str], bool]) -> str | None:
    """
    Find what to write instead of *cluster*.

    Args:
        cluster: A character outside the alphabet, with what belongs to it.

        is_plain: Whether a text is within the alphabet.

    Returns:
        A text within the alphabet, empty if the character can be left out; None if there is none.
    """
    swaps = [_swap(char, is_plain) for char in unicodedata.normalize("NFC", cluster)]
    known = [swap for swap in swaps if swap is not None]
    return "".join(known) if len(known) == len(swaps) else None


def _swap(char: str, is_plain: Callable[[str], bool]) -> str | None:
    if is_plain(char):
        return char
    if char in _SWAPS:
        return _SWAPS[char]
    category = unicodedata.category(char)
    if category in _UNSEEN:
        return ""
    if category in ("No", "Nl", "Nd"):
        return None
    return _by_unicode(char, is_plain)


def _by_unicode(char: str, is_plain: Callable[[str], bool]) -> str | None:
    """Decompose *char* by Unicode's tables, and drop the accents."""
    parts = unicodedata.normalize("NFKD", char)
    bare = "".join(part for part in parts if unicodedata.category(part) != "Mn")
    plain = "".join(_SWAPS.get(part, part) for part in bare)
    return plain if plain and is_plain(plain) else None


def name_of(cluster: str) -> str:
    """Name each character of *cluster*, joined by a plus; ``U+0085`` if it has no name."""
    return " + ".join(unicodedata.name(char, f"U+{ord(char):04X}") for char in cluster)
