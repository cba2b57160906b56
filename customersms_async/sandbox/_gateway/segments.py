"""
How many segments a text takes when it is sent as SMS.

Source: 3GPP TS 23.038, 6.2.1 (the GSM 7-bit default alphabet and its extension table, in which a
character takes two septets) and 6.2.3 (UCS-2); 3GPP TS 23.040, 9.2.3.24.1 (what a concatenated
message leaves for text): 160 septets or 70 UTF-16 code units alone, 153 or 67 in each of several.
"""

from collections.abc import Iterable

__all__ = ["BY_SEGMENT", "count_segments"]

#: The price that counts segments.
BY_SEGMENT = "segment"

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")

#: Units of a message that is alone, and of each part of a longer one.
SEPTETS, UNITS = (160, 153), (70, 67)

_LAST_UNIT = 0xFFFF


def count_segments(text: str) -> int:
    """Count the segments of a text, at least 1; no escape sequence or surrogate pair is split."""
    if set(text) <= _BASIC | _EXTENDED:
        return _count([1 + (one in _EXTENDED) for one in text], *SEPTETS)
    return _count([1 + (ord(one) > _LAST_UNIT) for one in text], *UNITS)


def _count(widths: list[int], alone: int, part: int) -> int:
    return 1 if sum(widths) <= alone else _packed(widths, part)


def _packed(widths: Iterable[int], room: int) -> int:
    segments, used = 1, 0
    for width in widths:
        if used + width > room:
            segments, used = segments + 1, 0
        used += width
    return segments
